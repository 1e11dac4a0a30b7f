"""Activation functions: pointwise, each with its formula, its numpy meaning and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..numerics import gelu as gelu_of
from ..numerics import sigmoid as sigmoid_of
from ..opdef import OpDef, Sample, f32, f64, lit, op, sample
from ..rules import floats, same_dtype
from ..scalar import Scalar, ScalarBuilder
from .build import Term
from .grads import reshape_to, unbroadcast

Array = np.ndarray[Any, Any]

EDGES = lit([-np.inf, -90.0, -1.0, -0.0, 0.0, 1.0, 90.0, np.inf, np.nan])
SQRT_HALF, SQRT_2_PI, CUBIC = math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715


def _activation(
    type: str,
    formula: Callable[..., Any],
    meaning: Callable[..., Any],
    rule: Callable[..., Term],
    attrs: Mapping[str, Any] | None = None,
    more: Sequence[Sample] = (),
) -> OpDef:
    """Declare a pointwise op on floats whose result has X's dtype.

    `rule(g, x, out, **attrs)` is the gradient of X, on Terms; out is the op's own result.
    """

    def reference(x: Array, **attrs: Any) -> Array:
        return np.asarray(meaning(x, **attrs)).astype(x.dtype, copy=False)

    def grad(F: Emitter, c: GradContext) -> tuple[Any]:
        return (rule(Term(F, c.g), Term(F, c.x), Term(F, c.out), **c.attrs).value,)

    samples = [
        sample(f32(3, 4)), sample(f32(0)), sample(f32()), sample(f64(5, low=-9.0, high=9.0)),
        sample(EDGES, grad=False),  # kinks and values that are not finite
        *more,
    ]  # fmt: skip
    return op(
        type, "X", attrs=attrs, infer=lambda x, **_: floats(x), reference=reference, scalar=formula,
        grad=grad, samples=samples,
    )  # fmt: skip


def softplus_of(x: Array) -> Array:
    """log(1 + exp(x)) without overflow, in x's dtype."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_scalar(b: ScalarBuilder, x: Scalar) -> Scalar:
    """log(1 + exp(x)) without overflow."""
    return b.max(x, 0.0) + b.log1p(b.exp(-b.abs(x)))


def _clip(b: ScalarBuilder, x: Scalar, low: float, high: float) -> Scalar:
    return b.min(b.max(x, low), high)


relu = _activation(
    "relu",
    lambda b, x: b.max(x, 0.0),
    lambda x: np.maximum(x, 0),
    lambda g, x, out: (out > 0.0).where(g, 0.0),
)

relu6 = _activation(
    "relu6",
    lambda b, x, threshold: _clip(b, x, 0.0, threshold),
    lambda x, threshold: np.clip(x, 0, threshold),
    lambda g, x, out, threshold: ((out > 0.0) & (out < threshold)).where(g, 0.0),
    {"threshold": 6.0},
    [sample(f32(8, low=-9.0, high=9.0))],
)

leaky_relu = _activation(
    "leaky_relu",
    lambda b, x, alpha: b.select(x > 0.0, x, x * alpha),
    lambda x, alpha: np.where(x > 0, x, x * x.dtype.type(alpha)),
    lambda g, x, out, alpha: (x > 0.0).where(g, g * alpha),
    {"alpha": 0.02},
    [sample(f32(8), alpha=0.3), sample(f32(8), alpha=1.5)],
)

thresholded_relu = _activation(
    "thresholded_relu",
    lambda b, x, threshold: b.select(b.or_(x > threshold, b.isnan(x)), x, 0.0),
    lambda x, threshold: np.where((x > threshold) | np.isnan(x), x, 0),
    lambda g, x, out, threshold: (x > threshold).where(g, 0.0),
    {"threshold": 1.0},
    [sample(f32(8), threshold=-0.5)],
)

