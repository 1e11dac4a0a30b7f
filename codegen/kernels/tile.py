"""The innermost part of a product: a tile of sums that stay in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..index import Cell, Index, Value
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from ..operand import Operand
from .panels import lanes

# Stores a vector of sums: store(i, j, vector, lanes) for the elements (i, j), (i, j + 1), ...
Store = Callable[[Index, Index, Value, Lanes], None]
# So many multiplications stand in the innermost loop, at least, where that many steps may.
_UNROLLED = 24
# So many steps ahead a tile asks for vectors that lie in the rows of a matrix: those no machine
# guesses.
_AHEAD = 16
_LINE = 64


@dataclass(frozen=True)
class Strip:
    """Where a tile finds its left numbers, or its right vectors.

    Number (or vector) r of step (k1, k2) is at r * each + k1 * outer + k2 * inner, or at each[r]
    instead of r * each.
    """

    operand: Operand
    each: Index | Sequence[Index]
    outer: Index
    inner: Index

    def at(self, kb: KernelBuilder, number: int, k1: Index, k2: Index) -> Index:
        """Where it is."""
        step = kb.add(kb.mul(k1, self.outer), kb.mul(k2, self.inner))
        each = self.each
        first = each[number] if isinstance(each, Sequence) else kb.mul(number, each)
        return kb.add(first, step)


@dataclass(frozen=True)
class Tile:
    """Some rows of the left matrix times some vectors of the right one's columns.

    The first element is (`row`, `start`), `count` columns are stored. The sum runs over `outer`
    times `inner` steps, in that order, for every element. With `copy` the right vectors are stored
    there as they are read. `is_far` says that they lie in the rows of a matrix, those of the next
    tile beside them.
    """

    kb: KernelBuilder
    dtype: DType
    rows: int
    vectors: int
    outer: Index
    inner: Index
    left: Strip
    right: Strip
    copy: Strip | None = None
    is_far: bool = False

    def emit(self, row: Index, start: Index, count: Index, store: Store, in_loops: bool) -> None:
        """Compute the sums and store them; in loops, where the code of `store` is long."""
        sums = self._sums()
        width = self.vectors * lanes(self.kb.machine, self.dtype)

        def in_registers() -> None:
            self._store_unrolled(sums, row, start, store)

        def by_memory(columns: Index) -> Callable[[], None]:
            return lambda: self._store_in_loops(sums, row, start, columns, store)

        whole = by_memory(width) if in_loops else in_registers
        if isinstance(count, int):
            (whole if count == width else by_memory(count))()
        else:
            self.kb.either(self.kb.eq(count, width), whole, by_memory(count))

    def _sums(self) -> list[list[Cell]]:
        kb, width = self.kb, lanes(self.kb.machine, self.dtype)
        zero = LLVMScalars(kb.b, width).const(0, self.dtype).value
        sums = [[kb.cell(zero) for _ in range(self.vectors)] for _ in range(self.rows)]
        steps = max(1, _UNROLLED // (self.rows * self.vectors))
        unroll = min(kb.machine.tile_steps, steps)
        with kb.loop(self.outer) as k1, kb.loop(self.inner, unroll=unroll, plain=True) as k2:
            vectors = [
                self.right.operand.load_vector(self.right.at(kb, u, k1, k2), width)
                for u in range(self.vectors)
            ]
            if self.is_far:
                self._ask_ahead(k2)
            if self.copy is not None:
                for u, vector in enumerate(vectors):
                    self.copy.operand.store_vector(vector, self.copy.at(kb, u, k1, k2))
            for r, cells in enumerate(sums):
                number = self.left.operand.load_at(self.left.at(kb, r, k1, k2))
                left = splat(kb, kb.scalars.cast(number, self.dtype).value, width)
                for cell, vector in zip(cells, vectors, strict=True):
                    cell.set(multiply_add(kb, self.dtype, left, vector, cell.get(), width))
        return sums

    def _ask_ahead(self, k: Index) -> None:
        """Ask for the vectors some steps ahead, at the end for the next tile's first ones."""
        kb, right, width = self.kb, self.right, lanes(self.kb.machine, self.dtype)
        later = kb.add(k, _AHEAD)
        is_next = kb.compare(">=", later, self.inner)
        step = kb.select(is_next, kb.sub(later, self.inner), later)
        beside = kb.select(is_next, self.vectors * width, 0)
        at = kb.add(kb.mul(step, right.inner), beside)
        for first in range(0, self.vectors * width * self.dtype.itemsize, _LINE):
            right.operand.prefetch(kb.add(at, first // self.dtype.itemsize))

    def _store_unrolled(
        self, sums: list[list[Cell]], row: Index, start: Index, store: Store
    ) -> None:
        kb, width = self.kb, lanes(self.kb.machine, self.dtype)
        for r, cells in enumerate(sums):
            for u, cell in enumerate(cells):
                full = Lanes(kb, width, width)
                store(kb.add(row, r), kb.add(start, u * width), cell.get(), full)

    def _store_in_loops(
        self, sums: list[list[Cell]], row: Index, start: Index, count: Index, store: Store
    ) -> None:
        """The first `count` columns, by way of the stack."""
        kb, width = self.kb, lanes(self.kb.machine, self.dtype)
        line = self.vectors * width
        buffer = kb.buffer(self.dtype, self.rows * line)
        for r, cells in enumerate(sums):
            for u, cell in enumerate(cells):
                buffer.store_vector(cell.get(), r * line + u * width)
        whole = isinstance(count, int) and count % width == 0
        with kb.loop(self.rows) as r, kb.loop(count, 0, width, plain=True) as j:
            vector = buffer.load_vector(kb.add(kb.mul(r, line), j), width)
            some = Lanes(kb, width, width if whole else kb.sub(count, j))
            store(kb.add(row, r), kb.add(start, j), vector, some)


def multiply_add(
    kb: KernelBuilder, dtype: DType, x: Value, y: Value, total: Value, width: int
) -> Value:
    """x * y + total for vectors (width 0: for numbers)."""
    scalars = LLVMScalars(kb.b, width)
    a, b, c = (scalars.wrap(value, dtype) for value in (x, y, total))
    return (scalars.fma(a, b, c) if dtype.is_float else a * b + c).value
