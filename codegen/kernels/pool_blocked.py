"""Pooling in vectors: over the channels of blocked images, over the windows of plain rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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


def _blocked_row(pooling: Pooling, place: Geometry, out: Operand, plane: Index, y: Index) -> None:
    kb, x = pooling.kb, pooling.x
    rows, columns = axes_of(place, x.shape[2:4])
    exclusive = kb.attrs["exclusive"]
    top = rows.start(kb, y)
    lines = rows.taps(kb, top)
    tall = _side(kb, rows, place.pads[0][1], top, exclusive)
    row = kb.mul(kb.add(kb.mul(plane, kb.dim(rows.count)), y), kb.dim(columns.count))

    def windows(count: int, first: Index, column: Index, taps: tuple[Index, Index] | None) -> None:
        wide = _side(kb, columns, place.pads[1][1], column, exclusive) if taps else place.kernel[1]
        for lane in range(0, BLOCK, pooling.width):
            cells = [pooling.begin() for _ in range(count)]
            with kb.loop(lines[1], lines[0]) as i:
                line = kb.add(kb.mul(plane, kb.dim(rows.size)), kb.add(top, i))
                at = kb.add(kb.mul(line, kb.dim(columns.size)), column)

                def tap(
                    j: Index, at: Index = at, cells: list[Cell] = cells, lane: int = lane
                ) -> None:
                    for p, cell in enumerate(cells):
                        pixel = kb.add(kb.add(at, j), p * columns.stride)
                        value = x.load_vector(kb.add(kb.mul(pixel, BLOCK), lane), pooling.width)
                        pooling.add(cell, value)

                _each_tap(kb, columns.kernel, taps, tap)
            for p, cell in enumerate(cells):
                value = pooling.end(cell, kb.maximum(kb.mul(tall, wide), 1))
                to = kb.add(kb.mul(kb.add(kb.add(row, first), p), BLOCK), lane)
                out.store_vector(value, to)

    most = kb.machine.registers // 4
    each_in_row(kb, columns, lambda kb, length: Row.cut(kb, length, most), windows)


def _each_tap(
    kb: KernelBuilder, kernel: int, taps: tuple[Index, Index] | None, tap: Callable[[Index], None]
) -> None:
    """Straight code where all taps lie inside and they are few."""
    if taps is None and kernel <= 5:
        for j in range(kernel):
            tap(j)
        return
    first, stop = taps or (0, kernel)
    with kb.loop(stop, first, plain=True) as j:
        tap(j)


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
    kb, x = like.kb, like.x
    rows, columns = axes_of(place, x.shape[2:4])
    exclusive = kb.attrs.get("exclusive", True)
    top = rows.start(kb, y)
    lines = rows.taps(kb, top)
    tall = _side(kb, rows, place.pads[0][1], top, exclusive)
    row = kb.mul(kb.add(kb.mul(plane, kb.dim(rows.count)), y), kb.dim(columns.count))

    def windows(count: int, first: Index, column: Index, taps: tuple[Index, Index] | None) -> None:
        pooling = replace(like, width=count)
        wide = _side(kb, columns, place.pads[1][1], column, exclusive) if taps else place.kernel[1]
        cell = pooling.begin()
        with kb.loop(lines[1], lines[0]) as i:
            line = kb.add(kb.mul(plane, kb.dim(rows.size)), kb.add(top, i))
            at = kb.add(kb.mul(line, kb.dim(columns.size)), column)

            def tap(j: Index) -> None:
                value = strided(kb, x.load_vector, kb.add(at, j), columns.stride, count)
                pooling.add(cell, value)

            _each_tap(kb, columns.kernel, taps, tap)
        out.store_vector(pooling.end(cell, kb.maximum(kb.mul(tall, wide), 1)), kb.add(row, first))

    most = kb.machine.lanes(x.dtype)
    each_in_row(kb, columns, lambda kb, length: Row.halves(kb, length, most), windows)
