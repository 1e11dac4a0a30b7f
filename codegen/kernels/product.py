"""The product of two matrices in tiles of registers: the core of matmul and of the convolutions.

out[i, j] = sum over k of left[i, k] * right[k, j], the sum in the order of k for every element,
whatever the tile. The right matrix is read in panels of some columns: packed into scratch memory by
a function of the op (which may gather, convert, or fill with zeros), or directly where it lies.
Products are made and summed in float32 for float16, else in the operands' dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, float16, float32

from ..builder import KernelBuilder
from ..index import Cell, Index, Value
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from ..operand import Operand

ROWS = 4  # rows of a tile; its columns are two vectors
STRIP = 8  # vectors of a single row
FEW = 16  # with fewer rows than this the right matrix is better read in place than packed


def sum_dtype(dtype: DType) -> DType:
    """In which dtype products are summed."""
    return float32 if dtype is float16 else dtype


def lanes(dtype: DType) -> int:
    """Elements of the vectors that are multiplied: 32 bytes, at most 8."""
    return min(8, 32 // sum_dtype(dtype).itemsize)


def panel_columns(dtype: DType) -> int:
    return 2 * lanes(dtype)


@dataclass(frozen=True)
class Left:
    """The left matrix: (i, k) lies at base + i * row + k1 * outer + k2 * inner."""

    operand: Operand
    base: Index
    row: Index
    outer: Index
    inner: Index


@dataclass(frozen=True)
class Direct:
    """The right matrix in place: (k, j) at base + k1 * outer + k2 * inner + j.

    It is read so for full panels where `wanted` (an i1) is true.
    """

    operand: Operand
    base: Index
    outer: Index
    inner: Index
    wanted: Value


# Stores a vector of sums: store(i, j, vector, lanes) for the elements (i, j), (i, j + 1), ...
Store = Callable[[Index, Index, Value, Lanes], None]


@dataclass(frozen=True)
class Product:
    """One product. k runs over `outer` times `inner`; `pack(start, count, panel)` packs a panel.

    A panel is an Operand [outer * inner, columns] of the sum's dtype; what its columns from `count`
    on hold does not matter. `in_loops` says that the code of `store` is long.
    """

    kb: KernelBuilder
    rows: Index
    columns: Index
    outer: Index
    inner: Index
    left: Left
    pack: Callable[[Index, Index, Operand], None]
    store: Store
    direct: Direct | None = None
    in_loops: bool = False

    @property
    def dtype(self) -> DType:
        return sum_dtype(self.left.operand.dtype)

    def emit(self) -> None:
        kb, width = self.kb, panel_columns(self.dtype)
        assert kb.scratch is not None
        panel = Operand(kb, kb.scratch, self.dtype, (kb.mul(self.outer, self.inner), width))
        whole_tiles = kb.mul(kb.div(self.rows, ROWS), ROWS)
        done = self._rows_in_place(whole_tiles)
        with kb.loop(self.columns, 0, width) as start:
            count = kb.minimum(kb.sub(self.columns, start), width)
            right = self._panel(panel, start, count)
            with kb.loop(whole_tiles, 0, ROWS) as i:
                _Tile(self, right, ROWS, 2, i, start, count).emit()
            stop = kb.select(kb.lt(start, done), whole_tiles, self.rows)
            with kb.loop(stop, whole_tiles) as i:
                _Tile(self, right, 1, 2, i, start, count).emit()

    def _rows_in_place(self, first: Index) -> Index:
        """The rows from `first` on, one by one in long strips where the right matrix is in place.

        One row alone has too few sums in two vectors to keep the multipliers busy. Gives the number
        of columns that are done.
        """
        kb, place = self.kb, self.direct
        if place is None:
            return 0
        width = STRIP * lanes(self.dtype)
        strips = kb.mul(kb.div(self.columns, width), width)
        done = kb.select(place.wanted, strips, 0)
        with kb.loop(done, 0, width) as start, kb.loop(self.rows, first) as i:
            right = self._in_place(place, start)
            _Tile(self, right, 1, STRIP, i, start, width).emit()
        return done

    def _in_place(self, place: Direct, start: Index) -> _Right:
        pointer = place.operand.address(self.kb.add(place.base, start))
        return _Right(pointer, place.outer, place.inner)

    def _panel(self, panel: Operand, start: Index, count: Index) -> _Right:
        """Where to read the panel of columns from `start` on, packed first unless read in place."""
        kb, width, place = self.kb, panel_columns(self.dtype), self.direct
        packed = _Right(panel.pointer, kb.mul(self.inner, width), width)
        if place is None:
            self.pack(start, count, panel)
            return packed
        here = self._in_place(place, start)
        wanted = kb.b.and_(kb.eq(count, width), place.wanted)
        with kb.when(kb.b.not_(wanted)):
            self.pack(start, count, panel)
        return _Right(
            kb.b.select(wanted, here.pointer, packed.pointer),
            kb.select(wanted, here.outer, packed.outer),
            kb.select(wanted, here.inner, packed.inner),
        )


@dataclass(frozen=True)
class _Right:
    """A panel of the right matrix: k's row is at pointer + k1 * outer + k2 * inner."""

    pointer: Value
    outer: Index
    inner: Index


