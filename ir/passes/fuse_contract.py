"""fuse_contract: the pointwise ops behind a contraction are applied to its results in registers.

    h = matmul_v2(x, w)
    s = elementwise_add(h, bias)        ->      out = fusion(x, w, bias, kind="contract", ...)
    out = relu(s)

The fusion takes the place of its last op, so that all that the ops read beside the contraction's
value (a bias, a residual) is there. Whatever else reads a value of it must come later.
"""

from __future__ import annotations

from typing import Final

from ..program import Block, OpDesc, Program, Variable
from .base import live_blocks
from .fusion import is_fusible, make_fusion, may_fail

# The ops whose lowerings give their results to an epilogue.
HEADS: Final = frozenset(
    {
        "matmul_v2",
        "matmul_panels",
        "conv2d",
        "conv2d_input_grad",
        "conv2d_blocked",
        "conv2d_planes",
        "depthwise_blocked",
        "interleave_planes",
    }
)
MAX_OPS = 24
MAX_OPERANDS = 8


class FuseContract:
    """Runs before `fuse`, which makes loops of what is left."""

    name = "fuse_contract"

    def run(self, program: Program) -> bool:
        fused = {sub for op in program.all_ops() if op.type == "fusion" for sub in op.blocks}
        changed = [_fuse(block) for block in live_blocks(program) if block not in fused]
        return any(changed)


def _fuse(block: Block) -> bool:
    users = {var: set(ops) for var, ops in block.users().items()}
    position = {op: place for place, op in enumerate(block.ops)}
    fused: dict[OpDesc, OpDesc] = {}
    for head in [op for op in block.ops if op.type in HEADS]:
        group = _grow(head, users, position)
        if len(group) > 1:
            fusion = _fuse_group(block, group, users)
            position[fusion] = position[group[-1]]
            fused.update(dict.fromkeys(group, fusion))
    last = {position[fusion] for fusion in fused.values()}
    block.ops[:] = [
        fused.get(op, op) for op in block.ops if op not in fused or position[op] in last
    ]
    return bool(fused)


def _fuse_group(block: Block, group: list[OpDesc], users: dict[Variable, set[OpDesc]]) -> OpDesc:
    """The fusion of these ops; it is not among the block's ops yet."""
    inside = set(group)
    values = [var for op in group for var in op.out_vars]
    outputs = [v for v in values if v in block.results or not users.get(v, set()) <= inside]
    fusion = make_fusion(block, group, "contract", outputs)
    for var in values:
        if var not in outputs:
            block.drop_var(var)
    for var in fusion.in_vars:
        users[var] = users[var] - inside | {fusion}
    for var in outputs:
        users[var] = users.get(var, set()) - inside
    return fusion


def _grow(
    head: OpDesc, users: dict[Variable, set[OpDesc]], position: dict[OpDesc, int]
) -> list[OpDesc]:
    """The head and the pointwise ops that may follow it, in order."""
    group, shape = [head], head.out_vars[0].shape
    made, operands = {head.out_vars[0]}, set[Variable]()
    outside = len(position)  # where the first op that stays outside reads a value of the group
    pending = set(users.get(head.out_vars[0], ()))
    while pending and len(group) <= MAX_OPS:
        op = min(pending, key=position.__getitem__)
        pending.discard(op)
        more = operands.union(op.in_vars) - made
        # In registers nobody looks for an error.
        fits = is_fusible(op) and not may_fail(op) and op.output().shape == shape
        if position[op] > outside or not fits or len(more) > MAX_OPERANDS:
            outside = min(outside, position[op])
            continue
        group.append(op)
        made.add(op.output())
        operands = more
        pending.update(users.get(op.output(), ()))
    return group
