"""Arithmetic on two operands, which broadcast: elementwise_add and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..emit import Emitter
from ..infer import TensorType, axis_in, fail
from ..numerics import Array, check_divisor, power, truncated_div
from ..opdef import Sample, f32, f64, i32, i64, lit, op, sample
from ..rules import broadcast, floats, numbers
from ..scalar import Scalar, ScalarBuilder
from .grads import binary, mask, times

AXIS = {"axis": -1}
INF, NAN = float("inf"), float("nan")


def aligned_type(x: TensorType, y: TensorType, axis: int) -> TensorType:
    """y with 1s behind it: its first dim stands at x's dim `axis` (-1: aligned at the right)."""
    if axis == -1 or axis + y.ndim == x.ndim:
        return y
    start = axis_in(axis, x.ndim)
    if start + y.ndim > x.ndim:
        fail(f"needs Y to have at most {x.ndim - start} dims for axis {axis}, got {y.ndim}")
    return TensorType((*y.shape, *[1] * (x.ndim - start - y.ndim)), y.dtype)


def infer(x: TensorType, y: TensorType, axis: int) -> TensorType:
    """The broadcast shape of two tensors of one dtype, which must not be bool."""
    numbers(x)
    return broadcast(x, aligned_type(x, y, axis))


def aligned_array(x: Array, y: Array, axis: int) -> Array:
    if axis == -1 or axis + y.ndim == x.ndim:
        return y
    return y.reshape(y.shape + (1,) * (x.ndim - axis % max(x.ndim, 1) - y.ndim))


def on_arrays(function: Any) -> Any:
    """The reference of an op from a numpy function of two aligned arrays."""
    return lambda x, y, axis: function(x, aligned_array(x, y, axis))


def _dividing(function: Any) -> Any:
    def reference(x: Array, y: Array, axis: int) -> Array:
        y = aligned_array(x, y, axis)
        check_divisor(np.broadcast_to(x, np.broadcast_shapes(x.shape, y.shape)), y)
        return np.asarray(function(x, y))

    return reference


def _truncated(b: ScalarBuilder, x: Scalar, y: Scalar) -> Scalar:
    quotient = x // y
    inexact = (quotient * y != x) & ((x < 0) ^ (y < 0))
    return quotient + b.cast(inexact, x.dtype)


def _pairs(*, divisor: bool = False) -> list[Sample]:
    """Samples of every form of broadcasting, of each kind of dtype, and of the extremes."""
    low = 0.5 if divisor else -2.0
    first = 1 if divisor else -5
    return [
        sample(f32(3, 4), f32(3, 4, low=low)),
        sample(f32(2, 3, 4), f32(4, low=low)),
        sample(f32(3, 1), f32(1, 4, low=low)),
        sample(f32(4), f32(2, 3, 1, low=low)),
        sample(f32(2, 3, 4), f32(3, low=low), axis=1),
        sample(f32(2, 3, 4), f32(2, 3, low=low), axis=0),
        sample(f32(), f32(low=low)),
        sample(f32(2, 3), f32(low=low)),
        sample(f32(0, 3), f32(1, 3, low=low)),
        sample(f32(1), f32(1, low=low)),
        sample(f64(5), f64(5, low=low)),
        sample(i64(3, 4), i64(4, low=first)),
        sample(i32(6), i32(6, low=first)),
    ]


def _extremes() -> Sample:
    # Not differentiable at NaN and inf.
    x = [NAN, INF, -INF, INF, 0.0, -0.0, 1.0, NAN]
    return sample(lit(x), lit([1.0, INF, 2.0, -INF, 3.0, 0.5, NAN, NAN]), grad=False)


op(
    "elementwise_add", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.add),
    scalar=lambda b, x, y, axis: x + y,
    grad=binary(lambda F, g, x, y, out: g, lambda F, g, x, y, out: g),
    samples=[*_pairs(), _extremes(), sample(lit([2**31 - 1], "int32"), lit([1], "int32"))],
)  # fmt: skip

op(
    "elementwise_sub", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.subtract),
    scalar=lambda b, x, y, axis: x - y,
    grad=binary(lambda F, g, x, y, out: g, lambda F, g, x, y, out: times(F, g, -1.0)),
    samples=[*_pairs(), _extremes(), sample(lit([0, 3], "uint8"), lit([1, 5], "uint8"))],
)  # fmt: skip