@dataclass(frozen=True)
class _Tile:
    """Some rows of the left matrix times some vectors of the right one's columns."""

    product: Product
    right: _Right
    rows: int
    vectors: int
    row: Index
    start: Index
    count: Index

    def emit(self) -> None:
        kb, product = self.product.kb, self.product
        width = lanes(product.dtype)
        zero = LLVMScalars(kb.b, width).const(0, product.dtype).value
        sums = [[kb.cell(zero) for _ in range(self.vectors)] for _ in range(self.rows)]
        panel = Operand(kb, self.right.pointer, product.dtype, ())
        with kb.loop(product.outer) as k1, kb.loop(product.inner, unroll=4) as k2:
            at = kb.add(kb.mul(k1, self.right.outer), kb.mul(k2, self.right.inner))
            right = [panel.load_vector(kb.add(at, u * width), width) for u in range(self.vectors)]
            for r in range(self.rows):
                left = splat(kb, self._left(r, k1, k2).value, width)
                for cell, vector in zip(sums[r], right, strict=True):
                    cell.set(multiply_add(kb, product.dtype, left, vector, cell.get(), width))
        self._store(sums)

    def _left(self, r: int, k1: Index, k2: Index) -> Scalar:
        kb, left = self.product.kb, self.product.left
        row = kb.mul(kb.add(self.row, r), left.row)
        step = kb.add(kb.mul(k1, left.outer), kb.mul(k2, left.inner))
        value = left.operand.load_at(kb.add(kb.add(left.base, row), step))
        return kb.scalars.cast(value, self.product.dtype)

    def _store(self, sums: list[list[Cell]]) -> None:
        kb, width = self.product.kb, self.vectors * lanes(self.product.dtype)
        unrolled = not self.product.in_loops
        whole = self._store_unrolled if unrolled else lambda sums: self._store_in_loops(sums, width)
        if isinstance(self.count, int) and self.count == width:
            whole(sums)
        else:
            full = kb.eq(self.count, width)
            some = self._store_in_loops
            kb.either(full, lambda: whole(sums), lambda: some(sums, self.count))

    def _store_unrolled(self, sums: list[list[Cell]]) -> None:
        kb, width = self.product.kb, lanes(self.product.dtype)
        for r, cells in enumerate(sums):
            for u, cell in enumerate(cells):
                at = kb.add(self.row, r), kb.add(self.start, u * width)
                self.product.store(*at, cell.get(), Lanes(kb, width, width))

    def _store_in_loops(self, sums: list[list[Cell]], count: Index) -> None:
        """The first `count` columns, by way of the stack."""
        kb, width = self.product.kb, lanes(self.product.dtype)
        line = self.vectors * width
        buffer = kb.buffer(self.product.dtype, self.rows * line)
        for r, cells in enumerate(sums):
            for u, cell in enumerate(cells):
                buffer.store_vector(cell.get(), r * line + u * width)
        with kb.loop(self.rows) as r, kb.loop(count, 0, width, plain=True) as j:
            whole = isinstance(count, int) and count % width == 0
            chosen = Lanes(kb, width, width if whole else kb.sub(count, j))
            vector = buffer.load_vector(kb.add(kb.mul(r, line), j), width)
            self.product.store(kb.add(self.row, r), kb.add(self.start, j), vector, chosen)


def multiply_add(
    kb: KernelBuilder, dtype: DType, x: Value, y: Value, total: Value, width: int
) -> Value:
    """x * y + total for vectors (width 0: for numbers)."""
    scalars = LLVMScalars(kb.b, width)
    a, b, c = (scalars.wrap(value, dtype) for value in (x, y, total))
    return (scalars.fma(a, b, c) if dtype.is_float else a * b + c).value
