"""The formulas of float32 that networks spend their time in: few instructions, at most 2 ulps.

Each is straight-line code for a whole vector: reduce to a small interval, a polynomial there (fits
by Remez's method, coefficients from the highest power on), undo the reduction. They hold with and
without a fused multiply-add. NaN, infinities, signed zeros and denormals come out right by
themselves wherever that is possible: a comparison costs as much as a product.

What makes them short:

- `split` rounds by adding a large number, whose low bits then are the integer. With an exponent's
  bias in that number, one shift makes a power of two of it.
- exp(r) is kept as 1 + u: `fma(u, s, s)` is s * exp(r), rounded once.
- where a result is bounded the power of two cannot overflow, and one factor is enough.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from wherry.ir.scalar import Operand, Scalar
from wherry.schema.dtypes import float32

if TYPE_CHECKING:
    from .math import LLVMScalars

_MAGIC, _MANTISSA, _BIAS = 12582912.0, 23, 127
TWICE_BIAS = 2 * _BIAS
_LOG2_E = 1.44269504
# The first part is so short that its product with an exponent is exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4

# (exp(r) - 1 - r) / r**2 for |r| <= ln2 / 2.
_EXP = (0.0013820999301970005, 0.008368671871721745, 0.04166826233267784, 0.1666652113199234,
        0.4999999403953552)  # fmt: skip
# ((exp(2 r) - 1) / 2 - r) / r**2 for |r| <= ln2 / 4; tanh(x) / x - 1 in x**2 for x <= 0.55.
_TANH_FAR = (0.044224441051483154, 0.13389897346496582, 0.3333461880683899, 0.6666608452796936,
             0.9999998807907104)  # fmt: skip
_TANH_NEAR = (0.01643787883222103, -0.05267200991511345, 0.1332072913646698, -0.3333294689655304)
# (log(1 + f) - f) / f**2 for 1 + f in [sqrt(1/2), sqrt(2)].
_LOG = (0.08740004897117615, -0.14309662580490112, 0.1491681933403015, -0.16570048034191132,
        0.1996215581893921, -0.25001785159111023, 0.33333948254585266,
        -0.49999991059303284)  # fmt: skip
_ROOT_HALF, _FOUR = 0x3F3504F3, 0x40800000  # bits
# erf(x) / x - 1 in x**2 for x <= 1; log2(erfc(x)) for x in [1, 4]; 2**r for |r| <= 1/2.
_ERF_NEAR = (7.808076770743355e-05, -0.000799810397438705, 0.0051871794275939465,
             -0.026853350922465324, 0.11283578723669052, -0.3761262595653534,
             0.12837916612625122)  # fmt: skip
_ERF_FAR = (-0.0016740424325689673, 0.021436404436826706, -0.12823952734470367,
            -0.9436593055725098, -1.612553596496582, -0.0037266595751047134)  # fmt: skip
_EXP2 = (0.001341584837064147, 0.009680688381195068, 0.055502768605947495, 0.240219846367836,
         0.6931472420692444, 1.0)  # fmt: skip
# (erfc(x / sqrt(2)) / 2)**(-1/8): the eighth power of a polynomial falls off like a Gaussian.
_GELU = (3.077097971981857e-06, -1.6696045349817723e-05, 9.822868014452979e-05,
         0.00014358428597915918, 0.0010361927561461926, 0.00939648225903511, 0.04883145913481712,
         0.10876070708036423, 1.0905077457427979)  # fmt: skip


def at_most(b: LLVMScalars, x: Scalar, high: float) -> Scalar:
    """x or the bound; NaN stays."""
    return b.select(x > high, high, x)


def at_least(b: LLVMScalars, x: Scalar, low: Operand) -> Scalar:
    return b.select(x < low, low, x)


def split(b: LLVMScalars, x: Scalar, scale: float, bias: int = 0) -> tuple[Scalar, Scalar]:
    """x * scale to the nearest integer: as a float, and in the low bits of an integer, plus bias.

    The integer's higher bits are of no use; those from bit 9 to bit 21 are the sign's.
    """
    magic = _MAGIC + bias
    shifted = b.fma(x, scale, magic)
    return shifted - magic, b.bits(shifted)


def exponent(b: LLVMScalars, biased: Scalar) -> Scalar:
    """The float whose exponent's bits are the low bits of the integer."""
    return b.from_bits(b.shift("shl", biased, _MANTISSA))


def _exp_near(b: LLVMScalars, r: Scalar) -> Scalar:
    """exp(r) - 1 for a reduced r."""
    return b.fma(r * r, b.poly(r, _EXP), r)


def _minus_ln2(b: LLVMScalars, k: Scalar, x: Scalar) -> Scalar:
    """x - k * ln2."""
    return b.fma(k, -_LN2_LOW, b.fma(k, -_LN2_HIGH, x))


def exp(b: LLVMScalars, x: Scalar, twos: int = 0) -> Scalar:
    """exp(x) * 2**twos."""
    x = at_most(b, at_least(b, x, -104.0), 90.0)
    k, n = split(b, x, _LOG2_E, TWICE_BIAS + twos)
    u = _exp_near(b, _minus_ln2(b, k, x))
    return times_power(b, u, k + twos if twos else k, n)


def times_power(b: LLVMScalars, u: Scalar, k: Scalar, n: Scalar) -> Scalar:
    """(1 + u) * 2**k for an integer k; n is k + TWICE_BIAS as `split` gives it."""
    if b.scales:
        return b.scaled(1 + u, k)
    # 2**k may be out of range: it is two factors, of half the exponent each.
    half = b.shift("lshr", n, 1)
    first = exponent(b, half)
    return b.fma(u, first, first) * exponent(b, n - half)


