"""exp, log and their kin, as formulas of float64.

The method is the usual one: reduce to a small interval, a polynomial there, undo the reduction. The
coefficients without another source are Taylor's or Chebyshev fits made with mpmath; the tests state
the errors.
"""

from __future__ import annotations

from math import inf, nan, sqrt
from math import log as real_log
from typing import TYPE_CHECKING

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import float64

if TYPE_CHECKING:
    from .math import LLVMScalars


def _factorials(last: int) -> tuple[float, ...]:
    values, product = [], 1.0
    for n in range(2, last + 1):
        product *= n
        values.append(1 / product)
    return tuple(reversed(values))


_MANTISSA, _BIAS = 52, 1023
# Adding it to a small number leaves that number, rounded, in the low bits.
_MAGIC, _MAGIC_BITS = 6755399441055744.0, 0x4338000000000000
# The first part is short enough for its product with an exponent to be exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# exp is 0 below the first, and infinite above the second.
_EXP_LOW, _EXP_HIGH = -746.0, 710.0
# (exp(r) - 1 - r) / r**2
_EXP_TAIL = _factorials(13)


def clamp(b: LLVMScalars, x: Scalar, low: float, high: float) -> Scalar:
    """x in [low, high]; NaN stays."""
    return b.select(x < low, low, b.select(x > high, high, x))


def split(b: LLVMScalars, x: Scalar, scale: float) -> tuple[Scalar, Scalar]:
    """x * scale to the nearest integer, as a float and as an integer (any, for NaN)."""
    shifted = b.fma(x, scale, _MAGIC)
    return shifted - _MAGIC, b.bits(shifted) - _MAGIC_BITS


def as_float(b: LLVMScalars, n: Scalar) -> Scalar:
    """A small integer as a float, without a conversion instruction."""
    return b.from_bits(n + _MAGIC_BITS) - _MAGIC


def power_of_two(b: LLVMScalars, n: Scalar) -> Scalar:
    """2**n for an n in the range of normal numbers."""
    return b.from_bits(b.shift("shl", n + _BIAS, _MANTISSA))


def scale(b: LLVMScalars, x: Scalar, n: Scalar) -> Scalar:
    """x * 2**n, rounded once, in two steps: 2**n itself may be out of range."""
    half = b.shift("ashr", n, 1)
    return x * power_of_two(b, half) * power_of_two(b, n - half)


