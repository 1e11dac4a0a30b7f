"""Reductions: what they compute, and the fixed order in which they do it.

Along a run, element i belongs to lane i % 64 (of 8-byte elements: 32), where it is combined with
the lane's elements before it; at the end the lanes are combined by halves. So the order depends on
neither the machine nor on how work is split.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.infer import Shape
from wherry.ir.ops.reduce import reduced_axes
from wherry.ir.program import OpDesc
from wherry.ir.rules import reduced_shape
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, bool_, float16, float32, uint8

from .builder import KernelBuilder
from .index import I1, I32, Index, Value
from .lanes import Lanes
from .math import LLVMScalars

KINDS = {
    "reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min",
    "reduce_any": "max", "reduce_all": "min", "sum_to": "add",
}  # fmt: skip


@dataclass(frozen=True)
class Reduction:
    """What is reduced: the scalar function, the shape that is run over, the axes, the result."""

    function: str
    shape: Shape
    axes: tuple[int, ...]
    result: DType

    @staticmethod
    def of(op: OpDesc) -> Reduction:
        """The reduction that a reduce op does on its first input.

        For a `sum_to` whose shapes do not tell, it is what they tell: more may be 1 at the call.
        """
        x = op.in_vars[0]
        if op.type == "sum_to":
            like = (1,) * (x.ndim - op.output().ndim) + op.output().shape
            pairs = enumerate(zip(like, x.shape, strict=True))
            axes = tuple(axis for axis, (small, wide) in pairs if small == 1 and wide != 1)
        else:
            axes = reduced_axes(op.attrs["dim"], op.attrs["reduce_all"], x.ndim)
        return Reduction(KINDS[op.type], x.shape, axes, op.output().dtype)

    @property
    def dtype(self) -> DType:
        """The dtype of partial results: float16 is added in float32, bool is a number 0 or 1."""
        return {float16: float32, bool_: uint8}.get(self.result, self.result)

    @property
    def kept_shape(self) -> Shape:
        """The shape with 1 at each reduced axis."""
        return reduced_shape(self.shape, self.axes, keep=True)

    @property
    def identity(self) -> int | float:
        """What changes nothing: the value of an empty reduction."""
        if self.function in ("add", "mul"):
            return 0 if self.function == "add" else 1
        if self.dtype.is_float:
            return -np.inf if self.function == "max" else np.inf
        limits = np.iinfo(self.dtype.numpy)
        return int(limits.min if self.function == "max" else limits.max)

    def combine(self, kb: KernelBuilder, before: Value, value: Value, width: int) -> Value:
        """The partial result with one more value (vectors of `width`; 0: numbers)."""
        scalars = LLVMScalars(kb.b, width)
        # The new value first: whether it is NaN does not wait for what was there.
        operands = (Scalar(scalars, one, self.dtype) for one in (value, before))
        return scalars.call(self.function, *operands).value

    def empty(self, kb: KernelBuilder, width: int = 0) -> Value:
        """The identity as a vector (0: a number)."""
        return LLVMScalars(kb.b, width).constant(self.identity, self.dtype)

    def partial(self, scalars: LLVMScalars, value: Scalar) -> Scalar:
        """An element as a partial result: first in the result's dtype, as numpy reduces it."""
        return scalars.cast(scalars.cast(value, self.result), self.dtype)

    def final(self, kb: KernelBuilder, value: Value) -> Scalar:
        """A partial result as the result."""
        return kb.scalars.cast(kb.scalar(value, self.dtype), self.result)


def lane_count(dtype: DType) -> int:
    """How many partial results a run has."""
    return 32 if dtype.itemsize == 8 else 64


