"""Pooling over [N, C, H, W]: maxima with their places, averages, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product as product_of
from typing import NamedTuple

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.ops.pool_window import Geometry
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar
from wherry.runtime.abi import ERROR_INDEX
from wherry.schema.dtypes import DType, int32

from ..builder import KernelBuilder
from ..index import Cell, Index
from ..operand import Operand
from .panels import sum_dtype
from .pool_blocked import geometry_of, pool_plain
from .registry import lowers


class _Span(NamedTuple):
    """A window along one axis: its cells inside, and how many count where padding does.

    `fixed` is the number of cells where it is the same for every window.
    """

    start: Index
    stop: Index
    inclusive: Index
    fixed: int | None


class _Pooling(NamedTuple):
    """The windows over planes of `sizes`; what is pooled are `planes` of them."""

    kb: KernelBuilder
    place: Geometry
    sizes: tuple[Dim, Dim]
    planes: Dim

    @staticmethod
    def of(kb: KernelBuilder, shape: Shape) -> _Pooling:
        sizes = (shape[2], shape[3])
        return _Pooling(kb, geometry_of(kb.op, sizes), sizes, product(shape[:2]))

    @property
    def cut(self) -> bool:
        """Whether windows may reach over the edges: then each has its own number of cells."""
        padded = any(side != 0 for pads in self.place.pads for side in pads)
        return not self.place.adaptive and (padded or bool(self.kb.attrs["ceil_mode"]))

    def span(self, axis: int, window: Index) -> _Span:
        kb, place, size = self.kb, self.place, self.kb.dim(self.sizes[axis])
        if place.adaptive:
            count = kb.dim(place.counts[axis])
            start = kb.div(kb.mul(window, size), count)
            end = kb.div(kb.add(kb.mul(kb.add(window, 1), size), kb.sub(count, 1)), count)
            return _Span(start, end, kb.sub(end, start), None)
        (before, after), kernel = place.pads[axis], place.kernel[axis]
        low = kb.sub(kb.mul(window, place.strides[axis]), kb.dim(before))
        if not self.cut:
            return _Span(low, kb.add(low, kernel), kernel, kernel)
        high = kb.add(low, kernel)
        inclusive = kb.sub(kb.minimum(high, kb.add(size, kb.dim(after))), low)
        return _Span(kb.maximum(low, 0), kb.minimum(high, size), inclusive, None)

    @contextmanager
    def windows(self) -> Iterator[tuple[Index, Index, _Span, _Span]]:
        """(plane, number of the window in it, rows, columns) for each window."""
        kb, (high, wide) = self.kb, self.place.counts
        with kb.nest([self.planes, high, wide]) as (plane, i, j):
            number = kb.add(kb.mul(i, kb.dim(wide)), j)
            yield plane, number, self.span(0, i), self.span(1, j)

    @contextmanager
    def lines(self) -> Iterator[tuple[Index, Index]]:
        """(plane, row of windows) for each."""
        with self.kb.nest([self.planes, self.place.counts[0]]) as (plane, i):
            yield plane, i

    @contextmanager
    def taps(self, i: Index) -> Iterator[tuple[Index, Index]]:
        """For each tap the windows of row i that have a cell there, and the number of the cell.

        The innermost loop runs over windows, whose cells are `stride` apart: a vector's work.
        """
        kb, place = self.kb, self.place
        (high, wide), (tall, broad) = place.kernel, (kb.dim(size) for size in self.sizes)
        top, left = kb.dim(place.pads[0][0]), kb.dim(place.pads[1][0])
        stride, count = place.strides[1], kb.dim(place.counts[1])
        with kb.loop(high, plain=True) as a, kb.loop(wide, plain=True) as b:
            row = kb.sub(kb.add(kb.mul(i, place.strides[0]), a), top)
            inside = kb.b.and_(kb.compare(">=", row, 0), kb.lt(row, tall))
            shift = kb.sub(b, left)
            first = self._windows_before(kb.sub(0, shift), stride)
            last = kb.minimum(count, self._windows_before(kb.sub(broad, shift), stride))
            line = kb.add(kb.mul(row, broad), shift)
            with kb.loop(kb.select(inside, last, first), first) as j:
                yield j, kb.add(line, kb.mul(j, stride))

    def _windows_before(self, cells: Index, stride: int) -> Index:
        """How many multiples of the stride, from 0 on, are less than `cells`."""
        kb = self.kb
        return kb.div(kb.add(kb.maximum(cells, 0), stride - 1), stride)

    def each_cell(self, rows: _Span, columns: _Span, body: Callable[[Index], None]) -> None:
        """`body(its number in the plane)` for each cell of a window; no loops where they are few.

        So LLVM sees a loop over windows, which it vectorizes, around straight code.
        """
        kb, width = self.kb, self.kb.dim(self.sizes[1])
        tall, broad = rows.fixed, columns.fixed
        if tall and broad and tall * broad <= 9:
            corner = kb.add(kb.mul(rows.start, width), columns.start)
            for a, b in product_of(range(tall), range(broad)):
                body(kb.add(kb.add(corner, kb.mul(a, width)), b))
            return
        with kb.loop(rows.stop, rows.start) as i, kb.loop(columns.stop, columns.start) as j:
            body(kb.add(kb.mul(i, width), j))

    def divisor(self, rows: _Span, columns: _Span) -> Index:
        """By what a window's sum is divided."""
        kb = self.kb
        if kb.attrs["exclusive"] or self.place.adaptive:
            sides = [s.fixed or kb.sub(s.stop, s.start) for s in (rows, columns)]
        else:
            sides = [rows.inclusive, columns.inclusive]
        return kb.maximum(kb.mul(*sides), 1)

    @property
    def area(self) -> Index:
        """The cells of a plane."""
        return self.kb.dim(product(self.sizes))

    @property
    def columns(self) -> Index:
        """The windows of a row."""
        return self.kb.dim(self.place.counts[1])

    @property
    def count(self) -> Index:
        """The windows of a plane."""
        return self.kb.dim(product(self.place.counts))