def _reduce(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(r, c, n): x = n * ln2 + r + c with |r| <= ln2 / 2 and c the rounding error of r."""
    k, n = split(b, x, 1 / real_log(2))
    high = b.fma(k, -_LN2_HIGH, x)
    low = k * _LN2_LOW
    r = high - low
    return r, (high - r) - low, n


def exp(b: LLVMScalars, x: Scalar) -> Scalar:
    r, c, n = _reduce(b, clamp(b, x, _EXP_LOW, _EXP_HIGH))
    tail = b.fma(r * r, b.poly(r, _EXP_TAIL), c)
    return scale(b, 1 + (r + tail), n)


def exp_sum(b: LLVMScalars, x: Scalar, low: Scalar) -> Scalar:
    """exp(x + low) for a low that is tiny beside x; float64."""
    first, c, n = _reduce(b, clamp(b, x, _EXP_LOW, _EXP_HIGH))
    r = first + low
    c = c + ((first - r) + low)
    tail = b.fma(r * r, b.poly(r, _EXP_TAIL), c)
    return scale(b, 1 + (r + tail), n)


# Below it expm1(x), sinh(x) and, for half of it, tanh(x) are x.
_TINY = 2.0 ** -(_MANTISSA + 2)


def expm1(b: LLVMScalars, x: Scalar) -> Scalar:
    return b.select(b.abs(x) < _TINY, x, _expm1_of_more(b, x))


def _expm1_of_more(b: LLVMScalars, x: Scalar) -> Scalar:
    """expm1 of what is not tiny; of that, it is about x. Who asks for it holds one value less."""
    r, c, n = _reduce(b, clamp(b, x, -50.0, _EXP_HIGH))
    p = r + b.fma(r * r, b.poly(r, _EXP_TAIL), c)
    # 2**n * p + (2**n - 1), all halved, because 2**n overflows before the result does.
    half = power_of_two(b, n - 1)
    return 2 * b.fma(half, p, half - 0.5)


def sinh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    big = a > 700.0
    t = _expm1_of_more(b, b.select(big, a * 0.5, a))
    small_result = 0.5 * (t + t / (t + 1))
    found = b.copysign(b.select(big, (0.5 * (t + 1)) * (t + 1), small_result), x)
    return b.select((b.abs(x) < _TINY) | (b.abs(x) == inf), x, found)


def cosh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    big = a > 700.0
    e = exp(b, b.select(big, a * 0.5, a))
    return b.select(big, (0.5 * e) * e, 0.5 * e + 0.5 / e)


def tanh(b: LLVMScalars, x: Scalar) -> Scalar:
    t = _expm1_of_more(b, -2 * b.abs(x))
    return b.select(b.abs(x) < _TINY / 2, x, b.copysign(-t / (t + 2), x))


def sigmoid(b: LLVMScalars, x: Scalar) -> Scalar:
    """1 / (1 + exp(-x)), without overflow: exp is taken of -|x| only."""
    e = exp(b, -b.abs(x))
    return b.select(x >= 0, 1 / (1 + e), e / (1 + e))


# -- logarithms --------------------------------------------------------------------------------

_LOG64 = (1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
          2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
          6.666666666666735130e-01)  # fmt: skip
_ROOT_HALF = 0x3FE6A09E667F3BCD


def log_parts(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar]:
    """(k, f): x = 2**k * (1 + f) for a positive finite x, with 1 + f in [sqrt(1/2), sqrt(2))."""
    denormal = x < 2.0 ** (1 - _BIAS)
    i = b.bits(b.select(denormal, x * 2.0 ** (_MANTISSA + 2), x))
    n = b.shift("ashr", i - _ROOT_HALF, _MANTISSA)
    f = b.from_bits(i - b.shift("shl", n, _MANTISSA)) - 1
    return as_float(b, n - b.select(denormal, _MANTISSA + 2, b.const(0, n.dtype))), f


def _log_sum(b: LLVMScalars, k: Scalar, f: Scalar, low: Scalar) -> Scalar:
    """k * ln2 + log(1 + f) + low; float64. The terms are added from small to large."""
    s = f / (2 + f)
    z = s * s
    half_square = 0.5 * f * f
    rest = b.fma(s, half_square + z * b.poly(z, _LOG64), low)
    return b.fma(k, _LN2_HIGH, f - (half_square - b.fma(k, _LN2_LOW, rest)))


def _at_the_ends(b: LLVMScalars, x: Scalar, found: Scalar) -> Scalar:
    """What a logarithm of x is outside of (0, inf), else `found`."""
    inside = b.select(x < inf, found, x)
    return b.select(x == 0, -inf, b.select(x < 0, nan, inside))


def log(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = log_parts(b, x)
    return _at_the_ends(b, x, _log_sum(b, k, f, b.const(0.0, float64)))


def log1p(b: LLVMScalars, x: Scalar) -> Scalar:
    u = 1 + x
    k, f = log_parts(b, u)
    found = _log_sum(b, k, f, (x - (u - 1)) / u)
    found = _at_the_ends(b, u, found)
    return b.select(b.abs(x) < 2.0**-54, x, found)


def log2(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = log_parts(b, x)
    fraction = _log_sum(b, b.const(0.0, float64), f, b.const(0.0, float64))
    return _at_the_ends(b, x, b.fma(fraction, 1.4426950408889634, k))


def log10(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = log_parts(b, x)
    fraction = _log_sum(b, b.const(0.0, float64), f, b.const(0.0, float64))
    low = b.fma(k, 3.69423907715893078616e-13, fraction * 4.34294481903251816668e-01)
    return _at_the_ends(b, x, b.fma(k, 3.01029995663611771306e-01, low))


def asinh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    big = a > 2.0**28
    y = b.select(big, a - 1, a + a * a / (1 + b.sqrt(a * a + 1)))
    found = log1p(b, y) + b.select(big, 0.6931471805599453, b.const(0.0, float64))
    return b.copysign(found, x)


def acosh(b: LLVMScalars, x: Scalar) -> Scalar:
    t = x - 1
    big = x > 2.0**28
    y = b.select(big, t, t + b.sqrt(t * (t + 2)))
    found = log1p(b, y) + b.select(big, 0.6931471805599453, b.const(0.0, float64))
    return b.select(x < 1, nan, found)


def atanh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    return b.copysign(0.5 * log1p(b, 2 * a / (1 - a)), x)


# -- erf ---------------------------------------------------------------------------------------

# erf(x) / x - 1 in x**2, for x in [0, 1].
_ERF_NEAR = (5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08,
             -1.6350312701054695e-07, 1.6461000484121368e-06, -1.4925595266831182e-05,
             0.0001205533111164271, -0.000854832698083379, 0.0052239776248180145,
             -0.026866170645076792, 0.11283791670954879, -0.3761263890318375,
             0.1283791670955126)  # fmt: skip
# erfc(x) * exp(x**2) * (x + 2) in t = (x - 2) / (x + 2), for x in [1, 6].
_ERF_FAR = (-1.2420151753302728e-06, 2.3071280093604648e-06, 4.08688998356114e-06,
            -1.3326787441966094e-06, -1.618008197175302e-05, -2.165375326747195e-05,
            3.4151819471985385e-05, 0.00014446643742707942, 3.437148449374539e-05,
            -0.0006630732661607363, -0.0008372960726143466, 0.003090612051994647,
            0.006479185068080892, -0.021510661889378366, -0.03644223150688279,
            0.2794720925560541, -0.6871606844138106, 1.021582705242023)  # fmt: skip


def erf(b: LLVMScalars, x: Scalar) -> Scalar:
    a = clamp(b, b.abs(x), 0.0, 6.0)
    near = b.fma(x, b.poly(a * a, _ERF_NEAR), x)
    ratio = 1 / (a + 2)
    far = 1 - exp(b, -a * a) * b.poly((a - 2) * ratio, _ERF_FAR) * ratio
    return b.select(a > 1.0, b.copysign(far, x), near)


def gelu(b: LLVMScalars, x: Scalar) -> Scalar:
    """x times the normal distribution function."""
    return x * 0.5 * (erf(b, x * sqrt(0.5)) + 1.0)
