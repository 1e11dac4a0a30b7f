"""Running sums and products along an axis: cumsum, cumprod, linear_scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, axis_in, fail
from ..numerics import Array
from ..opdef import f32, f64, i32, i64, lit, op, sample
from ..rules import floats, numbers, same_dtype, same_shape
from .grads import reshape_to
from .pointwise import INF, NAN


def shifted(F: Emitter, x: Any, axis: int, by: int, fill: float) -> Any:
    """x moved along an axis by 1 (towards the end) or -1; `fill` comes in, the last falls out."""
    shape = F.type_of(x).shape
    paddings: list[Any] = [0] * (2 * len(shape))
    paddings[2 * axis + (by < 0)] = 1
    longer = F.pad(x, paddings=paddings, pad_value=fill)
    start = 0 if by > 0 else 1
    return F.slice(longer, axes=[axis], starts=[start], ends=[shape[axis] + start])


def _shifted_array(x: Array, axis: int, by: int, fill: float) -> Array:
    if x.shape[axis] == 0:
        return x.copy()
    out = np.roll(x, by, axis)
    np.moveaxis(out, axis, 0)[0 if by > 0 else -1] = fill
    return out


def _cumsum_infer(
    x: TensorType, axis: int, flatten: bool, exclusive: bool, reverse: bool
) -> TensorType:
    numbers(x)
    if flatten:
        return TensorType((x.size,), x.dtype)
    axis_in(axis, max(x.ndim, 1))
    return x


def _cumsum(x: Array, axis: int, flatten: bool, exclusive: bool, reverse: bool) -> Array:
    if x.ndim == 0 and not flatten:
        return np.zeros_like(x) if exclusive else x.copy()
    lined = x.reshape(-1) if flatten else x
    along = 0 if flatten else axis % x.ndim
    lined = np.flip(lined, along) if reverse else lined
    total = np.cumsum(lined, along, dtype=x.dtype)
    total = _shifted_array(total, along, 1, 0) if exclusive else total
    return np.flip(total, along) if reverse else total


def _cumsum_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    axis = 0 if c["flatten"] else c["axis"]
    back = F.cumsum(c.g, axis=axis, exclusive=c["exclusive"], reverse=not c["reverse"])
    return (reshape_to(F, back, F.type_of(c.x).shape),)


op(
    "cumsum", "X",
    attrs={"axis": -1, "flatten": False, "exclusive": False, "reverse": False},
    infer=_cumsum_infer,
    reference=_cumsum,
    grad=_cumsum_grad,
    samples=[
        sample(f32(3, 4)), sample(f32(3, 4), axis=0, exclusive=True),
        sample(f32(3, 4), flatten=True),
        sample(f32(2, 3, 4), axis=1, reverse=True), sample(f32(4), exclusive=True, reverse=True),
        sample(f32(), axis=0), sample(f32(), flatten=True), sample(f32(0)), sample(f32(1)),
        sample(f32(2, 0, 3), axis=1), sample(f64(5)), sample(i64(2, 3)), sample(i32(4)),
        sample(lit([2**31 - 1, 1], "int32")), sample(lit([1.0, INF, NAN, 2.0]), grad=False),  # NaN
    ],
)  # fmt: skip


def _scan_infer(a: TensorType, b: TensorType, axis: int, reverse: bool) -> TensorType:
    same_dtype(floats(a, "A"), b, "A and B")
    message = f"needs A and B of one shape of at least 1 dim, got {a} and {b}"
    if a.ndim == 0:
        fail(message)
    same_shape(a.shape, b.shape, message)
    axis_in(axis, a.ndim)
    return a


def _scan(a: Array, b: Array, axis: int, reverse: bool) -> Array:
    out = b.copy()
    factors, rows = np.moveaxis(a, axis, 0), np.moveaxis(out, axis, 0)
    if reverse:
        factors, rows = factors[::-1], rows[::-1]
    for i in range(1, len(rows)):
        rows[i] += factors[i] * rows[i - 1]
    return out


def _scan_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    # The sum that reaches element i runs against the scan, with the factors one further on.
    axis = axis_in(c["axis"], F.type_of(c.x).ndim)
    by = -1 if c["reverse"] else 1
    total = F.linear_scan(shifted(F, c.x, axis, -by, 0.0), c.g, axis=axis, reverse=not c["reverse"])
    before = shifted(F, c.out, axis, by, 0.0)
    return F.elementwise_mul(total, before), total


op(
    # out[0] = b[0], out[i] = a[i] * out[i - 1] + b[i]; from the end when reverse.
    "linear_scan", "A B", attrs={"axis": -1, "reverse": False}, infer=_scan_infer,
    reference=_scan,
    grad=_scan_grad,
    samples=[
        sample(f32(5), f32(5)), sample(f32(3, 4), f32(3, 4), axis=0),
        sample(f32(2, 3, 2), f32(2, 3, 2), axis=1, reverse=True), sample(f32(1), f32(1)),
        sample(f32(0, 2), f32(0, 2), axis=0), sample(f64(4), f64(4)),
    ],
)  # fmt: skip


def _cumprod_infer(x: TensorType, dim: int, exclusive: bool, reverse: bool) -> TensorType:
    axis_in(dim, max(numbers(x).ndim, 1), "dim")
    return x


def _cumprod(x: Array, dim: int, exclusive: bool, reverse: bool) -> Array:
    if x.ndim == 0:
        return np.ones_like(x) if exclusive else x.copy()
    axis = dim % x.ndim
    lined = np.flip(x, axis) if reverse else x
    lined = _shifted_array(lined, axis, 1, 1) if exclusive else lined
    total = np.cumprod(lined, axis, dtype=x.dtype)
    return np.flip(total, axis) if reverse else total


def _factors(F: Emitter, x: Any, dim: int, exclusive: bool, reverse: bool) -> Any:
    """What is multiplied: x, or for an exclusive product x one place further on."""
    return shifted(F, x, dim, -1 if reverse else 1, 1.0) if exclusive else x


def _cumprod_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """Without a division, so that it is right where x is 0.

    The gradient at j is the product before j, times the sum over i >= j of g[i] * x[j+1] ... x[i].
    """
    ndim = F.type_of(c.x).ndim
    if ndim == 0:
        return (F.scale(c.g, scale=0.0) if c["exclusive"] else c.g,)
    axis, reverse = axis_in(c["dim"], ndim), c["reverse"]
    by = -1 if reverse else 1
    x = _factors(F, c.x, axis, c["exclusive"], reverse)
    before = F.cumprod(x, dim=axis, exclusive=True, reverse=reverse)
    behind = F.linear_scan(shifted(F, x, axis, -by, 1.0), c.g, axis=axis, reverse=not reverse)
    slope = F.elementwise_mul(before, behind)
    return (shifted(F, slope, axis, -by, 0.0) if c["exclusive"] else slope,)


op(
    # Also exclusive and reverse, which Paddle's has not: the gradient of reduce_prod needs them.
    "cumprod", "X", attrs={"dim": -1, "exclusive": False, "reverse": False},
    infer=_cumprod_infer,
    reference=_cumprod,
    grad=_cumprod_grad,
    samples=[
        sample(f32(3, 4)), sample(f32(3, 4), dim=0), sample(f32(4), exclusive=True),
        sample(f32(2, 4), reverse=True), sample(f32(2, 4), exclusive=True, reverse=True),
        sample(f32(), dim=0), sample(f32(), dim=0, exclusive=True), sample(f32(0)), sample(f32(1)),
        sample(f64(5)), sample(i64(4)), sample(i32(3), exclusive=True),
        sample(lit([[2.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 1.0]])),
        sample(lit([INF, 2.0, NAN]), grad=False),  # NaN
    ],
)  # fmt: skip
