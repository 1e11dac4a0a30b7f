"""Pooling in vectors: over the channels of blocked images, over the windows of plain rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from wherry.ir.dims import Dim
from wherry.ir.infer import Shape, inferring
from wherry.ir.ops.blocked import BLOCK
from wherry.ir.ops.pool_window import Geometry, geometry
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import int64

from ..builder import KernelBuilder
from ..index import Cell, Index, Value, i64
from ..lanes import splat
from ..math import LLVMScalars
from ..operand import Operand
from .registry import lowers
from .tiling import Row
from .windows import Axis, each_in_row, strided

# The taps of a window that lie inside the image, where they are not all of them.
Taps: TypeAlias = "tuple[Index, Index] | None"


def geometry_of(op: OpDesc, sizes: Shape) -> Geometry:
    """The windows of a pooling over images of these sizes."""
    with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
        return geometry(sizes, op.attrs)


def axes_of(place: Geometry, sizes: Shape) -> tuple[Axis, Axis]:
    """The rows and columns of windows that are not adaptive."""
    rows, columns = (
        Axis(sizes[i], place.counts[i], place.kernel[i], place.strides[i], 1, place.pads[i][0])
        for i in (0, 1)
    )
    return rows, columns


@dataclass(frozen=True)
class Pooling:
    """What is done with a window's cells: vectors of `width` elements of the operand's dtype."""

    kb: KernelBuilder
    x: Operand
    mean: bool
    width: int

    @property
    def scalars(self) -> LLVMScalars:
        return LLVMScalars(self.kb.b, self.width)

    def begin(self) -> Cell:
        start = 0.0 if self.mean else float("-inf")
        return self.kb.cell(self.scalars.const(start, self.x.dtype).value)

    def add(self, cell: Cell, value: Value) -> None:
        """One more element of each window. A maximum keeps NaN."""
        scalars, dtype = self.scalars, self.x.dtype
        total, new = scalars.wrap(cell.get(), dtype), scalars.wrap(value, dtype)
        cell.set((total + new if self.mean else scalars.max(total, new)).value)

    def end(self, cell: Cell, cells: Index) -> Value:
        """A maximum, or the mean over so many cells."""
        if not self.mean:
            return cell.get()
        divisor = self.scalars.cast(self._splat(cells), self.x.dtype)
        return (self.scalars.wrap(cell.get(), self.x.dtype) / divisor).value

    def _splat(self, number: Index) -> Scalar:
        return self.scalars.wrap(splat(self.kb, i64(number), self.width), int64)


def _side(kb: KernelBuilder, axis: Axis, after: Dim, start: Index, exclusive: bool) -> Index:
    """How many cells of a window count along an axis."""
    if exclusive:
        first, stop = axis.taps(kb, start)
        return kb.maximum(kb.sub(stop, first), 0)
    end = kb.add(kb.dim(axis.size), kb.dim(after))
    return kb.minimum(kb.sub(end, start), axis.kernel)


@lowers("pool2d_blocked")
def pool2d_blocked(kb: KernelBuilder) -> None:
    """Each window by itself, all channels of a block at once."""
    x, out, attrs = kb.input("X"), kb.output(), kb.attrs
    place = geometry_of(kb.op, x.shape[2:4])
    width = min(kb.machine.lanes(x.dtype), BLOCK)
    pooling = Pooling(kb, x, attrs["kind"] == "avg", width)
    with (
        kb.parallel(kb.dim(x.shape[0] * x.shape[1])) as plane,
        kb.loop(kb.dim(place.counts[0])) as y,
    ):
        emit = _adaptive_row if place.adaptive else _blocked_row
        emit(pooling, place, out, plane, y)


class _WindowRow:
    """A row of windows: which pixels they cover, and where their results begin."""

    def __init__(
        self, kb: KernelBuilder, x: Operand, place: Geometry, plane: Index, y: Index
    ) -> None:
        self.kb, self.plane, self.kernel = kb, plane, place.kernel
        self.rows, self.columns = axes_of(place, x.shape[2:4])
        self.after, self.exclusive = place.pads[1][1], kb.attrs.get("exclusive", True)
        self.top = self.rows.start(kb, y)
        self.lines = self.rows.taps(kb, self.top)
        self.tall = _side(kb, self.rows, place.pads[0][1], self.top, self.exclusive)
        number = kb.add(kb.mul(plane, kb.dim(self.rows.count)), y)
        self.first = kb.mul(number, kb.dim(self.columns.count))

    def area(self, column: Index, taps: Taps) -> Index:
        """How many cells count in a window that begins at this column."""
        kb, wide = self.kb, self.kernel[1]
        side = _side(kb, self.columns, self.after, column, self.exclusive) if taps else wide
        return kb.maximum(kb.mul(self.tall, side), 1)

    def each_pixel(self, column: Index, taps: Taps, add: Callable[[Index], None]) -> None:
        """`add(pixel)` for those of the window at this column; straight code for few in a line."""
        kb = self.kb
        with kb.loop(self.lines[1], self.lines[0]) as i:
            line = kb.add(kb.mul(self.plane, kb.dim(self.rows.size)), kb.add(self.top, i))
            at = kb.add(kb.mul(line, kb.dim(self.columns.size)), column)
            if taps is None and self.columns.kernel <= 5:
                for j in range(self.columns.kernel):
                    add(kb.add(at, j))
                return
            first, stop = taps or (0, self.columns.kernel)
            with kb.loop(stop, first, plain=True) as j:
                add(kb.add(at, j))


def _blocked_row(pooling: Pooling, place: Geometry, out: Operand, plane: Index, y: Index) -> None:
    """Some windows at a time, of each some of the channels in a vector."""
    kb, x, width = pooling.kb, pooling.x, pooling.width
    row = _WindowRow(kb, x, place, plane, y)

    def windows(count: int, first: Index, column: Index, taps: Taps) -> None:
        area = row.area(column, taps)
        for lane in range(0, BLOCK, width):
            cells = [pooling.begin() for _ in range(count)]
            row.each_pixel(column, taps, partial(add, cells, lane))
            for p, cell in enumerate(cells):
                to = kb.add(kb.mul(kb.add(kb.add(row.first, first), p), BLOCK), lane)
                out.store_vector(pooling.end(cell, area), to)

    def add(cells: list[Cell], lane: int, pixel: Index) -> None:
        for p, cell in enumerate(cells):
            at = kb.mul(kb.add(pixel, p * row.columns.stride), BLOCK)
            pooling.add(cell, x.load_vector(kb.add(at, lane), width))

    most = kb.machine.registers // 4
    each_in_row(kb, row.columns, lambda kb, length: Row.cut(kb, length, most), windows)


def _adaptive_row(pooling: Pooling, place: Geometry, out: Operand, plane: Index, y: Index) -> None:
    kb, x = pooling.kb, pooling.x
    high, wide = kb.dim(x.shape[2]), kb.dim(x.shape[3])

    def span(size: Index, window: Index, count: Dim) -> tuple[Index, Index]:
        number = kb.dim(count)
        stop = kb.add(kb.mul(kb.add(window, 1), size), kb.sub(number, 1))
        return kb.div(kb.mul(window, size), number), kb.div(stop, number)

    rows = span(high, y, place.counts[0])
    with kb.loop(kb.dim(place.counts[1])) as window:
        columns = span(wide, window, place.counts[1])
        area = kb.mul(kb.sub(rows[1], rows[0]), kb.sub(columns[1], columns[0]))
        row = kb.add(kb.mul(plane, kb.dim(place.counts[0])), y)
        to = kb.add(kb.mul(row, kb.dim(place.counts[1])), window)
        for lane in range(0, BLOCK, pooling.width):
            cell = pooling.begin()
            with kb.loop(rows[1], rows[0]) as i, kb.loop(columns[1], columns[0], plain=True) as j:
                pixel = kb.add(kb.mul(kb.add(kb.mul(plane, high), i), wide), j)
                place_of = kb.add(kb.mul(pixel, BLOCK), lane)
                pooling.add(cell, x.load_vector(place_of, pooling.width))
            out.store_vector(pooling.end(cell, area), kb.add(kb.mul(to, BLOCK), lane))


def pool_plain(kb: KernelBuilder, x: Operand, out: Operand, mean: bool) -> None:
    """Planes [N, C, H, W] in vectors of windows; not for adaptive windows and half floats."""
    place = geometry_of(kb.op, x.shape[2:4])
    with (
        kb.parallel(kb.dim(x.shape[0] * x.shape[1])) as plane,
        kb.loop(kb.dim(place.counts[0])) as y,
    ):
        _plain_row(Pooling(kb, x, mean, 1), place, out, plane, y)


def _plain_row(like: Pooling, place: Geometry, out: Operand, plane: Index, y: Index) -> None:
    """Some windows at a time, each in a lane of a vector."""
    kb, x = like.kb, like.x
    row = _WindowRow(kb, x, place, plane, y)

    def windows(count: int, first: Index, column: Index, taps: Taps) -> None:
        pooling = replace(like, width=count)
        area, cell = row.area(column, taps), pooling.begin()

        def add(pixel: Index) -> None:
            pooling.add(cell, strided(kb, x.load_vector, pixel, row.columns.stride, count))

        row.each_pixel(column, taps, add)
        out.store_vector(pooling.end(cell, area), kb.add(row.first, first))

    most = kb.machine.lanes(x.dtype)
    each_in_row(kb, row.columns, lambda kb, length: Row.halves(kb, length, most), windows)
