"""The product of a matrix, whose rows are runs in memory, with a vector: a dot product per row.

Along k, product i belongs to lane i % 32 (of float64: 16), where it is added to the lane's products
before it; at the end the lanes are added by halves. So the order depends on neither the machine nor
on the rows beside, nor on who computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from llvmlite import ir

from wherry.schema.dtypes import DType, float32, float64

from ..builder import KernelBuilder
from ..index import I32, Index, Value
from ..lanes import Lanes
from ..math import LLVMScalars
from ..operand import Operand
from .panels import Matrix, lanes
from .tile import Store, multiply_add

# The lanes of a sum have so many bytes.
_SUM_BYTES = 128
# So many rows are taken together at most.
_MOST_ROWS = 4


@dataclass(frozen=True)
class Dots:
    """The left matrix times the right one, which has one column; float32 and float64."""

    kb: KernelBuilder
    left: Matrix
    right: Matrix
    store: Store

    @staticmethod
    def takes(left: Matrix, right: Matrix) -> bool:
        """Whether that is so, and both are runs along k."""
        runs = right.columns == right.row == left.column == 1
        return runs and right.operand.dtype in (float32, float64)

    @property
    def dtype(self) -> DType:
        return self.right.operand.dtype

    @cached_property
    def lanes(self) -> int:
        return lanes(self.kb.machine, self.dtype)

    @cached_property
    def sum_lanes(self) -> int:
        return _SUM_BYTES // self.dtype.itemsize

    @cached_property
    def at_once(self) -> int:
        """The rows that are taken together: their sums fill half of the registers at most."""
        kb, rows = self.kb, self.left.rows
        most = kb.machine.registers // 2 * self.lanes // self.sum_lanes
        return min(most, _MOST_ROWS, rows if isinstance(rows, int) else most)

    @property
    def rows(self) -> Index:
        return self.kb.dim(self.left.rows)

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own rows, a vector of them at most."""
        return self.kb.div(self.kb.add(self.rows, self.lanes - 1), self.lanes)

    def emit_block(self, block: Index) -> None:
        kb, width = self.kb, self.lanes
        start = kb.mul(block, width)
        is_whole = isinstance(self.rows, int) and self.rows % width == 0
        count = width if is_whole else kb.minimum(kb.sub(self.rows, start), width)
        results = kb.buffer(self.dtype, width + _MOST_ROWS)
        with kb.loop(count, 0, self.at_once, plain=True) as i:
            self._emit_rows(kb.add(start, i), i, results)
        self.store(start, 0, results.load_vector(0, width), Lanes(kb, width, count))

    def _emit_rows(self, row: Index, place: Index, results: Operand) -> None:
        """The sums of some rows; behind the last row that one is taken again."""
        kb, left, width = self.kb, self.left, self.lanes
        last = kb.sub(self.rows, 1)
        rows = [kb.minimum(kb.add(row, r), last) for r in range(self.at_once)]
        starts = [left.at(kb, one, 0) for one in rows]
        sums = kb.buffer(self.dtype, self.at_once * self.sum_lanes)
        zero = LLVMScalars(kb.b, width).const(0, self.dtype).value
        cells = [kb.cell(zero) for _ in range(self.at_once * self.sum_lanes // width)]
        depth = kb.dim(self.right.rows)
        stop = kb.mul(kb.div(depth, self.sum_lanes), self.sum_lanes)
        with kb.loop(stop, 0, self.sum_lanes, plain=True) as k:
            for u in range(0, self.sum_lanes, width):
                vector = self._vector(kb.add(k, u))
                for r, start in enumerate(starts):
                    cell = cells[(r * self.sum_lanes + u) // width]
                    number = left.operand.load_vector(kb.add(start, kb.add(k, u)), width)
                    cell.set(multiply_add(kb, self.dtype, number, vector, cell.get(), width))
        for number, cell in enumerate(cells):
            sums.store_vector(cell.get(), number * width)
        if not (isinstance(depth, int) and stop == depth):
            self._add_rest(sums, starts, stop, depth)
        for r in range(self.at_once):
            total = self._total(sums.load_vector(r * self.sum_lanes, self.sum_lanes))
            kb.b.store(total, results.address(kb.add(place, r)))

    def _vector(self, k: Index) -> Value:
        right = self.right
        return right.operand.load_vector(right.at(self.kb, k, 0), self.lanes)

    def _add_rest(self, sums: Operand, starts: Sequence[Index], stop: Index, depth: Index) -> None:
        """The products behind the last whole turn of the lanes."""
        kb, width = self.kb, self.lanes
        left, right = self.left.operand, self.right
        with kb.loop(depth, stop, width, plain=True) as k:
            some = Lanes(kb, width, kb.sub(depth, k))
            vector = some.load(right.operand, partial(kb.add, right.at(kb, k, 0)), 1).value
            for r, start in enumerate(starts):
                at, slot = kb.add(start, k), kb.add(kb.sub(k, stop), r * self.sum_lanes)
                number = some.load(left, partial(kb.add, at), 1).value
                before = sums.load_vector(slot, width)
                total = multiply_add(kb, self.dtype, number, vector, before, width)
                sums.store_vector(kb.b.select(some.mask, total, before), slot)

    def _total(self, vector: Value) -> Value:
        """The sum of all lanes, by halves."""
        kb, count = self.kb, vector.type.count
        while count > 1:
            count //= 2
            high = ir.Constant(ir.VectorType(I32, count), list(range(count, 2 * count)))
            low = ir.Constant(high.type, list(range(count)))
            low, high = (kb.b.shuffle_vector(vector, vector, mask) for mask in (low, high))
            vector = kb.b.fadd(low, high)
        return kb.b.extract_element(vector, ir.Constant(I32, 0))
