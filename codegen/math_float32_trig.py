"""The inverses of sin, cos and tan in float32: one polynomial each, of an operand in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.ir.scalar import Operand, Scalar
from wherry.schema.dtypes import float32

if TYPE_CHECKING:
    from .math import LLVMScalars

# asin(x) / x - 1 in x**2 for x <= 1/2; atan(x) / x - 1 in x**2 for x <= 1: both over x**2.
_ASIN = (0.042158305644989014, 0.024184778332710266, 0.04546914994716644, 0.074953094124794,
         0.16666752099990845)  # fmt: skip
_ATAN = (-0.0017904058331623673, 0.010899696499109268, -0.031148936599493027, 0.05792722851037979,
         -0.08401581645011902, 0.10951506346464157, -0.14264102280139923, 0.1999853402376175,
         -0.33333298563957214)  # fmt: skip
# pi / 2 and what float32 leaves of it.
_HALF_PI, _HALF_PI_LOW = 1.5707963705062866, -4.371138828673793e-08


def _asin_parts(b: LLVMScalars, a: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(whether a > 1/2, s, asin(s) - s). There s is the sine of acos(a) / 2, else it is a."""
    far = a > 0.5
    z = b.select(far, (1 - a) * 0.5, a * a)
    s = b.select(far, b.sqrt(z), a)
    return far, s, s * z * b.poly(z, _ASIN)


def asin(b: LLVMScalars, x: Scalar) -> Scalar:
    far, s, tail = _asin_parts(b, b.abs(x))
    folded = (_HALF_PI - 2 * s) - (2 * tail - _HALF_PI_LOW)
    return b.copysign(b.select(far, folded, s + tail), x)


def acos(b: LLVMScalars, x: Scalar) -> Scalar:
    far, s, tail = _asin_parts(b, b.abs(x))
    half = s + tail
    near = _HALF_PI - (b.copysign(half, x) - _HALF_PI_LOW)
    twice = 2 * half
    left = 2 * _HALF_PI - (twice - 2 * _HALF_PI_LOW)
    return b.select(far, b.select(x < 0, left, twice), near)


def atan(b: LLVMScalars, x: Scalar) -> Scalar:
    a = b.abs(x)
    far = a > 1.0
    near = _atan_near(b, b.select(far, 1 / a, a))
    return b.copysign(b.select(far, _HALF_PI - (near - _HALF_PI_LOW), near), x)


def _atan_near(b: LLVMScalars, t: Scalar) -> Scalar:
    z = t * t
    return b.fma(t * z, b.poly(z, _ATAN), t)


def atan2(b: LLVMScalars, y: Scalar, x: Scalar) -> Scalar:
    """The angle in the first eighth of the circle, then added to or taken from an axis's angle."""
    ax, ay = b.abs(x), b.abs(y)
    steep = ay > ax
    top, bottom = b.select(steep, ax, ay), b.select(steep, ay, ax)
    one: Operand = b.const(1.0, float32)
    ratio = b.select(top == bottom, b.select(top == 0, 0.0, one), top / bottom)
    angle = _atan_near(b, ratio)
    behind = b.copysign(b.const(1.0, float32), x) < 0
    axis, low = _axis(b, steep, behind, _HALF_PI), _axis(b, steep, behind, _HALF_PI_LOW)
    turned = axis + (b.select(steep ^ behind, -angle, angle) + low)
    return b.select(b.isnan(x) | b.isnan(y), x + y, b.copysign(turned, y))


def _axis(b: LLVMScalars, steep: Scalar, behind: Scalar, quarter: float) -> Scalar:
    """0, a quarter of the circle where it is steep, else a half where it lies behind."""
    flat = b.select(behind, 2 * quarter, b.const(0.0, float32))
    return b.select(steep, quarter, flat)
