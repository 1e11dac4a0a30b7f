"""Order along an axis: arg_max, arg_min, argsort, top_k_v2. NaN counts as the largest."""

from __future__ import annotations

from collections.abc import Callable

from wherry.ir.dims import Dim
from wherry.ir.infer import axis_in
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import int64

from ..builder import KernelBuilder
from ..formula import register_bytes
from ..index import I64, Index, Value, i64
from ..lanes import Lanes, splat
from ..nest import vectors
from ..operand import Operand
from .axis import Lines
from .registry import lowers

Before = Callable[[Scalar, Scalar], Scalar]
# So many of a line are kept in order while it is looked at; for more it is sorted.
MAX_SELECTED = 64


def _smaller(a: Scalar, b: Scalar) -> Scalar:
    """a comes before b in ascending order."""
    nan = a.builder.isnan
    return (a < b) | (nan(b) & ~nan(a))


def _larger(a: Scalar, b: Scalar) -> Scalar:
    """a comes before b in descending order."""
    return _smaller(b, a)


@lowers("arg_max", "arg_min")
def arg_extremum(kb: KernelBuilder) -> None:
    """The place of the first extreme element, or of the first NaN."""
    x, out, flatten = kb.input("X"), kb.output(), kb.attrs["flatten"]
    lines = Lines(kb, 1, x.size, 1) if flatten else Lines.of(kb, x.shape, kb.attrs["axis"])
    wins = "gt" if kb.op.type == "arg_max" else "lt"
    nan = kb.scalars.isnan
    with lines.each() as (o, i):
        best = kb.cell(x.load_at(lines.at(o, 0, i)).value)
        where = kb.cell(i64(0))
        with kb.loop(kb.dim(lines.size), 1) as place:
            value, top = x.load_at(lines.at(o, place, i)), kb.scalar(best.get(), x.dtype)
            better = kb.call(wins, value, top) | (nan(value) & ~nan(top))
            best.set(kb.scalars.select(better, value, top).value)
            where.set(kb.select(better.value, place, where.get()))
        out.store_at(
            kb.index_scalar(where.get(), out.dtype), kb.add(kb.mul(o, kb.dim(lines.inner)), i)
        )


def _scratch(op: OpDesc) -> Dim:
    """Two lists of places and the values of a line."""
    (x,) = op.in_vars
    size = x.shape[axis_in(op.attrs["axis"], x.ndim)] if x.ndim else 1
    return size * (2 * int64.itemsize + x.dtype.itemsize)


@lowers("argsort", scratch=_scratch)
def argsort(kb: KernelBuilder) -> None:
    """All elements of each line in order, and their places."""
    _sort_lines(kb, _larger if kb.attrs["descending"] else _smaller)


@lowers("top_k_v2", scratch=_scratch)
def top_k(kb: KernelBuilder) -> None:
    """The first k of each line in order, and their places; few are selected without sorting."""
    before = _larger if kb.attrs["largest"] else _smaller
    x, out, places = kb.input("X"), kb.output("Out"), kb.output("Indices")
    lines, kept = (Lines.of(kb, t.shape, kb.attrs["axis"]) for t in (x, out))
    if not isinstance(kept.size, int) or not 0 < kept.size <= MAX_SELECTED:
        _sort_lines(kb, before)
        return
    values = Operand(kb, kb.scratch, x.dtype, ())
    with lines.each() as (o, i):
        with kb.loop(kb.dim(lines.size)) as place:
            values.store_at(x.load_at(lines.at(o, place, i)), place)
        best = _Best(kb, values, kept.size, before)
        best.select(kb.dim(lines.size))
        with kb.loop(kept.size) as place:
            at = kept.at(o, place, i)
            out.store_at(best.values.load_at(place), at)
            places.store_at(best.places.load_at(place), at)


