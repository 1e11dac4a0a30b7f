"""Whether an op may compute a value where another one lies.

Loops ask it. A carry has one home for the whole loop; what a round leaves there is computed in the
home itself where nothing reads the old value afterwards, and the op that computes it reads the old
value only at the index at which it writes. Then a write to a row of a carried array costs one row;
else the result lies elsewhere, and is copied home at the end of each round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from wherry.ir.program import Block, OpDesc, Variable

from .kernels.registry import find_lowering
from .kernels.views import VIEWS

Place = TypeVar("Place")
Span = tuple[int, int]


@dataclass
class Uses(Generic[Place]):
    """The positions of ops and blocks, and who reads which place where.

    `where` tells the place of a Variable.
    """

    where: Callable[[Variable], Place]
    ops: dict[OpDesc, Span] = field(default_factory=dict)
    blocks: dict[Block, Span] = field(default_factory=dict)
    reads: dict[Place, list[tuple[int, OpDesc | None]]] = field(default_factory=dict)

    def read(self, place: Place, position: int, op: OpDesc | None) -> None:
        """The op reads what lies there; None where it is a result of the block that ends."""
        self.reads.setdefault(place, []).append((position, op))

    def may_replace(self, var: Variable, old: Place, span: Span) -> bool:
        """Whether the op of `var` can compute it where `old` lies.

        The span is that of the block in which the op stands: what is read elsewhere is no matter.
        """
        op = var.op
        if op is None or op not in self.ops:
            return False
        first, last = self.ops[op]
        reads = [read for read in self.reads.get(old, []) if span[0] <= read[0] <= span[1]]
        if any(at > last for at, _ in reads):
            return False
        inside = [read for read in reads if read[0] >= first]
        if not inside:
            return True
        if op.type == "cond":
            return self._branches(op, var, old)
        if op.type == "while":
            # It is the carry's start, and no more; what the loop only reads is read in its end too.
            start = op.inputs["X"][op.out_vars.index(var)]
            return self.where(start) is old and all(at == first for at, _ in inside)
        return in_step(op, var, [v for v in op.in_vars if self.where(v) is old])

    def _branches(self, op: OpDesc, out: Variable, old: Place) -> bool:
        index = op.out_vars.index(out)
        blocks: list[Block] = [op.attrs["true_block"], op.attrs["false_block"]]
        return all(self._branch(block, block.results[index], out, old) for block in blocks)

    def _branch(self, block: Block, result: Variable, out: Variable, old: Place) -> bool:
        place, span = self.where(result), self.blocks[block]
        if place is old:
            return True
        if place is self.where(out):
            return self.may_replace(origin(result), old, span)
        # It is copied when the branch ends, when nothing else may still wait to be copied.
        return all(at < span[1] for at, _ in self.reads.get(old, []) if span[0] <= at <= span[1])


def origin(var: Variable) -> Variable:
    """The value that this one is a view of."""
    while var.op is not None and var.op.type in VIEWS:
        var = var.op.in_vars[0]
    return var


def in_step(op: OpDesc, out: Variable, readers: list[Variable]) -> bool:
    """Whether the op reads these inputs only at the index at which it writes `out`."""
    found = set(find_lowering(op).inplace(op))
    return all(
        var in found and var.shape == out.shape and var.dtype.itemsize == out.dtype.itemsize
        for var in readers
    )