def expm1(b: LLVMScalars, x: Scalar) -> Scalar:
    inside = at_most(b, at_least(b, x, -20.0), 89.0)
    k, n = split(b, inside, _LOG2_E, _BIAS - 1)
    u = _exp_near(b, _minus_ln2(b, k, inside))
    # 2**k * u + (2**k - 1), all halved, because 2**k overflows before the result does.
    half = exponent(b, n)
    return b.select(b.abs(x) < 2.0**-25, x, 2 * b.fma(half, u, half - 0.5))


def sigmoid(b: LLVMScalars, x: Scalar) -> Scalar:
    """1 / (1 + exp(-x)), both sides times 2**-64: so exp(-x) overflows where the result is 0."""
    x = at_most(b, at_least(b, x, -105.0), 30.0)
    k, n = split(b, x, -_LOG2_E, _BIAS - 64)
    u = _exp_near(b, _minus_ln2(b, k, -x))
    power = exponent(b, n)
    # The sum is power * (1 + u) + 2**-64, or power * (1 + u + one). The smaller summand is added to
    # what is small, so that the result is rounded once less.
    negative = x < 0
    one = b.from_bits(b.max((2 * _BIAS - 64 << _MANTISSA) - b.bits(power), 0))
    part = b.fma(b.select(negative, u + one, u), power, power)
    return 2.0**-64 / b.select(negative, part, part + 2.0**-64)


def tanh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = at_most(b, b.abs(x), 9.2)
    z = a * a
    near = b.fma(a * z, b.poly(z, _TANH_NEAR), a)
    # 1 - 2 / (exp(2 a) + 1), with all but the 1 halved.
    k, n = split(b, a, 2 * _LOG2_E, _BIAS)
    r = b.fma(k, -0.34657359, a)
    half = b.fma(r * r, b.poly(r, _TANH_FAR), r)
    power = exponent(b, n)
    far = 1 - 1 / b.fma(half, power, b.fma(power, 0.5, 0.5))
    return b.copysign(b.select(a > 0.55, far, near), x)


def erf(b: LLVMScalars, x: Scalar) -> Scalar:
    a = at_most(b, b.abs(x), 4.0)
    near = b.fma(x, b.poly(a * a, _ERF_NEAR), x)
    y = b.poly(a, _ERF_FAR)
    k, n = split(b, y, 1.0, _BIAS)
    far = 1 - exponent(b, n) * b.poly(y - k, _EXP2)
    return b.select(a > 1.0, b.copysign(far, x), near)


def gelu(b: LLVMScalars, x: Scalar) -> Scalar:
    """x times the normal distribution function: 3e-7 absolute, 2e-6 relative for x > 0."""
    a = at_least(b, -x, at_most(b, x, 64.0))
    root = b.poly(a, _GELU)
    for _ in range(3):
        root = root * root
    return b.fma(-a, 1 / root, at_least(b, x, -0.0))


def log(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = separate(b, x)
    return at_the_ends(b, x, _log_near(b, k, f))


def log_of_normal(b: LLVMScalars, x: Scalar, twos: Scalar) -> Scalar:
    """log(x * 2**twos) of a finite x >= 2**-126 and an integer."""
    k, power = _exponent_of(b, x, -twos)
    return _log_near(b, k, b.from_bits(b.bits(x) - power) - 1)


def separate(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar]:
    """(k, f): x = 2**k * (1 + f) for a positive finite x, with 1 + f in [sqrt(1/2), sqrt(2))."""
    denormal = x < 2.0**-126
    scaled = b.select(denormal, x * 2.0**_MANTISSA, x)
    k, power = _exponent_of(b, scaled, b.select(denormal, _MANTISSA, b.const(0, "int32")))
    return k, b.from_bits(b.bits(scaled) - power) - 1


def log1p(b: LLVMScalars, x: Scalar) -> Scalar:
    u = 1 + x
    k, power = _exponent_of(b, u, b.const(0, "int32"))
    # (1 + x) / 2**k - 1 without the rounding of u. 2**-k itself may be too small.
    scale = b.from_bits(_FOUR - power)
    f = b.fma(x * 0.25, scale, b.fma(scale, 0.25, -1.0))
    found = at_the_ends(b, u, _log_near(b, k, f))
    return b.select(b.abs(x) < 2.0**-25, x, found)


def _exponent_of(b: LLVMScalars, x: Scalar, less: Scalar) -> tuple[Scalar, Scalar]:
    """(k - less, k in the exponent's bits): x = 2**k * (1 + f) with 1 + f near 1."""
    above = b.bits(x) - _ROOT_HALF
    k = b.shift("ashr", above, _MANTISSA)
    return b.cast(k - less, float32), b.shift("shl", k, _MANTISSA)


def _log_near(b: LLVMScalars, k: Scalar, f: Scalar) -> Scalar:
    """k * ln2 + log(1 + f)."""
    near = b.fma(f * f, b.poly(f, _LOG), b.fma(k, _LN2_LOW, f))
    return b.fma(k, _LN2_HIGH, near)


def at_the_ends(b: LLVMScalars, x: Scalar, found: Scalar) -> Scalar:
    """What a logarithm of x is outside of (0, inf), else `found`."""
    outside = b.select(x == 0, b.const(-inf, float32), nan)
    return b.select(x > 0, b.select(x < inf, found, x), outside)
