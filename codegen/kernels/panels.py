"""Panels: some columns of a matrix side by side, row after row, as a product's tiles read them.

A panel is [depth, width] in the dtype in which products are summed, in working memory. What lies
in its columns behind the matrix's last one, and behind its last row, does not matter: it is read,
and the sums that come of it are not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from wherry.ir.dims import Dim
from wherry.schema.dtypes import DType, float16, float32

from ..builder import KernelBuilder
from ..index import Index, Value
from ..lanes import Lanes
from ..machine import Machine
from ..operand import Operand
from .tiling import transpose

# So many rows lie behind a panel's last one.
SLACK = 16
# So many rows ahead of the one that is read, the next ones are asked for.
AHEAD = 4


def sum_dtype(dtype: DType) -> DType:
    """In which dtype products are summed."""
    return float32 if dtype is float16 else dtype


def lanes(machine: Machine, dtype: DType) -> int:
    """Elements of the vectors that are multiplied."""
    return min(16, machine.lanes(sum_dtype(dtype)))


@dataclass(frozen=True)
class Matrix:
    """A matrix in memory: (i, j) at base + i * row + j * column."""

    operand: Operand
    rows: Dim
    columns: Dim
    row: Dim
    column: Dim
    base: Index = 0

    @property
    def flipped(self) -> Matrix:
        """The transpose."""
        return replace(self, rows=self.columns, columns=self.rows, row=self.column, column=self.row)

    def at(self, kb: KernelBuilder, i: Index, j: Index) -> Index:
        """The place of an element."""
        place = kb.add(kb.mul(i, kb.dim(self.row)), kb.mul(j, kb.dim(self.column)))
        return kb.add(self.base, place)


@dataclass(frozen=True)
class Slots:
    """Memory for panels of equal width one behind the other, SLACK rows between them."""

    kb: KernelBuilder
    memory: Operand
    depth: Index
    width: int

    @property
    def stride(self) -> Index:
        return self.kb.mul(self.kb.add(self.depth, SLACK), self.width)

    def panel(self, number: Index) -> Operand:
        address = self.memory.address(self.kb.mul(number, self.stride))
        return Operand(self.kb, address, self.memory.dtype, (self.depth, self.width))


def pack(kb: KernelBuilder, matrix: Matrix, start: Index, count: Index, slots: Slots) -> None:
    """Columns [start, start + count) of the matrix, in panels."""
    if matrix.column == 1:
        _pack_rows(kb, matrix, start, count, slots)
        return
    is_run = matrix.row == 1 and matrix.operand.dtype.itemsize >= 2
    emit = _columns if is_run else _elements
    with kb.loop(count, 0, slots.width) as j:
        panel = slots.panel(kb.div(j, slots.width))
        number = kb.minimum(kb.sub(count, j), slots.width)
        emit(kb, matrix, kb.add(start, j), number, panel, slots.width)


def _pack_rows(kb: KernelBuilder, matrix: Matrix, start: Index, count: Index, slots: Slots) -> None:
    """Rows that are runs in memory: one after the other, so that all that is read is one run."""
    width, vector = slots.width, lanes(kb.machine, slots.memory.dtype)
    whole = kb.mul(kb.div(count, width), width)

    def line(k: Index, j: Index, columns: Index) -> None:
        panel = slots.panel(kb.div(j, width))
        for u in range(0, width, vector):
            if isinstance(columns, int) and u >= columns:
                return
            some = Lanes(kb, vector, kb.maximum(kb.sub(columns, u), 0))
            at = matrix.at(kb, k, kb.add(kb.add(start, j), u))
            matrix.operand.prefetch(kb.add(at, kb.mul(AHEAD, kb.dim(matrix.row))))
            value = some.load(matrix.operand, _from(kb, at), 1)
            number = some.scalars.cast(value, panel.dtype)
            panel.store_vector(number.value, kb.add(kb.mul(k, width), u))

    with kb.loop(kb.dim(matrix.rows)) as k:
        with kb.loop(whole, 0, width) as j:
            line(k, j, width)
        rest = kb.sub(count, whole)
        if not (isinstance(rest, int) and rest == 0):
            with kb.when(kb.ne(rest, 0)):
                line(k, whole, rest)


def _from(kb: KernelBuilder, at: Index) -> Callable[[Index], Index]:
    return lambda j: kb.add(at, j)


def _columns(
    kb: KernelBuilder, matrix: Matrix, start: Index, count: Index, panel: Operand, width: int
) -> None:
    """Columns that are runs in memory: squares, transposed in registers."""
    vector, depth = lanes(kb.machine, panel.dtype), kb.dim(matrix.rows)
    one = _Squares(kb, matrix, start, kb.sub(kb.add(start, count), 1), panel, width)
    whole = kb.mul(kb.div(depth, vector), vector)
    rest = kb.sub(depth, whole)
    if not (isinstance(rest, int) and rest == 0) and one.masked:
        # Masks cost nothing: one code for all squares.
        with kb.loop(depth, 0, vector) as k:
            one.emit(k, kb.minimum(kb.sub(depth, k), vector))
        return
    with kb.loop(whole, 0, vector) as k:
        one.emit(k, vector)
    if not (isinstance(rest, int) and rest == 0):
        with kb.when(kb.ne(rest, 0)):
            one.emit(whole, rest)


@dataclass(frozen=True)
class _Squares:
    """Turns rows of a panel out of columns of a matrix, of which `last` is the last one."""

    kb: KernelBuilder
    matrix: Matrix
    start: Index
    last: Index
    panel: Operand
    width: int

    @property
    def masked(self) -> bool:
        """Whether the target loads some of a vector at no cost."""
        return 0 < self.kb.machine.masked_bytes <= self.matrix.operand.dtype.itemsize

    def emit(self, k: Index, rows: Index) -> None:
        """Rows [k, k + rows) of the panel, and some behind them."""
        kb, vector = self.kb, lanes(self.kb.machine, self.panel.dtype)
        for u in range(0, self.width, vector):
            found = self._found(k, u, min(vector, self.width - u), rows)
            for i, line in enumerate(transpose(kb, found)):
                self.panel.store_vector(line, kb.add(kb.mul(kb.add(k, i), self.width), u))

    def _found(self, k: Index, u: int, columns: int, rows: Index) -> list[Value]:
        """The columns from u on, as vectors of the panel's dtype."""
        kb, vector = self.kb, lanes(self.kb.machine, self.panel.dtype)
        if self.matrix.operand.dtype is self.panel.dtype:
            return [self._column(k, kb.add(u, j), rows) for j in range(columns)]
        # The code of a conversion is long: it stands in a loop.
        buffer = kb.buffer(self.panel.dtype, vector, vector)
        with kb.loop(columns, plain=True) as j:
            buffer.store_vector(self._column(k, kb.add(u, j), rows), kb.mul(j, vector))
        return [buffer.load_vector(j * vector, vector) for j in range(columns)]

    def _column(self, k: Index, j: Index, rows: Index) -> Value:
        """Behind the last column that one is read again."""
        kb, some = self.kb, Lanes(self.kb, lanes(self.kb.machine, self.panel.dtype), rows)
        at = self.matrix.at(kb, k, kb.minimum(kb.add(self.start, j), self.last))
        value = some.load(self.matrix.operand, _from(kb, at), 1)
        number: Value = some.scalars.cast(value, self.panel.dtype).value
        return number


def _elements(
    kb: KernelBuilder, matrix: Matrix, start: Index, count: Index, panel: Operand, width: int
) -> None:
    with kb.loop(count, plain=True) as j, kb.loop(kb.dim(matrix.rows), plain=True) as k:
        value = matrix.operand.load_at(matrix.at(kb, k, kb.add(start, j)))
        panel.store_at(kb.scalars.cast(value, panel.dtype), kb.add(kb.mul(k, width), j))
