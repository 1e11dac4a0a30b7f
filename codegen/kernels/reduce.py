"""Reductions, alone or of what pointwise ops compute. See `wherry.codegen.reduction` for the order.

Where the last axis is reduced, they are rows. Where it stays, a strip of results along it is kept
on the stack, to which the elements are added in sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from wherry.ir.cost import cost_of
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc, Variable

from ..builder import KernelBuilder
from ..formula import CONSTANT, register_bytes
from ..index import Index, Value
from ..lanes import Lanes
from ..nest import rounds, vectors
from ..operand import Operand
from ..reduction import KINDS, Reduction
from ..space import Space
from .pointwise import Compute, Load, check_divisions, fused_ops, place_along
from .registry import lowers
from .row import CHEAP, emit_rows

STRIP = 512  # results that lie on the stack at a time
STEP = 4  # elements that a result takes between a load and a store


@lowers(*(op for op in KINDS if op != "sum_to"))
def reduce(kb: KernelBuilder) -> None:
    """reduce_sum and its kin."""
    emit_reduction(kb, kb.op.in_vars, [kb.op], kb.inputs, kb.outputs[0])


@lowers("sum_to")
def sum_to(kb: KernelBuilder) -> None:
    """Sum over the axes in which Like is 1; in two versions if only the call tells which."""
    x, out = kb.input("X"), kb.output()
    like = (1,) * (x.ndim - out.ndim) + out.shape
    pairs = list(zip(like, x.shape, strict=True))
    unsure = [i for i, (s, w) in enumerate(pairs) if s not in (1, w) and not isinstance(s, int)]

    def certain() -> None:
        emit_reduction(kb, kb.op.in_vars[:1], [kb.op], kb.inputs[:1], out)

    if not unsure:
        certain()
        return
    kept = [kb.eq(kb.dim(pairs[i][0]), kb.dim(pairs[i][1])) for i in unsure]
    for other in kept[1:]:
        kept[0] = kb.b.and_(kept[0], other)
    kb.either(kept[0], certain, lambda: _sum_to_anything(kb, x, out, like))


def _sum_to_anything(kb: KernelBuilder, x: Operand, out: Operand, like: Shape) -> None:
    """One sum after the other; an axis is summed where `like` turns out to be 1."""
    reduction = Reduction("add", x.shape, (), out.dtype)
    pairs = zip(like, x.shape, strict=True)
    sums = [kb.select(kb.eq(kb.dim(small), 1), kb.dim(wide), 1) for small, wide in pairs]
    with kb.nest(like) as kept:
        total = kb.cell(reduction.empty(kb))
        with _loops(kb, sums) as summed:
            index = [kb.add(a, b) for a, b in zip(kept, summed, strict=True)]
            value = reduction.partial(kb.scalars, x.load(*index))
            total.set(reduction.combine(kb, total.get(), value.value, 0))
        out.store(reduction.final(kb, total.get()), *kept[x.ndim - out.ndim :])


@contextmanager
def _loops(kb: KernelBuilder, sizes: Sequence[Index]) -> Iterator[list[Index]]:
    if not sizes:
        yield []
        return
    with kb.loop(sizes[0]) as i, _loops(kb, sizes[1:]) as rest:
        yield [i, *rest]


def emit_reduction(
    kb: KernelBuilder,
    args: Sequence[Variable],
    ops: Sequence[OpDesc],
    inputs: Sequence[Operand],
    out: Operand,
) -> None:
    """The kernel of pointwise ops and of the reduction of what the last of them gives."""
    reduction = Reduction.of(ops[-1])
    tags = [axis in reduction.axes for axis in range(len(reduction.shape))]
    shapes = [*(operand.shape for operand in inputs), reduction.kept_shape]
    space = Space(reduction.shape, shapes, tags)
    if space.axes and space.axes[-1].tag:
        emit_rows(kb, args, ops, [ops[-1].output()], inputs, [out])
        return
    columns = _Columns(kb, args, ops, inputs, out, reduction)
    if space.uncertain:
        versions = (
            partial(columns.emit, space.expanded(), True), partial(columns.emit, space, False)
        )  # fmt: skip
        kb.either(space.nothing_broadcasts(kb), *versions)
    else:
        columns.emit(space, True)


class _Columns:
    """A reduction whose last axis stays."""

    def __init__(
        self,
        kb: KernelBuilder,
        args: Sequence[Variable],
        ops: Sequence[OpDesc],
        inputs: Sequence[Operand],
        out: Operand,
        reduction: Reduction,
    ) -> None:
        self.kb, self.inputs, self.out, self.reduction = kb, inputs, out, reduction
        *prologue, last = ops
        self.compute: Compute = fused_ops(args, prologue, [last.in_vars[0]])
        values = [*args, *(op.output() for op in prologue)]
        widest = register_bytes(reduction.dtype, *(var.dtype for var in values))
        self.width = kb.machine.vector_bytes // widest
        self.cost = sum(cost_of(op) for op in prologue if op.type != CONSTANT)
        self.strip = kb.buffer(reduction.dtype, STRIP)

    def emit(self, space: Space, parallel: bool) -> None:
        """One version of the kernel: a strip of results at a time."""
        kb, axes = self.kb, space.axes
        self.strides = [space.strides(kb, i) for i in range(len(self.inputs) + 1)]
        self.reduced = [n for n, axis in enumerate(axes) if axis.tag]
        self.reduced_sizes = [axes[n].size for n in self.reduced]
        self.index: list[Index] = [0] * max(len(axes) - 1, 0)
        kept = [n for n, axis in enumerate(axes) if not axis.tag]
        sizes = [axes[n].size for n in kept] or [1]
        strips = (sizes[-1] + (STRIP - 1)) // STRIP
        with rounds(kb, [*sizes[:-1], strips], parallel) as (*found, strip):
            for number, i in zip(kept, found, strict=False):
                self.index[number] = i
            start = kb.mul(strip, STRIP)
            stop = kb.minimum(kb.add(start, STRIP), kb.dim(sizes[-1]))
            self._strip(start, stop)

    def _strip(self, start: Index, stop: Index) -> None:
        kb, count = self.kb, self.kb.sub(stop, start)
        empty = self.reduction.empty(kb, self.width)
        with kb.loop(count, 0, self.width, plain=True) as i:
            self.strip.store_vector(empty, i)
        self._add_all(start, count)

        def store(lanes: Lanes, i: Index) -> None:
            partial_ = lanes.wrap(self.strip.load_vector(i, self.width), self.strip)
            place = place_along(kb, self.index, kb.add(start, i), self.strides[-1])
            lanes.store(self.out, lanes.scalars.cast(partial_, self.out.dtype), *place)

        vectors(kb, 0, count, self.width, store)

    def _add_all(self, start: Index, count: Index) -> None:
        """Add all elements to the strip, some of the innermost reduced axis at a time."""
        kb = self.kb
        *outer, inner = self.reduced_sizes or [1]
        step = STEP if self.cost <= CHEAP else 1
        size = kb.dim(inner)
        whole = kb.mul(kb.div(size, step), step)
        with kb.nest(outer) as found:
            for first, last, many in ((0, whole, step), (whole, size, 1)):
                if many == 1 and step == 1 and first is whole:
                    continue
                with kb.loop(last, first, many, plain=True) as i:
                    self._add_some([*found, i], many, start, count)

    def _add_some(self, found: Sequence[Index], many: int, start: Index, count: Index) -> None:
        kb = self.kb
        indices = []
        for more in range(many):
            index = list(self.index)
            for number, i in zip(
                self.reduced, [*found[:-1], kb.add(found[-1], more)], strict=False
            ):
                index[number] = i
            indices.append(index)

        def add(lanes: Lanes, i: Index) -> None:
            total: Value = self.strip.load_vector(i, self.width)
            for index in indices:
                value = self._element(lanes, index, kb.add(start, i))
                total = self.reduction.combine(kb, total, value, self.width)
            self.strip.store_vector(total, i)

        vectors(kb, 0, count, self.width, add)

    def _element(self, lanes: Lanes, index: Sequence[Index], i: Index) -> Value:
        """The values before the reduction, in the partial results' dtype."""
        loads: list[Load] = []
        for operand, strides in zip(self.inputs, self.strides, strict=False):
            place = place_along(self.kb, index, i, strides)
            loads.append(partial(lanes.load, operand, *place))
        (value,) = self.compute(lanes.scalars, loads)
        check_divisions(lanes, lambda lane: self.kb.add(i, lane))
        return self.reduction.partial(lanes.scalars, value).value
