"""Tensors of one value."""

from __future__ import annotations

from wherry.ir.dims import SymDim
from wherry.ir.ops.creation import scalar_array

from ..builder import KernelBuilder
from .registry import lowers


@lowers("fill_constant")
def fill_constant(kb: KernelBuilder) -> None:
    """The value everywhere; it may be a size, which is known at the call."""
    out, value = kb.output(), kb.attrs["value"]
    if isinstance(value, SymDim):
        filler = kb.index_scalar(kb.dim(value), out.dtype)
    else:
        filler = kb.const(scalar_array(value, out.dtype).item(), out.dtype)
    with kb.loop(kb.dim(out.size)) as i:
        out.store_at(filler, i)
