"""matmul_v2: every form of it comes down to products of two matrices in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..epilogue import Result, Surface
from ..index import Index, Value
from ..lanes import Lanes
from ..nest import unravel
from ..operand import Operand
from .dots import Dots
from .few_rows import FewRows, rows_at_once
from .few_rows_transposed import FewRowsTransposed
from .move import Stride, register
from .panels import Matrix, Slots, lanes, pack, sum_dtype
from .product import Left, Product, Right, must_pack_rows, scratch_bytes
from .registry import lowers_head
from .tile import Strip

# A right matrix of so many bytes is read where it lies.
SMALL = 1 << 14
# So many rows are few: for more the first tile packs what it reads. Where the call tells how many
# there are, packing is a pass, and more are few beside a matrix that the second-level cache holds.
FEW, NEAR, FEW_NEAR = 8, 3 << 18, 32
# So many rows are few beside a matrix that would be transposed to be packed.
FEW_TRANSPOSED = 8


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
    is_dots = Dots.takes(left, right)
    flipped = _is_narrow(right.columns) and not _is_narrow(left.rows) and not is_dots
    if flipped:
        # Few columns would leave most of a panel empty: the transposed product has many.
        left, right = right.flipped, left.flipped
        strides.reverse()
    outline = _Versions(kb, left, right, surface, flipped)
    with kb.parallel(kb.mul(kb.count(kb.dims_of(batch)), outline.blocks)) as number:
        index = unravel(kb, kb.div(number, outline.blocks), batch)
        bases = [kb.offset(index, [register(kb, s) for s in own]) for own in strides]
        here, there = (
            replace(one, base=base) for one, base in zip((left, right), bases, strict=True)
        )
        versions = _Versions(kb, here, there, surface, flipped, index)
        versions.emit_block(kb.rem(number, outline.blocks))


@dataclass(frozen=True)
class _Versions:
    """The product of two matrices of a stack, for few rows and for many.

    Both are there where the call tells how many rows there are.
    """

    kb: KernelBuilder
    left: Matrix
    right: Matrix
    surface: Surface
    flipped: bool
    batch: Sequence[Index] = ()

    @cached_property
    def few(self) -> FewRows | FewRowsTransposed | Dots | None:
        kb, left, right = self.kb, self.left, self.right
        if Dots.takes(left, right):
            return Dots(kb, left, right, self.store)
        if isinstance(left.rows, int) and left.rows > self.most:
            return None
        if self.reads_runs:
            return FewRows(kb, left, right, self.store)
        if not FewRowsTransposed.takes(right) or _is_below(right.columns, self.least):
            return None
        return FewRowsTransposed(kb, left, right, self.store, self.surface.result.is_long)

    @property
    def least(self) -> int:
        """The right matrix has so many columns at least where it is read for few rows."""
        return 1 if self.reads_runs else FewRowsTransposed.least_columns(self.kb, self.right)

    @cached_property
    def most(self) -> int:
        """With so many rows the right matrix is better read once for a few of them than packed."""
        if not self.reads_runs:
            return FEW_TRANSPOSED
        size = self.right.rows * self.right.columns * self.dtype.itemsize
        if _is_small(self.right):
            return rows_at_once(self.kb)
        is_near = isinstance(size, int) and size <= NEAR
        return FEW_NEAR if is_near and not isinstance(self.left.rows, int) else FEW

    @cached_property
    def many(self) -> Product | None:
        kb, left, right = self.kb, self.left, self.right
        if self.few is not None and self.are_few is None:
            return None
        return Product(
            kb, kb.dim(left.rows), kb.dim(right.columns), 1, kb.dim(left.columns),
            Left(left.operand, left.base, kb.dim(left.row), 0, kb.dim(left.column)),
            Right(self.fill, self.place if self.reads_runs else None, _is_small(right)),
            self.store, self.surface.result.is_long,
            left if must_pack_rows(left, left.rows) else None,
        )  # fmt: skip

    @cached_property
    def are_few(self) -> Value | None:
        """Whether `few` can be taken, where only the call tells."""
        kb, rows, columns = self.kb, self.left.rows, self.right.columns
        if isinstance(self.few, Dots):
            return None
        told = [] if isinstance(rows, int) else [kb.compare("<=", kb.dim(rows), self.most)]
        if self.least > 1 and not isinstance(columns, int):
            told.append(kb.compare(">=", kb.dim(columns), self.least))
        return kb.b.and_(*told) if len(told) == 2 else told[0] if told else None

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own part of the result."""
        if self.few is not None and self.many is not None:
            return self.kb.select(self.are_few, self.few.blocks, self.many.blocks)
        one = self.few or self.many
        assert one is not None
        return one.blocks

    def emit_block(self, block: Index) -> None:
        few, many = self.few, self.many
        if few is not None and many is not None:
            self.kb.either(
                self.are_few, lambda: few.emit_block(block), lambda: many.emit_block(block)
            )
        elif few is not None:
            few.emit_block(block)
        elif many is not None:
            many.emit_block(block)

    @property
    def dtype(self) -> DType:
        return sum_dtype(self.left.operand.dtype)

    @property
    def reads_runs(self) -> bool:
        """Whether the right matrix's rows are runs of numbers as they are multiplied."""
        return self.right.column == 1 and self.right.operand.dtype is self.dtype

    def fill(self, start: Index, count: Index, slots: Slots) -> None:
        pack(self.kb, self.right, start, count, slots)

    def place(self, start: Index) -> Strip:
        pointer = self.right.operand.address(self.right.at(self.kb, 0, start))
        here = Operand(self.kb, pointer, self.dtype, ())
        return Strip(here, lanes(self.kb.machine, self.dtype), 0, self.kb.dim(self.right.row))

    def store(self, i: Index, j: Index, sums: Value, some: Lanes) -> None:
        index = (*self.batch, j, i) if self.flipped else (*self.batch, i, j)
        down = self.flipped or isinstance(self.few, Dots)
        self.surface.store(sums, self.dtype, index, some, -2 if down else -1)


def _batch_strides(operand: Operand, batch: Shape) -> list[Stride]:
    """Strides of the axes before the last two, as seen from the stack's shape."""
    if not batch or operand.ndim <= 2:
        return [0] * len(batch)
    if operand.ndim - 2 < len(batch) or operand.shape[:-2] != batch:
        whole = (*batch, *operand.shape[-2:])
        return list(operand.broadcast_strides(whole)[: len(batch)])
    return list(operand.strides[: len(batch)])


def _is_small(right: Matrix) -> bool:
    """Whether the matrix lies in the first-level cache while it is read."""
    size = right.rows * right.columns * right.operand.dtype.itemsize
    return isinstance(size, int) and size <= SMALL


def _is_narrow(size: Dim) -> bool:
    return _is_below(size, 5)


def _is_below(size: Dim, least: int) -> bool:
    """Whether it is known that a size is smaller."""
    return isinstance(size, int) and size < least
