"""Tensors out of nothing: one value, a literal, a range."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from wherry.ir.dims import SymDim
from wherry.ir.ops.creation import scalar_array
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, int64

from ..builder import KernelBuilder
from ..operand import Operand
from .registry import lowers


@lowers("fill_constant")
def fill_constant(kb: KernelBuilder) -> None:
    """The value everywhere; it may be a size, which is known at the call."""
    out = kb.output()
    filler = _number(kb, kb.attrs["value"], out.dtype)
    with kb.loop(kb.dim(out.size)) as i:
        out.store_at(filler, i)


@lowers("assign_value")
def assign_value(kb: KernelBuilder) -> None:
    """A literal, kept as constant data beside the code."""
    out = kb.output()
    values = np.array(kb.attrs["values"], out.dtype.numpy)
    data = ir.ArrayType(ir.IntType(8), values.nbytes)
    place = ir.GlobalVariable(kb.b.module, data, f"{kb.function.name}_data")
    place.linkage, place.global_constant, place.align = "internal", True, 64
    place.initializer = ir.Constant(data, bytearray(values.tobytes()))
    source = Operand(kb, place, out.dtype, out.shape)
    with kb.loop(values.size) as i:
        out.store_at(source.load_at(i), i)


@lowers("range")
def iota(kb: KernelBuilder) -> None:
    """start + i * step, in the result's dtype."""
    out = kb.output()
    start, step = (_number(kb, kb.attrs[name], out.dtype) for name in ("start", "step"))
    with kb.loop(kb.dim(out.size)) as i:
        out.store_at(start + kb.index_scalar(i, out.dtype) * step, i)


def _number(kb: KernelBuilder, value: Any, dtype: DType) -> Scalar:
    """An attribute that is a number, or a size that is known at the call."""
    if isinstance(value, SymDim):
        return kb.scalars.cast(kb.scalar(kb.dim(value), int64), dtype)
    return kb.const(scalar_array(value, dtype).item(), dtype)
