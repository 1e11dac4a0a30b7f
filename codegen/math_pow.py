"""pow, and the remainders of floats, as formulas in float64.

Sums and products carry their rounding errors along where the result depends on them. They are split
by Dekker's method, which needs no fused multiply-add.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import TYPE_CHECKING

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import float64

from .math_exp import exp_sum, log_parts

if TYPE_CHECKING:
    from .math import LLVMScalars

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_TWO_THIRDS_LOW = 3.700743415417188e-17
_ATANH = tuple(2 / n for n in range(29, 4, -2))


def _two_product(b: LLVMScalars, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    """(x * y rounded, its error)."""
    mask = ~0x7FFFFFF
    hx, hy = (b.from_bits(b.bits(v) & mask) for v in (x, y))
    lx, ly = x - hx, y - hy
    p = x * y
    return p, ((hx * hy - p) + hx * ly + lx * hy) + lx * ly


def _two_sum(x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    """(x + y rounded, its error)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def _log_double(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar]:
    """log(x) as a sum of two doubles, for positive finite x: some 68 bits."""
    k, f = log_parts(b, x)
    # s = f / (2 + f); log(1 + f) = 2 * atanh(s) = 2 s + s**3 * (2/3 + 2/5 s**2 + ...)
    d = 2 + f
    d_low = f - (d - 2)
    s = f / d
    p, e = _two_product(b, s, d)
    s_low = ((f - p) - e - s * d_low) / d
    z, e = _two_product(b, s, s)
    z_low = e + 2 * s * s_low
    tail = z * b.poly(z, _ATANH)
    c = 2 / 3 + tail
    c_low = (2 / 3 - c) + tail + _TWO_THIRDS_LOW
    q, e = _two_product(b, z, c)
    q_low = e + z * c_low + z_low * c
    u, e = _two_product(b, s, q)
    u_low = e + s * q_low + s_low * q
    total, e1 = _two_sum(k * _LN2_HIGH, 2 * s)
    total, e2 = _two_sum(total, u)
    return _two_sum(total, e1 + e2 + (k * _LN2_LOW + 2 * s_low + u_low))


def _power_of_positive(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """x**y for finite x > 0 and finite y."""
    high, low = _log_double(b, x)
    p, e = _two_product(b, y, high)
    e = e + y * low
    return exp_sum(b, p, b.select(b.abs(p) < 1000.0, e, 0.0))


def power(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """x**y as C's pow, of float64."""
    return with_cases(b, x, y, _power_of_positive(b, b.abs(x), y))


def with_cases(b: LLVMScalars, x: Scalar, y: Scalar, found: Scalar) -> Scalar:
    """|x|**y = found as x**y. Vectors look for the special cases where a lane may be one."""
    if not b.width:
        return _power_cases(b, x, y, found)
    usual = (x > 0) & (x < inf) & (b.abs(y) < inf)
    return b.rarely(~usual, [found], lambda: [_power_cases(b, x, y, found)])[0]


def _power_cases(b: LLVMScalars, x: Scalar, y: Scalar, found: Scalar) -> Scalar:
    """The cases that |x|**y = found does not cover: zeros, infinities, NaN, x < 0."""
    a, zero, infinite = b.abs(x), b.const(0.0, x.dtype), b.const(inf, x.dtype)
    found = b.select(a == 0, b.select(y < 0, infinite, zero), found)
    found = b.select(a == inf, b.select(y < 0, zero, infinite), found)
    found = b.select(b.abs(y) == inf, b.select((a > 1) ^ (y < 0), infinite, zero), found)
    found = b.select(b.isnan(x) | b.isnan(y), x + y, found)
    found = b.select(a == 1, b.select(b.isnan(y), y, 1.0), found)
    whole = b.floor(y) == y
    half = y * 0.5
    odd = whole & (b.floor(half) != half)
    negative = b.copysign(b.const(1.0, x.dtype), x) < 0
    found = b.select(negative & odd & ~b.isnan(x), -found, found)
    found = b.select((x < 0) & (a < inf) & ~whole & ~b.isnan(y), nan, found)
    return b.select((y == 0) | (x == 1), 1.0, found)


# -- remainders --------------------------------------------------------------------------------


def fmod(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """x - trunc(x / y) * y, exact, with the sign of x."""
    ax, ay = b.abs(x), b.abs(y)
    quotient = ax / ay
    easy = (quotient < 2.0**50) & (ax < 2.0**1000) & (ay > 2.0**-900)
    p, e = _two_product(b, b.trunc(quotient), ay)
    rest = (ax - p) - e
    rest = b.select(rest < 0, rest + ay, b.select(rest >= ay, rest - ay, rest))
    hard = ~easy & (ax >= ay) & (ax < inf) & (ay > 0)
    rest = b.select(hard, ax, rest)
    rest = b.copysign(_subtract_multiples(b, hard, rest, ay), x)
    rest = b.select(ax < ay, x, rest)
    return b.select((ay == 0) | (ax == inf) | b.isnan(x) | b.isnan(y), nan, rest)


def _subtract_multiples(b: LLVMScalars, hard: Scalar, rest: Scalar, y: Scalar) -> Scalar:
    """The remainder by long division, for quotients that no float holds. Loops; rarely entered."""

    def larger(v: list[Scalar]) -> Scalar:
        return hard & (v[0] * 2 <= rest)

    def subtract(v: list[Scalar]) -> list[Scalar]:
        left, by = v
        fits = hard & (left >= by)
        return [b.select(fits, left - by, left), b.select(by > y, by * 0.5, by)]

    step = _loop(b, [y], larger, lambda v: [b.select(larger(v), v[0] * 2, v[0])])[0]
    return _loop(b, [rest, step], lambda v: hard & (v[0] >= y), subtract)[0]


def _loop(
    b: LLVMScalars,
    start: list[Scalar],
    again: Callable[[list[Scalar]], Scalar],
    body: Callable[[list[Scalar]], list[Scalar]],
) -> list[Scalar]:
    """`while again(v) in any lane: v = body(v)`."""
    builder = b.builder
    before = builder.block
    head, inside, done = (builder.append_basic_block(n) for n in ("head", "inside", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    values = [b.wrap(builder.phi(v.value.type), v.dtype) for v in start]
    builder.cbranch(b.any_lane(again(values).value), inside, done)
    builder.position_at_end(inside)
    following = body(values)
    for phi, first, then in zip(values, start, following, strict=True):
        phi.value.add_incoming(first.value, before)
        phi.value.add_incoming(then.value, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return values


def mod(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """Python's x % y: the sign is y's."""
    return _divmod(b, x, y)[1]


def floordiv(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """Python's x // y; x / y where y is 0."""
    quotient, _ = _divmod(b, x, y)
    floor = b.floor(quotient)
    floor = b.select(quotient - floor > 0.5, floor + 1, floor)
    floor = b.select(quotient == 0, b.copysign(b.const(0.0, float64), x / y), floor)
    return b.select(y == 0, x / y, floor)


def _divmod(b: LLVMScalars, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    rest = fmod(b, x, y)
    quotient = (x - rest) / y
    differs = (rest != 0) & ((y < 0) ^ (rest < 0))
    zero = b.copysign(b.const(0.0, float64), y)
    found = b.select(rest == 0, zero, b.select(differs, rest + y, rest))
    return b.select(differs, quotient - 1, quotient), found
