"""sin, cos, tan and their inverses, as formulas of float64.

The reduction by multiples of pi/2 is exact to the last bit up to |x| = 5e7; beyond, the result is a
number in [-1, 1] (for tan: any number) but no longer the sine of x.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

from wherry.ir.scalar import Operand, Scalar
from wherry.schema.dtypes import float64

from .math_exp import clamp, split

if TYPE_CHECKING:
    from .math import LLVMScalars

# pi/2 in parts of 28 bits, whose products with a multiple of 25 bits are exact.
_HALF_PI = (1.570796325802803, 9.920935739593517e-10, 5.721188709663575e-18,
            1.6446256936324258e-26)  # fmt: skip
_LIMIT = 5.0e7

_SIN64 = (1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
          -1.98412698298579493134e-04, 8.33333333332248946124e-03)  # fmt: skip
_SIN64_CUBE = -1.66666666666666324348e-01
_COS64 = (-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
          2.48015872894767294178e-05, -1.38888888888741095749e-03,
          4.16666666666666019037e-02)  # fmt: skip


def _subtract(a: Scalar, c: Scalar) -> tuple[Scalar, Scalar]:
    """(a - c rounded, its error)."""
    total = a - c
    part = total - a
    return total, (a - (total - part)) - (c + part)


def _reduce(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(r, c, n): x = n * pi/2 + r + c, |r| <= pi/4."""
    k, n = split(b, x, 2 / pi)
    first = b.fma(k, -_HALF_PI[0], x)
    second, error = _subtract(first, k * _HALF_PI[1])
    third, more = _subtract(second, k * _HALF_PI[2])
    low = error + more - k * _HALF_PI[3]
    r = third + low
    c = (third - r) + low
    inside = b.abs(x) <= _LIMIT
    return clamp(b, r, -0.79, 0.79), b.select(inside, c, 0.0), n


def _sin_near(b: LLVMScalars, r: Scalar, c: Scalar) -> Scalar:
    z = r * r
    cube = z * r
    rest = z * (0.5 * c - cube * b.poly(z, _SIN64)) - c
    return r - (rest - cube * _SIN64_CUBE)


def _cos_near(b: LLVMScalars, r: Scalar, c: Scalar) -> Scalar:
    z = r * r
    half = 0.5 * z
    w = 1 - half
    return w + (((1 - w) - half) + (z * z * b.poly(z, _COS64) - r * c))


def _near(b: LLVMScalars, x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(sin r, cos r, n) for x = n * pi/2 + r."""
    r, c, n = _reduce(b, x)
    return _sin_near(b, r, c), _cos_near(b, r, c), n


def _pick(b: LLVMScalars, even: Scalar, odd: Scalar, n: Scalar) -> Scalar:
    """`even` or `odd` by the last bit of n, negative where the bit before it is set."""
    found = b.select((n & 1) == 0, even, odd)
    return b.select((n & 2) == 0, found, -found)


def sin(b: LLVMScalars, x: Scalar) -> Scalar:
    s, c, n = _near(b, x)
    return b.select(b.abs(x) < 2.0**-27, x, _pick(b, s, c, n))


def cos(b: LLVMScalars, x: Scalar) -> Scalar:
    s, c, n = _near(b, x)
    return _pick(b, c, -s, n)


def tan(b: LLVMScalars, x: Scalar) -> Scalar:
    s, c, n = _near(b, x)
    even = (n & 1) == 0
    found = b.select(even, s, -c) / b.select(even, c, s)
    return b.select(b.abs(x) < 2.0**-27, x, found)


# -- inverses, after fdlibm and Cephes ---------------------------------------------------------

_ASIN_TOP = (3.47933107596021167570e-05, 7.91534994289814532176e-04, -4.00555345006794114027e-02,
             2.01212532134862925881e-01, -3.25565818622400915405e-01,
             1.66666666666666657415e-01)  # fmt: skip
_ASIN_BOTTOM = (7.70381505559019352791e-02, -6.88283971605453293030e-01, 2.02094576023350569471e+00,
                -2.40339491173441421878e+00, 1.0)  # fmt: skip
_ATAN_TOP = (-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
             -1.228866684490136173410e2, -6.485021904942025371773e1)  # fmt: skip
_ATAN_BOTTOM = (1.0, 2.485846490142306297962e1, 1.650270098316988542046e2,
                4.328810604912902668951e2, 4.853903996359136964868e2,
                1.945506571482613964425e2)  # fmt: skip
_HALF_PI_HIGH, _HALF_PI_LOW = 1.5707963267948966, 6.123233995736766e-17


def _asin_tail(b: LLVMScalars, z: Scalar) -> Scalar:
    """(asin(s) - s) / s for z = s**2."""
    return z * b.poly(z, _ASIN_TOP) / b.poly(z, _ASIN_BOTTOM)


def asin(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    far = a >= 0.5
    z = b.select(far, (1 - a) * 0.5, x * x)
    tail = _asin_tail(b, z)
    s = b.sqrt(z)
    folded = (_HALF_PI_HIGH - 2 * s) - (2 * (s * tail) - _HALF_PI_LOW)
    return b.select(far, b.copysign(folded, x), b.fma(x, tail, x))


def acos(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    far = a >= 0.5
    z = b.select(far, (1 - a) * 0.5, x * x)
    tail = _asin_tail(b, z)
    s = b.sqrt(z)
    near = _HALF_PI_HIGH - (x - (_HALF_PI_LOW - x * tail))
    right = 2 * b.fma(s, tail, s)
    left = 2 * (_HALF_PI_HIGH - (s + (s * tail - _HALF_PI_LOW)))
    return b.select(far, b.select(x > 0, right, left), near)


def atan(b: LLVMScalars, x: Scalar) -> Scalar:
    return b.copysign(_atan_ratio(b, b.abs(x), 1.0), x)


def _atan_ratio(b: LLVMScalars, top: Scalar, bottom: Operand) -> Scalar:
    """atan(top / bottom) for both >= 0, not both 0 nor inf, with one division in the reduction."""
    big = top > 2.414213562373095 * bottom
    middle = top > 0.66 * bottom
    infinite = top == float("inf")
    numerator = b.select(big, -bottom, b.select(middle, top - bottom, top))
    denominator = b.select(big, top, b.select(middle, top + bottom, bottom))
    base = b.select(big, _HALF_PI_HIGH, b.select(middle, pi / 4, b.const(0.0, float64)))
    low = b.select(big, _HALF_PI_LOW, b.select(middle, _HALF_PI_LOW / 2, b.const(0.0, float64)))
    t = b.select(infinite, 0.0, numerator / denominator)
    z = t * t
    tail = z * b.poly(z, _ATAN_TOP) / b.poly(z, _ATAN_BOTTOM)
    return base + (b.fma(t, tail, low) + t)


def atan2(b: LLVMScalars, y: Scalar, x: Scalar) -> Scalar:
    ax, ay = b.abs(x), b.abs(y)
    steep = ay > ax
    top, bottom = b.select(steep, ax, ay), b.select(steep, ay, ax)
    zero, equal = bottom == 0, ax == ay
    ratio = b.select(zero, 0.0, b.select(equal, 1.0, top / bottom))
    angle = _atan_ratio(b, ratio, 1.0)
    angle = b.select(steep, (_HALF_PI_HIGH - angle) + _HALF_PI_LOW, angle)
    behind = b.copysign(b.const(1.0, float64), x) < 0
    angle = b.select(behind, (pi - angle) + 2 * _HALF_PI_LOW, angle)
    found = b.copysign(angle, y)
    return b.select(b.isnan(x) | b.isnan(y), x + y, found)
