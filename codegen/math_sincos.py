"""sin, cos and tan of float32: x = n * pi + r, a polynomial of r, the sign of n's last bit; for tan
x = n * pi / 2 + r.

Up to 512 the reduction is a few subtractions of parts of pi. Where a lane of the vector lies
beyond it, a function of its own is called, which multiplies with those bits of 1 / pi that count
(Payne and Hanek).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi
from typing import TYPE_CHECKING, TypeAlias

from llvmlite import ir

from wherry.ir.scalar import Operand, Scalar
from wherry.schema.dtypes import float32, float64, int32, int64

from .math_float32 import split

if TYPE_CHECKING:
    from .math import LLVMScalars

# pi in parts; products of the first three with half integers below 2**8 are exact.
_PARTS = (3.1414794921875, 0.00011301040649414062, 1.5099067240953445e-07, 5.126688136514179e-12)
_LIMIT_BITS = 0x44000000
# Added to the bits of inf it gives the smallest integer.
_TO_NEGATIVE = 1 << 23
# (sin(r) - r) / r**3 in r**2 for |r| <= pi / 2.
_SIN = (-2.5542560067037812e-08, 2.7628457246464677e-06, -0.0001984310511033982,
        0.008333350531756878, -0.1666666716337204)  # fmt: skip
# (tan(r) - r) / r**3 in r**2 for |r| <= pi / 4.
_TAN = (0.009389801882207394, 0.0031116849277168512, 0.024435926228761673, 0.053409405052661896,
        0.13338826596736908, 0.33333155512809753)  # fmt: skip
# The bits of 1 / pi behind the point, and so many zeros before them that each x finds its own.
_INVERSE_PI = 0x517CC1B727220A94FE13ABE8FA9A6EE06DB14ACC9E21C820FF28B1D5EF5DE2
_INVERSE_BITS, _ZEROS = 248, 16
_WORDS = 7
Far: TypeAlias = "Callable[[LLVMScalars, Scalar], Scalar]"


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

    def far(b: LLVMScalars, x: Scalar) -> Scalar:
        r, sign = _reduce_far(b, b.abs(x), half / 2)
        found = _sin_near(b, b.cast(r, float32))
        return _flip(b, found, sign if half else sign ^ b.bits(x))

    name = "cos" if half else "sin"
    return _or_far(b, name, x, _flip(b, _sin_near(b, r), sign), far)


def tan(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    k, n = split(b, a, 2 / pi)
    half = k * 0.5
    r, rest = _without(b, a, half, _PARTS[:1]), b.const(0.0, float32)
    for part in _PARTS[1:3]:
        r, before = b.fma(-half, part, r), r
        rest = rest + b.fma(-half, part, before - r)
    near = _tan_of(b, x, r, b.fma(-half, _PARTS[3], rest), b.shift("shl", n, 31))

    def far(b: LLVMScalars, x: Scalar) -> Scalar:
        exact, odd = _reduce_far(b, b.abs(x), 0, halves=2)
        r = b.cast(exact, float32)
        return _tan_of(b, x, r, b.cast(exact - b.cast(r, float64), float32), odd)

    return _or_far(b, "tan", x, near, far)


def _tan_of(b: LLVMScalars, x: Scalar, r: Scalar, rest: Scalar, odd: Scalar) -> Scalar:
    """tan(r + rest), or -1 / tan(r + rest) where the word's first bit is set; with x's sign."""
    z = r * r
    t = r + b.fma(r * z, b.poly(z, _TAN), b.fma(rest, z, rest))
    is_odd = odd < 0
    found = b.select(is_odd, b.const(-1.0, float32), t) / b.select(is_odd, t, 1.0)
    return _flip(b, found, b.bits(x))


def _sin_near(b: LLVMScalars, r: Scalar) -> Scalar:
    z = r * r
    return b.fma(r * z, b.poly(z, _SIN), r)


def _flip(b: LLVMScalars, x: Scalar, word: Scalar) -> Scalar:
    """x, or -x where the word's first bit is set."""
    return b.from_bits(b.bits(x) ^ (word & -(1 << 31)))


def _or_far(b: LLVMScalars, name: str, x: Scalar, near: Scalar, far: Far) -> Scalar:
    """What was found for x, or what `far` gives where x lies beyond the limit."""

    def by_bits() -> list[Scalar]:
        function = _far_function(b, name, far)
        found = b.builder.call(function, [x.value, near.value], cconv=function.calling_convention)
        return [b.wrap(found, float32)]

    return b.rarely(_is_far(b, x), [near], by_bits)[0]


def _is_far(b: LLVMScalars, x: Scalar) -> Scalar:
    """Whether |x| is in (limit, inf), by its bits: those of inf and NaN become negative."""
    return b.bits(b.abs(x)) + _TO_NEGATIVE > _LIMIT_BITS + _TO_NEGATIVE


def _far_function(b: LLVMScalars, name: str, far: Far) -> ir.Function:
    """(x, near) -> what `far` gives, or `near` for small x; one for each width.

    As it chooses itself, nothing but the loop's own values lives across the call. These stay in
    their registers, but for those of a function that returns less than a whole vector: there LLVM
    would clear the upper halves of all.
    """
    module, name = b.builder.module, f"{name}_far_{b.width}"
    if name in module.globals:
        return module.globals[name]
    kind = b.const(0.0, float32).value.type
    function = ir.Function(module, ir.FunctionType(kind, [kind, kind]), name)
    function.linkage = "internal"
    if b.machine is not None and b.width * 4 == b.machine.vector_bytes:
        function.calling_convention = b.machine.rare_call
    for attribute in ("noinline", "nounwind", "cold"):
        function.attributes.add(attribute)
    inner = type(b)(ir.IRBuilder(function.append_basic_block()), b.width)
    x, near = (inner.wrap(argument, float32) for argument in function.args)
    inner.builder.ret(inner.select(_is_far(inner, x), far(inner, x), near).value)
    return function


def _reduce_far(b: LLVMScalars, a: Scalar, more: float, halves: int = 1) -> tuple[Scalar, Scalar]:
    """(r, a word whose first bit is the last one of n) of a + more * pi = n * pi / halves + r.

    r is a float64; all else is done in integers.
    """
    bits = b.cast(b.bits(a), int64)
    mantissa = (bits & 0x7FFFFF) | 0x800000
    first = b.shift("lshr", bits, 23) - (150 + 1 - _ZEROS)  # of the bits of 1 / pi that count
    high, middle, low = _window(b, first)
    # Multiples of 2 pi are what the product loses at its upper end. Its unit is pi / 2**63.
    total = halves * (
        b.shift("shl", mantissa * high, 32)
        + mantissa * middle
        + b.shift("lshr", mantissa * low, 32)
        + int(more * 2**63)
    )
    rounded = total + (1 << 62)
    rest = (rounded & ((1 << 63) - 1)) - (1 << 62)
    r = b.cast(rest, float64) * (pi / halves / 2.0**63)
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
