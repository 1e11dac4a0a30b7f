"""logsumexp, p_norm, and the sum of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..numerics import Array
from ..opdef import f32, f64, i64, lit, op, sample
from ..rules import axes_in, floats, numbers, reduced_shape, same_dtype, same_shape, sizes
from .grads import mask, reshape_to
from .pointwise import INF, NAN


def _axes(ndim: int, axis: Any, reduce_all: bool) -> tuple[int, ...]:
    return axes_in(None if reduce_all else axis, ndim)


def _lse_infer(x: TensorType, axis: Any, keepdim: bool, reduce_all: bool) -> TensorType:
    axes = _axes(floats(x).ndim, axis, reduce_all)
    for one in axes:
        message = f"needs at least one element along axis {one}, got X of shape {show(x.shape)}"
        require(1, "<=", x.shape[one], message)
    return TensorType(reduced_shape(x.shape, axes, keepdim), x.dtype)


def _lse(x: Array, axis: Any, keepdim: bool, reduce_all: bool) -> Array:
    axes = _axes(x.ndim, axis, reduce_all)
    top = np.max(x, axis=axes, keepdims=True)
    top = np.where(np.isinf(top), 0, top).astype(x.dtype)
    total = np.sum(np.exp(x - top), axis=axes, keepdims=True)
    return np.asarray(np.log(total) + top).reshape(sizes(reduced_shape(x.shape, axes, keepdim)))


def _lse_expand(F: Emitter, x: Any, axis: Any, keepdim: bool, reduce_all: bool) -> Any:
    kind = F.type_of(x)
    axes = list(_axes(kind.ndim, axis, reduce_all))
    if not axes:
        return F.assign(x)
    top = F.reduce_max(x, dim=axes, keep_dim=True)
    # An infinite maximum would give inf - inf.
    top = F.where(F.isinf_v2(top), F.full_like(x, 0), top)
    total = F.reduce_sum(F.exp(F.elementwise_sub(x, top)), dim=axes, keep_dim=True)
    out = F.elementwise_add(F.log(total), top)
    return reshape_to(F, out, reduced_shape(kind.shape, axes, keepdim))


def _lse_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    x = F.type_of(c.x)
    kept = reduced_shape(x.shape, _axes(x.ndim, c["axis"], c["reduce_all"]), keep=True)
    out, g = reshape_to(F, c.out, kept), reshape_to(F, c.g, kept)
    # Where all of x is -inf, out is too: its share is 0, not NaN.
    nothing = F.equal(out, F.full_like(out, -INF))
    share = F.exp(F.elementwise_sub(c.x, F.where(nothing, F.full_like(out, 0), out)))
    return (F.elementwise_mul(g, share),)


op(
    "logsumexp", "X", attrs={"axis": [], "keepdim": False, "reduce_all": False}, infer=_lse_infer,
    reference=_lse,
    expand=_lse_expand,
    grad=_lse_grad,
    samples=[
        sample(f32(3, 4)), sample(f32(3, 4), axis=[1]),
        sample(f32(2, 3, 4), axis=[0, -1], keepdim=True),
        sample(f32()), sample(f32(1), axis=[0]), sample(f32(0, 3), axis=[1]), sample(f64(5)),
        sample(f32(2, 3), axis=[0], reduce_all=True), sample(f32(4, low=500, high=600)),
        sample(lit([[-INF, -INF], [INF, 1.0], [NAN, 1.0], [-INF, 1.0]]), axis=[1],
               grad=False),  # inf
    ],
)  # fmt: skip

NORM = {"porder": 2.0, "axis": -1, "epsilon": 1e-12, "keepdim": False, "asvector": False}


def _norm_axes(ndim: int, axis: Any, asvector: bool) -> tuple[int, ...]:
    return axes_in(None if asvector else axis, ndim)


def _norm_infer(
    x: TensorType, porder: float, axis: Any, epsilon: float, keepdim: bool, asvector: bool
) -> TensorType:
    axes = _norm_axes(floats(x).ndim, axis, asvector)
    if porder in (INF, -INF):
        for one in axes:
            message = f"needs at least one element along axis {one}, got X of shape {show(x.shape)}"
            require(1, "<=", x.shape[one], message)
    return TensorType(reduced_shape(x.shape, axes, keepdim), x.dtype)


def _norm(
    x: Array, porder: float, axis: Any, epsilon: float, keepdim: bool, asvector: bool
) -> Array:
    args: dict[str, Any] = {"axis": _norm_axes(x.ndim, axis, asvector), "keepdims": keepdim}
    size = np.abs(x)
    if porder == 0:
        return np.asarray(np.sum(x != 0, **args)).astype(x.dtype)
    if porder in (INF, -INF):
        return np.asarray((np.max if porder > 0 else np.min)(size, **args))
    if porder == 1:
        return np.asarray(np.sum(size, **args))
    if porder == 2:
        return np.asarray(np.sqrt(np.sum(np.square(x), **args)))
    power = x.dtype.type(porder)
    return np.asarray(np.power(np.sum(np.power(size, power), **args), 1 / power))


def _norm_expand(
    F: Emitter, x: Any, porder: float, axis: Any, epsilon: float, keepdim: bool, asvector: bool
) -> Any:
    kind = F.type_of(x)
    axes = list(_norm_axes(kind.ndim, axis, asvector))
    args: dict[str, Any] = {"dim": axes, "keep_dim": keepdim}
    if porder == 0:
        nonzero = F.cast(F.not_equal(x, F.full_like(x, 0)), out_dtype=kind.dtype)
        return F.reduce_sum(nonzero, **args)
    if porder in (INF, -INF):
        return (F.reduce_max if porder > 0 else F.reduce_min)(F.abs(x), **args)
    if porder == 1:
        return F.reduce_sum(F.abs(x), **args)
    if porder == 2:
        return F.sqrt(F.reduce_sum(F.square(x), **args))
    return F.pow(F.reduce_sum(F.pow(F.abs(x), factor=porder), **args), factor=1 / porder)


def _norm_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """g * sign(x) * (|x| / norm) ** (p - 1); 0 where the norm is 0."""
    x, p = F.type_of(c.x), c["porder"]
    kept = reduced_shape(x.shape, _norm_axes(x.ndim, c["axis"], c["asvector"]), keep=True)
    out, g = reshape_to(F, c.out, kept), reshape_to(F, c.g, kept)
    if p == 0:
        return (F.fill_any_like(c.x, value=0.0),)
    if p in (INF, -INF):
        chosen = F.equal(F.abs(c.x), out)
        return (mask(F, F.elementwise_mul(g, F.sign(c.x)), chosen),)
    if p == 1:
        return (F.elementwise_mul(g, F.sign(c.x)),)
    safe = F.where(F.equal(out, F.full_like(out, 0)), F.full_like(out, 1), out)
    ratio = F.elementwise_div(c.x, safe)
    if p != 2:
        ratio = F.elementwise_mul(F.sign(c.x), F.pow(F.abs(ratio), factor=p - 1))
    return (F.elementwise_mul(g, ratio),)


op(
    # porder 0 counts what is not 0, inf and -inf take the largest and the smallest size; there each
    # of several equal elements gets all of g, as in Paddle.
    "p_norm", "X", attrs=NORM, infer=_norm_infer,
    reference=_norm,
    expand=_norm_expand,
    grad=_norm_grad,
    samples=[
        sample(f32(3, 4)), sample(f32(3, 4), porder=1.0, axis=0, keepdim=True),
        sample(f32(3, 4), porder=3.0, asvector=True), sample(f32(3, 4), porder=0.0),
        sample(f32(5), porder=INF), sample(f32(2, 5), porder=-INF, axis=1), sample(f32()),
        sample(f32(2, 3), porder=2.5, axis=-1), sample(f32(0, 3)), sample(f32(0)), sample(f64(4)),
        sample(lit([0.0, 0.0]), grad=False),  # a kink at 0
        sample(lit([[NAN, 1.0], [INF, 1.0]]), grad=False),  # NaN
    ],
)  # fmt: skip


def _add_n_infer(xs: Sequence[TensorType]) -> TensorType:
    if not xs:
        fail("needs at least one tensor in X, got none")
    first = numbers(xs[0])
    for x in xs[1:]:
        same_dtype(first, x, "all X")
        message = f"needs tensors of one shape in X, got {show(first.shape)} and {show(x.shape)}"
        same_shape(first.shape, x.shape, message)
    return first


def _add_n(xs: Sequence[Array]) -> Array:
    total = xs[0].copy()
    for x in xs[1:]:
        total += x
    return total


def _add_n_expand(F: Emitter, xs: Sequence[Any]) -> Any:
    total = F.assign(xs[0]) if len(xs) == 1 else xs[0]
    for x in xs[1:]:
        total = F.elementwise_add(total, x)
    return total


op(
    "sum", "X*", infer=_add_n_infer,
    reference=_add_n,
    expand=_add_n_expand,
    grad=lambda F, c: ([c.g if needed else None for needed in c.needs[0]],),
    samples=[
        sample([f32(2, 3), f32(2, 3), f32(2, 3)]), sample([f32(3)]), sample([f32(), f32()]),
        sample([f32(0), f32(0)]), sample([f64(2), f64(2)]), sample([i64(2), i64(2)]),
    ],
)  # fmt: skip