brelu = _activation(
    "brelu",
    lambda b, x, t_min, t_max: _clip(b, x, t_min, t_max),
    lambda x, t_min, t_max: np.clip(x, t_min, t_max),
    lambda g, x, out, t_min, t_max: ((x > t_min) & (x < t_max)).where(g, 0.0),
    {"t_min": 0.0, "t_max": 24.0},
    [sample(f32(8), t_min=-1.0, t_max=1.0)],
)


def _expm1_of_negative(b: ScalarBuilder, x: Scalar) -> Scalar:
    return b.expm1(b.min(x, 0.0))


elu = _activation(
    "elu",
    lambda b, x, alpha: b.select(x > 0.0, x, _expm1_of_negative(b, x) * alpha),
    lambda x, alpha: np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0))),
    lambda g, x, out, alpha: (x > 0.0).where(g, g * x.op("elementwise_min", 0.0).op("exp") * alpha),
    {"alpha": 1.0},
    [sample(f32(8), alpha=0.4)],
)

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

selu = _activation(
    "selu",
    lambda b, x, scale, alpha: b.select(x > 0.0, x, _expm1_of_negative(b, x) * alpha) * scale,
    lambda x, scale, alpha: (
        x.dtype.type(scale) * np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))
    ),
    lambda g, x, out, scale, alpha: (x > 0.0).where(
        g * scale, g * x.op("elementwise_min", 0.0).op("exp") * (scale * alpha)
    ),
    {"scale": SELU_SCALE, "alpha": SELU_ALPHA},
)

celu = _activation(
    "celu",
    lambda b, x, alpha: b.max(x, 0.0) + b.expm1(b.min(x, 0.0) / alpha) * alpha,
    lambda x, alpha: (
        np.maximum(x, 0) + np.expm1(np.minimum(x, 0) / x.dtype.type(alpha)) * x.dtype.type(alpha)
    ),
    lambda g, x, out, alpha: (x > 0.0).where(
        g, g * (x.op("elementwise_min", 0.0) * (1.0 / alpha)).op("exp")
    ),
    {"alpha": 1.0},
    [sample(f32(8), alpha=0.4)],
)


def _gelu_formula(b: ScalarBuilder, x: Scalar, approximate: bool) -> Scalar:
    if approximate:  # 1 + tanh(y) is 2 * sigmoid(2 y)
        return x * b.sigmoid((x + x * x * x * CUBIC) * (2 * SQRT_2_PI))
    return b.gelu(x)


def _gelu(x: Array, approximate: bool) -> Array:
    if not approximate:
        return gelu_of(x)
    of = x.dtype.type
    inner = np.tanh((x + x * x * x * of(CUBIC)) * of(SQRT_2_PI))
    return np.asarray(x * of(0.5) * (inner + of(1)))


def _gelu_grad(g: Term, x: Term, out: Term, approximate: bool) -> Term:
    if not approximate:
        cdf = (x * SQRT_HALF).op("erf") * 0.5 + 0.5
        pdf = (x * x * -0.5).op("exp") * (0.5 * SQRT_2_PI)
        return g * (cdf + x * pdf)
    inner = (x + x * x * x * CUBIC) * SQRT_2_PI
    tanh = inner.op("tanh")
    rise = (x * x * (3 * CUBIC) + 1.0) * SQRT_2_PI
    return g * ((tanh + 1.0) * 0.5 + x * 0.5 * (1.0 - tanh * tanh) * rise)


gelu = _activation(
    "gelu", _gelu_formula, _gelu, _gelu_grad, {"approximate": False},
    [sample(f32(3, 4), approximate=True), sample(f64(9, low=-6.0, high=6.0), approximate=True)],
)  # fmt: skip

sigmoid = _activation(
    "sigmoid",
    lambda b, x: b.sigmoid(x),
    sigmoid_of,
    lambda g, x, out: g * out * (1.0 - out),
)

logsigmoid = _activation(
    "logsigmoid",
    lambda b, x: -softplus_scalar(b, -x),
    lambda x: -softplus_of(-x),
    lambda g, x, out: g * (-x).op("sigmoid"),
)