@lowers("max_pool2d_with_index")
def max_pool(kb: KernelBuilder) -> None:
    """The first of the largest cells, or the first NaN, and its number; -1 for no cell."""
    x, out, mask = kb.input("X"), kb.output("Out"), kb.output("Mask")
    pool = _Pooling.of(kb, x.shape)
    if pool.cut:
        _max_pool_lines(pool, x, out, mask)
        return
    lowest, none = kb.const(float("-inf"), x.dtype), kb.const(-1, int32)
    with pool.windows() as (plane, number, rows, columns):
        best, where = kb.cell(lowest.value), kb.cell(none.value)

        def compare(
            cell: Index, plane: Index = plane, best: Cell = best, where: Cell = where
        ) -> None:
            value = x.load_at(kb.add(kb.mul(plane, pool.area), cell))
            top, at = kb.scalar(best.get(), x.dtype), kb.scalar(where.get(), int32)
            top, at = _better(kb, value, cell, top, at)
            best.set(top.value)
            where.set(at.value)

        pool.each_cell(rows, columns, compare)
        place = kb.add(kb.mul(plane, pool.count), number)
        out.store_at(kb.scalar(best.get(), x.dtype), place)
        mask.store_at(kb.scalar(where.get(), int32), place)


@lowers("max_pool2d")
def max_pool_alone(kb: KernelBuilder) -> None:
    """The largest cell, or a NaN, of each window."""
    x, out = kb.input("X"), kb.output()
    pool = _Pooling.of(kb, x.shape)
    if not pool.place.adaptive and sum_dtype(x.dtype) is x.dtype:
        pool_plain(kb, x, out, mean=False)
        return
    lowest = kb.const(float("-inf"), x.dtype)
    with pool.windows() as (plane, number, rows, columns):
        best = kb.cell(lowest.value)

        def compare(cell: Index, plane: Index = plane, best: Cell = best) -> None:
            value = x.load_at(kb.add(kb.mul(plane, pool.area), cell))
            best.set(kb.scalars.max(kb.scalar(best.get(), x.dtype), value).value)

        pool.each_cell(rows, columns, compare)
        place = kb.add(kb.mul(plane, pool.count), number)
        out.store_at(kb.scalar(best.get(), x.dtype), place)


def _better(
    kb: KernelBuilder, value: Scalar, cell: Index, top: Scalar, at: Scalar
) -> tuple[Scalar, Scalar]:
    """The better of a cell and of the best one so far: (value, number)."""
    b = kb.scalars
    wins = (value > top) | (at < 0) | (b.isnan(value) & ~b.isnan(top))
    return b.select(wins, value, top), b.select(wins, kb.index_scalar(cell, int32), at)


def _max_pool_lines(pool: _Pooling, x: Operand, out: Operand, mask: Operand) -> None:
    kb, count = pool.kb, pool.columns
    lowest, none = kb.const(float("-inf"), x.dtype), kb.const(-1, int32)
    with pool.lines() as (plane, i):
        start = kb.add(kb.mul(plane, pool.count), kb.mul(i, count))
        with kb.loop(count) as j:
            out.store_at(lowest, kb.add(start, j))
            mask.store_at(none, kb.add(start, j))
        with pool.taps(i) as (j, cell):
            value, at = x.load_at(kb.add(kb.mul(plane, pool.area), cell)), kb.add(start, j)
            top, where = _better(kb, value, cell, out.load_at(at), mask.load_at(at))
            out.store_at(top, at)
            mask.store_at(where, at)


