"""matmul_v2: every form of it comes down to products of two matrices in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc, Variable

from ..builder import KernelBuilder
from ..epilogue import Result, Surface
from ..index import Index, Value
from ..lanes import Lanes
from ..operand import Operand
from .move import Stride, loops, register
from .product import FEW, Direct, Left, Product, panel_columns, sum_dtype
from .registry import lowers_head


@dataclass(frozen=True)
class Matrix:
    """A stack of matrices: (i, j) of one of them at base + i * row + j * column."""

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


def matrix(operand: Operand, transposed: bool, is_left: bool) -> Matrix:
    """The last two axes; a vector is a row on the left, a column on the right."""
    shape = operand.shape
    if operand.ndim == 1:
        row = Matrix(operand, 1, shape[0], shape[0], 1)
        return row if is_left else row.flipped
    found = Matrix(operand, shape[-2], shape[-1], shape[-1], 1)
    return found.flipped if transposed else found


def _scratch(op: OpDesc) -> Dim:
    """The panel: as many rows as are summed, in the larger of the ways to see it."""
    x = _variable(op, "X")
    dtype = sum_dtype(x.dtype)
    last = -2 if op.attrs["trans_x"] and x.ndim > 1 else -1
    return x.shape[last] * (panel_columns(dtype) * dtype.itemsize)


def _variable(op: OpDesc, slot: str) -> Variable:
    found = op.input(slot)
    assert found is not None
    return found


@lowers_head("matmul_v2", scratch=_scratch)
def matmul(kb: KernelBuilder, result: Result) -> None:
    """[..., M, K] by [..., K, N]; the stacks broadcast."""
    x, y, shape = kb.input("X"), kb.input("Y"), result.shape
    left = matrix(x, kb.attrs["trans_x"], True)
    right = matrix(y, kb.attrs["trans_y"], False)
    batch = shape[: len(shape) - (x.ndim > 1) - (y.ndim > 1)]
    rows_and_columns = int(x.ndim > 1), int(y.ndim > 1)
    if y.ndim <= 2 and x.ndim > 2 and not kb.attrs["trans_x"]:
        # A stack times one matrix is one long matrix times it.
        left = replace(left, rows=product(batch) * left.rows)
        rows_and_columns = len(batch) + 1, int(y.ndim > 1)
        batch = ()
    surface = result.over(*[1] * len(batch), *rows_and_columns)
    strides = [_batch_strides(x, batch), _batch_strides(y, batch)]
    with loops(kb, batch) as index:
        bases = [kb.offset(index, [register(kb, s) for s in own]) for own in strides]
        stack = zip((left, right), bases, strict=True)
        _emit_product(kb, *(replace(one, base=base) for one, base in stack), surface, index)


def _batch_strides(operand: Operand, batch: Shape) -> list[Stride]:
    """Strides of the axes before the last two, as seen from the stack's shape."""
    if not batch or operand.ndim <= 2:
        return [0] * len(batch)
    if operand.ndim - 2 < len(batch) or operand.shape[:-2] != batch:
        whole = (*batch, *operand.shape[-2:])
        return list(operand.broadcast_strides(whole)[: len(batch)])
    return list(operand.strides[: len(batch)])


def _emit_product(
    kb: KernelBuilder, left: Matrix, right: Matrix, surface: Surface, batch: Sequence[Index]
) -> None:
    dtype = sum_dtype(left.operand.dtype)
    flipped = _is_narrow(right.columns) and not _is_narrow(left.rows)
    if flipped:
        # Few columns would leave most of a panel empty: the transposed product has many.
        left, right = right.flipped, left.flipped
    dim = kb.dim
    direct = None
    if right.column == 1 and right.operand.dtype is dtype:
        few = kb.lt(dim(left.rows), FEW)
        direct = Direct(right.operand, right.base, 0, dim(right.row), few)

    def pack(start: Index, count: Index, panel: Operand) -> None:
        _pack(kb, right, start, count, panel)

    def store(i: Index, j: Index, sums: Value, lanes: Lanes) -> None:
        index = (*batch, j, i) if flipped else (*batch, i, j)
        surface.store(sums, dtype, index, lanes, -2 if flipped else -1)

    Product(
        kb, dim(left.rows), dim(right.columns), 1, dim(left.columns),
        Left(left.operand, left.base, dim(left.row), 0, dim(left.column)), pack,
        store, direct, surface.result.is_long,
    ).emit()  # fmt: skip


def _is_narrow(size: Dim) -> bool:
    return isinstance(size, int) and size <= 4


def _pack(kb: KernelBuilder, right: Matrix, start: Index, count: Index, panel: Operand) -> None:
    """Columns [start, start + count) of the right matrix, row by row; the rest of a row is 0."""
    width = panel_columns(right.operand.dtype)
    zero = kb.const(0, panel.dtype)
    row, column = kb.dim(right.row), kb.dim(right.column)

    def copy(k: Index, j: Index) -> None:
        at = kb.add(kb.mul(k, row), kb.mul(kb.add(start, j), column))
        value = right.operand.load_at(kb.add(right.base, at))
        panel.store_at(kb.scalars.cast(value, panel.dtype), kb.add(kb.mul(k, width), j))

    def whole() -> None:
        if right.column == 1:
            with kb.loop(kb.dim(right.rows)) as k, kb.loop(width) as j:
                copy(k, j)
        else:
            # Along k the matrix lies densely: read it so, a column after the other.
            with kb.loop(width) as j, kb.loop(kb.dim(right.rows)) as k:
                copy(k, j)

    def some() -> None:
        with kb.loop(kb.dim(right.rows), plain=True) as k:
            with kb.loop(count, plain=True) as j:
                copy(k, j)
            with kb.loop(width, count, plain=True) as j:
                panel.store_at(zero, kb.add(kb.mul(k, width), j))

    kb.either(kb.eq(count, width), whole, some)
