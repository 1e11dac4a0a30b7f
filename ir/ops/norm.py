"""batch_norm and layer_norm: composites over means and maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dims import Dim, product
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, fail, require, show
from ..opdef import f32, f64, op, sample
from ..rules import floats, same_dtype
from .build import Term, mean, total
from .grads import reshape_to

Array = np.ndarray[Any, Any]


def _channel_axis(ndim: int, layout: str) -> int:
    if layout not in ("NCHW", "NHWC", "NCL", "NLC", "NCDHW", "NDHWC", "NC", "AnyLayout"):
        fail(f"needs data_layout NCHW or NHWC, got {layout!r}")
    return ndim - 1 if layout[-1] == "C" else 1


def _others(ndim: int, axis: int) -> list[int]:
    return [i for i in range(ndim) if i != axis]


def _per_channel(ndim: int, axis: int, channels: Dim) -> Shape:
    """The shape in which a value per channel broadcasts against X."""
    return tuple(channels if i == axis else 1 for i in range(ndim))


def _batch_infer(x: TensorType, *stats: TensorType | None, **attrs: Any) -> tuple[TensorType, ...]:
    floats(x)
    if x.ndim < 2:
        fail(f"needs X with at least 2 dims, got X = {show(x.shape)}")
    channels = x.shape[_channel_axis(x.ndim, attrs["data_layout"])]
    for slot, t in zip(("Scale", "Bias", "Mean", "Variance"), stats, strict=True):
        if t is None:
            continue
        same_dtype(x, t, f"X and {slot}")
        message = (
            f"needs {slot} to hold one value per channel of X = {show(x.shape)}"
            f" ({attrs['data_layout']}), got {slot} = {show(t.shape)}"
        )
        require(t.ndim, "==", 1, message)
        require(t.shape[0], "==", channels, message)
    per_channel = TensorType((channels,), x.dtype)
    return x, per_channel, per_channel, per_channel, per_channel


def uses_given_stats(attrs: Any) -> bool:
    """Whether it normalizes by the running statistics instead of the batch's own."""
    return bool(
        attrs["use_global_stats"] or (attrs["is_test"] and not attrs["trainable_statistics"])
    )


