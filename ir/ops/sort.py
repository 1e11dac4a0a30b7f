"""Order: arg_max, arg_min, argsort, top_k_v2.

NaN counts as the largest (in arg_min as the smallest); equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, int32, int64

from ..emit import Emitter, GradContext
from ..infer import TensorType, axis_in, fail, fail_type, require, show
from ..numerics import Array
from ..opdef import REQUIRED, f32, f64, i32, i64, lit, op, sample
from ..rules import numbers
from .grads import zeros_like
from .pointwise import INF, NAN


def _arg_infer(x: TensorType, axis: int, keepdims: bool, flatten: bool, dtype: DType) -> TensorType:
    if dtype not in (int32, int64):
        fail_type(f"needs dtype to be int32 or int64, got {dtype.name}")
    numbers(x)
    along = 0 if flatten else axis_in(axis, x.ndim)
    size = x.size if flatten or x.ndim == 0 else x.shape[along]
    require(1, "<=", size, f"needs at least one element along axis {axis}, got X {show(x.shape)}")
    if flatten:
        return TensorType((1,) * x.ndim if keepdims else (), dtype)
    middle = (1,) if keepdims and x.ndim else ()
    return TensorType((*x.shape[:along], *middle, *x.shape[along + 1 :]), dtype)


def _declare_arg(type: str, function: Callable[..., Any]) -> None:
    def reference(x: Array, axis: int, keepdims: bool, flatten: bool, dtype: DType) -> Array:
        found = function(x, axis=None if flatten or x.ndim == 0 else axis, keepdims=keepdims)
        return np.asarray(found).astype(dtype.numpy)

    op(
        # The first of the largest (smallest); a NaN counts as larger (smaller) than all others.
        type, "X",
        attrs={"axis": -1, "keepdims": False, "flatten": False, "dtype": int64},
        infer=_arg_infer, reference=reference,
        samples=[
            sample(f32(3, 4)), sample(f32(3, 4), axis=0, keepdims=True),
            sample(f32(3, 4), flatten=True),
            sample(f32(2, 3), flatten=True, keepdims=True),
            sample(f32(2, 3, 4), axis=1, dtype=int32),
            sample(f32(), axis=0), sample(f32(1)), sample(f32(0, 3)), sample(f64(5)),
            sample(i64(4)),
            sample(lit([1.0, 3.0, 3.0, 1.0])), sample(lit([INF, NAN, 2.0, NAN])),
            sample(lit([-INF, -INF])), sample(lit([0, 255, 3], "uint8")),
        ],
    )  # fmt: skip


_declare_arg("arg_max", np.argmax)
_declare_arg("arg_min", np.argmin)


def _order(x: Array, axis: int, descending: bool) -> Array:
    """The stable order along an axis; NaN last, when descending first."""
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    backward = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.asarray(x.shape[axis] - 1 - np.flip(backward, axis))


def _pick(x: Array, order: Array, axis: int) -> tuple[Array, Array]:
    values = np.take_along_axis(x, order, axis) if x.ndim else x.copy()
    return values, order.astype(np.int64)


def _argsort_infer(x: TensorType, axis: int, descending: bool) -> tuple[TensorType, TensorType]:
    axis_in(axis, max(numbers(x).ndim, 1))
    return x, TensorType(x.shape, int64)


def _put_back(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """g at the places where the values came from."""
    if F.type_of(c.x).ndim == 0:
        return (c.g,)
    places = c.outputs[1]
    return (F.put_along_axis(zeros_like(F, c.x), places, c.g, Axis=c["axis"], Reduce="add"),)


op(
    "argsort", "X", "Out Indices", attrs={"axis": -1, "descending": False}, infer=_argsort_infer,
    reference=lambda x, axis, descending: _pick(x, _order(x, axis, descending), axis),
    grad=_put_back,
    samples=[
        sample(f32(3, 5)), sample(f32(3, 5), axis=0, descending=True), sample(f32()),
        sample(f32(1)),
        sample(f32(0, 2)), sample(f64(6)), sample(i64(3, 4), descending=True), sample(i32(5)),
        # Ties and NaN: not differentiable.
        sample(lit([2.0, 1.0, 2.0, 1.0]), grad=False),
        sample(lit([2.0, 1.0, 2.0, 1.0]), descending=True, grad=False),
        sample(lit([2.0, NAN, -INF, INF, NAN]), grad=False),
        sample(lit([2.0, NAN, -INF, INF, NAN]), descending=True, grad=False),
    ],
)  # fmt: skip


def _top_infer(
    x: TensorType, k: int, axis: int, largest: bool, sorted: bool
) -> tuple[TensorType, TensorType]:
    numbers(x)
    if not isinstance(k, int) or k < 1:
        fail(f"needs k >= 1, got {k}")
    if x.ndim == 0:
        if k != 1:
            fail(f"needs k = 1 for a 0-d tensor, got {k}")
        return x, TensorType((), int64)
    along = axis_in(axis, x.ndim)
    message = f"needs k <= the size of axis {axis}, got k = {k} and X {show(x.shape)}"
    require(k, "<=", x.shape[along], message)
    shape = (*x.shape[:along], k, *x.shape[along + 1 :])
    return TensorType(shape, x.dtype), TensorType(shape, int64)


def _top(x: Array, k: int, axis: int, largest: bool, sorted: bool) -> tuple[Array, Array]:
    order = _order(x, axis, descending=largest)
    return _pick(x, np.take(order, range(k), axis) if x.ndim else order, axis)


op(
    # Sorted in any case, as Paddle's CPU kernel does.
    "top_k_v2", "X", "Out Indices",
    attrs={"k": REQUIRED, "axis": -1, "largest": True, "sorted": True}, infer=_top_infer,
    reference=_top,
    grad=_put_back,
    samples=[
        sample(f32(3, 5), k=2), sample(f32(5, 3), k=3, axis=0, largest=False), sample(f32(), k=1),
        sample(f32(1), k=1), sample(f32(0, 4), k=2), sample(f64(6), k=6), sample(i64(3, 4), k=1),
        sample(f32(2, 4), k=2, sorted=False),
        # Ties and NaN: not differentiable.
        sample(lit([1.0, 3.0, 3.0, 2.0, NAN]), k=3, grad=False),
        sample(lit([1.0, 3.0, 1.0, NAN]), k=3, largest=False, grad=False),
    ],
)  # fmt: skip
