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
# A block has so many columns at least, so that runs are long; blocks are shares for threads.
_BLOCK_BYTES, _SHARES = 2048, 4
# The columns of a block, where it is not known how many there are.
_UNKNOWN_BYTES = 4096


def few_rows(kb: KernelBuilder) -> int:
    """How many rows are few: their numbers for the rows that are added at once are in registers."""
    return kb.machine.registers // 8


@dataclass(frozen=True)
class FewRows:
    """`rows` rows of the left matrix times the right one, whose rows are runs in memory."""

    kb: KernelBuilder
    rows: int
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
    def per_block(self) -> int:
        """The columns of a block: whole vectors."""
        columns, size = self.right.columns, self.dtype.itemsize
        if not isinstance(columns, int):
            return _UNKNOWN_BYTES // size
        share = max(_BLOCK_BYTES // size, -(-columns // _SHARES))
        return -(-min(share, columns, _UNKNOWN_BYTES // size) // self.lanes) * self.lanes

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own columns."""
        kb = self.kb
        return kb.div(kb.add(kb.dim(self.right.columns), self.per_block - 1), self.per_block)

    def emit_block(self, block: Index) -> None:
        kb, width = self.kb, self.lanes
        start = kb.mul(block, self.per_block)
        count = kb.minimum(kb.sub(kb.dim(self.right.columns), start), self.per_block)
        sums = kb.buffer(self.dtype, self.rows, self.per_block)
        zero = LLVMScalars(kb.b, width).const(0, self.dtype).value
        for r in range(self.rows):
            with kb.loop(count, 0, width) as j:
                sums.store_vector(zero, kb.add(r * self.per_block, j))
        depth = kb.dim(self.right.rows)
        whole = kb.mul(kb.div(depth, _AT_ONCE), _AT_ONCE)
        with kb.loop(whole, 0, _AT_ONCE) as k:
            self._add(sums, k, _AT_ONCE, start, count)
        with kb.loop(depth, whole) as k:
            self._add(sums, k, 1, start, count)
        for r in range(self.rows):
            for j, some in self._vectors(count):
                value = sums.load_vector(kb.add(r * self.per_block, j), width)
                self.store(r, kb.add(start, j), value, some)

    def _vectors(self, count: Index) -> Iterator[tuple[Index, Lanes]]:
        """A loop over the block's full vectors; then what is left, if something may be."""
        kb, width = self.kb, self.lanes
        whole = kb.mul(kb.div(count, width), width)
        with kb.loop(whole, 0, width, unroll=2) as j:
            yield j, Lanes(kb, width, width)
        rest = kb.sub(count, whole)
        if isinstance(rest, int):
            if rest:
                yield whole, Lanes(kb, width, rest)
        else:
            with kb.when(kb.ne(rest, 0)):
                yield whole, Lanes(kb, width, rest)

    def _add(self, sums: Operand, k: Index, steps: int, start: Index, count: Index) -> None:
        """Add the products of some steps to the sums."""
        kb = self.kb
        numbers = [[self._number(r, kb.add(k, t)) for t in range(steps)] for r in range(self.rows)]
        for j, some in self._vectors(count):
            vectors = [self._vector(kb.add(k, t), kb.add(start, j), some) for t in range(steps)]
            for r, line in enumerate(numbers):
                at = kb.add(r * self.per_block, j)
                total = sums.load_vector(at, self.lanes)
                for number, vector in zip(line, vectors, strict=True):
                    total = multiply_add(kb, self.dtype, number, vector, total, self.lanes)
                sums.store_vector(total, at)

    def _number(self, r: int, k: Index) -> Value:
        """A number of the left matrix, in all lanes."""
        found = self.left.operand.load_at(self.left.at(self.kb, r, k))
        return splat(self.kb, found.value, self.lanes)

    def _vector(self, k: Index, j: Index, some: Lanes) -> Value:
        at = self.right.at(self.kb, k, j)
        return some.load(self.right.operand, lambda lane: self.kb.add(at, lane), 1).value
