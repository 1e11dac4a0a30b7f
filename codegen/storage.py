"""How elements lie in memory and in registers.

bool is a byte 0 or 1 in memory and an i1 in registers. float16 is 16 bits in memory and a float in
registers: all its arithmetic is float32's, rounded when stored. The conversion is integer code,
because LLVM would call a library function on targets without the instruction.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from wherry.schema.dtypes import DType

from .index import I1, I8, I32, Value

I16 = ir.IntType(16)
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()


def memory_type(dtype: DType) -> Any:
    """The LLVM type of an element in memory."""
    if dtype.name in ("float32", "float64"):
        return register_type(dtype)
    return ir.IntType(8 * dtype.itemsize)


def register_type(dtype: DType) -> Any:
    """The LLVM type of an element in a register."""
    if dtype.is_float:
        return DOUBLE if dtype.name == "float64" else FLOAT
    return I1 if dtype.name == "bool" else ir.IntType(8 * dtype.itemsize)


def constant(value: bool | int | float, dtype: DType) -> Value:
    """A constant in a register; rounded to the dtype as numpy rounds it."""
    type = register_type(dtype)
    if dtype.is_float:
        return ir.Constant(type, float(dtype.numpy.type(value)))
    return ir.Constant(type, int(value))


def to_register(b: Any, value: Value, dtype: DType) -> Value:
    """The element as it was loaded, as registers hold it."""
    if dtype.name == "bool":
        return b.icmp_unsigned("!=", value, ir.Constant(I8, 0))
    return half_to_float(b, value) if dtype.name == "float16" else value


def to_memory(b: Any, value: Value, dtype: DType) -> Value:
    """The register's value as it is stored."""
    if dtype.name == "bool":
        return b.zext(value, I8)
    return float_to_half(b, value) if dtype.name == "float16" else value


def _word(value: int) -> Value:
    return ir.Constant(I32, value)


def half_to_float(b: Any, half: Value) -> Value:
    """The float of the same value as 16 bits; exact, NaN stays NaN."""
    bits = b.zext(half, I32)
    sign = b.shl(b.and_(bits, _word(0x8000)), _word(16))
    magnitude = b.and_(bits, _word(0x7FFF))
    normal = b.add(b.shl(magnitude, _word(13)), _word((127 - 15) << 23))
    special = b.or_(b.shl(magnitude, _word(13)), _word(0x7F800000))
    # A subnormal half is its integer times 2^-24, and float32 holds that product exactly.
    small = b.fmul(b.sitofp(magnitude, FLOAT), ir.Constant(FLOAT, 2.0**-24))
    is_small = b.icmp_unsigned("<", magnitude, _word(0x0400))
    is_special = b.icmp_unsigned(">=", magnitude, _word(0x7C00))
    chosen = b.select(is_small, b.bitcast(small, I32), b.select(is_special, special, normal))
    return b.bitcast(b.or_(chosen, sign), FLOAT)


def float_to_half(b: Any, value: Value) -> Value:
    """The nearest half as 16 bits, ties to even; overflow gives infinity, NaN stays NaN."""
    bits = b.bitcast(value, I32)
    sign = b.and_(b.lshr(bits, _word(16)), _word(0x8000))
    magnitude = b.and_(bits, _word(0x7FFFFFFF))
    odd = b.and_(b.lshr(magnitude, _word(13)), _word(1))
    bias = _word((0xFFF - ((127 - 15) << 23)) & 0xFFFFFFFF)
    normal = b.lshr(b.add(b.add(magnitude, bias), odd), _word(13))
    # Adding 0.5 rounds a small number to a multiple of 2^-24 in the hardware's own rounding.
    shifted = b.fadd(b.bitcast(magnitude, FLOAT), ir.Constant(FLOAT, 0.5))
    small = b.sub(b.bitcast(shifted, I32), b.bitcast(ir.Constant(FLOAT, 0.5), I32))
    infinite = _word(0x7C00)
    is_nan = b.icmp_unsigned(">", magnitude, _word(0x7F800000))
    is_large = b.icmp_unsigned(">=", magnitude, _word((127 + 16) << 23))
    is_small = b.icmp_unsigned("<", magnitude, _word((127 - 14) << 23))
    finite = b.select(is_small, small, normal)
    chosen = b.select(is_nan, _word(0x7E00), b.select(is_large, infinite, finite))
    return b.trunc(b.or_(chosen, sign), I16)
