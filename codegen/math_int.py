"""Scalar functions of integers and bools, as LLVM instructions. See `math` for what is decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llvmlite import ir

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import bool_

if TYPE_CHECKING:
    from .math import LLVMScalars

Formula = Callable[..., Scalar]


def instruction(name: str) -> Formula:
    """The scalar function that is one instruction of this name, on values of any dtype."""

    def call(b: LLVMScalars, *operands: Scalar) -> Scalar:
        return b.wrap(getattr(b.builder, name)(*(x.value for x in operands)), operands[0].dtype)

    return call


def _is_signed(x: Scalar) -> bool:
    return x.dtype.numpy.kind == "i"


def _lowest(x: Scalar) -> int:
    return -(1 << (x.dtype.itemsize * 8 - 1))


def _abs(b: LLVMScalars, x: Scalar) -> Scalar:
    return b.select(x < 0, -x, x) if _is_signed(x) else x


def _sign(b: LLVMScalars, x: Scalar) -> Scalar:
    one = b.const(1, x.dtype)
    return b.select(x > 0, one, b.select(x < 0, -one, 0) if _is_signed(x) else b.const(0, x.dtype))


def _divide(b: LLVMScalars, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    """Quotient and remainder towards zero. Both traps of the hardware are kept away."""
    by_zero = y == 0
    b.failed.append(by_zero.value)
    trap = by_zero | ((x == _lowest(x)) & (y == -1)) if _is_signed(x) else by_zero
    safe = b.select(trap, 1, y)
    quotient = instruction("sdiv" if _is_signed(x) else "udiv")(b, x, safe)
    return quotient, x - quotient * safe


def _floordiv(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    quotient, rest = _divide(b, x, y)
    return b.select(_rounds_down(rest, y), quotient - 1, quotient) if _is_signed(x) else quotient


def _mod(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    _, rest = _divide(b, x, y)
    return b.select(_rounds_down(rest, y), rest + y, rest) if _is_signed(x) else rest


def _rounds_down(rest: Scalar, y: Scalar) -> Scalar:
    """True where rounding to minus infinity differs from rounding to zero."""
    return (rest != 0) & ((rest ^ y) < 0)


def _fmod(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    return _divide(b, x, y)[1]


def _in_width(b: LLVMScalars, x: Scalar, count: Scalar) -> Scalar:
    bits = b.splat(x.dtype.itemsize * 8, ir.IntType(x.dtype.itemsize * 8))
    return b.wrap(b.builder.icmp_unsigned("<", count.value, bits), bool_)


def _shl(b: LLVMScalars, x: Scalar, count: Scalar) -> Scalar:
    fits = _in_width(b, x, count)
    return b.select(fits, instruction("shl")(b, x, b.select(fits, count, 0)), 0)


def _shr(b: LLVMScalars, x: Scalar, count: Scalar) -> Scalar:
    fits = _in_width(b, x, count)
    if not _is_signed(x):
        return b.select(fits, instruction("lshr")(b, x, b.select(fits, count, 0)), 0)
    # Shifting by width - 1 leaves the sign: 0 or -1.
    return instruction("ashr")(b, x, b.select(fits, count, x.dtype.itemsize * 8 - 1))


def _pow(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """x to the y by squaring, wrapping; a negative exponent gives 1 / x**-y rounded to zero."""
    builder, kind = b.builder, x.value.type
    before, loop, after = (
        builder.block,
        builder.append_basic_block("pow"),
        builder.append_basic_block("pow_done"),
    )
    start = _abs(b, y)
    one = b.const(1, x.dtype)
    builder.branch(loop)
    builder.position_at_end(loop)
    phis = [b.wrap(builder.phi(kind), x.dtype) for _ in range(3)]
    total, base, left = phis
    more = [
        b.select((left & 1) != 0, total * base, total),
        base * base,
        b.shift("lshr", left, 1),
    ]
    for phi, first, following in zip(phis, (one, x, start), more, strict=True):
        phi.value.add_incoming(first.value, before)
        phi.value.add_incoming(following.value, loop)
    builder.cbranch(b.any_lane((more[2] != 0).value), loop, after)
    builder.position_at_end(after)
    if not _is_signed(x):
        return more[0]
    unit = b.select((x == 1) | (x == -1), more[0], 0)
    return b.select(y < 0, unit, more[0])


def _constant(value: bool) -> Formula:
    return lambda b, x: b.const(value, bool_)


def _pick(compare: str) -> Formula:
    return lambda b, x, y: b.select(b.call(compare, x, y), x, y)


INT: dict[str, Formula] = {
    "add": instruction("add"), "sub": instruction("sub"), "mul": instruction("mul"),
    "floordiv": _floordiv, "mod": _mod, "fmod": _fmod, "neg": instruction("neg"), "abs": _abs,
    "sign": _sign, "min": _pick("lt"), "max": _pick("gt"), "pow": _pow,
    "floor": lambda b, x: x, "ceil": lambda b, x: x, "round": lambda b, x: x,
    "trunc": lambda b, x: x, "and_": instruction("and_"), "or_": instruction("or_"),
    "xor": instruction("xor"), "not_": instruction("not_"), "shl": _shl, "shr": _shr,
    "isnan": _constant(False), "isinf": _constant(False), "isfinite": _constant(True),
}  # fmt: skip

# Bools add and multiply as numpy's do: or, and.
BOOL: dict[str, Formula] = {
    "add": instruction("or_"), "mul": instruction("and_"), "max": instruction("or_"),
    "min": instruction("and_"), "and_": instruction("and_"), "or_": instruction("or_"),
    "xor": instruction("xor"), "not_": instruction("not_"), "abs": lambda b, x: x,
    "isnan": _constant(False), "isinf": _constant(False), "isfinite": _constant(True),
}  # fmt: skip
