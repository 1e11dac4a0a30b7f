"""Comparisons, tests for NaN and inf, and the choice between two tensors by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.dtypes import bool_

from ..emit import Emitter, GradContext
from ..infer import TensorType, broadcast_shapes, fail_type
from ..opdef import Sample, boolean, f32, f64, i32, i64, lit, op, sample
from ..rules import broadcast, same_dtype
from ..scalar import Scalar, ScalarBuilder
from .grads import mask, unbroadcast
from .pointwise import AXIS, INF, NAN, aligned_type, on_arrays


def _infer(x: TensorType, y: TensorType, axis: int) -> TensorType:
    return TensorType(broadcast(x, aligned_type(x, y, axis)).shape, bool_)


def _samples() -> list[Sample]:
    values = [1.0, 2.0, NAN, INF, -INF, -0.0, NAN]
    return [
        sample(f32(3, 4), f32(4)),
        sample(f64(2, 1), f64(1, 3)),
        sample(f32(2, 3, 4), f32(3), axis=1),
        sample(f32(), f32()),
        sample(f32(0), f32(1)),
        sample(i64(4, 3, low=-1, high=2), i64(3, low=-1, high=2)),
        sample(i32(1), i32()),
        sample(boolean(2, 4), boolean(4)),
        sample(lit([0, 200], "uint8"), lit([255, 100], "uint8")),
        sample(lit(values), lit([1.0, 1.0, NAN, INF, INF, 0.0, 1.0])),
    ]


def _comparison(type: str, function: Callable[..., Any], scalar: str) -> None:
    op(
        type, "X Y", attrs=AXIS, infer=_infer, reference=on_arrays(function),
        scalar=lambda b, x, y, axis: b.call(scalar, x, y), samples=_samples(),
    )  # fmt: skip


_comparison("equal", np.equal, "eq")
_comparison("not_equal", np.not_equal, "ne")
_comparison("less_than", np.less, "lt")
_comparison("less_equal", np.less_equal, "le")
_comparison("greater_than", np.greater, "gt")
_comparison("greater_equal", np.greater_equal, "ge")


def _test(type: str, function: Callable[..., Any], scalar: str, of_int: bool) -> None:
    def formula(b: ScalarBuilder, x: Scalar) -> Scalar:
        return b.call(scalar, x) if x.dtype.is_float else b.const(of_int, bool_)

    values = [1.0, NAN, INF, -INF, 0.0]
    op(
        type, "X", infer=lambda x: TensorType(x.shape, bool_), reference=function, scalar=formula,
        samples=[
            sample(lit(values)), sample(lit(values, "float64")), sample(f32()), sample(f32(0, 2)),
            sample(i64(3)), sample(boolean(2)),
        ],
    )  # fmt: skip


_test("isnan_v2", np.isnan, "isnan", of_int=False)
_test("isinf_v2", np.isinf, "isinf", of_int=False)
_test("isfinite_v2", np.isfinite, "isfinite", of_int=True)


def _where_infer(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        fail_type(f"needs Condition's dtype to be bool, got {condition.dtype.name}")
    dtype = same_dtype(x, y)
    return TensorType(broadcast_shapes(condition.shape, broadcast_shapes(x.shape, y.shape)), dtype)


def _where_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    condition, x, y = c.inputs
    gx = unbroadcast(F, mask(F, c.g, condition), x) if c.needs[1] else None
    gy = unbroadcast(F, mask(F, c.g, F.logical_not(condition)), y) if c.needs[2] else None
    return None, gx, gy


op(
    "where", "Condition X Y", infer=_where_infer,
    reference=np.where,
    scalar=lambda b, condition, x, y: b.select(condition, x, y),
    grad=_where_grad,
    samples=[
        sample(boolean(3, 4), f32(3, 4), f32(3, 4)),
        sample(boolean(4), f32(3, 1), f32(3, 4)),
        sample(boolean(2, 3), f32(), f32(3)),
        sample(boolean(), f32(), f32()),
        sample(boolean(0), f32(0), f32(1)),
        sample(boolean(3), f64(3), f64(2, 3)),
        sample(boolean(5), i64(5), i64(5)),
        sample(boolean(5), boolean(5), boolean(5)),
        # A NaN that is not chosen has no influence, on the gradient neither.
        sample(lit([True, False], "bool"), lit([1.0, NAN]), lit([NAN, 2.0])),
    ],
)  # fmt: skip