silu = _activation(
    "silu",
    lambda b, x: x * b.sigmoid(x),
    lambda x: x * sigmoid_of(x),
    lambda g, x, out: _swish_grad(g, x, 1.0),
)

swish = _activation(
    "swish",
    lambda b, x, beta: x * b.sigmoid(x * beta),
    lambda x, beta: x * sigmoid_of(x * x.dtype.type(beta)),
    lambda g, x, out, beta: _swish_grad(g, x, beta),
    {"beta": 1.0},
    [sample(f32(8), beta=2.5)],
)


def _swish_grad(g: Term, x: Term, beta: float) -> Term:
    s = (x * beta).op("sigmoid")
    return g * (s + x * beta * s * (1.0 - s))


hard_swish = _activation(
    "hard_swish",
    lambda b, x, threshold, scale, offset: x * _clip(b, x + offset, 0.0, threshold) / scale,
    lambda x, threshold, scale, offset: (
        x * np.clip(x + x.dtype.type(offset), 0, threshold) / x.dtype.type(scale)
    ),
    lambda g, x, out, threshold, scale, offset: (
        (x + offset > 0.0).where(
            (x + offset < threshold).where(g * (x * 2.0 + offset), g * threshold), 0.0
        )
        * (1.0 / scale)
    ),
    {"threshold": 6.0, "scale": 6.0, "offset": 3.0},
    [sample(f32(8, low=-9.0, high=9.0))],
)

hard_sigmoid = _activation(
    "hard_sigmoid",
    lambda b, x, slope, offset: _clip(b, x * slope + offset, 0.0, 1.0),
    lambda x, slope, offset: np.clip(x * x.dtype.type(slope) + x.dtype.type(offset), 0, 1),
    lambda g, x, out, slope, offset: ((out > 0.0) & (out < 1.0)).where(g * slope, 0.0),
    {"slope": 0.2, "offset": 0.5},
    [sample(f32(8, low=-5.0, high=5.0), slope=0.1666667)],
)


def _softplus_formula(b: ScalarBuilder, x: Scalar, beta: float, threshold: float) -> Scalar:
    # The comparison comes last: it would take a register all along.
    found = softplus_scalar(b, x * beta) / beta
    return b.select(x * beta > threshold, x, found)


def _softplus(x: Array, beta: float, threshold: float) -> Array:
    of = x.dtype.type
    return np.where(x * of(beta) > threshold, x, softplus_of(x * of(beta)) / of(beta))


softplus = _activation(
    "softplus",
    _softplus_formula,
    _softplus,
    lambda g, x, out, beta, threshold: (x * beta > threshold).where(
        g, g * (x * beta).op("sigmoid")
    ),
    {"beta": 1.0, "threshold": 20.0},
    [sample(f32(8), beta=3.0, threshold=4.0)],
)

softsign = _activation(
    "softsign",
    lambda b, x: x / (b.abs(x) + 1.0),
    lambda x: x / (1 + np.abs(x)),
    lambda g, x, out: g / ((abs(x) + 1.0) * (abs(x) + 1.0)),
)


def _mish_grad(g: Term, x: Term, out: Term, threshold: float) -> Term:
    tanh = x.op("softplus", threshold=threshold).op("tanh")
    return g * (tanh + x * x.op("sigmoid") * (1.0 - tanh * tanh))


mish = _activation(
    "mish",
    lambda b, x, threshold: x * b.tanh(_softplus_formula(b, x, 1.0, threshold)),
    lambda x, threshold: x * np.tanh(_softplus(x, 1.0, threshold)),
    _mish_grad,
    {"threshold": 20.0},
)

tanh_shrink = _activation(
    "tanh_shrink",
    lambda b, x: x - b.tanh(x),
    lambda x: x - np.tanh(x),
    lambda g, x, out: g * x.op("tanh") * x.op("tanh"),
)

hard_shrink = _activation(
    "hard_shrink",
    lambda b, x, threshold: b.select(b.abs(x) <= threshold, 0.0, x),
    lambda x, threshold: np.where(np.abs(x) <= threshold, 0, x),
    lambda g, x, out, threshold: (abs(x) <= threshold).where(0.0, g),
    {"threshold": 0.5},
    [sample(f32(8), threshold=1.0)],
)


