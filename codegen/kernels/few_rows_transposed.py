"""The product of a few rows with a matrix whose columns are runs in memory, read where they lie.

Pieces of some columns are transposed in registers on their way to the sums. So the matrix is read
once and written nowhere, and each sum is still taken in the order of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from llvmlite import ir

from wherry.schema.dtypes import DType, float32, float64

from ..builder import KernelBuilder
from ..index import I32, Cell, Index, Value
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from .panels import Matrix, lanes
from .tile import Store, multiply_add

# A piece of a column: what a shuffle of any machine's vectors moves within.
_PIECE_BYTES = 16
# The innermost loop takes a line of the cache, so many pieces of a column, if it has as many
# registers for each.
_UNROLLED, _REGISTERS = 4, 6


@dataclass(frozen=True)
class FewRowsTransposed:
    """The left matrix times the right one, whose columns are runs; float32 and float64.

    The right matrix has at least `least_columns`. `in_loops` says that the code of `store` is long.
    """

    kb: KernelBuilder
    left: Matrix
    right: Matrix
    store: Store
    in_loops: bool

    @staticmethod
    def takes(right: Matrix) -> bool:
        """Whether the matrix is one of those."""
        is_run = right.row == 1 and right.column != 1
        return is_run and right.operand.dtype in (float32, float64)

    @staticmethod
    def least_columns(kb: KernelBuilder, right: Matrix) -> int:
        return lanes(kb.machine, right.operand.dtype)

    @property
    def dtype(self) -> DType:
        return self.right.operand.dtype

    @cached_property
    def lanes(self) -> int:
        return lanes(self.kb.machine, self.dtype)

    @property
    def piece(self) -> int:
        return _PIECE_BYTES // self.dtype.itemsize

    @property
    def columns(self) -> Index:
        return self.kb.dim(self.right.columns)

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own columns, of a vector at most."""
        return self.kb.div(self.kb.add(self.columns, self.lanes - 1), self.lanes)

    @cached_property
    def groups(self) -> list[tuple[int, Index, Index]]:
        """The rows that are taken together: (how many, the first, behind the last)."""
        kb, rows, most = self.kb, self.left.rows, self.kb.machine.registers // 4
        if isinstance(rows, int):
            size = -(-rows // -(-rows // most))
            stop = rows // size * size
            rest = [(rows - stop, stop, rows)] if stop < rows else []
            return [(size, 0, stop), *rest]
        stop = kb.mul(kb.div(kb.dim(rows), most), most)
        return [(most, 0, stop), (1, stop, kb.dim(rows))]

    def emit_block(self, block: Index) -> None:
        """The last block takes a whole vector of columns too, and stores those not yet stored."""
        kb = self.kb
        wanted = kb.mul(block, self.lanes)
        start = kb.minimum(wanted, kb.sub(self.columns, self.lanes))
        is_whole = isinstance(self.columns, int) and self.columns % self.lanes == 0
        stored = 0 if is_whole else kb.sub(wanted, start)
        for rows, first, stop in self.groups:
            with kb.loop(stop, first, rows) as row:
                sums = self._sums(row, rows, start)
                self._store(sums, row, start, stored)

    def _sums(self, row: Index, rows: int, start: Index) -> list[Cell]:
        kb, piece = self.kb, self.piece
        zero = LLVMScalars(kb.b, self.lanes).const(0, self.dtype).value
        sums = [kb.cell(zero) for _ in range(rows)]
        depth = kb.dim(self.right.rows)
        stop = kb.mul(kb.div(depth, piece), piece)
        unroll = min(_UNROLLED, (kb.machine.registers - rows) // _REGISTERS)
        with kb.loop(stop, 0, piece, unroll=unroll, plain=True) as k:
            for step, vector in enumerate(self._pieces(k, start)):
                self._add(sums, row, kb.add(k, step), vector)
        if not (isinstance(depth, int) and stop == depth):
            with kb.loop(depth, stop, plain=True) as k:
                self._add(sums, row, k, self._gathered(k, start))
        return sums

    def _add(self, sums: Sequence[Cell], row: Index, k: Index, vector: Value) -> None:
        kb, left = self.kb, self.left
        for r, cell in enumerate(sums):
            found = left.operand.load_at(left.at(kb, kb.add(row, r), k))
            number = splat(kb, found.value, self.lanes)
            cell.set(multiply_add(kb, self.dtype, number, vector, cell.get(), self.lanes))

    def _pieces(self, k: Index, start: Index) -> list[Value]:
        """Rows [k, k + piece) of the right matrix, from column `start` on."""
        kb, right = self.kb, self.right
        lines = []
        for first in range(self.piece):
            columns = range(first, self.lanes, self.piece)
            at = [right.at(kb, k, kb.add(start, column)) for column in columns]
            lines.append(_joined(kb, [right.operand.load_vector(one, self.piece) for one in at]))
        return _transposed(kb, lines, self.piece)

    def _gathered(self, k: Index, start: Index) -> Value:
        """Row k of the right matrix: a vector, from column `start` on."""
        kb, right = self.kb, self.right
        whole = Lanes(kb, self.lanes, self.lanes)
        return whole.load(right.operand, lambda j: right.at(kb, k, kb.add(start, j)), None).value

    def _store(self, sums: Sequence[Cell], row: Index, start: Index, stored: Index) -> None:
        """Store the sums but for the first columns, which are stored already."""
        kb, width = self.kb, self.lanes
        if isinstance(stored, int) and not self.in_loops:
            for r, cell in enumerate(sums):
                self.store(kb.add(row, r), start, cell.get(), Lanes(kb, width, width))
            return
        line = 2 * width
        buffer = kb.buffer(self.dtype, len(sums) * line)
        for r, cell in enumerate(sums):
            buffer.store_vector(cell.get(), r * line)
        with kb.loop(len(sums), plain=True) as r:
            vector = buffer.load_vector(kb.add(kb.mul(r, line), stored), width)
            some = Lanes(kb, width, kb.sub(width, stored))
            self.store(kb.add(row, r), kb.add(start, stored), vector, some)


def _joined(kb: KernelBuilder, parts: Sequence[Value]) -> Value:
    """Vectors one behind the other; a power of 2 of them."""
    while len(parts) > 1:
        width = 2 * parts[0].type.count
        mask = ir.Constant(ir.VectorType(I32, width), list(range(width)))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [kb.b.shuffle_vector(a, b, mask) for a, b in pairs]
    return parts[0]


def _transposed(kb: KernelBuilder, lines: list[Value], piece: int) -> list[Value]:
    """Each square of `piece` vectors' pieces at the same place, transposed."""
    width, half = lines[0].type.count, piece // 2
    masks = [
        ir.Constant(
            ir.VectorType(I32, width),
            [
                lane
                for first in range(shift, width, piece)
                for i in range(first, first + half)
                for lane in (i, width + i)
            ],
        )
        for shift in (0, half)
    ]
    for _ in range(piece.bit_length() - 1):
        pairs = zip(lines[:half], lines[half:], strict=True)
        lines = [kb.b.shuffle_vector(a, b, mask) for a, b in pairs for mask in masks]
    return lines
