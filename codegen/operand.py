"""An operand of a kernel: where a tensor lies, its type, and the two hooks `load` and `store`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llvmlite import ir

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType

from .index import I32, POINTER, Index, Value, i64
from .math import storage_type

if TYPE_CHECKING:
    from .builder import KernelBuilder


@dataclass(eq=False)
class Operand:
    """A C-contiguous tensor in memory.

    `load(i, j)` and `store(value, i, j)` take an index per dim; `load_at(offset)` and
    `store_at(value, offset)` count elements from the start. Values are Scalars of its dtype.
    """

    kb: KernelBuilder
    pointer: Value
    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def strides(self) -> list[Index]:
        """Elements from one index to the next, for each dim."""
        return [self.kb.dim(product(self.shape[axis + 1 :])) for axis in range(self.ndim)]

    def offset(self, index: Sequence[Index]) -> Index:
        """The place of an element, counted in elements."""
        return self.kb.offset(index, self.strides)

    def load(self, *index: Index) -> Scalar:
        return self.load_at(self.offset(index))

    def store(self, value: Scalar, *index: Index) -> None:
        self.store_at(value, self.offset(index))

    def load_at(self, offset: Index) -> Scalar:
        stored = self.kb.b.load(self.address(offset), typ=storage_type(self.dtype))
        return self.kb.scalars.from_storage(stored, self.dtype)

    def store_at(self, value: Scalar, offset: Index) -> None:
        assert value.dtype is self.dtype, f"store of {value.dtype.name} into {self.dtype.name}"
        self.kb.check_divisions(offset)
        self.kb.b.store(self.kb.scalars.to_storage(value), self.address(offset))

    def load_vector(self, offset: Index, width: int) -> Value:
        """`width` elements as they lie in memory, from `offset` on; any alignment."""
        kind = storage_type(self.dtype, width)
        return self.kb.b.load(self.address(offset), typ=kind, align=self.dtype.itemsize)

    def store_vector(self, value: Value, offset: Index) -> None:
        self.kb.b.store(value, self.address(offset), align=self.dtype.itemsize)

    def prefetch(self, offset: Index) -> None:
        """Ask for the cache line of the element at `offset`, which may lie anywhere."""
        module = self.kb.function.module
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        name = "llvm.prefetch.p0"
        function = module.globals.get(name) or ir.Function(module, kind, name)
        reading, near, data = (ir.Constant(I32, number) for number in (0, 3, 1))
        self.kb.b.call(function, [self.address(offset), reading, near, data])

    def address(self, offset: Index) -> Value:
        """The pointer to the element at `offset`."""
        kind = storage_type(self.dtype)
        return self.kb.b.gep(self.pointer, [i64(offset)], True, source_etype=kind)

    def broadcast_strides(self, shape: Sequence[Dim]) -> list[Index]:
        """Strides for reading at an index of `shape`, to which this operand broadcasts.

        0 where this operand has size 1 and `shape` not; decided at run time if not certain.
        """
        lead = [0] * (len(shape) - self.ndim)
        pairs = zip(self.shape, shape[len(lead) :], self.strides, strict=True)
        return [*lead, *(self._stride(own, to, stride) for own, to, stride in pairs)]

    def _stride(self, own: Dim, to: Dim, stride: Index) -> Index:
        if own == to:
            return stride
        if isinstance(own, int):
            return 0 if own == 1 else stride
        return self.kb.select(self.kb.eq(self.kb.dim(own), 1), 0, stride)
