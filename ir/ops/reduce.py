"""Reductions over axes: sum, mean, max, min, prod, any, all; sum_to, which undoes a broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, as_dtype, bool_, int64

from ..dims import product
from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, fail_type, require, show
from ..numerics import Array
from ..opdef import Sample, boolean, f32, f64, i32, i64, lit, op, sample
from ..rules import axes_in, floats, numbers, reduced_shape
from .grads import cast_to, expand_to, mask, reshape_to
from .pointwise import INF, NAN

ATTRS = {"dim": [], "keep_dim": False, "reduce_all": False}


def reduced_axes(dim: Sequence[int] | int | None, reduce_all: bool, ndim: int) -> tuple[int, ...]:
    """The axes that a reduce op reduces, sorted and >= 0; no `dim` means all of them."""
    return axes_in(None if reduce_all else dim, ndim, "dim")


def _reduced(x: TensorType, dtype: DType, attrs: dict[str, Any]) -> TensorType:
    axes = reduced_axes(attrs["dim"], attrs["reduce_all"], x.ndim)
    return TensorType(reduced_shape(x.shape, axes, attrs["keep_dim"]), dtype)


def _args(x: Array, dim: Any, keep_dim: bool, reduce_all: bool) -> dict[str, Any]:
    return {"axis": reduced_axes(dim, reduce_all, x.ndim), "keepdims": keep_dim}


def kept(F: Emitter, c: GradContext, value: Any) -> Any:
    """An output (or its gradient) with the reduced axes as 1, so that it broadcasts against x."""
    x = F.type_of(c.x)
    axes = reduced_axes(c["dim"], c["reduce_all"], x.ndim)
    return reshape_to(F, value, reduced_shape(x.shape, axes, keep=True))


def _samples(*, empty: bool = True) -> list[Sample]:
    """Every form of axes; `empty` says whether nothing may be reduced."""
    nothing = [
        sample(f32(0, 3), dim=[0], grad=False),  # the mean of nothing is NaN
        sample(f32(2, 0), dim=[1], keep_dim=True, grad=False),
    ]
    return [
        sample(f32(2, 3, 4), dim=[1]),
        sample(f32(2, 3, 4), dim=[-1], keep_dim=True),
        sample(f32(2, 3, 4), dim=[0, 2]),
        sample(f32(2, 3, 4), dim=[2, -3], keep_dim=True),
        sample(f32(2, 3)),
        sample(f32(2, 3), dim=[1], reduce_all=True, keep_dim=True),
        sample(f32()),
        sample(f32(), dim=[-1]),
        sample(f32(3), dim=[0]),
        sample(f32(1, 1), dim=[0]),
        sample(f32(0, 3), dim=[1]),
        sample(f64(3, 4), dim=[0]),
        sample(lit([[NAN, 1.0], [INF, -INF]]), dim=[1], grad=False),  # not differentiable there
        *(nothing if empty else []),
    ]


def _sum_dtype(x: DType, out_dtype: DType | None) -> DType:
    """Paddle sums bool and int32 in int64."""
    return out_dtype or (int64 if x.name in ("bool", "int32") else x)


def _sum_infer(x: TensorType, out_dtype: DType | None, **attrs: Any) -> TensorType:
    return _reduced(x, _sum_dtype(x.dtype, out_dtype), attrs)


def _sum(x: Array, out_dtype: DType | None, **attrs: Any) -> Array:
    dtype = _sum_dtype(as_dtype(x.dtype), out_dtype).numpy
    return np.asarray(np.sum(x, dtype=dtype, **_args(x, **attrs)))


op(
    # Adds in the dtype of the result.
    "reduce_sum", "X", attrs={**ATTRS, "out_dtype": None},
    infer=_sum_infer,
    reference=_sum,
    grad=lambda F, c: (
        expand_to(F, cast_to(F, kept(F, c, c.g), F.type_of(c.x).dtype), F.type_of(c.x).shape),
    ),
    samples=[
        *_samples(),
        sample(i32(3, 4), dim=[1]), sample(boolean(3, 4), dim=[0]), sample(i64(3)),
        sample(lit([200, 100], "uint8")), sample(lit([2**62, 2**62], "int64")),
        sample(f32(3, 2), dim=[0], out_dtype=as_dtype("float64")),
    ],
)  # fmt: skip


def _mean_expand(F: Emitter, x: Any, **attrs: Any) -> Any:
    return _divide_by_count(F, F.reduce_sum(x, **attrs), F.type_of(x), attrs)


def _divide_by_count(F: Emitter, value: Any, x: TensorType, attrs: Any) -> Any:
    axes = reduced_axes(attrs["dim"], attrs["reduce_all"], x.ndim)
    count = product([x.shape[axis] for axis in axes])
    return F.elementwise_div(value, F.full((), count, x.dtype))


def _mean_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    x = F.type_of(c.x)
    share = _divide_by_count(F, kept(F, c, c.g), x, c.attrs)
    return (expand_to(F, share, x.shape),)


def _mean(x: Array, **attrs: Any) -> Array:
    # Not np.mean, which warns where there is nothing and adds float16 in float32.
    args = _args(x, **attrs)
    count = np.prod([x.shape[axis] for axis in args["axis"]], dtype=np.float64)
    return np.asarray(np.sum(x, dtype=x.dtype, **args) / count.astype(x.dtype))


op(
    "reduce_mean", "X", attrs=ATTRS,
    infer=lambda x, **attrs: _reduced(x, floats(x).dtype, attrs),
    reference=_mean,
    expand=_mean_expand,
    grad=_mean_grad,
    samples=_samples(),
)  # fmt: skip


def _extremum_infer(x: TensorType, **attrs: Any) -> TensorType:
    for axis in reduced_axes(attrs["dim"], attrs["reduce_all"], numbers(x).ndim):
        require(
            1, "<=", x.shape[axis],
            f"needs at least one element along dim {axis}, got X of shape {show(x.shape)}",
        )  # fmt: skip
    return _reduced(x, x.dtype, attrs)


def _to_all_ties(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """Each of the equal largest elements gets all of g, as in Paddle's max and min."""
    chosen = F.equal(c.x, kept(F, c, c.out))
    return (mask(F, kept(F, c, c.g), chosen),)