def _softshrink_formula(b: ScalarBuilder, x: Scalar, **attrs: float) -> Scalar:
    edge = attrs["lambda"]
    return b.select(x > edge, x - edge, b.select(x < -edge, x + edge, x * 0.0))


def _softshrink(x: Array, **attrs: float) -> Array:
    edge = x.dtype.type(attrs["lambda"])
    return np.where(x > edge, x - edge, np.where(x < -edge, x + edge, x * 0))


softshrink = _activation(
    "softshrink",
    _softshrink_formula,
    _softshrink,
    lambda g, x, out, **attrs: (abs(x) > attrs["lambda"]).where(g, 0.0),
    {"lambda": 0.5},
    [Sample((f32(8),), {"lambda": 1.0})],
)


def _alpha_shape(rank: int, alpha: Any, mode: str, data_format: str) -> Any:
    """The shape in which Alpha broadcasts against X."""
    if mode != "channel":
        return alpha if mode == "all" else alpha[-rank:]
    channels = alpha[-1] if data_format[-1] == "C" else max(alpha, key=lambda d: d != 1)
    axis = rank - 1 if data_format[-1] == "C" else 1
    return tuple(channels if i == axis else 1 for i in range(rank))


def _prelu_infer(x: TensorType, alpha: TensorType, *, mode: str, data_format: str) -> TensorType:
    floats(x)
    same_dtype(x, alpha, "X and Alpha")
    if mode not in ("all", "channel", "element"):
        fail(f"needs mode 'all', 'channel' or 'element', got {mode!r}")
    if mode == "channel":
        channels = x.shape[-1 if data_format[-1] == "C" else 1] if x.ndim > 1 else 1
        require(
            alpha.size, "==", channels,
            f"needs one Alpha per channel, got X = {show(x.shape)} and Alpha = {show(alpha.shape)}",
        )  # fmt: skip
    return x


def _prelu(x: Array, alpha: Array, *, mode: str, data_format: str) -> Array:
    alpha = alpha.reshape(_alpha_shape(x.ndim, alpha.shape, mode, data_format))
    return np.where(x > 0, x, alpha * x)


def _prelu_expand(F: Emitter, x: Any, alpha: Any, *, mode: str, data_format: str) -> Any:
    alpha = _aligned_alpha(F, x, alpha, mode, data_format)
    value = Term(F, x)
    return (value > 0.0).where(value, value * Term(F, alpha)).value


def _aligned_alpha(F: Emitter, x: Any, alpha: Any, mode: str, data_format: str) -> Any:
    shape = _alpha_shape(F.type_of(x).ndim, F.type_of(alpha).shape, mode, data_format)
    return reshape_to(F, alpha, shape)


def _prelu_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    alpha = _aligned_alpha(F, c.x, c.y, c["mode"], c["data_format"])
    g, x = Term(F, c.g), Term(F, c.x)
    dx = (x > 0.0).where(g, g * Term(F, alpha)).value if c.needs[0] else None
    if not c.needs[1]:
        return dx, None
    dalpha = unbroadcast(F, (x > 0.0).where(0.0, g * x).value, alpha)
    return dx, reshape_to(F, dalpha, F.type_of(c.y).shape)


prelu = op(
    "prelu", "X Alpha",
    attrs={"mode": "all", "data_format": "NCHW"},
    infer=_prelu_infer,
    reference=_prelu,
    expand=_prelu_expand,
    grad=_prelu_grad,
    samples=[
        sample(f32(2, 3, 4), f32(1)),
        sample(f32(2, 3, 4, 5), f32(3), mode="channel"),
        sample(f32(2, 4, 5, 3), f32(3), mode="channel", data_format="NHWC"),
        sample(f32(2, 3, 4), f32(1, 3, 4), mode="element"),
        sample(f32(0, 3), f32(1)),
    ],
)  # fmt: skip
