"""Reductions. Their order is fixed by the shape: not by the machine, nor by how work is split.

Along the innermost axis there are as many partial results as a vector has lanes (32, for 8-byte
elements 16), which are combined by halves at the end. Over outer axes elements are taken in
sequence. Pointwise work before the reduction is done for a strip of elements at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.infer import Shape, TensorType
from wherry.ir.ops.reduce import reduced_axes
from wherry.ir.program import OpDesc
from wherry.ir.rules import reduced_shape
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, bool_, float16, float32, uint8

from ..builder import KernelBuilder
from ..index import Cell, Index, Value
from ..math import LLVMScalars, value_type
from ..operand import Operand
from ..space import Space
from .registry import lowers

STRIP = 512  # elements that lie on the stack at a time

KINDS = {
    "reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min",
    "reduce_any": "max", "reduce_all": "min", "sum_to": "add",
}  # fmt: skip

Compute = Callable[[list[Scalar]], Scalar]


@dataclass(frozen=True)
class Reduction:
    """What is reduced: the scalar function, the shape that is run over, the axes, the result."""

    function: str
    shape: Shape
    axes: tuple[int, ...]
    out: Operand

    @staticmethod
    def of(op: OpDesc, reduced: TensorType, out: Operand) -> Reduction:
        """The reduction that a reduce op does on an operand of this type."""
        axes = reduced_axes(op.attrs["dim"], op.attrs["reduce_all"], reduced.ndim)
        return Reduction(KINDS[op.type], reduced.shape, axes, out)

    @property
    def dtype(self) -> DType:
        """The dtype of partial results: float16 is added in float32, bool is a number 0 or 1."""
        return {float16: float32, bool_: uint8}.get(self.out.dtype, self.out.dtype)

    @property
    def kept_shape(self) -> Shape:
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


@lowers(*(op for op in KINDS if op != "sum_to"))
def reduce(kb: KernelBuilder) -> None:
    """reduce_sum and its kin."""
    x = kb.input("X")
    shape = TensorType(x.shape, x.dtype)
    emit_reduction(kb, Reduction.of(kb.op, shape, kb.outputs[0]), [x], lambda loaded: loaded[0])


@lowers("sum_to")
def sum_to(kb: KernelBuilder) -> None:
    """Sum over the axes in which Like is 1; in two versions if only the call tells which."""
    x, out = kb.input("X"), kb.output()
    like = (1,) * (x.ndim - out.ndim) + out.shape
    pairs = list(zip(like, x.shape, strict=True))
    axes = tuple(i for i, (small, wide) in enumerate(pairs) if small == 1 and wide != 1)
    unsure = [i for i, (s, w) in enumerate(pairs) if s not in (1, w) and not isinstance(s, int)]

    def certain() -> None:
        reduction = Reduction("add", x.shape, axes, out)
        emit_reduction(kb, reduction, [x], lambda loaded: loaded[0])

    if not unsure:
        certain()
        return
    kept = [kb.eq(kb.dim(pairs[i][0]), kb.dim(pairs[i][1])) for i in unsure]
    for other in kept[1:]:
        kept[0] = kb.b.and_(kept[0], other)
    kb.either(kept[0], certain, lambda: _sum_to_anything(kb, x, out, like))


def _sum_to_anything(kb: KernelBuilder, x: Operand, out: Operand, like: Shape) -> None:
    """One sum after the other; an axis is summed where `like` turns out to be 1."""
    reduction = Reduction("add", x.shape, (), out)
    sizes = [kb.dim(small) for small in like]
    pairs = zip(sizes, x.shape, strict=True)
    rounds = [kb.select(kb.eq(size, 1), kb.dim(wide), 1) for size, wide in pairs]
    with _loops(kb, sizes) as kept:
        total = kb.cell(_identity(kb, reduction).value)
        with _loops(kb, rounds) as summed:
            index = [kb.add(a, b) for a, b in zip(kept, summed, strict=True)]
            value = _convert(kb, reduction, x.load(*index))
            total.set(_combine(kb, reduction, total.get(), value.value))
        _store(kb, reduction, total.get(), out.offset(kept[x.ndim - out.ndim :]))


@contextmanager
def _loops(kb: KernelBuilder, sizes: Sequence[Index]) -> Iterator[list[Index]]:
    if not sizes:
        yield []
        return
    with kb.loop(sizes[0]) as i, _loops(kb, sizes[1:]) as rest:
        yield [i, *rest]


def emit_reduction(
    kb: KernelBuilder, reduction: Reduction, inputs: Sequence[Operand], compute: Compute
) -> None:
    """Reduce `compute(elements of the inputs)`, where the inputs broadcast to the shape."""
    tags = [axis in reduction.axes for axis in range(len(reduction.shape))]
    shapes = [*(operand.shape for operand in inputs), reduction.kept_shape]
    space = Space(reduction.shape, shapes, tags)

    def version(chosen: Space) -> Callable[[], None]:
        return lambda: _Emission(kb, reduction, inputs, compute, chosen).emit()

    if space.uncertain:
        kb.either(space.nothing_broadcasts(kb), version(space.expanded()), version(space))
    else:
        version(space)()


class _Emission:
    """The loops of one reduction."""

    def __init__(
        self,
        kb: KernelBuilder,
        reduction: Reduction,
        inputs: Sequence[Operand],
        compute: Compute,
        space: Space,
    ) -> None:
        self.kb, self.reduction, self.inputs, self.compute = kb, reduction, inputs, compute
        self.axes = space.axes
        self.strides = [space.strides(kb, i) for i in range(len(inputs) + 1)]

    def emit(self) -> None:
        if not self.axes:
            self._pointwise([])
        elif self.axes[-1].tag:
            self._rows()
        else:
            self._columns()

    def _pointwise(self, index: Sequence[Index]) -> None:
        _store(self.kb, self.reduction, self._element(index).value, self._out(index))

    def _element(self, index: Sequence[Index]) -> Scalar:
        """The value before the reduction at an index (one per loop), in the partial's dtype."""
        pairs = zip(self.inputs, self.strides, strict=False)
        loaded = [operand.load_at(self.kb.offset(index, s)) for operand, s in pairs]
        value = self.compute(loaded)
        self.kb.check_divisions()
        return _convert(self.kb, self.reduction, value)

    def _out(self, index: Sequence[Index]) -> Index:
        return self.kb.offset(index, self.strides[-1])

    @contextmanager
    def _over(self, axes: Sequence[int]) -> Iterator[dict[int, Index]]:
        with self.kb.nest([self.axes[axis].size for axis in axes]) as index:
            yield dict(zip(axes, index, strict=True))

    def _outer(self, reduced: bool) -> list[int]:
        """The loops around the last one that reduce, or that do not."""
        return [i for i, axis in enumerate(self.axes[:-1]) if bool(axis.tag) == reduced]

    def _index(self, *parts: dict[int, Index]) -> list[Index]:
        """The index of all loops out of the indices of some; 0 for the others."""
        joined: dict[int, Index] = {}
        for part in parts:
            joined.update(part)
        return [joined.get(i, 0) for i in range(len(self.axes))]

    def _rows(self) -> None:
        """The last axis is reduced: vectors of partial results along it."""
        kb, last, size = self.kb, len(self.axes) - 1, self.axes[-1].size
        lanes = _lanes(self.reduction.dtype, size)
        strip = kb.buffer(self.reduction.dtype, STRIP)
        with self._over(self._outer(False)) as kept:
            total = kb.cell(_splat(kb, self.reduction, lanes))
            with self._over(self._outer(True)) as outer, kb.loop(kb.dim(size), 0, STRIP) as start:
                count = kb.minimum(kb.sub(kb.dim(size), start), STRIP)
                with kb.loop(count, unroll=4) as i:
                    index = self._index(kept, outer, {last: kb.add(start, i)})
                    strip.store_at(self._element(index), i)
                _add_strip(kb, self.reduction, strip, count, total, lanes)
            result = _across(kb, self.reduction, total.get(), lanes)
            _store(kb, self.reduction, result, self._out(self._index(kept)))

    def _columns(self) -> None:
        """The last axis stays: a strip of results along it, to which each element is added."""
        kb, last, size = self.kb, len(self.axes) - 1, self.axes[-1].size
        strip = kb.buffer(self.reduction.dtype, STRIP)
        if not self._outer(True):
            with kb.nest([axis.size for axis in self.axes]) as index:
                self._pointwise(index)
            return
        with self._over(self._outer(False)) as kept, kb.loop(kb.dim(size), 0, STRIP) as start:
            count = kb.minimum(kb.sub(kb.dim(size), start), STRIP)
            with kb.loop(count) as i:
                strip.store_at(_identity(kb, self.reduction), i)
            with self._over(self._outer(True)) as outer, kb.loop(count, unroll=4) as i:
                at = self._index(kept, outer, {last: kb.add(start, i)})
                value = self._element(at).value
                joined = _combine(kb, self.reduction, strip.load_at(i).value, value)
                strip.store_at(kb.scalar(joined, self.reduction.dtype), i)
            with kb.loop(count) as i:
                at = self._index(kept, {last: kb.add(start, i)})
                _store(kb, self.reduction, strip.load_at(i).value, self._out(at))