def _split_over_ties(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """The equal largest elements share g, as in Paddle's amax and amin."""
    x = F.type_of(c.x)
    chosen = F.cast(F.equal(c.x, kept(F, c, c.out)), out_dtype=x.dtype)
    axes = list(reduced_axes(c["dim"], c["reduce_all"], x.ndim))
    count = F.reduce_sum(chosen, dim=axes, keep_dim=True) if axes else chosen
    return (F.elementwise_mul(chosen, F.elementwise_div(kept(F, c, c.g), count)),)


def _extremum_samples() -> list[Sample]:
    return [
        *_samples(empty=False),
        sample(i64(3, 4), dim=[1]),
        sample(i32(2, 2)),
        sample(lit([3, 255], "uint8")),
        sample(lit([1.0, 2.0, 2.0]), grad=False),  # a kink at ties
        sample(lit([-INF, -INF]), grad=False),  # ties
        sample(lit([[1.0, NAN], [NAN, NAN]]), dim=[1], grad=False),  # NaN
    ]


def _declare_extremum(type: str, function: Callable[..., Any]) -> None:
    def reference(x: Array, **attrs: Any) -> Array:
        return np.asarray(function(x, **_args(x, **attrs)))

    op(
        f"reduce_{type}", "X", attrs=ATTRS, infer=_extremum_infer, reference=reference,
        grad=_to_all_ties, samples=_extremum_samples(),
    )  # fmt: skip
    op(
        f"reduce_a{type}", "X", attrs=ATTRS, infer=_extremum_infer, reference=reference,
        expand=lambda F, x, **attrs: getattr(F, f"reduce_{type}")(x, **attrs),
        grad=_split_over_ties, samples=_extremum_samples(),
    )  # fmt: skip


_declare_extremum("max", np.max)
_declare_extremum("min", np.min)


def _prod_infer(x: TensorType, out_dtype: DType | None, **attrs: Any) -> TensorType:
    return _reduced(x, out_dtype or numbers(x).dtype, attrs)


def _prod(x: Array, out_dtype: DType | None, **attrs: Any) -> Array:
    dtype = out_dtype.numpy if out_dtype else x.dtype
    return np.asarray(np.prod(x, dtype=dtype, **_args(x, **attrs)))


def _prod_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """g times the product of all the others: what stands before times what stands behind.

    Dividing the whole product by x would be wrong where x is 0.
    """
    x = F.type_of(c.x)
    axes = reduced_axes(c["dim"], c["reduce_all"], x.ndim)
    g = cast_to(F, kept(F, c, c.g), x.dtype)
    if not axes:
        return (g,)
    order = [*(i for i in range(x.ndim) if i not in axes), *axes]
    lined = F.transpose2(c.x, axis=order)
    shape = F.type_of(lined).shape
    outer = shape[: x.ndim - len(axes)]
    flat = F.reshape2(lined, shape=[*outer, product(shape[len(outer) :])])
    before = F.cumprod(flat, dim=len(outer), exclusive=True)
    behind = F.cumprod(flat, dim=len(outer), exclusive=True, reverse=True)
    others = F.reshape2(F.elementwise_mul(before, behind), shape=list(shape))
    return (F.elementwise_mul(g, F.transpose2(others, axis=np.argsort(order).tolist())),)


op(
    "reduce_prod", "X", attrs={**ATTRS, "out_dtype": None},
    infer=_prod_infer,
    reference=_prod,
    grad=_prod_grad,
    samples=[
        *_samples(),
        sample(i32(3, 4), dim=[1]), sample(i64(3)), sample(lit([2**40, 2**40], "int64")),
        sample(lit([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0], [1.0, -2.0, 5.0]]), dim=[1]),
    ],
)  # fmt: skip