@lowers("avg_pool2d")
def avg_pool(kb: KernelBuilder) -> None:
    """The mean of each window's cells."""
    x, out = kb.input("X"), kb.output()
    pool, dtype = _Pooling.of(kb, x.shape), sum_dtype(x.dtype)
    if not pool.place.adaptive and dtype is out.dtype:
        pool_plain(kb, x, out, mean=True)
        return
    with pool.windows() as (plane, number, rows, columns):
        total = kb.cell(kb.const(0, dtype).value)

        def add(cell: Index, plane: Index = plane, total: Cell = total) -> None:
            value = x.load_at(kb.add(kb.mul(plane, pool.area), cell))
            total.set((kb.scalar(total.get(), dtype) + kb.scalars.cast(value, dtype)).value)

        pool.each_cell(rows, columns, add)
        mean = kb.scalar(total.get(), dtype) / _divisor(pool, rows, columns, dtype)
        place = kb.add(kb.mul(plane, pool.count), number)
        out.store_at(kb.scalars.cast(mean, out.dtype), place)


def _divisor(pool: _Pooling, rows: _Span, columns: _Span, dtype: DType) -> Scalar:
    return pool.kb.index_scalar(pool.divisor(rows, columns), dtype)


def _plane_bytes(op: OpDesc) -> Dim:
    """One plane of sums."""
    out = op.out_vars[0]
    return product(out.shape[2:]) * sum_dtype(out.dtype).itemsize


@lowers("avg_pool2d_grad", scratch=_plane_bytes)
def avg_pool_grad(kb: KernelBuilder) -> None:
    """Each cell gets its share of every window that it lies in."""
    g, out = kb.input("Grad"), kb.output()
    pool, dtype = _Pooling.of(kb, out.shape), sum_dtype(out.dtype)
    high, wide = pool.place.counts
    with _planes(kb, pool.planes, out) as (plane, sums), kb.nest([high, wide]) as (i, j):
        rows, columns = pool.span(0, i), pool.span(1, j)
        number = kb.add(kb.mul(i, kb.dim(wide)), j)
        value = g.load_at(kb.add(kb.mul(plane, pool.count), number))
        share = kb.scalars.cast(value, dtype) / _divisor(pool, rows, columns, dtype)

        def spread(cell: Index, sums: Operand = sums, share: Scalar = share) -> None:
            sums.store_at(sums.load_at(cell) + share, cell)

        pool.each_cell(rows, columns, spread)


@lowers("max_pool2d_grad", scratch=_plane_bytes)
def max_pool_grad(kb: KernelBuilder) -> None:
    """Each cell gets the gradients of the windows whose mask names it."""
    mask, g, out = kb.input("Mask"), kb.input("Grad"), kb.output()
    count = kb.dim(product(g.shape[2:]))
    with _planes(kb, product(g.shape[:2]), out) as (plane, sums), kb.loop(count) as i:
        place = kb.add(kb.mul(plane, count), i)
        cell = _checked(kb, mask, place, product(out.shape[2:]))
        with kb.when(kb.compare(">=", cell, 0)):
            value = kb.scalars.cast(g.load_at(place), sums.dtype)
            sums.store_at(sums.load_at(cell) + value, cell)


@lowers("max_pool2d_gather")
def max_pool_gather(kb: KernelBuilder) -> None:
    """The cell that the mask names, 0 where it names none."""
    x, mask, out = kb.input("X"), kb.input("Mask"), kb.output()
    count, area = kb.dim(product(mask.shape[2:])), product(x.shape[2:])
    with kb.loop(kb.dim(product(mask.shape[:2]))) as plane, kb.loop(count) as i:
        place = kb.add(kb.mul(plane, count), i)
        cell = _checked(kb, mask, place, area)
        out.store_at(kb.const(0, out.dtype), place)
        with kb.when(kb.compare(">=", cell, 0)):
            out.store_at(x.load_at(kb.add(kb.mul(plane, kb.dim(area)), cell)), place)


def _checked(kb: KernelBuilder, mask: Operand, place: Index, area: Dim) -> Index:
    """A mask's cell; an error where it lies behind the plane."""
    cell = kb.as_index(mask.load_at(place))
    kb.fail_if(kb.compare(">=", cell, kb.dim(area)), ERROR_INDEX, place, cell)
    return cell


@contextmanager
def _planes(kb: KernelBuilder, count: Dim, out: Operand) -> Iterator[tuple[Index, Operand]]:
    """For each plane of `out` its number and zeros to add to, which are stored at the end."""
    area, dtype = kb.dim(product(out.shape[2:])), sum_dtype(out.dtype)
    sums = Operand(kb, kb.scratch, dtype, out.shape[2:])
    with kb.loop(kb.dim(count)) as plane:
        with kb.loop(area) as i:
            sums.store_at(kb.const(0, dtype), i)
        yield plane, sums
        with kb.loop(area) as i:
            value = kb.scalars.cast(sums.load_at(i), out.dtype)
            out.store_at(value, kb.add(kb.mul(plane, area), i))