op(
    "elementwise_mul", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.multiply),
    scalar=lambda b, x, y, axis: x * y,
    grad=binary(
        lambda F, g, x, y, out: F.elementwise_mul(g, y),
        lambda F, g, x, y, out: F.elementwise_mul(g, x),
    ),
    samples=[*_pairs(), _extremes(), sample(lit([2**62], "int64"), lit([6], "int64"))],
)  # fmt: skip

op(
    "elementwise_div", "X Y", attrs=AXIS, infer=infer,
    # In integers rounded to zero, as Paddle's kernel does.
    reference=_dividing(truncated_div),
    scalar=lambda b, x, y, axis: x / y if x.dtype.is_float else _truncated(b, x, y),
    grad=binary(
        lambda F, g, x, y, out: F.elementwise_div(g, y),
        lambda F, g, x, y, out: times(F, F.elementwise_mul(g, F.elementwise_div(out, y)), -1.0),
    ),
    samples=[
        *_pairs(divisor=True), _extremes(),
        sample(lit([7, -7, 7, -7], "int32"), lit([2, 2, -2, -2], "int32")),
        sample(lit([1.0, -1.0, 0.0]), lit([0.0, 0.0, 0.0]), grad=False),  # infinite
        sample(i64(0), i64(0)),
    ],
)  # fmt: skip

op(
    "elementwise_floordiv", "X Y", attrs=AXIS, infer=infer,
    reference=_dividing(np.floor_divide),
    scalar=lambda b, x, y, axis: x // y,
    samples=[
        *_pairs(divisor=True),
        sample(lit([7, -7, 7, -7], "int64"), lit([2, 2, -2, -2], "int64")),
        sample(lit([-128, 127], "int8"), lit([-1, -1], "int8")),
    ],
)  # fmt: skip

op(
    "elementwise_mod", "X Y", attrs=AXIS, infer=infer,
    # The sign is the divisor's, as in Python.
    reference=_dividing(np.mod),
    scalar=lambda b, x, y, axis: x % y,
    grad=binary(
        lambda F, g, x, y, out: g,
        lambda F, g, x, y, out: times(
            F, F.elementwise_mul(g, F.floor(F.elementwise_div(x, y))), -1.0
        ),
    ),
    samples=[
        *_pairs(divisor=True),
        sample(lit([7, -7, 7, -7], "int64"), lit([2, 2, -2, -2], "int64")),
        sample(lit([5.5, -5.5, 5.5, -5.5]), lit([2.0, 2.0, -2.0, -2.0])),
    ],
)  # fmt: skip


def _pow_dx(F: Emitter, g: Any, x: Any, y: Any, out: Any) -> Any:
    # At y == 0 the gradient is 0, also where x ** -1 is infinite.
    one_less = F.elementwise_pow(x, F.scale(y, bias=-1.0))
    slope = F.elementwise_mul(y, one_less)
    return F.elementwise_mul(g, F.where(F.equal(y, F.full_like(y, 0)), F.full_like(x, 0), slope))


def _pow_dy(F: Emitter, g: Any, x: Any, y: Any, out: Any) -> Any:
    # 0 ** y stays 0 for y > 0, so that log(0) has no influence.
    zero = F.equal(x, F.full_like(x, 0))
    log = F.log(F.where(zero, F.full_like(x, 1), x))
    return F.elementwise_mul(g, F.elementwise_mul(out, log))


op(
    "elementwise_pow", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(power),
    scalar=lambda b, x, y, axis: b.pow(x, y),
    grad=binary(_pow_dx, _pow_dy),
    samples=[
        sample(f32(3, 4, low=0.2), f32(3, 4)),
        sample(f32(2, 1, low=0.2), f32(3)),
        sample(f32(2, 3, 4, low=0.2), f32(3), axis=1),
        sample(f32(low=0.2), f32()),
        sample(f64(3, low=0.2), f64(3)),
        sample(lit([-2.0, -1.5]), lit([2.0, 3.0]), grad=False),  # no derivative in y
        sample(lit([0.0, 0.0, INF, NAN, 1.0]), lit([0.0, 2.0, -1.0, 0.0, NAN]), grad=False),
        sample(i64(3, 4), i64(4, low=0, high=5)),
        sample(lit([2, -1, -1, 1, 0, -3], "int64"), lit([-1, -3, -2, -4, -1, -1], "int64")),
        sample(lit([3], "int32"), lit([40], "int32")),
        sample(f32(0), f32(0)),
    ],
)  # fmt: skip