def _lanes(dtype: DType, size: Dim) -> int:
    """How many partial results there are; fewer than usual where the axis is known to be short.

    That changes no bits: the lanes that are left out would hold the identity.
    """
    usual = 16 if dtype.itemsize == 8 else 32
    return min(usual, 1 << (size - 1).bit_length()) if isinstance(size, int) and size else usual


def _add_strip(
    kb: KernelBuilder, reduction: Reduction, strip: Operand, count: Index, total: Cell, lanes: int
) -> None:
    """Add the strip's first `count` elements to the vector of partial results."""
    vectors = kb.div(kb.add(count, lanes - 1), lanes)
    with kb.loop(kb.mul(vectors, lanes), count) as i:
        strip.store_at(_identity(kb, reduction), i)
    with kb.loop(vectors, unroll=4) as v:
        address = strip.address(kb.mul(v, lanes))
        added = kb.b.load(address, typ=_vector_type(reduction.dtype, lanes), align=8)
        total.set(_combine(kb, reduction, total.get(), added, lanes))


def _across(kb: KernelBuilder, reduction: Reduction, vector: Value, lanes: int) -> Value:
    """Combine the lanes of a vector, by halves."""
    while lanes > 1:
        lanes //= 2
        low, high = (_part(kb, vector, lanes, first) for first in (0, lanes))
        vector = _combine(kb, reduction, low, high, lanes)
    return vector


