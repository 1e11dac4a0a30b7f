"""The product of a few rows with a matrix that is read once, in the order in which it lies.

The sums lie in working memory that the first-level cache holds; some rows of the matrix at a time
are added to them. So each number of the matrix is loaded once, in long runs, and each sum is still
taken in the order of k.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..index import Index, Value
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from ..operand import Operand
from .panels import Matrix, lanes, sum_dtype
from .tile import Store, multiply_add

# So many rows of the right matrix are added at a time.
_AT_ONCE = 4
# A block has runs of so many bytes at least; blocks are shares for threads.
_RUN_BYTES, _SHARES = 2048, 4
# The runs of a block, where it is not known how many columns there are.
_UNKNOWN_BYTES = 4096


def rows_at_once(kb: KernelBuilder) -> int:
    """How many rows are taken at a time: their numbers for `_AT_ONCE` steps are in registers."""
    return kb.machine.registers // 8


@dataclass(frozen=True)
class FewRows:
    """The left matrix times the right one, whose rows are runs in memory."""

    kb: KernelBuilder
    left: Matrix
    right: Matrix
    store: Store

    @property
    def dtype(self) -> DType:
        return sum_dtype(self.right.operand.dtype)

    @cached_property
    def lanes(self) -> int:
        return lanes(self.kb.machine, self.dtype)

    @cached_property
    def groups(self) -> list[tuple[int, Index, Index]]:
        """The rows that are taken together: (how many, the first, behind the last)."""
        kb, rows, most = self.kb, self.left.rows, rows_at_once(self.kb)
        if not isinstance(rows, int):
            return self._groups_of_any(kb.dim(rows))
        size = -(-rows // -(-rows // most))
        stop = rows // size * size
        rest = [(rows - stop, stop, rows)] if stop < rows else []
        return [(size, 0, stop), *rest]

    def _groups_of_any(self, rows: Index) -> list[tuple[int, Index, Index]]:
        most = rows_at_once(self.kb)
        stop = self.kb.mul(self.kb.div(rows, most), most)
        return [(most, 0, stop), (1, stop, rows)]

    @cached_property
    def per_block(self) -> int:
        """The columns of a block: whole vectors."""
        columns, size = self.right.columns, self.dtype.itemsize
        if not isinstance(columns, int):
            return _UNKNOWN_BYTES // size
        share = max(_RUN_BYTES // size, -(-columns // _SHARES))
        return -(-min(share, columns, _UNKNOWN_BYTES // size) // self.lanes) * self.lanes

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own columns."""
        kb = self.kb
        return kb.div(kb.add(kb.dim(self.right.columns), self.per_block - 1), self.per_block)

    def emit_block(self, block: Index) -> None:
        kb = self.kb
        start = kb.mul(block, self.per_block)
        count = kb.minimum(kb.sub(kb.dim(self.right.columns), start), self.per_block)
        for rows, first, stop in self.groups:
            with kb.loop(stop, first, rows) as i:
                _Group(self, rows, i, start, count).emit()


@dataclass(frozen=True)
class _Group:
    """Some rows, from `row` on, times `count` columns from `start` on."""

    whole: FewRows
    rows: int
    row: Index
    start: Index
    count: Index

    @property
    def kb(self) -> KernelBuilder:
        return self.whole.kb

    @cached_property
    def line(self) -> int:
        """The sums of a row lie so far behind those of the row before."""
        return self.whole.per_block

    def emit(self) -> None:
        kb, whole, width = self.kb, self.whole, self.whole.lanes
        sums = kb.buffer(whole.dtype, self.rows, self.line)
        zero = LLVMScalars(kb.b, width).const(0, whole.dtype).value
        for r in range(self.rows):
            with kb.loop(self.count, 0, width, plain=True) as j:
                sums.store_vector(zero, kb.add(r * self.line, j))
        depth = kb.dim(whole.right.rows)
        steps = kb.mul(kb.div(depth, _AT_ONCE), _AT_ONCE)
        with kb.loop(steps, 0, _AT_ONCE) as k:
            self._add(sums, k, _AT_ONCE)
        with kb.loop(depth, steps) as k:
            self._add(sums, k, 1)
        for r in range(self.rows):
            for j, some in self._vectors():
                value = sums.load_vector(kb.add(r * self.line, j), width)
                whole.store(kb.add(self.row, r), kb.add(self.start, j), value, some)

    def _vectors(self) -> Iterator[tuple[Index, Lanes]]:
        """A loop over the full vectors of columns; then what is left, if something may be."""
        kb, width = self.kb, self.whole.lanes
        full = kb.mul(kb.div(self.count, width), width)
        with kb.loop(full, 0, width, plain=True) as j:
            yield j, Lanes(kb, width, width)
        rest = kb.sub(self.count, full)
        if isinstance(rest, int):
            if rest:
                yield full, Lanes(kb, width, rest)
        else:
            with kb.when(kb.ne(rest, 0)):
                yield full, Lanes(kb, width, rest)

    def _add(self, sums: Operand, k: Index, steps: int) -> None:
        """Add the products of some steps to the sums."""
        kb, whole = self.kb, self.whole
        numbers = [[self._number(r, kb.add(k, t)) for t in range(steps)] for r in range(self.rows)]
        for j, some in self._vectors():
            column = kb.add(self.start, j)
            vectors = [self._vector(kb.add(k, t), column, some) for t in range(steps)]
            for r, numbers_of_row in enumerate(numbers):
                at = kb.add(r * self.line, j)
                total = sums.load_vector(at, whole.lanes)
                for number, vector in zip(numbers_of_row, vectors, strict=True):
                    total = multiply_add(kb, whole.dtype, number, vector, total, whole.lanes)
                sums.store_vector(total, at)

    def _number(self, r: int, k: Index) -> Value:
        """A number of the left matrix, in all lanes."""
        left = self.whole.left
        found = left.operand.load_at(left.at(self.kb, self.kb.add(self.row, r), k))
        return splat(self.kb, found.value, self.whole.lanes)

    def _vector(self, k: Index, j: Index, some: Lanes) -> Value:
        right = self.whole.right
        at = right.at(self.kb, k, j)
        return some.load(right.operand, lambda lane: self.kb.add(at, lane), 1).value
