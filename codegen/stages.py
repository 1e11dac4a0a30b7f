"""How a block of ops over rows becomes passes over each row.

The ops of such a block are pointwise ops and reductions over the shape of whole rows, and ops on
one value per row. What a reduction gives is there after the pass that its input is computed in; a
value of whole rows that a later pass needs too is computed again where that is cheap, and else kept
in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wherry.ir.cost import cost_of
from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.opdef import get_op
from wherry.ir.program import OpDesc, Variable

from .formula import CONSTANT, register_bytes
from .reduction import KINDS, Reduction

# What a later pass computes again rather than loading it, in multiplications per element.
MAX_AGAIN = 8


@dataclass
class Stage:
    """One pass: what it computes of each element, what it reads and needs of the row for that."""

    roots: list[Variable] = field(default_factory=list)
    row_values: list[Variable] = field(default_factory=list)
    demanded: list[Variable] = field(default_factory=list)
    read: set[Variable] = field(default_factory=set)


class RowPlan:
    """The passes over the rows of a block.

    `kept` says for a value of whole rows that is read in a later pass where it waits: at the place
    of a result (itself or another one), or, where that is None, in a row of scratch memory.
    """

    def __init__(
        self, args: Sequence[Variable], ops: Sequence[OpDesc], results: Sequence[Variable]
    ) -> None:
        self.args, self.ops, self.results = args, ops, results
        self.made = {op.out_vars[0]: op for op in ops}
        self.reductions = {var: Reduction.of(op) for var, op in self.made.items() if reduces(op)}
        first = next(iter(self.reductions.values()))
        self.shape, self.axes, self.kept_shape = first.shape, first.axes, first.kept_shape
        self.ready = self._ready()
        self.kept: dict[Variable, Variable | None] = {}
        self._first_pass: dict[Variable, int] = {}
        self.stages = self._stages()
        self._keep()

    def is_full(self, var: Variable) -> bool:
        """Whether it is a computed value that has an element for each of the rows' elements."""
        return var in self.made and self.is_map(var) and var.shape == self.shape

    def is_map(self, var: Variable) -> bool:
        return get_op(self.made[var].type).is_map

    def _ready(self) -> dict[Variable, int]:
        """The first pass in which each computed value can be known."""
        ready: dict[Variable, int] = {}
        for var, op in self.made.items():
            inputs = max((ready.get(v, 0) for v in op.in_vars), default=0)
            ready[var] = inputs + 1 if var in self.reductions else inputs
        return ready

    def stage_of(self, reduction: Variable) -> int:
        """The pass in which this reduction is done."""
        return self.ready[reduction] - 1

    def _stages(self) -> list[Stage]:
        roots = [(self.stage_of(var), self.made[var].in_vars[0]) for var in self.reductions]
        roots += [(self.ready[var], var) for var in self.results if self.is_full(var)]
        stages = [Stage() for _ in range(1 + max(number for number, _ in roots))]
        for number, var in roots:
            if var not in stages[number].roots:
                stages[number].roots.append(var)
        for number, stage in enumerate(stages):
            self._demand(number, stage)
        return stages

    def _demand(self, number: int, stage: Stage) -> None:
        """Find what the roots of a pass need, down to what is in memory."""
        stage.demanded, stage.row_values, stage.read = [], [], set()

        def walk(var: Variable) -> None:
            if var in stage.demanded or var in stage.row_values:
                return
            if var not in self.made:
                stage.read.add(var)
            elif self.is_full(var):
                if not self.is_loaded(var, number):
                    for before in self.made[var].in_vars:
                        walk(before)
                    stage.demanded.append(var)
            elif self.made[var].type != CONSTANT:
                stage.row_values.append(var)

        for root in stage.roots:
            walk(root)

    def is_loaded(self, var: Variable, number: int) -> bool:
        """Whether a pass finds the value in memory."""
        return var in self.kept and self._first_pass[var] < number

    def _keep(self) -> None:
        """Choose what is kept in memory, in the order of the ops."""
        for var in self.made:
            numbers = [n for n, stage in enumerate(self.stages) if var in stage.demanded]
            if len(numbers) < 2 or (var not in self.results and self._cost(var) <= MAX_AGAIN):
                continue
            self._first_pass[var] = numbers[0]
            self.kept[var] = var if var in self.results else self._free_result(var, numbers[-1])
            for number, stage in enumerate(self.stages):
                self._demand(number, stage)

    def _cost(self, var: Variable) -> int:
        """What computing a value again costs, where what is in memory costs a load."""
        if not self.is_full(var) or var in self.kept:
            return 1
        op = self.made[var]
        return cost_of(op) + sum(map(self._cost, set(op.in_vars)))

    def _free_result(self, var: Variable, last: int) -> Variable | None:
        """A result whose memory is written when the value has been read for the last time."""
        taken = {*self.kept, *self.kept.values()}
        free = (
            one
            for one in self.results
            if self.is_full(one) and one not in taken and self.ready[one] >= last
        )
        return next((one for one in free if one.dtype.itemsize == var.dtype.itemsize), None)

    def stored(self, number: int) -> list[Variable]:
        """The values of whole rows that a pass writes to memory."""
        kept = [var for var, first in self._first_pass.items() if first == number]
        results = [v for v in self.results if self.is_full(v) and self.ready[v] == number]
        return list(dict.fromkeys([*kept, *results]))

    def overwritable(self) -> list[Variable]:
        """The arguments of whole rows that are not read after an element's place is written."""
        numbers = range(len(self.stages))
        written = [
            n for n in numbers if any(self.kept.get(v, v) is not None for v in self.stored(n))
        ]
        first = min(written, default=len(self.stages))
        late = {var for stage in self.stages[first + 1 :] for var in stage.read}
        return [var for var in self.args if var.shape == self.shape and var not in late]

    def cost(self, number: int) -> int:
        """What a pass computes per element, in multiplications."""
        return sum(cost_of(self.made[var]) for var in self.stages[number].demanded)

    def scratch_rows(self) -> dict[Variable, Dim]:
        """Where in the scratch memory, in bytes, the values lie that no result has room for."""
        places: dict[Variable, Dim] = {}
        start: Dim = 0
        for var in (var for var, place in self.kept.items() if place is None):
            places[var] = start
            start = start + self._row_bytes(var)
        return places

    def scratch_bytes(self) -> Dim | None:
        """The scratch memory that one row needs."""
        sizes = [self._row_bytes(var) for var, place in self.kept.items() if place is None]
        return sum(sizes, start=0) if sizes else None

    def _row_bytes(self, var: Variable) -> Dim:
        size = product([self.shape[axis] for axis in self.axes])
        return (size * var.dtype.itemsize + 63) // 64 * 64

    def register_bytes(self) -> int:
        """The size of the largest value in the passes."""
        values = [v for stage in self.stages for v in stage.demanded]
        values += [v for var in values for v in self.made[var].in_vars]
        values += [v for stage in self.stages for v in stage.roots]
        sums = [reduction.dtype for reduction in self.reductions.values()]
        return register_bytes(*sums, *(var.dtype for var in values))

    def squeezed(self, shape: Shape) -> Shape:
        """The shape of an operand of ops on one value per row, without the reduced axes, with them.

        [C] beside rows of [N, C, H, W] over N, H and W is [1, C, 1, 1].
        """
        kept = len(self.shape) - len(self.axes)
        sizes = iter((1,) * (kept - len(shape)) + tuple(shape))
        return tuple(1 if axis in self.axes else next(sizes) for axis in range(len(self.shape)))


def reduces(op: OpDesc) -> bool:
    return op.type in KINDS
