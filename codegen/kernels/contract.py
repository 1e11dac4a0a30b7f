"""matmul_v2: every form of it comes down to products of two matrices in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc

from ..builder import KernelBuilder
from ..epilogue import Result, Surface
from ..index import Index, Value
from ..lanes import Lanes
from ..operand import Operand
from .move import Stride, register, unravel
from .panels import Matrix, Slots, lanes, pack, sum_dtype
from .product import Left, Product, Right, must_pack_rows, scratch_bytes
from .registry import lowers_head
from .tile import Strip

# A right matrix of so many bytes is read where it lies.
SMALL = 1 << 14


def matrix(operand: Operand, transposed: bool, is_left: bool) -> Matrix:
    """The last two axes; a vector is a row on the left, a column on the right."""
    shape = operand.shape
    if operand.ndim == 1:
        row = Matrix(operand, 1, shape[0], shape[0], 1)
        return row if is_left else row.flipped
    found = Matrix(operand, shape[-2], shape[-1], shape[-1], 1)
    return found.flipped if transposed else found


def _scratch(op: OpDesc) -> Dim:
    x = op.inputs["X"][0]
    last = -2 if op.attrs["trans_x"] and x.ndim > 1 else -1
    return scratch_bytes(x.shape[last], x.dtype)


@lowers_head("matmul_v2", scratch=_scratch)
def matmul(kb: KernelBuilder, result: Result) -> None:
    """[..., M, K] by [..., K, N]; the stacks broadcast."""
    x, y, shape = kb.input("X"), kb.input("Y"), result.shape
    if 0 in shape:
        return
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
    one = _product(kb, left, right, surface)
    with kb.parallel(kb.mul(kb.count(kb.dims_of(batch)), one.blocks)) as number:
        index = unravel(kb, kb.div(number, one.blocks), batch)
        bases = [kb.offset(index, [register(kb, s) for s in own]) for own in strides]
        here, there = (
            replace(one, base=base) for one, base in zip((left, right), bases, strict=True)
        )
        _product(kb, here, there, surface, index).emit_block(kb.rem(number, one.blocks))


def _batch_strides(operand: Operand, batch: Shape) -> list[Stride]:
    """Strides of the axes before the last two, as seen from the stack's shape."""
    if not batch or operand.ndim <= 2:
        return [0] * len(batch)
    if operand.ndim - 2 < len(batch) or operand.shape[:-2] != batch:
        whole = (*batch, *operand.shape[-2:])
        return list(operand.broadcast_strides(whole)[: len(batch)])
    return list(operand.strides[: len(batch)])


def _product(
    kb: KernelBuilder, left: Matrix, right: Matrix, surface: Surface, batch: Sequence[Index] = ()
) -> Product:
    dtype, dim = sum_dtype(left.operand.dtype), kb.dim
    flipped = _is_narrow(right.columns) and not _is_narrow(left.rows)
    if flipped:
        # Few columns would leave most of a panel empty: the transposed product has many.
        left, right = right.flipped, left.flipped

    def fill(start: Index, count: Index, slots: Slots) -> None:
        pack(kb, right, start, count, slots)

    def place(start: Index) -> Strip:
        pointer = right.operand.address(right.at(kb, 0, start))
        here = Operand(kb, pointer, dtype, ())
        return Strip(here, lanes(kb.machine, dtype), 0, dim(right.row))

    def store(i: Index, j: Index, sums: Value, some: Lanes) -> None:
        index = (*batch, j, i) if flipped else (*batch, i, j)
        surface.store(sums, dtype, index, some, -2 if flipped else -1)

    is_run = right.column == 1 and right.operand.dtype is dtype
    return Product(
        kb, dim(left.rows), dim(right.columns), 1, dim(left.columns),
        Left(left.operand, left.base, dim(left.row), 0, dim(left.column)),
        Right(fill, place if is_run else None, is_run and _is_small(right)),
        store, surface.result.is_long, left if must_pack_rows(left, left.rows) else None,
    )  # fmt: skip


def _is_small(right: Matrix) -> bool:
    """Whether the matrix lies in the first-level cache while it is read."""
    size = right.rows * right.columns * right.operand.dtype.itemsize
    return isinstance(size, int) and size <= SMALL


def _is_narrow(size: Dim) -> bool:
    return isinstance(size, int) and size <= 4
