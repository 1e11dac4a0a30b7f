"""Functions of one element: scale, abs, exp, sin, clip and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType
from ..numerics import Array, convert, erf, power
from ..opdef import ArraySpec, Sample, f32, f64, i32, i64, lit, op, sample
from ..rules import floats, numbers
from ..scalar import Scalar, ScalarBuilder
from .grads import mask, plus, times, unary, zero_grad
from .pointwise import INF, NAN

Slope = Callable[[Emitter, Any, Any, Any], Any]
SPECIAL = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0]


def _samples(low: float, high: float, *more: ArraySpec) -> list[Sample]:
    return [
        sample(f32(3, 4, low=low, high=high)),
        sample(f64(5, low=low, high=high)),
        sample(f32(low=low, high=high)),
        sample(f32(0, 3)),
        sample(f32(1, low=low, high=high)),
        sample(lit(SPECIAL), grad=False),  # poles and ends of domains
        *(sample(spec) for spec in more),
    ]


def _function(
    type: str, reference: Callable[..., Any], scalar: str, grad: Slope, low: float, high: float
) -> None:
    """An op of one float tensor with a formula of the same kind, and samples from [low, high)."""
    op(
        type, "X", infer=floats, reference=reference, scalar=lambda b, x: b.call(scalar, x),
        grad=unary(grad), samples=_samples(low, high),
    )  # fmt: skip


def _mul(F: Emitter, x: Any, y: Any) -> Any:
    return F.elementwise_mul(x, y)


def _div(F: Emitter, x: Any, y: Any) -> Any:
    return F.elementwise_div(x, y)


_function("exp", np.exp, "exp", lambda F, g, x, out: _mul(F, g, out), -3, 3)
_function("expm1", np.expm1, "expm1", lambda F, g, x, out: _mul(F, g, plus(F, out, 1.0)), -3, 3)
_function("log", np.log, "log", lambda F, g, x, out: _div(F, g, x), 0.1, 4)
_function("log1p", np.log1p, "log1p", lambda F, g, x, out: _div(F, g, plus(F, x, 1.0)), -0.8, 4)
_function(
    "log2", np.log2, "log2",
    lambda F, g, x, out: _div(F, times(F, g, 1 / np.log(2).item()), x), 0.1, 4,
)  # fmt: skip
_function(
    "log10", np.log10, "log10",
    lambda F, g, x, out: _div(F, times(F, g, 1 / np.log(10).item()), x), 0.1, 4,
)  # fmt: skip
_function("sqrt", np.sqrt, "sqrt", lambda F, g, x, out: _div(F, times(F, g, 0.5), out), 0.1, 4)
_function(
    "rsqrt", lambda x: 1 / np.sqrt(x), "rsqrt",
    lambda F, g, x, out: _mul(F, times(F, g, -0.5), _mul(F, out, F.square(out))), 0.2, 4,
)  # fmt: skip
_function("sin", np.sin, "sin", lambda F, g, x, out: _mul(F, g, F.cos(x)), -6, 6)
_function("cos", np.cos, "cos", lambda F, g, x, out: times(F, _mul(F, g, F.sin(x)), -1.0), -6, 6)
_function(
    "tan", np.tan, "tan", lambda F, g, x, out: _mul(F, g, plus(F, F.square(out), 1.0)), -1.2, 1.2
)


def _one_minus_square(F: Emitter, x: Any) -> Any:
    return F.scale(F.square(x), scale=-1.0, bias=1.0)


def _one_plus_square(F: Emitter, x: Any) -> Any:
    return plus(F, F.square(x), 1.0)


_function(
    "asin", np.arcsin, "asin",
    lambda F, g, x, out: _div(F, g, F.sqrt(_one_minus_square(F, x))), -0.9, 0.9,
)  # fmt: skip
_function(
    "acos", np.arccos, "acos",
    lambda F, g, x, out: times(F, _div(F, g, F.sqrt(_one_minus_square(F, x))), -1.0), -0.9, 0.9,
)  # fmt: skip
_function("atan", np.arctan, "atan", lambda F, g, x, out: _div(F, g, _one_plus_square(F, x)), -4, 4)
_function("sinh", np.sinh, "sinh", lambda F, g, x, out: _mul(F, g, F.cosh(x)), -3, 3)
_function("cosh", np.cosh, "cosh", lambda F, g, x, out: _mul(F, g, F.sinh(x)), -3, 3)
_function(
    "tanh", np.tanh, "tanh", lambda F, g, x, out: _mul(F, g, _one_minus_square(F, out)), -3, 3
)
_function(
    "asinh", np.arcsinh, "asinh",
    lambda F, g, x, out: _div(F, g, F.sqrt(_one_plus_square(F, x))), -4, 4,
)  # fmt: skip
_function(
    "acosh", np.arccosh, "acosh",
    lambda F, g, x, out: _div(F, g, F.sqrt(plus(F, F.square(x), -1.0))), 1.2, 4,
)  # fmt: skip
_function(
    "atanh", np.arctanh, "atanh",
    lambda F, g, x, out: _div(F, g, _one_minus_square(F, x)), -0.9, 0.9,
)  # fmt: skip


def _erf_slope(F: Emitter, g: Any, x: Any, out: Any) -> Any:
    bell = F.exp(times(F, F.square(x), -1.0))
    return times(F, _mul(F, g, bell), 2 / np.sqrt(np.pi).item())


_function("erf", erf, "erf", _erf_slope, -3, 3)

op(
    "reciprocal", "X", infer=floats,
    reference=lambda x: np.divide(x.dtype.type(1), x),
    scalar=lambda b, x: 1 / x,
    grad=unary(lambda F, g, x, out: times(F, _mul(F, g, F.square(out)), -1.0)),
    samples=_samples(0.2, 3),
)  # fmt: skip

# Functions of integers too.
_INTEGERS = (i64(3, 4), i32(1), i64(), lit([-(2**31), 2**31 - 1], "int32"))

op(
    "abs", "X", infer=numbers, reference=np.abs, scalar=lambda b, x: b.abs(x),
    grad=unary(lambda F, g, x, out: _mul(F, g, F.sign(x))),
    samples=_samples(0.1, 3, f32(4, low=-3, high=-0.1), *_INTEGERS, lit([0, 255], "uint8")),
)  # fmt: skip

op(
    "sign", "X", infer=numbers, reference=np.sign, scalar=lambda b, x: b.sign(x), grad=zero_grad,
    samples=_samples(0.1, 3, f32(4, low=-3, high=-0.1), *_INTEGERS),
)  # fmt: skip

op(
    "square", "X", infer=numbers, reference=np.square, scalar=lambda b, x: x * x,
    grad=unary(lambda F, g, x, out: times(F, _mul(F, g, x), 2.0)),
    samples=_samples(-3, 3, *_INTEGERS),
)  # fmt: skip


def _step(type: str, function: Callable[..., Any], scalar: str) -> None:
    """A rounding: integers stay as they are."""

    def formula(b: ScalarBuilder, x: Scalar) -> Scalar:
        return b.call(scalar, x) if x.dtype.is_float else x

    halves = lit([-1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 8388609.0, 1e30])
    op(
        type, "X", infer=numbers, scalar=formula, grad=zero_grad,
        reference=lambda x: function(x) if x.dtype.kind == "f" else x.copy(),
        samples=[*_samples(0.1, 0.4, i64(3)), sample(halves, grad=False)],  # jumps
    )  # fmt: skip


_step("floor", np.floor, "floor")
_step("ceil", np.ceil, "ceil")
_step("trunc", np.trunc, "trunc")


def _round(x: Array) -> Array:
    whole = np.trunc(x)
    away = np.where(np.abs(x - whole) >= 0.5, np.copysign(x.dtype.type(1), x), 0).astype(x.dtype)
    # copysign keeps -0.0 for what rounds to zero from below.
    return np.copysign(np.where(np.isfinite(x), whole + away, x), x)


def _round_formula(b: ScalarBuilder, x: Scalar) -> Scalar:
    if not x.dtype.is_float:
        return x
    whole = b.trunc(x)
    far = b.abs(x - whole) >= 0.5
    return b.select(far, whole + b.sign(x), whole)


op(
    "round", "X", infer=numbers, grad=zero_grad,
    # Half away from zero, as in Paddle 2.6; numpy's goes to the even neighbour.
    reference=lambda x: _round(x) if x.dtype.kind == "f" else x.copy(),
    scalar=_round_formula,
    samples=[
        *_samples(0.1, 0.4, i64(3)),
        # Jumps.
        sample(lit([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 8388609.0]), grad=False),
    ],
)  # fmt: skip


def _scaled(x: Array, scale: float, bias: float, bias_after_scale: bool) -> Array:
    # The attributes become x's dtype first: for integers scale 2.5 is 2, as in Paddle.
    factor, offset = (np.asarray(v).astype(x.dtype) for v in (scale, bias))
    if bias_after_scale:
        return np.asarray(x * factor + offset)
    return np.asarray((x + offset) * factor)


def _scale_formula(
    b: ScalarBuilder, x: Scalar, scale: float, bias: float, bias_after_scale: bool
) -> Scalar:
    number = float if x.dtype.is_float else int
    factor, offset = b.const(number(scale), x.dtype), b.const(number(bias), x.dtype)
    return x * factor + offset if bias_after_scale else (x + offset) * factor


op(
    "scale", "X", attrs={"scale": 1.0, "bias": 0.0, "bias_after_scale": True},
    infer=lambda x, **_: numbers(x),
    reference=_scaled,
    scalar=_scale_formula,
    grad=lambda F, c: (times(F, c.g, c["scale"]),),
    samples=[
        sample(f32(3, 4), scale=2.0, bias=1.0),
        sample(f32(3, 4), scale=-0.5, bias=3.0, bias_after_scale=False),
        sample(f64(5), scale=1 / 3, bias=0.1),
        sample(f32(), scale=2.0), sample(f32(0), scale=2.0), sample(f32(1)),
        sample(i64(4), scale=2.5, bias=1.9), sample(i32(2), scale=-1.0),
        sample(lit([2**62], "int64"), scale=4.0),
        sample(lit(SPECIAL), scale=0.0, bias=1.0, grad=False),  # 0 * inf
    ],
)  # fmt: skip


def _clip_infer(x: TensorType, min: float, max: float) -> TensorType:
    return numbers(x)


def _clip_bounds(dtype: np.dtype[Any], low: float, high: float) -> tuple[Any, Any]:
    """The bounds as numbers of the dtype; for integers rounded to zero and kept in range."""
    first, last = (convert(np.asarray(bound, np.float64), dtype)[()] for bound in (low, high))
    return first, last


def _clip(x: Array, min: float, max: float) -> Array:
    low, high = _clip_bounds(x.dtype, min, max)
    return np.asarray(np.minimum(np.maximum(x, low), high))


def _clip_formula(b: ScalarBuilder, x: Scalar, min: float, max: float) -> Scalar:
    low, high = (v.item() for v in _clip_bounds(x.dtype.numpy, min, max))
    return b.min(b.max(x, low), high)


def _clip_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    # At a bound the gradient is 0, as in Paddle.
    inside = F.logical_and(
        F.greater_than(c.x, F.full_like(c.x, c["min"])),
        F.less_than(c.x, F.full_like(c.x, c["max"])),
    )
    return (mask(F, c.g, inside),)


op(
    "clip", "X", attrs={"min": -INF, "max": INF}, infer=_clip_infer,
    reference=_clip, scalar=_clip_formula, grad=_clip_grad,
    samples=[
        sample(f32(3, 4), min=-0.7, max=0.6),
        sample(f32(3, 4), min=0.1),
        sample(f64(5), max=0.1),
        sample(f32(), min=0.0, max=1.0), sample(f32(0), min=0.0, max=1.0),
        sample(f32(3), min=1.0, max=-1.0),  # the upper bound wins
        sample(i64(6), min=-2, max=3), sample(i32(4), min=-1e30, max=1e30),
        sample(i64(5), min=0.5, max=2.5),
        sample(lit(SPECIAL), min=0.0, max=1.0, grad=False),  # kinks
    ],
)  # fmt: skip


def _pow_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    factor = c["factor"]
    if factor == 0:
        return zero_grad(F, c)
    return (times(F, _mul(F, c.g, F.pow(c.x, factor=factor - 1)), factor),)


def _pow_formula(b: ScalarBuilder, x: Scalar, factor: float) -> Scalar:
    if x.dtype.is_float and factor in _SMALL_POWERS:
        return _SMALL_POWERS[factor](b, x)
    return b.pow(x, b.const(float(factor) if x.dtype.is_float else int(factor), x.dtype))


_SMALL_POWERS: dict[float, Callable[[ScalarBuilder, Scalar], Scalar]] = {
    1.0: lambda b, x: x,
    2.0: lambda b, x: x * x,
    3.0: lambda b, x: x * x * x,
    -1.0: lambda b, x: 1 / x,
    0.5: lambda b, x: b.sqrt(x),
}

op(
    "pow", "X", attrs={"factor": 1.0},
    infer=lambda x, factor: numbers(x),
    reference=lambda x, factor: power(x, np.asarray(factor).astype(x.dtype)),
    scalar=_pow_formula,
    grad=_pow_grad,
    samples=[
        sample(f32(3, 4), factor=2.0), sample(f32(3), factor=3), sample(f64(4), factor=2),
        sample(f32(3, 4, low=0.3), factor=0.5), sample(f32(3, low=0.3), factor=-1.0),
        sample(f32(4, low=0.3), factor=2.7), sample(f32(3), factor=0.0), sample(f32(), factor=1),
        sample(f32(0), factor=2.0),
        sample(i64(4), factor=2), sample(i64(4), factor=3.0), sample(i32(3, low=1), factor=-1),
        sample(lit(SPECIAL), factor=2.5, grad=False),  # outside the domain
    ],
)  # fmt: skip