def _batch_norm(
    x: Array, scale: Array | None, bias: Array | None, given: Array, variance: Array, **attrs: Any
) -> tuple[Array, ...]:
    axis = _channel_axis(x.ndim, attrs["data_layout"])
    others, view = tuple(_others(x.ndim, axis)), _per_channel(x.ndim, axis, x.shape[axis])
    of = x.dtype.type
    if uses_given_stats(attrs):
        mean_, variance_ = given, variance
        mean_out, variance_out = given, variance
    else:
        count = of(x.size // x.shape[axis]) if x.shape[axis] else of(1)
        mean_ = np.sum(x, axis=others) / count
        variance_ = np.sum(np.square(x - mean_.reshape(view)), axis=others) / count
        keep, take = of(attrs["momentum"]), of(1 - attrs["momentum"])
        mean_out, variance_out = given * keep + mean_ * take, variance * keep + variance_ * take
    inverse = 1 / np.sqrt(variance_ + of(attrs["epsilon"]))
    factor = inverse if scale is None else inverse * scale
    y = (x - mean_.reshape(view)) * factor.reshape(view)
    y = y if bias is None else y + bias.reshape(view)
    return y, mean_out, variance_out, mean_, inverse


class _Channels:
    """Values per channel of an X: as vectors [C], and spread so that they broadcast against X."""

    def __init__(self, F: Emitter, x: Any, layout: str) -> None:
        self.F, self.type = F, F.type_of(x)
        axis = _channel_axis(self.type.ndim, layout)
        self.size = self.type.shape[axis]
        self.others = _others(self.type.ndim, axis)
        self.view = _per_channel(self.type.ndim, axis, self.size)

    def spread(self, vector: Any) -> Term:
        return Term(self.F, reshape_to(self.F, vector, self.view))

    def flat(self, term: Term) -> Any:
        return reshape_to(self.F, term.value, (self.size,))

    def sum(self, term: Term) -> Term:
        return Term(self.F, total(self.F, term.value, self.others))

    def count(self) -> Term:
        """How many elements each channel has."""
        count = product([self.type.shape[axis] for axis in self.others])
        return Term(self.F, self.F.full((), count, self.type.dtype))


def _batch_expand(
    F: Emitter, x: Any, scale: Any, bias: Any, given: Any, variance: Any, **attrs: Any
) -> tuple[Any, ...]:
    by = _Channels(F, x, attrs["data_layout"])
    if uses_given_stats(attrs):
        mean_, var, mean_out, variance_out = given, variance, given, variance
        off = Term(F, x) - by.spread(given)
    else:
        wide_mean = Term(F, mean(F, x, by.others))
        off = Term(F, x) - wide_mean
        mean_ = by.flat(wide_mean)
        var = by.flat(Term(F, mean(F, (off * off).value, by.others)))
        keep, take = attrs["momentum"], 1 - attrs["momentum"]
        mean_out = (Term(F, given) * keep + Term(F, mean_) * take).value
        variance_out = (Term(F, variance) * keep + Term(F, var) * take).value
    inverse = (Term(F, var) + attrs["epsilon"]).op("rsqrt")
    factor = inverse if scale is None else inverse * Term(F, scale)
    y = off * by.spread(factor.value)
    y = y if bias is None else y + by.spread(bias)
    return y.value, mean_out, variance_out, mean_, inverse.value


def _batch_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """Goes through mean and 1/deviation, which are outputs of the op: so it has any order."""
    x, scale, bias = c.inputs[:3]
    by = _Channels(F, x, c["data_layout"])
    given = uses_given_stats(c.attrs)
    keep, take = (0.0, 1.0) if given else (c["momentum"], 1 - c["momentum"])
    off, inverse = Term(F, x) - by.spread(c.outputs[3]), by.spread(c.outputs[4])
    g = Term(F, c.g if c.g is not None else F.fill_any_like(x, value=0.0))
    factor = inverse if scale is None else inverse * by.spread(scale)
    g_off = by.sum(g * off)
    of_mean = _plus(by, -(by.sum(g) * factor), (c.grads[3], 1.0), (c.grads[1], take))
    of_inverse = g_off if scale is None else g_off * by.spread(scale)
    of_inverse = _plus(by, of_inverse, (c.grads[4], 1.0))
    of_var = of_inverse * inverse * inverse * inverse * -0.5
    of_var = _plus(by, of_var, (c.grads[2], take))
    dx = g * factor
    if not given:
        dx = dx + (of_mean + off * of_var * 2.0) / by.count()
    dscale = None if scale is None else by.flat(g_off * inverse)
    dbias = None if bias is None else by.flat(by.sum(g))
    if given:
        return dx.value, dscale, dbias, by.flat(of_mean), by.flat(of_var)
    return dx.value, dscale, dbias, *(_times(F, c.grads[i], keep) for i in (1, 2))


def _plus(by: _Channels, term: Term, *others: tuple[Any, float]) -> Term:
    """The term and those of the others (vector, factor) that are there."""
    for vector, factor in others:
        if vector is not None:
            term = term + by.spread(vector) * factor
    return term


def _times(F: Emitter, g: Any, factor: float) -> Any:
    return None if g is None else (Term(F, g) * factor).value


def _bn(shape: tuple[int, ...], channels: int, **attrs: Any) -> Any:
    stats = (f32(channels, low=0.5), f32(channels), f32(channels), f32(channels, low=0.3))
    return sample(f32(*shape), *stats, **attrs)


batch_norm = op(
    "batch_norm", "X Scale? Bias? Mean Variance", "Y MeanOut VarianceOut SavedMean SavedVariance",
    attrs={
        "momentum": 0.9, "epsilon": 1e-5, "is_test": False, "data_layout": "NCHW",
        "use_global_stats": False, "trainable_statistics": False,
    },
    infer=_batch_infer,
    reference=_batch_norm,
    expand=_batch_expand,
    grad=_batch_grad,
    samples=[
        _bn((4, 3, 2, 5), 3),
        _bn((4, 3, 2, 5), 3, is_test=True),
        _bn((4, 2, 5, 3), 3, data_layout="NHWC", momentum=0.5, epsilon=1e-3),
        _bn((4, 2, 5, 3), 3, data_layout="NHWC", use_global_stats=True),
        _bn((6, 4), 4),
        _bn((3, 4, 5), 4, is_test=True, trainable_statistics=True),
        _bn((0, 3, 2, 2), 3, is_test=True),
        sample(f64(5, 2, 3, 3), None, None, f64(2), f64(2, low=0.3)),
        sample(f64(5, 2), None, f64(2), f64(2), f64(2, low=0.3), is_test=True),
        sample(f64(8, 2, low=999.0, high=1001.0), f64(2), f64(2), f64(2), f64(2, low=0.3)),
    ],
)  # fmt: skip


def _layer_shapes(x: TensorType, begin: int) -> tuple[Shape, Shape]:
    """The sizes before and from `begin_norm_axis`."""
    if not 0 < begin < max(x.ndim, 1):
        fail(f"needs begin_norm_axis in [1, {x.ndim - 1}], got {begin} for X = {show(x.shape)}")
    return x.shape[:begin], x.shape[begin:]


def _layer_infer(
    x: TensorType, scale: TensorType | None, bias: TensorType | None, *, begin_norm_axis: int,
    epsilon: float,
) -> tuple[TensorType, ...]:  # fmt: skip
    rows, inner = _layer_shapes(floats(x), begin_norm_axis)
    for slot, t in (("Scale", scale), ("Bias", bias)):
        if t is None:
            continue
        same_dtype(x, t, f"X and {slot}")
        message = (
            f"needs {slot} of {show((product(inner),))} for X = {show(x.shape)} normalized from"
            f" dim {begin_norm_axis}, got {slot} = {show(t.shape)}"
        )
        require(t.size, "==", product(inner), message)
    per_row = TensorType((product(rows),), x.dtype)
    return x, per_row, per_row


def _layer_norm(
    x: Array, scale: Array | None, bias: Array | None, *, begin_norm_axis: int, epsilon: float
) -> tuple[Array, ...]:
    inner = x.shape[begin_norm_axis:]
    axes, of = tuple(range(begin_norm_axis, x.ndim)), x.dtype.type
    count = of(np.prod(inner))
    mean_ = np.sum(x, axis=axes, keepdims=True) / count
    off = x - mean_
    variance = np.sum(off * off, axis=axes, keepdims=True) / count
    y = off / np.sqrt(variance + of(epsilon))
    y = y if scale is None else y * scale.reshape(inner)
    y = y if bias is None else y + bias.reshape(inner)
    return y, mean_.reshape(-1), variance.reshape(-1)


class _Rows:
    """Values per row of an X that is normalized over its last axes."""

    def __init__(self, F: Emitter, x: Any, begin: int) -> None:
        self.F, self.type = F, F.type_of(x)
        self.rows, self.inner = self.type.shape[:begin], self.type.shape[begin:]
        self.axes = list(range(begin, self.type.ndim))

    def spread(self, vector: Any) -> Term:
        """A value per row, so that it broadcasts against X."""
        return Term(self.F, reshape_to(self.F, vector, (*self.rows, *[1] * len(self.inner))))

    def along(self, vector: Any) -> Term:
        """Scale or Bias, so that it broadcasts against X."""
        return Term(self.F, reshape_to(self.F, vector, self.inner))

    def flat(self, term: Term) -> Any:
        return reshape_to(self.F, term.value, (product(self.rows),))

    def mean(self, term: Term) -> Term:
        return Term(self.F, mean(self.F, term.value, self.axes))

    def sum_of_rows(self, term: Term, like: Any) -> Any:
        """The gradient of Scale or Bias."""
        summed = total(self.F, term.value, list(range(len(self.rows))), keep=False)
        return reshape_to(self.F, summed, self.F.type_of(like).shape)


def _layer_expand(
    F: Emitter, x: Any, scale: Any, bias: Any, *, begin_norm_axis: int, epsilon: float
) -> tuple[Any, ...]:
    by = _Rows(F, x, begin_norm_axis)
    mean_ = by.mean(Term(F, x))
    off = Term(F, x) - mean_
    variance = by.mean(off * off)
    y = off * (variance + epsilon).op("rsqrt")
    y = y if scale is None else y * by.along(scale)
    y = y if bias is None else y + by.along(bias)
    return y.value, by.flat(mean_), by.flat(variance)


def _layer_grad(F: Emitter, c: GradContext) -> tuple[Any, Any, Any]:
    """Goes through mean and variance, which are outputs of the op: so it has any order."""
    x, scale, bias = c.inputs
    by = _Rows(F, x, c["begin_norm_axis"])
    off = Term(F, x) - by.spread(c.outputs[1])
    inverse = (by.spread(c.outputs[2]) + c["epsilon"]).op("rsqrt")
    g = Term(F, c.g if c.g is not None else F.fill_any_like(x, value=0.0))
    scaled = g if scale is None else g * by.along(scale)
    normal = off * inverse
    dx = (scaled - by.mean(scaled) - normal * by.mean(scaled * normal)) * inverse
    dx = _plus_saved(by, dx, off, c.grads[1], c.grads[2])
    dscale = None if scale is None else by.sum_of_rows(g * normal, scale)
    dbias = None if bias is None else by.sum_of_rows(g, bias)
    return dx.value, dscale, dbias


def _plus_saved(by: _Rows, dx: Term, off: Term, of_mean: Any, of_variance: Any) -> Term:
    """dx and what the gradients of the outputs Mean and Variance add to it."""
    count = Term(by.F, by.F.full((), product(by.inner), by.type.dtype))
    if of_mean is not None:
        dx = dx + by.spread(of_mean) / count
    if of_variance is not None:
        dx = dx + off * by.spread(of_variance) * 2.0 / count
    return dx


layer_norm = op(
    "layer_norm", "X Scale? Bias?", "Y Mean Variance",
    attrs={"begin_norm_axis": 1, "epsilon": 1e-5},
    infer=_layer_infer,
    reference=_layer_norm,
    expand=_layer_expand,
    grad=_layer_grad,
    samples=[
        sample(f32(3, 8), f32(8), f32(8)),
        sample(f32(2, 3, 4), f32(4), f32(4), begin_norm_axis=2, epsilon=1e-3),
        sample(f32(2, 3, 4), f32(12), f32(12)),
        sample(f32(2, 3, 4), None, None, begin_norm_axis=2),
        sample(f64(3, 5), f64(5), None),
        sample(f64(3, 5), None, f64(5)),
        sample(f32(0, 4), f32(4), f32(4)),
        sample(f64(4, 6, low=999.0, high=1001.0), f64(6), f64(6)),
    ],
)  # fmt: skip