def _truth_infer(x: TensorType, **attrs: Any) -> TensorType:
    if x.dtype is not bool_:
        fail_type(f"needs X's dtype to be bool, got {x.dtype.name}; cast it first")
    return _reduced(x, bool_, attrs)


def _declare_truth(type: str, function: Callable[..., Any]) -> None:
    op(
        type, "X", attrs=ATTRS, infer=_truth_infer,
        reference=lambda x, **attrs: function(x, **_args(x, **attrs)),
        samples=[
            sample(boolean(2, 3, 4), dim=[1]), sample(boolean(2, 3), keep_dim=True),
            sample(boolean(2, 3, 4), dim=[0, -1]), sample(boolean()),
            sample(boolean(0, 2), dim=[0]),
            sample(boolean(0)), sample(lit([[True, True], [False, False]], "bool"), dim=[1]),
        ],
    )  # fmt: skip


_declare_truth("reduce_any", np.any)
_declare_truth("reduce_all", np.all)


def _sum_to_infer(x: TensorType, like: TensorType) -> TensorType:
    numbers(x)
    if like.ndim > x.ndim:
        fail(f"needs Like of at most {x.ndim} dims, got X {show(x.shape)}, Like {show(like.shape)}")
    message = f"needs Like to broadcast to X, got X {show(x.shape)}, Like {show(like.shape)}"
    for small, wide in zip(like.shape, x.shape[x.ndim - like.ndim :], strict=True):
        require(small, "1 or ==", wide, message)
    return TensorType(like.shape, x.dtype)


def _sum_to(x: Array, like: Array) -> Array:
    missing = x.ndim - like.ndim
    axes = tuple(
        axis
        for axis, size in enumerate(x.shape)
        if axis < missing or (like.shape[axis - missing] == 1 and size != 1)
    )
    return np.asarray(np.sum(x, axis=axes, keepdims=True, dtype=x.dtype)).reshape(like.shape)


op(
    # Which axes are summed is known at the call: those where Like is 1 and X is not.
    "sum_to", "X Like",
    infer=_sum_to_infer,
    reference=_sum_to,
    grad=lambda F, c: (F.expand_as_v2(c.g, c.x), None),
    samples=[
        sample(f32(2, 3, 4), f32(3, 1)), sample(f32(2, 3), f32(2, 3)), sample(f32(2, 3), f32()),
        sample(f32(2, 3), f32(1, 1)), sample(f32(0, 3), f32(1, 3)), sample(f32(4, 0), f32(4, 1)),
        sample(f64(2, 1, 3), f64(1)), sample(i64(2, 3), i64(3)), sample(f32(), f32()),
    ],
)  # fmt: skip
