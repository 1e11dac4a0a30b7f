"""fuse: pointwise ops and reductions of one iteration space become one `fusion`.

Three kinds, made in this order. "row": several reductions over the same rows with the pointwise ops
around them (`fuse_rows`). "reduce": a reduction with the pointwise ops that compute its input; its
result is the only output. "loop": pointwise ops whose outputs have one shape (`fuse_loops`). No
intermediate is stored but what is read outside.
"""

from __future__ import annotations

from ..cost import cost_of
from ..program import Block, OpDesc, Program
from .fuse_loops import fuse_loops
from .fuse_rows import fuse_rows
from .fusion import (
    MAX_OPS,
    REDUCTIONS,
    Readers,
    drop_unread,
    is_fusible,
    make_fusion,
    unfused_blocks,
)

# What a reduction may compute again, in multiplications per element: less than a load and a store.
MAX_COPIED_COST = 8


class Fuse:
    """Rows first; then reductions take their prologue; what remains is grouped into loops."""

    name = "fuse"

    def run(self, program: Program) -> bool:
        changed = [self._block(block) for block in unfused_blocks(program)]
        return any(changed)

    def _block(self, block: Block) -> bool:
        changed = fuse_rows(block) | _fuse_reductions(block) | fuse_loops(block)
        if changed:
            drop_unread(block)
        return changed


def _fuse_reductions(block: Block) -> bool:
    """Give each reduction that is none of a row its prologue.

    A pointwise op whose value is read elsewhere too is computed again there where that is cheap (an
    addition, not an exp), else it stays outside.
    """
    readers = Readers(block)
    changed = False
    for index, op in enumerate(block.ops):
        if op.type in REDUCTIONS and len(op.in_vars) == 1:
            prologue = _prologue(op, readers)
            if prologue:
                block.ops[index] = make_fusion(block, [*prologue, op], "reduce", op.out_vars)
                changed = True
    if changed:
        drop_unread(block)
    return changed


def _prologue(reduction: OpDesc, readers: Readers) -> list[OpDesc]:
    """The pointwise ops to compute inside the reduction's loop, in order.

    Those that nothing else reads, and copies of some others, as far as they are worth it.
    """
    space = reduction.in_vars[0].shape
    own, copies, budget = {reduction}, set[OpDesc](), MAX_COPIED_COST
    pending = {reduction.in_vars[0].op}
    while pending and len(own) + len(copies) <= MAX_OPS:
        # The last one first: then all its readers have been looked at.
        op = max(pending, key=lambda one: readers.position.get(one, -1) if one else -1)
        pending.discard(op)
        if op is None or op not in readers.position:
            continue
        if not is_fusible(op) or op.output().shape != space:
            continue
        if readers.all_among(op.output(), own):
            own.add(op)
        elif _saves_loads(op) and (budget := budget - cost_of(op)) >= 0:
            copies.add(op)
        else:
            continue
        pending.update(var.op for var in op.in_vars)
    return sorted((own | copies) - {reduction}, key=readers.position.__getitem__)


def _saves_loads(op: OpDesc) -> bool:
    """Whether the op reads at most one tensor as large as its output: a copy loads no more."""
    return sum(var.shape == op.output().shape for var in op.in_vars) <= 1
