"""The row kernel: pointwise ops and reductions over rows, a few passes over each row in turn.

A row is read from memory once and stays in the cache for the passes after the first; what they
compute is written once. See `wherry.codegen.stages` for what a pass does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc, Variable
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import float16, uint8

from ..builder import KernelBuilder
from ..formula import CONSTANT, constant, fused
from ..index import Index
from ..lanes import Lanes, Place, splat
from ..nest import rounds, vectors
from ..operand import Operand
from ..order import by_need, needs_of
from ..reduction import Partials
from ..space import Space
from ..stages import RowPlan
from .pointwise import check_divisions, place_along

# A pass that costs at most so much per element holds its partial results in registers; up to the
# second cost where they are few, for the code of a vector stands there for each of them.
CHEAP, MODERATE = 12, 32
# What stays in the cache where the registers hold some of the partial results only, and it is read
# again for others.
PIECE = 4096

# Of a longer row nothing is asked for ahead: it would drive out the row at hand.
MOST_AHEAD = 1 << 14

OWN, SQUEEZED = "own", "squeezed"


def emit_rows(
    kb: KernelBuilder,
    args: Sequence[Variable],
    ops: Sequence[OpDesc],
    results: Sequence[Variable],
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
) -> None:
    """The kernel of these ops; the last axis longer than 1 is one that they reduce."""
    plan = RowPlan(args, ops, results)
    rows = _Rows(kb, plan, dict(zip(args, inputs, strict=True)),
                 dict(zip(results, outputs, strict=True)))  # fmt: skip
    space = rows.space
    if space.uncertain:
        fast, slow = partial(rows.emit, space.expanded(), True), partial(rows.emit, space, False)
        kb.either(space.nothing_broadcasts(kb), fast, slow)
    else:
        rows.emit(space, True)


class _Rows:
    """Emits the passes; `entries` numbers the operands of the space."""

    def __init__(
        self,
        kb: KernelBuilder,
        plan: RowPlan,
        inputs: dict[Variable, Operand],
        outputs: dict[Variable, Operand],
    ) -> None:
        self.kb, self.plan, self.inputs, self.outputs = kb, plan, inputs, outputs
        self.width = kb.machine.vector_bytes // plan.register_bytes()
        shapes = self._shapes()
        self.entries = {key: number for number, key in enumerate(shapes)}
        reduced = [axis in plan.axes for axis in range(len(plan.shape))]
        self.space = Space(plan.shape, list(shapes.values()), reduced)
        self.rows: dict[Variable, Scalar] = {}
        self.needs = needs_of([op for var, op in plan.made.items() if plan.is_map(var)])

    def _shapes(self) -> dict[tuple[Variable | None, str], Shape]:
        """How each operand lies in the rows' shape; None stands for one value per row."""
        plan = self.plan
        shapes: dict[tuple[Variable | None, str], Shape] = {(None, OWN): plan.kept_shape}
        for out, op in plan.made.items():
            if out in plan.reductions:
                form, read = OWN, op.in_vars[:1]
            else:
                form, read = self.form(out), op.in_vars
            for var in (var for var in read if var in self.inputs):
                shapes[var, form] = plan.squeezed(var.shape) if form == SQUEEZED else var.shape
        for var in self.outputs:
            if plan.is_full(var):
                shapes[var, OWN] = plan.shape
        return shapes

    def form(self, var: Variable) -> str:
        """How the inputs of the op that computes this value lie in the rows' shape."""
        return OWN if len(var.shape) == len(self.plan.shape) else SQUEEZED

    def emit(self, space: Space, parallel: bool) -> None:
        """One version of the kernel."""
        kb, axes = self.kb, space.axes
        self.strides = [space.strides(kb, number) for number in range(len(self.entries))]
        self.size: Dim = axes[-1].size
        self.inner = [n for n, axis in enumerate(axes[:-1]) if axis.tag]
        self.inner_sizes = [axes[n].size for n in self.inner]
        kept = [n for n, axis in enumerate(axes) if not axis.tag]
        with rounds(kb, [axes[n].size for n in kept], parallel) as found:
            index: list[Index] = [0] * (len(axes) - 1)
            for number, i in zip(kept, found, strict=True):
                index[number] = i
            self.row(index)

    def row(self, index: list[Index]) -> None:
        """All passes over one row, and what there is one of per row."""
        self.index, self.rows = index, {}
        for number in range(len(self.plan.stages)):
            self.stage(number)
        for var, out in self.outputs.items():
            if not self.plan.is_full(var):
                place, _ = self.place((None, OWN), index, 0)
                out.store_at(self.row_value(var, OWN), place(0))

    def stage(self, number: int) -> None:
        kb, plan = self.kb, self.plan
        for var in plan.stages[number].row_values:
            self.row_value(var, OWN)
        done = [var for var in plan.reductions if plan.stage_of(var) == number]
        partials = [Partials(kb, plan.reductions[v], self.size, self.width) for v in done]
        for one in partials:
            one.reset()
        reduced = [plan.made[var].in_vars[0] for var in done]
        with kb.nest(self.inner_sizes) as outer:
            index = list(self.index)
            for place, i in zip(self.inner, outer, strict=True):
                index[place] = i
            step = _Pass(self, number, index, kb.offset(outer, self._inner_strides()))
            self.along(partials, lambda lanes, i: step.values(lanes, i, reduced), number)
        for var, one in zip(done, partials, strict=True):
            self.rows[var] = one.result()

    def _inner_strides(self) -> list[Index]:
        """The elements of a row from one round of each inner loop to the next."""
        sizes = [*self.inner_sizes, self.size]
        return [self.kb.dim(product(sizes[n + 1 :])) for n in range(len(self.inner_sizes))]

    def along(
        self,
        partials: Sequence[Partials],
        values: Callable[[Lanes, Index], Sequence[Scalar]],
        number: int,
    ) -> None:
        """One run: `values(lanes, i)` for each of its vectors, added to the partial results."""
        kb, size = self.kb, self.kb.dim(self.size)
        start: Index = 0
        together = self._together(partials, number)
        if together:
            block = _block_of(partials)
            start = kb.mul(kb.div(size, block), block)
            self._blocks(partials, values, start, together)

        def body(lanes: Lanes, i: Index) -> None:
            for one, value in zip(partials, values(lanes, i), strict=True):
                one.add(lanes, i, value)

        rest = size % self.width if isinstance(size, int) else None
        vectors(kb, start, size, self.width, body, rest)

    def _blocks(
        self,
        partials: Sequence[Partials],
        values: Callable[[Lanes, Index], Sequence[Scalar]],
        stop: Index,
        together: int,
    ) -> None:
        """The part of a run that is whole blocks, with the partial results in registers."""
        kb, period = self.kb, _period_of(partials)
        groups = [range(first, first + together) for first in range(0, period, together)]
        if len(groups) == 1:
            self._block_loop(partials, values, (0, stop), groups[0])
            return
        with kb.loop(stop, 0, PIECE) as first:
            last = kb.minimum(kb.add(first, PIECE), stop)
            for group in groups:
                self._block_loop(partials, values, (first, last), group)

    def _block_loop(
        self,
        partials: Sequence[Partials],
        values: Callable[[Lanes, Index], Sequence[Scalar]],
        span: tuple[Index, Index],
        group: Sequence[int],
    ) -> None:
        """The vectors of each block whose partial results have a number of the group.

        The numbers count for the shortest of the partials; in a longer one some are alike.
        """
        kb, lanes = self.kb, Lanes(self.kb, self.width, self.width)
        block, period = _block_of(partials), _period_of(partials)
        registers = [one.registers([n for n in range(one.vectors) if n % period in group])
                     for one in partials]  # fmt: skip
        with kb.loop(span[1], span[0], block, plain=True) as i:
            for vector in range(block // self.width):
                if vector % period in group:
                    found = values(lanes, kb.add(i, vector * self.width))
                    for one, value in zip(registers, found, strict=True):
                        one.add(vector, lanes, value)
        for one in registers:
            one.keep()

    def _together(self, partials: Sequence[Partials], number: int) -> int:
        """How many numbers of partial results a pass holds in registers at a time; 0: none."""
        size, cost = self.size, self._cost(number)
        if not partials or (isinstance(size, int) and size < 2 * _block_of(partials)):
            return 0
        machine, period = self.kb.machine, _period_of(partials)
        vectors = sum(one.vectors for one in partials)
        if cost <= CHEAP:
            return _fitting(period, machine.row_sums * period // vectors)
        if cost <= MODERATE and vectors <= machine.registers // 8:
            # Half of the registers is for the vectors that LLVM computes side by side.
            need = sum(self.needs.get(root, 1) for root in self.plan.stages[number].roots)
            return _fitting(period, machine.registers // 2 // need)
        return 0

    def _cost(self, number: int) -> int:
        """What a pass costs per element, with the conversions that are no instructions."""
        stage = self.plan.stages[number]
        halves = sum(var.dtype is float16 for var in (*stage.read, *stage.demanded))
        return self.plan.cost(number) + (0 if self.kb.machine.halves else CHEAP * halves)

    def place(
        self, key: tuple[Variable | None, str], index: Sequence[Index], i: Index
    ) -> tuple[Place, int | None]:
        """Where an operand's elements for the vector at element i of a run are."""
        return place_along(self.kb, index, i, self.strides[self.entries[key]])

    def row_value(self, var: Variable, form: str) -> Scalar:
        """A value that there is one of per row; it is computed where it is first needed."""
        kb, plan = self.kb, self.plan
        if var in self.inputs:
            place, _ = self.place((var, form), self.index, 0)
            return self.inputs[var].load_at(place(0))
        if var in self.rows:
            return self.rows[var]
        op = plan.made[var]
        if op.type == CONSTANT:
            return constant(kb.scalars, op)
        if not plan.is_map(var):  # a view
            self.rows[var] = self.row_value(op.in_vars[0], form)
            return self.rows[var]
        inputs = [self.row_value(one, self.form(var)) for one in op.in_vars]
        (self.rows[var],) = fused(kb.scalars, op, inputs)
        kb.check_divisions()
        return self.rows[var]


def _block_of(partials: Sequence[Partials]) -> int:
    """The elements of a run between two looks at the loop's end: one for each partial result."""
    return max(one.lanes for one in partials)


def _period_of(partials: Sequence[Partials]) -> int:
    """How many vectors the shortest partial results are; they have these numbers."""
    return min(one.vectors for one in partials)


def _fitting(period: int, most: int) -> int:
    """The largest part of the period (both powers of 2, and extremes take vectors by twos)."""
    together = min(period, 2)
    while together < period and 2 * together <= most:
        together *= 2
    return together


class _Pass:
    """One pass over a run: `index` holds the loops around it, `base` its place in the row."""

    def __init__(self, rows: _Rows, number: int, index: Sequence[Index], base: Index) -> None:
        self.rows, self.number, self.index, self.base = rows, number, index, base
        self.kb, self.plan = rows.kb, rows.plan
        self.scratch = {
            var: self._scratch_row(var, start) for var, start in self.plan.scratch_rows().items()
        }

    def _scratch_row(self, var: Variable, start: Dim) -> Operand:
        bytes_ = Operand(self.kb, self.kb.scratch, uint8, ())
        return Operand(self.kb, bytes_.address(self.kb.dim(start)), var.dtype, ())

    def values(self, lanes: Lanes, i: Index, reduced: Sequence[Variable]) -> list[Scalar]:
        """Compute and store what the pass computes of a vector; give what is reduced."""
        found: dict[Variable, Scalar] = {}
        stored = self.plan.stored(self.number)
        for var in (*reduced, *stored):
            self.value(var, lanes, i, found)
        check_divisions(lanes, lambda lane: self.kb.add(i, lane))
        if self.number == 1:
            self.ask_ahead(i)
        for var in stored:
            key = var if var in self.rows.outputs else self.plan.kept[var]
            operand, place = self._memory(var, key, i)
            lanes.store(operand, found[var], *place)
        return [found[var] for var in reduced]

    def ask_ahead(self, i: Index) -> None:
        """Ask for what the first pass reads of the next row, where it would wait for it."""
        rows, size = self.rows, self.rows.size
        is_long = isinstance(size, int) and size > MOST_AHEAD
        if rows.inner or is_long or self.plan.cost(0) > CHEAP:
            return
        for var in self.plan.stages[0].read:
            if var.shape == self.plan.shape:
                place, _ = rows.place((var, OWN), self.index, i)
                rows.inputs[var].prefetch(self.kb.add(place(0), self.kb.dim(size)))

    def _memory(
        self, var: Variable, key: Variable | None, i: Index
    ) -> tuple[Operand, tuple[Place, int | None]]:
        if key is None:
            start = self.kb.add(self.base, i)
            return self.scratch[var], (lambda lane: self.kb.add(start, lane), 1)
        out = self.rows.outputs[key]
        shown = Operand(self.kb, out.pointer, var.dtype, out.shape)
        return shown, self.rows.place((key, OWN), self.index, i)

    def value(self, var: Variable, lanes: Lanes, i: Index, found: dict[Variable, Scalar]) -> Scalar:
        """A value for the lanes: loaded, computed, or one value for the row."""
        if var not in found:
            found[var] = self._compute(var, lanes, i, found)
        return found[var]

    def _compute(
        self, var: Variable, lanes: Lanes, i: Index, found: dict[Variable, Scalar]
    ) -> Scalar:
        rows, plan = self.rows, self.plan
        if var in rows.inputs:
            return lanes.load(rows.inputs[var], *rows.place((var, OWN), self.index, i))
        op = plan.made[var]
        if op.type == CONSTANT:
            return constant(lanes.scalars, op)
        if not plan.is_full(var):
            one = rows.row_value(var, OWN)
            return lanes.scalars.wrap(splat(self.kb, one.value, lanes.width), one.dtype)
        if plan.is_loaded(var, self.number):
            operand, place = self._memory(var, plan.kept[var], i)
            return lanes.load(operand, *place)
        for read in by_need(op, rows.needs):
            self.value(read, lanes, i, found)
        return fused(lanes.scalars, op, [found[read] for read in op.in_vars])[0]
