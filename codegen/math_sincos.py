"""sin and cos of float32: x = n * pi + r, a polynomial of r, the sign of n's last bit.

Up to `_LIMIT` the reduction is a few subtractions of parts of pi. Where a lane of the vector lies
beyond it, a function of its own is called, which multiplies with those bits of 1 / pi that count
(Payne and Hanek).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, pi
from typing import TYPE_CHECKING

from llvmlite import ir

from wherry.ir.scalar import Operand, Scalar
from wherry.schema.dtypes import float32, float64, int32, int64

from .math_float32 import split

if TYPE_CHECKING:
    from .math import LLVMScalars

# pi in parts; products of the first three with half integers below 2**8 are exact.
_PARTS = (3.1414794921875, 0.00011301040649414062, 1.5099067240953445e-07, 5.126688136514179e-12)
_LIMIT = 512.0
# (sin(r) - r) / r**3 in r**2 for |r| <= pi / 2.
_SIN = (-2.5542560067037812e-08, 2.7628457246464677e-06, -0.0001984310511033982,
        0.008333350531756878, -0.1666666716337204)  # fmt: skip
# The bits of 1 / pi behind the point, and so many zeros before them that each x finds its own.
_INVERSE_PI = 0x517CC1B727220A94FE13ABE8FA9A6EE06DB14ACC9E21C820FF28B1D5EF5DE2
_INVERSE_BITS, _ZEROS = 248, 16
_WORDS = 7


def sin(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    k, n = split(b, a, 1 / pi)
    sign = b.shift("shl", n, 31) ^ b.bits(x)
    return _sin_of(b, x, _without(b, a, k, _PARTS), sign, half=0)


def cos(b: LLVMScalars, x: Scalar) -> Scalar:
    """sin(|x| + pi / 2)."""
    a = b.abs(x)
    k, n = split(b, b.fma(a, 1 / pi, 0.5), 1.0)
    # Below 1 the largest part comes second: what it leaves has fewer digits behind the point.
    small, (first, second, *rest) = a < 1.0, (b.const(part, float32) for part in _PARTS)
    parts = [b.select(small, second, first), b.select(small, first, second), *rest]
    return _sin_of(b, x, _without(b, a, k - 0.5, parts), b.shift("shl", n, 31), half=1)


def _without(b: LLVMScalars, a: Scalar, k: Scalar, parts: Sequence[Operand]) -> Scalar:
    """a - k * parts[0] - k * parts[1] - ..."""
    for part in parts:
        a = b.fma(-k, part, a)
    return a


def _sin_of(b: LLVMScalars, x: Scalar, r: Scalar, sign: Scalar, half: int) -> Scalar:
    """sin(x + half * pi / 2), where r is it reduced and the sign is the first bit of a word."""
    near, a = _flip(b, _sin_near(b, r), sign), b.abs(x)

    def by_bits() -> list[Scalar]:
        found = b.builder.call(_far_function(b, half), [x.value, near.value])
        return [b.wrap(found, float32)]

    return b.rarely((a > _LIMIT) & (a < inf), [near], by_bits)[0]


def _sin_near(b: LLVMScalars, r: Scalar) -> Scalar:
    z = r * r
    return b.fma(r * z, b.poly(z, _SIN), r)


def _flip(b: LLVMScalars, x: Scalar, word: Scalar) -> Scalar:
    """x, or -x where the word's first bit is set."""
    return b.from_bits(b.bits(x) ^ (word & -(1 << 31)))


def _far_function(b: LLVMScalars, half: int) -> ir.Function:
    """(x, near) -> sin(x + half * pi / 2), which is `near` for small x; one for each width.

    As it chooses itself, nothing but the loop's own values lives across the call.
    """
    module, name = b.builder.module, f"sin_far_{half}_{b.width}"
    if name in module.globals:
        return module.globals[name]
    kind = b.const(0.0, float32).value.type
    function = ir.Function(module, ir.FunctionType(kind, [kind, kind]), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind", "cold"):
        function.attributes.add(attribute)
    inner = type(b)(ir.IRBuilder(function.append_basic_block()), b.width)
    x, near = (inner.wrap(argument, float32) for argument in function.args)
    a = inner.abs(x)
    r, sign = _reduce_far(inner, a, half)
    if not half:
        sign = sign ^ inner.bits(x)
    far = (a > _LIMIT) & (a < inf)
    inner.builder.ret(inner.select(far, _flip(inner, _sin_near(inner, r), sign), near).value)
    return function


def _reduce_far(b: LLVMScalars, a: Scalar, half: int) -> tuple[Scalar, Scalar]:
    """(r, a word whose first bit is that of the multiple) of a + half * pi / 2, in integers."""
    bits = b.cast(b.bits(a), int64)
    mantissa = (bits & 0x7FFFFF) | 0x800000
    first = b.shift("lshr", bits, 23) - (150 + 1 - _ZEROS)  # of the bits of 1 / pi that count
    high, middle, low = _window(b, first)
    # Multiples of 2 pi are what the product loses at its upper end. Its unit is pi / 2**63.
    total = (
        b.shift("shl", mantissa * high, 32)
        + mantissa * middle
        + b.shift("lshr", mantissa * low, 32)
        + (half << 62)
    )
    rounded = total + (1 << 62)
    rest = (rounded & ((1 << 63) - 1)) - (1 << 62)
    r = b.cast(b.cast(rest, float64) * (pi / 2.0**63), float32)
    return r, b.cast(b.shift("lshr", rounded, 32), int32)


def _window(b: LLVMScalars, first: Scalar) -> list[Scalar]:
    """Three words of 32 bits of 1 / pi, from bit `first` (int64, below 128) on."""
    inverse = _INVERSE_PI >> (_INVERSE_BITS + _ZEROS - 32 * _WORDS)
    pairs = [(inverse >> 32 * (_WORDS - 2 - i)) & (1 << 64) - 1 for i in range(_WORDS - 1)]
    index, right = b.shift("lshr", first, 5), 32 - (first & 31)
    words = []
    for word in range(3):
        pair = b.const(_signed64(pairs[word]), int64)
        for step in range(1, 4):
            pair = b.select(index == step, _signed64(pairs[word + step]), pair)
        shifted = b.builder.lshr(pair.value, right.value)
        words.append(b.wrap(shifted, int64) & 0xFFFFFFFF)
    return words


def _signed64(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
