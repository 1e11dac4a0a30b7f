"""Vectors at the edges of tensors: loads and stores of some of a vector's lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from wherry.ir.scalar import Scalar

from .constant import undefined, zeros
from .index import I1, I32, POINTER, Index, Value
from .math import LLVMScalars, storage_type
from .operand import Operand

if TYPE_CHECKING:
    from .builder import KernelBuilder

Place = Callable[[Index], Index]


def splat(kb: KernelBuilder, value: Value, width: int) -> Value:
    """A vector of one value."""
    kind = ir.VectorType(value.type, width)
    one = kb.b.insert_element(undefined(kind), value, ir.Constant(I32, 0))
    return kb.b.shuffle_vector(one, undefined(kind), zeros(width))


def load_within(operand: Operand, at: Index, width: int, low: int, high: int) -> Value:
    """Lanes [low, high) of the vector at `at`; the others are zeros and touch no memory.

    Where the target has no such instruction, LLVM makes loads of single numbers of it.
    """
    if (low, high) == (0, width):
        return operand.load_vector(at, width)
    flags = [low <= lane < high for lane in range(width)]
    if not any(flags):
        return ir.Constant(storage_type(operand.dtype, width), None)
    mask = ir.Constant(ir.VectorType(I1, width), flags)
    return _masked_load(operand.kb, operand, at, mask)


def _masked_load(kb: KernelBuilder, operand: Operand, at: Index, flags: Value) -> Value:
    kind = storage_type(operand.dtype, flags.type.count)
    function = _masked(kb, "load", kind, kind, [POINTER, I32, flags.type, kind])
    align = ir.Constant(I32, operand.dtype.itemsize)
    behind = ir.Constant(kind, None)
    return kb.b.call(function, [operand.address(at), align, flags, behind])


def _masked(kb: KernelBuilder, name: str, kind: Any, result: Any, arguments: list[Any]) -> Any:
    element = kind.element
    letter = "i" if isinstance(element, ir.IntType) else "f"
    bits = element.width if letter == "i" else 32 if element == ir.FloatType() else 64
    full = f"llvm.masked.{name}.v{kind.count}{letter}{bits}.p0"
    module = kb.function.module
    return module.globals.get(full) or ir.Function(module, ir.FunctionType(result, arguments), full)


@dataclass(frozen=True)
class Lanes:
    """The first `count` (at least 1) of a vector's `width` lanes; the others touch no memory.

    Use one at one place: its mask is computed where it is first asked for. Elements are found by
    `place(j)`, the offset of lane j's; `stride` is the distance of neighbours where it is known: 1
    a run, 0 one element for all lanes, None any.
    """

    kb: KernelBuilder
    width: int
    count: Index

    @property
    def full(self) -> bool:
        """Whether it is known that all lanes count."""
        return isinstance(self.count, int) and self.count >= self.width

    @cached_property
    def scalars(self) -> LLVMScalars:
        return LLVMScalars(self.kb.b, self.width, self.kb.machine)

    @cached_property
    def mask(self) -> Value:
        """An i1 per lane."""
        kind = ir.VectorType(I32, self.width)
        count = self.kb.minimum(self.count, self.width)
        narrow = ir.Constant(I32, count) if isinstance(count, int) else self.kb.b.trunc(count, I32)
        lanes = ir.Constant(kind, list(range(self.width)))
        return self.kb.b.icmp_unsigned("<", lanes, splat(self.kb, narrow, self.width))

    def wrap(self, value: Value, like: Operand) -> Scalar:
        return self.scalars.wrap(value, like.dtype)

    def load(self, operand: Operand, place: Place, stride: int | None) -> Scalar:
        """The lanes' elements; what the other lanes hold does not matter."""
        if stride == 0:
            one = operand.load_at(place(0))
            return self.wrap(splat(self.kb, one.value, self.width), operand)
        if stride == 1 and self.full:
            stored = operand.load_vector(place(0), self.width)
        elif stride == 1 and self._maskable(operand):
            stored = _masked_load(self.kb, operand, place(0), self.mask)
        else:
            stored = self._gather(operand, place)
        return self.scalars.from_storage(stored, operand.dtype)

    def store(self, operand: Operand, value: Scalar, place: Place, stride: int | None) -> None:
        """Write the lanes that count."""
        assert value.dtype is operand.dtype, f"{value.dtype.name} into {operand.dtype.name}"
        stored = self.scalars.to_storage(value)
        if stride == 1 and self.full:
            operand.store_vector(stored, place(0))
        elif stride == 1 and self._maskable(operand):
            self._masked_store(operand, stored, place(0))
        else:
            self._scatter(operand, stored, place)

    def _maskable(self, operand: Operand) -> bool:
        smallest = self.kb.machine.masked_bytes
        return 0 < smallest <= operand.dtype.itemsize

    def _masked_store(self, operand: Operand, value: Value, at: Index) -> None:
        if isinstance(self.count, int) and self.count == 1:
            # LLVM 22 makes a store of four bytes of this, where the element is one or two.
            first = self.kb.b.extract_element(value, ir.Constant(I32, 0))
            self.kb.b.store(first, operand.address(at), align=operand.dtype.itemsize)
            return
        kind, flags = storage_type(operand.dtype, self.width), self.mask
        void = ir.VoidType()
        function = _masked(self.kb, "store", kind, void, [kind, POINTER, I32, flags.type])
        align = ir.Constant(I32, operand.dtype.itemsize)
        self.kb.b.call(function, [value, operand.address(at), align, flags])

    def _gather(self, operand: Operand, place: Place) -> Value:
        """One by one, through the stack."""
        kb, kind = self.kb, storage_type(operand.dtype)
        buffer = kb.buffer(operand.dtype, self.width)
        with kb.loop(kb.minimum(self.count, self.width), plain=True) as j:
            kb.b.store(kb.b.load(operand.address(place(j)), typ=kind), buffer.address(j))
        return buffer.load_vector(0, self.width)

    def _scatter(self, operand: Operand, value: Value, place: Place) -> None:
        kb, kind = self.kb, storage_type(operand.dtype)
        buffer = kb.buffer(operand.dtype, self.width)
        buffer.store_vector(value, 0)
        with kb.loop(kb.minimum(self.count, self.width), plain=True) as j:
            kb.b.store(kb.b.load(buffer.address(j), typ=kind), operand.address(place(j)))
