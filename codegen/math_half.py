"""float16 in memory, float32 in registers: the conversions.

Where the machine has no instructions for them they are integer arithmetic: LLVM's own would be
calls into a runtime library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import float16, float32, float64, int32

if TYPE_CHECKING:
    from .math import LLVMScalars


def to_float(b: LLVMScalars, half: ir.Value) -> ir.Value:
    """The float32 of a half's 16 bits (i16); exact."""
    if b.halves:
        halves = b.builder.bitcast(half, _vector(b, ir.HalfType()))
        # LLVM would do some of what follows in float16, number by number.
        return b.opaque(b.builder.fpext(halves, _vector(b, ir.FloatType())))
    kind = b.splat(0, ir.IntType(32)).type
    h = b.wrap(b.builder.zext(half, kind), int32)
    sign = b.shift("shl", h & 0x8000, 16)
    body = b.shift("shl", h & 0x7FFF, 13)
    # Moving the bits gives the value times 2**-112, for denormals too; inf and NaN are set apart.
    scaled = b.from_bits(body) * 2.0**112
    special = b.from_bits(body | 0x7F800000)
    magnitude = b.select((h & 0x7C00) == 0x7C00, special, scaled)
    return b.from_bits(b.bits(magnitude) | sign).value


def from_number(b: LLVMScalars, x: Scalar) -> ir.Value:
    """The 16 bits (i16) of a number of any dtype, rounded once, half to even."""
    if x.dtype is float16:
        x = b.wrap(x.value, float32)
    if x.dtype is float64:
        x = _round_to_odd(b, x)
    return _from_float32(b, b.cast(x, float32))


def _vector(b: LLVMScalars, element: ir.Type) -> ir.Type:
    return ir.VectorType(element, b.width) if b.width else element


def _from_float32(b: LLVMScalars, x: Scalar) -> ir.Value:
    if b.halves:
        half = b.builder.fptrunc(x.value, _vector(b, ir.HalfType()))
        return b.builder.bitcast(half, _vector(b, ir.IntType(16)))
    magnitude = b.abs(x)
    m = b.bits(magnitude)
    # Normal numbers: rebias the exponent and round by adding; a carry moves into the exponent.
    odd = b.shift("lshr", m, 13) & 1
    normal = b.shift("lshr", m + (0xFFF - ((127 - 15) << 23)) + odd, 13)
    # Below 2**-14: adding 0.5 rounds at the last bit of a half's denormals.
    denormal = b.bits(magnitude + 0.5) - (126 << 23)
    half = b.select(magnitude < 2.0**-14, denormal, normal)
    half = b.select(magnitude < 65520.0, half, 0x7C00)
    # The sign comes last: it would take a register all along.
    sign = b.shift("lshr", b.bits(x), 16) & 0x8000
    half = b.select(b.isnan(x), 0x7E00, half) | sign
    return b.builder.trunc(half.value, b.splat(0, ir.IntType(16)).type)


def _round_to_odd(b: LLVMScalars, x: Scalar) -> Scalar:
    """float64 as float32 with an odd last bit where inexact, so that rounding again is right."""
    nearest = b.cast(x, float32)
    back = b.cast(nearest, float64)
    bits = b.bits(nearest)
    up = b.select(b.abs(back) > b.abs(x), bits - 1, bits)
    exact = (back == x) | b.isnan(x)
    return b.from_bits(b.select(exact, bits, up | 1))