class Partials:
    """The partial results of a reduction along runs of `size` elements, in memory."""

    def __init__(self, kb: KernelBuilder, reduction: Reduction, size: Dim, width: int) -> None:
        self.kb, self.reduction, self.width = kb, reduction, width
        self.lanes = lane_count(reduction.dtype)
        if isinstance(size, int):
            # Lanes that no element belongs to would hold the identity to the end.
            self.lanes = min(self.lanes, max(width, 1 << max(size - 1, 0).bit_length()))
        self.memory = kb.buffer(reduction.dtype, self.lanes)

    def reset(self) -> None:
        for first in range(0, self.lanes, self.width):
            self.memory.store_vector(self.reduction.empty(self.kb, self.width), first)

    def add(self, lanes: Lanes, i: Index, value: Scalar) -> None:
        """Take a vector of the run's elements from i on, a multiple of the width."""
        kb = self.kb
        slot = kb.rem(i, self.lanes)
        before = self.memory.load_vector(slot, self.width)
        total = self.reduction.combine(kb, before, self.partial(lanes, value), self.width)
        if not lanes.full:
            total = kb.b.select(lanes.mask, total, before)
        self.memory.store_vector(total, slot)

    def partial(self, lanes: Lanes, value: Scalar) -> Value:
        return self.reduction.partial(lanes.scalars, value).value

    @property
    def vectors(self) -> int:
        """How many vectors the partial results are."""
        return self.lanes // self.width

    def registers(self, numbers: Collection[int]) -> Registers:
        """Some of these vectors in registers, for the whole blocks of a run."""
        return Registers(self, numbers)

    def result(self) -> Scalar:
        """All of them combined."""
        kb, lanes = self.kb, self.lanes
        while lanes > kb.machine.row_sums * self.width:
            lanes //= 2
            self._combine_in_memory(lanes)
        vector = self.memory.load_vector(0, lanes)
        while lanes > 1:
            lanes //= 2
            low, high = (_part(kb, vector, lanes, first) for first in (0, lanes))
            vector = self.reduction.combine(kb, low, high, lanes if lanes > 1 else 0)
        return self.reduction.final(kb, vector)

    def _combine_in_memory(self, lanes: int) -> None:
        """The first so many lanes with as many that follow: more than the registers hold.

        As these vectors are found by an index they stay in memory, and leave the registers to the
        loops before.
        """
        with self.kb.loop(lanes, 0, self.width, plain=True) as i:
            low = self.memory.load_vector(i, self.width)
            high = self.memory.load_vector(self.kb.add(i, lanes), self.width)
            self.memory.store_vector(self.reduction.combine(self.kb, low, high, self.width), i)


class Registers:
    """Partial results as vectors in registers, by number; `keep` puts them back into memory.

    For extremes of floats NaN is looked for beside: one comparison does for two vectors, and the
    extreme itself is one instruction.
    """

    def __init__(self, partials: Partials, numbers: Collection[int]) -> None:
        self.partials, self.kb, self.width = partials, partials.kb, partials.width
        self.cells = {number: self.kb.cell(self._load(number * self.width)) for number in numbers}
        reduction = partials.reduction
        self.is_extreme = reduction.function in ("max", "min") and reduction.dtype.is_float
        self.waiting: Value | None = None
        if self.is_extreme:
            none = ir.Constant(ir.VectorType(I1, self.width), None)
            self.found_nan = self.kb.cell(none)

    def _load(self, first: int) -> Value:
        return self.partials.memory.load_vector(first, self.width)

    def add(self, number: int, lanes: Lanes, value: Scalar) -> None:
        """Take the vector of this number, counted from a multiple of all lanes."""
        cell = self.cells[number % self.partials.vectors]
        partial = self.partials.partial(lanes, value)
        if self.is_extreme:
            cell.set(self._extreme(cell.get(), partial))
            self._look_for_nan(partial)
        else:
            reduction = self.partials.reduction
            cell.set(reduction.combine(self.kb, cell.get(), partial, self.width))

    def _extreme(self, before: Value, value: Value) -> Value:
        sign = ">" if self.partials.reduction.function == "max" else "<"
        wins = self.kb.b.fcmp_ordered(sign, value, before)
        return self.kb.b.select(wins, value, before)

    def _look_for_nan(self, value: Value) -> None:
        if self.waiting is None:
            self.waiting = value
            return
        unordered = self.kb.b.fcmp_unordered("uno", self.waiting, value)
        self.found_nan.set(self.kb.b.or_(self.found_nan.get(), unordered))
        self.waiting = None

    def keep(self) -> None:
        assert self.waiting is None, "a block is an even number of vectors"
        if self.is_extreme:
            scalars = LLVMScalars(self.kb.b, self.width)
            nan = scalars.constant(np.nan, self.partials.reduction.dtype)
            first = next(iter(self.cells.values()))
            first.set(self.kb.b.select(self.found_nan.get(), nan, first.get()))
        for number, cell in self.cells.items():
            self.partials.memory.store_vector(cell.get(), number * self.width)


def _part(kb: KernelBuilder, vector: Value, lanes: int, first: int) -> Value:
    """`lanes` lanes of a vector, from `first` on; a number where it is one."""
    if lanes == 1:
        return kb.b.extract_element(vector, ir.Constant(I32, first))
    mask = ir.Constant(ir.VectorType(I32, lanes), list(range(first, first + lanes)))
    return kb.b.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)
