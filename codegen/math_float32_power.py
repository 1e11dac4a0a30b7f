"""Powers and logarithms of float32 that need more than exp and log: pow, and the hyperbolic ones.

Where a logarithm's digits behind those of float32 count, its operand or the logarithm itself is a
float64: for few instructions, since such a value is two registers.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import float32, float64, int32

from . import math_exp
from .math_float32 import (
    TWICE_BIAS,
    at_the_ends,
    exp,
    log,
    log_of_normal,
    separate,
    split,
    times_power,
)
from .math_pow import with_cases

if TYPE_CHECKING:
    from .math import LLVMScalars

# (log(1 + f) / log(base) - f / log(base)) / f**2 for 1 + f in [sqrt(1/2), sqrt(2)].
_LOG2 = (0.12610097229480743, -0.20645448565483093, 0.215206116437912, -0.23905420303344727,
         0.2879926562309265, -0.36069953441619873, 0.48090723156929016,
         -0.7213473916053772)  # fmt: skip
_LOG10 = (0.03796283155679703, -0.062147051095962524, 0.06478116661310196, -0.07196249812841415,
          0.08669470995664597, -0.10858140140671866, 0.14476749300956726,
          -0.21714720129966736)  # fmt: skip
_LOG2_E_REST, _LOG10_E_REST = 0.4426950408889634, -0.06570551809674817  # beside 1 and 1/2
# log10(2); the first part is so short that its product with an exponent is exact.
_LOG10_2, _LOG10_2_LOW = 0.30102920532226562, 7.9034151667e-07
_LN2 = 0.6931471805599453
# log2((1 + s) / (1 - s)) / s in s**2, for (1 + s) / (1 - s) in [sqrt(1/2), sqrt(2)].
_LOG2_WIDE = (0.3407371294211412, 0.4116723567793972, 0.5770835906889872, 0.9617966733136032,
              2.8853900817901073)  # fmt: skip
# (2**r - 1) / r for |r| <= 1/2.
_EXP2 = (0.0001546329294797033, 0.001339120208285749, 0.00961806159466505, 0.055503591895103455,
         0.24022650718688965, 0.6931471824645996)  # fmt: skip
# (sinh(x) / x - 1) / x**2 in x**2 for x <= 1; of asinh for x <= 1.18, of atanh for x <= 1/2.
_SINH = (2.7822131869470468e-06, 0.00019842895562760532, 0.00833331048488617, 0.1666666716337204)
_ASINH = (0.0002899564860854298, -0.0021780505776405334, 0.007510956842452288,
          -0.016512056812644005, 0.028111720457673073, -0.04412561655044556, 0.07494097203016281,
          -0.16666431725025177)  # fmt: skip
_ATANH = (0.1763785034418106, 0.05160436034202576, 0.11816386133432388, 0.1422378569841385,
          0.2000245302915573, 0.33333301544189453)  # fmt: skip


def log2(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = separate(b, x)
    rest = b.fma(f, _LOG2_E_REST, f * f * b.poly(f, _LOG2))
    return at_the_ends(b, x, (f + rest) + k)


def log10(b: LLVMScalars, x: Scalar) -> Scalar:
    k, f = separate(b, x)
    near = b.fma(f, 0.5, b.fma(f, _LOG10_E_REST, f * f * b.poly(f, _LOG10)))
    return at_the_ends(b, x, b.fma(k, _LOG10_2, b.fma(k, _LOG10_2_LOW, near)))


def sinh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    z = a * a
    near = b.fma(a * z, b.poly(z, _SINH), a)
    half = exp(b, a, twos=-1)
    return b.copysign(b.select(a > 1.0, half - 0.25 / half, near), x)


def cosh(b: LLVMScalars, x: Scalar) -> Scalar:
    half = exp(b, b.abs(x), twos=-1)
    return half + 0.25 / half


def asinh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    z = a * a
    near = b.fma(a * z, b.poly(z, _ASINH), a)
    far = _log_or_of_twice(b, a + b.sqrt(z + 1), a)
    return b.copysign(b.select(a > 1.18, far, near), x)


def _log_or_of_twice(b: LLVMScalars, total: Scalar, x: Scalar) -> Scalar:
    """log(total) for a total >= 1; for a large x log(2 * x), which a float32 may not hold."""
    large = x > 2.0**24
    twos = b.select(large, b.const(1, int32), 0)
    return b.select(x < inf, log_of_normal(b, b.select(large, x, total), twos), x)


def acosh(b: LLVMScalars, x: Scalar) -> Scalar:
    """log(x + sqrt(x**2 - 1)): near 1, x**2 and what the sum is beside 1 have more digits."""
    wide = b.cast(x, float64)
    total = wide + b.sqrt(b.fma(wide, wide, -1.0))
    high = b.cast(total, float32)
    low = b.cast(total - b.cast(high, float64), float32)
    large = x > 2.0**24
    return log(b, b.select(large, x, high)) + b.select(large, _LN2, low / high)


def atanh(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    z = a * a
    near = b.fma(a * z, b.poly(z, _ATANH), a)
    far = 0.5 * log(b, (1 + a) / (1 - a))
    return b.copysign(b.select(a > 0.5, far, near), x)


def power(b: LLVMScalars, x: Scalar, y: Scalar) -> Scalar:
    """x**y as C's pow: 2**(y * log2(x)), the product in float64."""
    k, f = separate(b, b.abs(x))
    wide = b.cast(f, float64)
    s = wide / (2 + wide)
    log = b.fma(s, b.poly(s * s, _LOG2_WIDE), b.cast(k, float64))
    total = math_exp.clamp(b, b.cast(y, float64) * log, -200.0, 200.0)
    whole = b.round(total)
    r = b.cast(total - whole, float32)
    k, n = split(b, b.cast(whole, float32), 1.0, TWICE_BIAS)
    return with_cases(b, x, y, times_power(b, r * b.poly(r, _EXP2), k, n))