def _chosen(compare: str, other: str, x: list[float]) -> dict[str, Any]:
    """Gradient and samples of max or min: at a tie all of g goes to Y, as in Paddle."""

    def dx(F: Emitter, g: Any, x: Any, y: Any, out: Any) -> Any:
        return mask(F, g, getattr(F, compare)(x, y))

    def dy(F: Emitter, g: Any, x: Any, y: Any, out: Any) -> Any:
        return mask(F, g, getattr(F, other)(x, y))

    ties = sample(lit(x), lit([1.0, 1.0, 2.0]), grad=False)  # a kink at ties
    return {"grad": binary(dx, dy), "samples": [*_pairs(), _extremes(), ties]}


op(
    "elementwise_max", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.maximum),
    scalar=lambda b, x, y, axis: b.max(x, y),
    **_chosen("greater_than", "less_equal", [1.0, 2.0, 2.0]),
)  # fmt: skip

op(
    "elementwise_min", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.minimum),
    scalar=lambda b, x, y, axis: b.min(x, y),
    **_chosen("less_than", "greater_equal", [1.0, 0.0, 2.0]),
)  # fmt: skip


def _ignoring_nan(name: str) -> Any:
    """The formula of fmax and fmin: where one operand is NaN, the other one."""

    def formula(b: ScalarBuilder, x: Scalar, y: Scalar, axis: int) -> Scalar:
        if not x.dtype.is_float:
            return b.call(name, x, y)
        return b.select(b.isnan(x), y, b.select(b.isnan(y), x, b.call(name, x, y)))

    return formula


def _ignoring_nan_grad(compare: str) -> Any:
    """All of g goes to X where X is chosen or Y is NaN, else to Y."""

    def to_x(F: Emitter, x: Any, y: Any) -> Any:
        return F.logical_or(getattr(F, compare)(x, y), F.isnan_v2(y))

    return binary(
        lambda F, g, x, y, out: mask(F, g, to_x(F, x, y)),
        lambda F, g, x, y, out: mask(F, g, F.logical_not(to_x(F, x, y))),
    )


op(
    "elementwise_fmax", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.fmax),
    scalar=_ignoring_nan("max"),
    grad=_ignoring_nan_grad("greater_equal"),
    samples=[*_pairs(), _extremes()],
)  # fmt: skip

op(
    "elementwise_fmin", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(np.fmin),
    scalar=_ignoring_nan("min"),
    grad=_ignoring_nan_grad("less_equal"),
    samples=[*_pairs(), _extremes()],
)  # fmt: skip


def _step(x: Array, y: Array) -> Array:
    return np.where(np.isnan(x), x, np.where(x == 0, y, (x > 0).astype(x.dtype)))


op(
    "elementwise_heaviside", "X Y", attrs=AXIS, infer=infer,
    reference=on_arrays(lambda x, y: np.heaviside(x, y) if x.dtype.kind == "f" else _step(x, y)),
    scalar=lambda b, x, y, axis: b.select(
        x == 0, y, b.select(x != x, x, b.cast(x > 0, x.dtype))
    ),
    grad=binary(
        lambda F, g, x, y, out: times(F, g, 0.0),
        lambda F, g, x, y, out: mask(F, g, F.equal(x, F.full_like(x, 0))),
    ),
    samples=[
        *_pairs(),
        sample(lit([0.0, -0.0, NAN, INF, 1.0]), lit([0.5, 2.0, 1.0, 1.0, NAN]), grad=False),  # NaN
    ],
)  # fmt: skip


def _atan2_slope(F: Emitter, g: Any, y: Any, x: Any, factor: Any) -> Any:
    squares = F.elementwise_add(F.square(x), F.square(y))
    return F.elementwise_div(F.elementwise_mul(g, factor), squares)


op(
    "atan2", "X1 X2",
    infer=lambda y, x: broadcast(floats(y, "X1"), floats(x, "X2")),
    reference=np.arctan2,
    scalar=lambda b, y, x: b.atan2(y, x),
    grad=binary(
        lambda F, g, y, x, out: _atan2_slope(F, g, y, x, x),
        lambda F, g, y, x, out: times(F, _atan2_slope(F, g, y, x, y), -1.0),
    ),
    samples=[
        sample(f32(3, 4), f32(4)), sample(f32(), f32()), sample(f32(0, 2), f32(2)),
        sample(f64(2, 1), f64(1, 3)),
        # Not differentiable at the origin, NaN and inf.
        sample(lit([0.0, -0.0, 0.0, -0.0, 1.0, INF, NAN]),
               lit([0.0, 0.0, -1.0, -1.0, -INF, INF, 1.0]), grad=False),
    ],
)  # fmt: skip