class _Best:
    """The `count` first of a line's values so far, in order, and their places in the line."""

    def __init__(self, kb: KernelBuilder, line: Operand, count: int, before: Before) -> None:
        self.kb, self.line, self.count, self.before = kb, line, count, before
        self.values, self.places = kb.buffer(line.dtype, count), kb.buffer(int64, count)
        self.hole = kb.cell(i64(0))

    def select(self, size: Index) -> None:
        """Look at the whole line. A vector none of whose values is among the best is one look."""
        kb = self.kb
        with kb.loop(self.count, plain=True) as place:
            self.insert(place, place)
        width = kb.machine.vector_bytes // register_bytes(self.line.dtype)

        def look(lanes: Lanes, i: Index) -> None:
            start = kb.add(i, self.count)
            values = lanes.load(self.line, lambda lane: kb.add(start, lane), 1)
            last = self.values.load_at(self.count - 1)
            worst = lanes.scalars.wrap(splat(kb, last.value, lanes.width), last.dtype)
            better = self.before(values, worst).value
            found = better if lanes.full else kb.b.and_(better, lanes.mask)
            with kb.when(lanes.scalars.any_lane(found)), kb.loop(lanes.count, plain=True) as lane:
                place = kb.add(start, lane)
                with kb.when(self.before(self.line.load_at(place), self._last()).value):
                    self.insert(place, self.count - 1)

        vectors(kb, 0, kb.sub(size, self.count), width, look)

    def _last(self) -> Scalar:
        return self.values.load_at(self.count - 1)

    def insert(self, place: Index, hole: Index) -> None:
        """Put a value of the line where it belongs; from `hole` on nothing is kept."""
        kb, value = self.kb, self.line.load_at(place)
        self.hole.set(i64(hole))

        def moves() -> Value:
            at = kb.maximum(kb.sub(self.hole.get(), 1), 0)
            later = self.before(value, self.values.load_at(at)).value
            return kb.b.and_(kb.lt(0, self.hole.get()), later)

        def move() -> None:
            to = self.hole.get()
            at = kb.sub(to, 1)
            self.values.store_at(self.values.load_at(at), to)
            self.places.store_at(self.places.load_at(at), to)
            self.hole.set(at)

        kb.while_loop(moves, move)
        self.values.store_at(value, self.hole.get())
        self.places.store_at(kb.index_scalar(place, int64), self.hole.get())


def _sort_lines(kb: KernelBuilder, before: Before) -> None:
    x, out, places = kb.input("X"), kb.output("Out"), kb.output("Indices")
    lines, kept = (Lines.of(kb, t.shape, kb.attrs["axis"]) for t in (x, out))
    size = kb.dim(lines.size)
    memory = Operand(kb, kb.scratch, int64, ())
    lists = [Operand(kb, memory.address(kb.mul(i, size)), int64, ()) for i in range(2)]
    values = Operand(kb, memory.address(kb.mul(2, size)), x.dtype, ())
    with lines.each() as (o, i):
        with kb.loop(size) as place:
            values.store_at(x.load_at(lines.at(o, place, i)), place)
            lists[0].store_at(kb.index_scalar(place, int64), place)
        order = _Merge(kb, size, values, before).sort(lists[0], lists[1])
        with kb.loop(kb.dim(kept.size)) as place:
            found = kb.as_index(order.load_at(place))
            at = kept.at(o, place, i)
            out.store_at(values.load_at(found), at)
            places.store_at(kb.index_scalar(found, int64), at)


class _Merge:
    """A stable merge sort of the places 0 ... size - 1 by their values, from runs of one up."""

    def __init__(self, kb: KernelBuilder, size: Index, values: Operand, before: Before) -> None:
        self.kb, self.size, self.values, self.before = kb, size, values, before

    def sort(self, source: Operand, target: Operand) -> Operand:
        """Sort the list `source`, with `target` for working memory; gives the one that holds it."""
        kb = self.kb
        here, there = kb.cell(source.pointer), kb.cell(target.pointer)
        run = kb.cell(i64(1))

        def double() -> None:
            lists = [Operand(kb, cell.get(), int64, ()) for cell in (here, there)]
            self._merge_runs(lists[0], lists[1], run.get())
            here.set(lists[1].pointer)
            there.set(lists[0].pointer)
            run.set(kb.mul(run.get(), 2))

        kb.while_loop(lambda: kb.lt(run.get(), self.size), double)
        return Operand(kb, here.get(), int64, ())

    def _merge_runs(self, source: Operand, target: Operand, run: Value) -> None:
        """Merge each two neighbouring runs."""
        kb = self.kb
        start = kb.cell(i64(0))

        def merge() -> None:
            low = start.get()
            middle = kb.minimum(kb.add(low, run), self.size)
            high = kb.minimum(kb.add(middle, run), self.size)
            self._merge(source, target, low, middle, high)
            start.set(high)

        kb.while_loop(lambda: kb.lt(start.get(), self.size), merge)

    def _merge(
        self, source: Operand, target: Operand, low: Index, middle: Index, high: Index
    ) -> None:
        kb = self.kb
        left, right = kb.cell(i64(low)), kb.cell(i64(middle))
        last = kb.sub(high, 1)
        with kb.loop(high, low) as place:
            a, b = left.get(), right.get()
            # A run that is used up is still read, at a place that exists; it is not chosen.
            ours = source.load_at(kb.minimum(a, last))
            theirs = source.load_at(kb.minimum(b, last))
            values = [self.values.load_at(kb.as_index(at)) for at in (theirs, ours)]
            from_right = kb.b.and_(kb.lt(b, high), self.before(*values).value)
            from_right = kb.b.or_(from_right, kb.compare(">=", a, middle))
            chosen = kb.select(from_right, theirs.value, ours.value)
            target.store_at(kb.scalar(chosen, int64), place)
            step = kb.b.zext(from_right, I64)
            right.set(kb.add(b, step))
            left.set(kb.add(a, kb.sub(1, step)))