def _part(kb: KernelBuilder, vector: Value, lanes: int, first: int) -> Value:
    """`lanes` lanes of a vector, from `first` on; a scalar where it is one."""
    i32 = ir.IntType(32)
    if lanes == 1:
        return kb.b.extract_element(vector, ir.Constant(i32, first))
    mask = ir.Constant(ir.VectorType(i32, lanes), list(range(first, first + lanes)))
    return kb.b.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _vector_type(dtype: DType, lanes: int) -> ir.Type:
    return value_type(dtype, lanes if lanes > 1 else 0)


def _combine(kb: KernelBuilder, reduction: Reduction, a: Value, b: Value, lanes: int = 1) -> Value:
    scalars = LLVMScalars(kb.b, lanes if lanes > 1 else 0)
    operands = (Scalar(scalars, value, reduction.dtype) for value in (a, b))
    return scalars.call(reduction.function, *operands).value


def _identity(kb: KernelBuilder, reduction: Reduction) -> Scalar:
    return kb.const(reduction.identity, reduction.dtype)


def _splat(kb: KernelBuilder, reduction: Reduction, lanes: int) -> Value:
    scalars = LLVMScalars(kb.b, lanes if lanes > 1 else 0)
    return scalars.constant(reduction.identity, reduction.dtype)


def _convert(kb: KernelBuilder, reduction: Reduction, value: Scalar) -> Scalar:
    """An element as a partial result: first in the result's dtype, as numpy reduces it."""
    return kb.scalars.cast(kb.scalars.cast(value, reduction.out.dtype), reduction.dtype)


def _store(kb: KernelBuilder, reduction: Reduction, value: Value, offset: Index) -> None:
    partial = kb.scalar(value, reduction.dtype)
    reduction.out.store_at(kb.scalars.cast(partial, reduction.out.dtype), offset)
