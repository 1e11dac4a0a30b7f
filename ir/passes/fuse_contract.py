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
from .fusion import is_fusible, make_fusion

# The ops whose lowerings give their results to an epilogue.
HEADS: Final = frozenset(
    {"matmul_v2", "conv2d", "conv2d_blocked", "conv2d_planes", "depthwise_blocked"}
)
MAX_OPS = 24
MAX_OPERANDS = 8
# An integer division by zero stops the call with an error; in registers nobody looks for it.
_MAY_FAIL = frozenset({"elementwise_floordiv", "elementwise_mod"})


class FuseContract:
    """Runs before `fuse`, which makes loops of what is left."""

    name = "fuse_contract"

    def run(self, program: Program) -> bool:
        fused = {sub for op in program.all_ops() if op.type == "fusion" for sub in op.blocks}
        changed = [_fuse(block) for block in live_blocks(program) if block not in fused]
        return any(changed)


def _fuse(block: Block) -> bool:
    heads = [op for op in block.ops if op.type in HEADS]
    found = [head for head in heads if _fuse_head(block, head)]
    return bool(found)


def _fuse_head(block: Block, head: OpDesc) -> bool:
    users = block.users()
    position = {op: place for place, op in enumerate(block.ops)}
    group = _grow(head, users, position)
    if len(group) == 1:
        return False
    inside = set(group)
    values = [var for op in group for var in op.out_vars]
    outputs = [v for v in values if v in block.results or not inside.issuperset(users.get(v, []))]
    fusion = make_fusion(block, group, "contract", outputs)
    block.ops[:] = [
        fusion if op is group[-1] else op for op in block.ops if op not in inside or op is group[-1]
    ]
    for var in values:
        if var not in outputs:
            block.drop_var(var)
    return True


def _grow(
    head: OpDesc, users: dict[Variable, list[OpDesc]], position: dict[OpDesc, int]
) -> list[OpDesc]:
    """The head and the pointwise ops that may follow it, in order."""
    group, shape = [head], head.out_vars[0].shape
    made, operands = {head.out_vars[0]}, set[Variable]()
    outside = len(position)  # where the first op that stays outside reads a value of the group
    pending = set(users.get(head.out_vars[0], []))
    while pending and len(group) <= MAX_OPS:
        op = min(pending, key=position.__getitem__)
        pending.discard(op)
        more = operands.union(op.in_vars) - made
        fits = is_fusible(op) and op.type not in _MAY_FAIL and op.output().shape == shape
        if position[op] > outside or not fits or len(more) > MAX_OPERANDS:
            outside = min(outside, position[op])
            continue
        group.append(op)
        made.add(op.output())
        operands = more
        pending.update(users.get(op.output(), []))
    return group
