"""Calls of the public API, written once: real Paddle records what they give, the tests compare.

A case is a function of the module (`p` is paddle or wherry) and of tensors made from the arrays
that stand beside it. Its outputs are compared, and the gradients of their weighted sum where a
float input has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    name: str
    call: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    grad: bool


CASES: dict[str, Case] = {}


def _rng(name: str) -> np.random.RandomState:
    return np.random.RandomState(sum(map(ord, name)) % 2**31)


def case(name: str, call: Callable[..., Any], *specs: Any, grad: bool = True) -> None:
    """Add a case. A spec is an array, or a shape of float32 numbers in [-2, 2)."""
    rng = _rng(name)
    arrays = tuple(
        spec
        if isinstance(spec, np.ndarray)
        else np.asarray(rng.uniform(-2, 2, spec)).astype("float32")
        for spec in specs
    )
    if name in CASES:
        raise ValueError(f"two cases are called {name}")
    CASES[name] = Case(name, call, arrays, grad)


def positive(*shape: int) -> np.ndarray:
    return np.random.RandomState(1).uniform(0.2, 2.0, shape).astype("float32")


def unit(*shape: int) -> np.ndarray:
    return np.random.RandomState(2).uniform(-0.9, 0.9, shape).astype("float32")


def ints(*values: Any) -> np.ndarray:
    return np.array(values, "int64")


def bools(*values: Any) -> np.ndarray:
    return np.array(values, bool)


def _pointwise() -> None:
    names = (
        "abs exp sin cos tanh sinh cosh atan square sigmoid floor ceil round trunc sign erf expm1 "
        "neg"
    )
    for name in names.split():
        case(name, lambda p, x, n=name: (getattr(p, n, None) or getattr(p.nn.functional, n))(x),
             (3, 4))  # fmt: skip
    for name in ["sqrt", "rsqrt", "log", "log2", "log10", "log1p", "reciprocal"]:
        case(name, lambda p, x, n=name: getattr(p, n)(x), positive(3, 4))
    for name in ["asin", "acos", "atanh"]:
        case(name, lambda p, x, n=name: getattr(p, n)(x), unit(3, 4))
    case("clip", lambda p, x: p.clip(x, -1.0, 1.0), (3, 4))
    case("clip_min_only", lambda p, x: p.clip(x, min=0.5), (3, 4))
    case("scale", lambda p, x: p.scale(x, 2.0, 1.0), (3,))
    case("scale_bias_first", lambda p, x: p.scale(x, 2.0, 1.0, bias_after_scale=False), (3,))
    case("pow_scalar", lambda p, x: p.pow(x, 3.0), (3, 4))
    case("cast", lambda p, x: p.cast(x, "int32"), (3, 4), grad=False)
    case("isfinite", lambda p, x: [p.isnan(x), p.isinf(x), p.isfinite(x)],
         np.float32([1, np.nan, np.inf, -np.inf]), grad=False)  # fmt: skip


def _binary() -> None:
    for name in ["add", "subtract", "multiply", "divide", "maximum", "minimum"]:
        case(name, lambda p, x, y, n=name: getattr(p, n)(x, y), (2, 3, 4), (3, 1))
    case("pow", lambda p, x, y: p.pow(x, y), positive(3, 4), (3, 4))
    case("atan2", lambda p, x, y: p.atan2(x, y), (3, 4), (3, 4))
    case("mod", lambda p, x, y: p.mod(x, y), (3, 4), positive(3, 4), grad=False)
    case(
        "floor_divide", lambda p, x, y: p.floor_divide(x, y), ints(7, -7, 8, -9), ints(2, 2, -3, 4)
    )
    case("mod_int", lambda p, x, y: p.mod(x, y), ints(7, -7, 8, -9), ints(2, 2, -3, 4))
    for name in ["equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"]:
        case(name, lambda p, x, y, n=name: getattr(p, n)(x, y), ints(1, 2, 3), ints(3, 2, 1))
    for name in ["logical_and", "logical_or", "logical_xor"]:
        case(name, lambda p, x, y, n=name: getattr(p, n)(x, y),
             bools(True, True, False), bools(True, False, False))  # fmt: skip
    case("logical_not", lambda p, x: p.logical_not(x), bools(True, False))
    case("where", lambda p, c, x, y: p.where(c, x, y), bools([True], [False]), (2, 3), (2, 3))
    case("operators", lambda p, x, y: [x + y, x - 1, 2 * x, x / y, 1 - x, 3 / y, -x, x**2],
         (3,), positive(3))  # fmt: skip
    case("int_over_int", lambda p, x, y: x / y, ints(1, 2, 3), ints(2, 3, 4))
    case("int_plus_float", lambda p, x: [x + 1.5, x * 2, x / 2], ints(1, 2, 3), grad=False)
    case("int_floor_mod", lambda p, x: [x // 2, x % 2], ints(-3, 2, 3), grad=False)


def _reduce() -> None:
    for name in ["sum", "mean", "max", "min", "prod"]:
        case(name, lambda p, x, n=name: getattr(p, n)(x), (3, 4))
        case(f"{name}_axis", lambda p, x, n=name: getattr(p, n)(x, axis=1), (2, 3, 4))
        case(
            f"{name}_keepdim", lambda p, x, n=name: getattr(p, n)(x, axis=-1, keepdim=True), (3, 4)
        )
    case("sum_axes", lambda p, x: p.sum(x, axis=[0, 2]), (2, 3, 4))
    case("sum_ints", lambda p, x: p.sum(x), np.arange(6, dtype="int32"), grad=False)
    case("sum_bools", lambda p, x: p.sum(x), bools(True, False, True), grad=False)
    case("max_ties", lambda p, x: p.max(x), np.float32([1, 3, 3, 0]))
    case("all_any", lambda p, x: [p.all(x), p.any(x, axis=0)], bools([True, False], [True, True]))
    case("argmax", lambda p, x: [p.argmax(x), p.argmax(x, axis=1), p.argmin(x, axis=0)], (3, 4),
         grad=False)  # fmt: skip
    case("var_std", lambda p, x: [p.var(x), p.std(x, axis=1), p.var(x, axis=0, unbiased=False)],
         (3, 4))  # fmt: skip
    case("logsumexp", lambda p, x: p.logsumexp(x, axis=1), (3, 4))
    case("cumsum", lambda p, x: [p.cumsum(x, axis=1), p.cumsum(x)], (3, 4))
    case("cumprod", lambda p, x: p.cumprod(x, dim=1), positive(3, 4))
    case("norm", lambda p, x: [p.norm(x), p.norm(x, p=2, axis=1)], (3, 4))
    case("norm_1", lambda p, x: p.norm(x, p=1, axis=1), (3, 4))


def _shape() -> None:
    case("reshape", lambda p, x: [p.reshape(x, [4, 3]), p.reshape(x, [-1, 2]), x.reshape([0, -1])],
         (3, 4))  # fmt: skip
    case("transpose", lambda p, x: p.transpose(x, [2, 0, 1]), (2, 3, 4))
    case("flatten", lambda p, x: [p.flatten(x), p.flatten(x, 1), p.flatten(x, 0, 1)], (2, 3, 4))
    case("squeeze", lambda p, x: [p.squeeze(x), p.squeeze(x, 0), p.squeeze(x, [0, 2])], (1, 3, 1))
    case("unsqueeze", lambda p, x: [p.unsqueeze(x, 0), p.unsqueeze(x, [0, 2])], (3,))
    case("concat", lambda p, x, y: [p.concat([x, y], axis=1), p.concat([x, x])], (2, 3), (2, 4))
    case("stack", lambda p, x, y: [p.stack([x, y]), p.stack([x, y], axis=-1)], (2, 3), (2, 3))
    case("split", lambda p, x: p.split(x, 2, axis=1) + p.split(x, [1, -1], axis=0), (3, 4))
    case("chunk_unbind", lambda p, x: p.chunk(x, 2, axis=1) + p.unbind(x, axis=0), (3, 4))
    case("expand", lambda p, x: [p.expand(x, [2, 3, 4]), p.expand(x, [-1, 4])], (3, 1))
    case("tile", lambda p, x: [p.tile(x, [2, 2]), p.tile(x, [2, 1, 1])], (2, 3))
    case("flip_roll", lambda p, x: [p.flip(x, [0]), p.roll(x, 1, 0), p.roll(x, 2)], (3, 4))
    case("slice", lambda p, x: p.slice(x, [0, 1], [1, -3], [3, 10]), (3, 4))
    case("index", lambda p, x: [x[0], x[-1, 1:], x[:, ::2], x[..., None, 0], x[1:2]], (3, 4))
    case("index_reverse", lambda p, x: x[::-1, 3:0:-2], (3, 4))
    case("gather", lambda p, x, i: p.gather(x, i), (4, 3), ints(2, 0, 2))
    # Paddle's own gradient along an axis other than 0 is that of the first row, in each row.
    case("gather_axis", lambda p, x, i: p.gather(x, i, axis=1), (4, 3), ints(2, 0), grad=False)
    case("gather_nd", lambda p, x, i: p.gather_nd(x, i), (4, 3), ints([2, 0], [1, 1]))
    case("index_select", lambda p, x, i: p.index_select(x, i, axis=1), (3, 4), ints(0, 2))
    case("take_along_axis", lambda p, x, i: p.take_along_axis(x, i, 1), (3, 4), ints([0], [2], [1]))
    case("scatter", lambda p, x, i, u: p.scatter(x, i, u), (4, 2), ints(2, 0), (2, 2))
    case("scatter_add", lambda p, x, i, u: p.scatter(x, i, u, overwrite=False), (4, 2),
         ints(2, 0, 2), (3, 2))  # fmt: skip
    case("scatter_nd_add", lambda p, x, i, u: p.scatter_nd_add(x, i, u), (4,), ints([2], [2]), (2,))
    case("tril_triu", lambda p, x: [p.tril(x), p.triu(x, 1), p.tril(x, -1)], (4, 4))
    case("topk", lambda p, x: p.topk(x, 2, axis=1)[0], (3, 4))
    case("topk_indices", lambda p, x: p.topk(x, 2, axis=-1, largest=False)[1], (3, 4), grad=False)
    case("sort", lambda p, x: [p.sort(x, axis=1), p.sort(x, axis=0, descending=True)], (3, 4))
    case("argsort", lambda p, x: p.argsort(x, axis=1), (3, 4), grad=False)
    case("one_hot", lambda p, i: p.nn.functional.one_hot(i, 4), ints(0, 3, 1), grad=False)
    case("pad", lambda p, x: p.nn.functional.pad(x, [1, 2, 0, 1], value=0.5), (1, 2, 3, 4))
    case("pad_all", lambda p, x: p.nn.functional.pad(x, [1, 0, 0, 2]), (3, 4))
    case("shape_numel", lambda p, x: [p.shape(x), p.numel(x)], (3, 4), grad=False)
    case("repeat_interleave", lambda p, x: p.repeat_interleave(x, 2, axis=1), (2, 3))


def _create() -> None:
    case("arange", lambda p: [p.arange(5), p.arange(1, 10, 3), p.arange(0.0, 1.0, 0.25)])
    case("linspace", lambda p: p.linspace(0, 1, 5))
    case("full_zeros_ones", lambda p: [p.full([2, 3], 1.5), p.zeros([2]), p.ones([1, 2], "int32")])
    case("eye", lambda p: [p.eye(3), p.eye(2, 3, "int64")])
    case("like", lambda p, x: [p.zeros_like(x), p.ones_like(x), p.full_like(x, 3)], (2, 3),
         grad=False)  # fmt: skip
    case("to_tensor", lambda p: [p.to_tensor(3), p.to_tensor([1.5, 2]), p.to_tensor([[True]])])
    case("diag", lambda p, x: p.diag(x), (3,))
    case("meshgrid", lambda p, x, y: p.meshgrid(x, y), (2,), (3,))


def _linear_algebra() -> None:
    case("matmul", lambda p, x, y: p.matmul(x, y), (3, 4), (4, 5))
    case("matmul_batch", lambda p, x, y: p.matmul(x, y), (5, 3, 4), (5, 4, 2))
    # Paddle's own gradient fails where the batch dims broadcast.
    case("matmul_broadcast", lambda p, x, y: p.matmul(x, y), (2, 1, 3, 4), (5, 4, 2), grad=False)
    case("matmul_transposed", lambda p, x, y: p.matmul(x, y, transpose_x=True, transpose_y=True),
         (4, 3), (5, 4))  # fmt: skip
    case("matmul_vectors", lambda p, x, y: p.matmul(x, y), (4,), (4,))
    case("matmul_matrix_vector", lambda p, x, y: p.matmul(x, y), (2, 3, 4), (4,))
    case("matmul_vector_matrix", lambda p, x, y: p.matmul(x, y), (4,), (4, 3))
    case("bmm", lambda p, x, y: p.bmm(x, y), (2, 3, 4), (2, 4, 5))
    case("dot", lambda p, x, y: p.dot(x, y), (4,), (4,))
    case("t", lambda p, x: p.t(x), (3, 4))
    case("addmm", lambda p, a, x, y: p.addmm(a, x, y, beta=0.5, alpha=2.0), (3, 5), (3, 4), (4, 5))


def _activations() -> None:
    names = (
        "relu relu6 leaky_relu elu selu celu gelu silu swish hardswish hardsigmoid hardtanh "
        "softplus softsign mish tanhshrink hardshrink softshrink log_sigmoid softmax log_softmax"
    )
    for name in names.split():
        case(f"F.{name}", lambda p, x, n=name: getattr(p.nn.functional, n)(x), (3, 5))
    case("F.gelu_tanh", lambda p, x: p.nn.functional.gelu(x, approximate=True), (3, 5))
    case("F.softmax_axis", lambda p, x: p.nn.functional.softmax(x, axis=0), (3, 5))
    case("F.relu_nan_free", lambda p, x: p.nn.functional.relu(x), np.float32([-1, 0, 2, np.inf]),
         grad=False)  # fmt: skip
    case("F.prelu", lambda p, x, w: p.nn.functional.prelu(x, w), (2, 3, 4), positive(3))


def _network() -> None:
    case("F.linear", lambda p, x, w, b: p.nn.functional.linear(x, w, b), (2, 3), (3, 4), (4,))
    conv = lambda p, x, w, **k: p.nn.functional.conv2d(x, w, **k)  # noqa: E731
    case("F.conv2d", conv, (2, 3, 6, 7), (4, 3, 3, 3))
    case("F.conv2d_bias", lambda p, x, w, b: conv(p, x, w, bias=b, padding=1), (1, 2, 5, 5),
         (3, 2, 3, 3), (3,))  # fmt: skip
    case("F.conv2d_stride", lambda p, x, w: conv(p, x, w, stride=2, padding=[1, 2]), (1, 2, 7, 7),
         (3, 2, 3, 3))  # fmt: skip
    case("F.conv2d_dilation", lambda p, x, w: conv(p, x, w, dilation=2), (1, 2, 7, 7), (3, 2, 3, 3))
    case("F.conv2d_groups", lambda p, x, w: conv(p, x, w, groups=2), (1, 4, 5, 5), (6, 2, 3, 3))
    case("F.conv2d_depthwise", lambda p, x, w: conv(p, x, w, groups=4), (1, 4, 5, 5), (4, 1, 3, 3))
    case("F.conv2d_same", lambda p, x, w: conv(p, x, w, padding="SAME", stride=2), (1, 2, 7, 6),
         (3, 2, 3, 3))  # fmt: skip
    case("F.conv2d_four_pads", lambda p, x, w: conv(p, x, w, padding=[0, 1, 2, 0]), (1, 2, 5, 5),
         (3, 2, 3, 3))  # fmt: skip
    pool = lambda p, x, kind, *a, **k: getattr(p.nn.functional, kind)(x, *a, **k)  # noqa: E731
    case("F.max_pool2d", lambda p, x: pool(p, x, "max_pool2d", 2, 2), (2, 3, 6, 6))
    case("F.max_pool2d_overlap", lambda p, x: pool(p, x, "max_pool2d", 3, 2, 1), (1, 2, 7, 7))
    case("F.max_pool2d_ceil", lambda p, x: pool(p, x, "max_pool2d", 2, 2, ceil_mode=True),
         (1, 2, 5, 5))  # fmt: skip
    case("F.avg_pool2d", lambda p, x: pool(p, x, "avg_pool2d", 2, 2), (2, 3, 6, 6))
    case("F.avg_pool2d_pad", lambda p, x: pool(p, x, "avg_pool2d", 3, 2, 1), (1, 2, 6, 6))
    case("F.avg_pool2d_inclusive",
         lambda p, x: pool(p, x, "avg_pool2d", 3, 2, 1, exclusive=False), (1, 2, 6, 6))  # fmt: skip
    case("F.adaptive_avg_pool2d", lambda p, x: pool(p, x, "adaptive_avg_pool2d", [2, 3]),
         (1, 2, 5, 7))  # fmt: skip
    case("F.layer_norm", lambda p, x, w, b: p.nn.functional.layer_norm(x, [4], w, b), (2, 3, 4),
         (4,), (4,))  # fmt: skip
    case("F.layer_norm_two", lambda p, x: p.nn.functional.layer_norm(x, [3, 4]), (2, 3, 4))
    norm = lambda p, t, x, m, v, w, b: p.nn.functional.batch_norm(x, m, v, w, b, training=t)  # noqa: E731
    case("F.batch_norm_train", lambda p, x, w, b: norm(
        p, True, x, p.zeros([3]), p.ones([3]), w, b), (4, 3, 2, 2), (3,), (3,))  # fmt: skip
    case("F.batch_norm_eval", lambda p, x, w, b: norm(
        p, False, x, p.full([3], 0.25), p.full([3], 2.0), w, b),
        (4, 3, 2, 2), (3,), (3,))  # fmt: skip
    case(
        "F.embedding", lambda p, i, w: p.nn.functional.embedding(i, w), ints([0, 2], [1, 2]), (4, 3)
    )
    case("F.embedding_padding", lambda p, i, w: p.nn.functional.embedding(i, w, padding_idx=2),
         ints([0, 2], [1, 2]), (4, 3))  # fmt: skip
    case("F.dropout_eval", lambda p, x: p.nn.functional.dropout(x, 0.5, training=False), (3,))
    case("F.dropout_downscale", lambda p, x: p.nn.functional.dropout(
        x, 0.5, training=False, mode="downscale_in_infer"), (2, 3))  # fmt: skip


def _losses() -> None:
    label = ints(0, 2, 1)
    ce = lambda p, *a, **k: p.nn.functional.cross_entropy(*a, **k)  # noqa: E731
    case("F.cross_entropy", lambda p, x, y: ce(p, x, y), (3, 4), label)
    case("F.cross_entropy_none", lambda p, x, y: ce(p, x, y, reduction="none"), (3, 4), label)
    case("F.cross_entropy_sum", lambda p, x, y: ce(p, x, y, reduction="sum"), (3, 4), label)
    case("F.cross_entropy_column", lambda p, x, y: ce(p, x, y), (3, 4), label.reshape(3, 1))
    case("F.cross_entropy_ignore", lambda p, x, y: ce(p, x, y, ignore_index=2), (3, 4), label)
    case(
        "F.cross_entropy_weight",
        lambda p, x, w, y: ce(p, x, y, weight=w),
        (3, 4),
        positive(4),
        label,
    )
    soft = positive(3, 4) / positive(3, 4).sum(1, keepdims=True)
    case("F.cross_entropy_soft", lambda p, x: ce(p, x, p.to_tensor(soft), soft_label=True), (3, 4))
    case("F.cross_entropy_constant_label", lambda p, x, y: ce(
        p, x, p.nn.functional.softmax(y), soft_label=True), (3, 4), (3, 4))  # fmt: skip
    case("F.softmax_with_cross_entropy",
         lambda p, x, y: p.nn.functional.softmax_with_cross_entropy(x, y), (3, 4),
         label.reshape(3, 1))  # fmt: skip
    case("F.mse_loss", lambda p, x, y: p.nn.functional.mse_loss(x, y), (3, 4), (3, 4))
    case("F.l1_loss", lambda p, x, y: p.nn.functional.l1_loss(x, y), (3, 4), (3, 4))
    case("F.smooth_l1_loss", lambda p, x, y: p.nn.functional.smooth_l1_loss(x, y), (3, 4), (3, 4))
    case("F.bce", lambda p, x: p.nn.functional.binary_cross_entropy(x, p.ones([3, 2])),
         np.abs(unit(3, 2)))  # fmt: skip
    case("F.bce_logits",
         lambda p, x: p.nn.functional.binary_cross_entropy_with_logits(x, p.ones([3, 2])),
         (3, 2))  # fmt: skip
    case("F.nll_loss", lambda p, x, y: p.nn.functional.nll_loss(x, y), (3, 4), label)
    case("F.kl_div", lambda p, x: p.nn.functional.kl_div(x, p.to_tensor(soft)), (3, 4))


def filled(layer: Any) -> Any:
    """The layer with the same numbers in its parameters everywhere: sines, by size and name."""
    for i, (_, param) in enumerate(layer.named_parameters()):
        numbers = np.sin(np.arange(param.size, dtype="float64") + i) * 0.5
        param.set_value(numbers.reshape(param.shape).astype("float32"))
    return layer


def _recurrent(name: str, **options: Any) -> None:
    def call(p: Any, x: Any) -> Any:
        out, state = filled(getattr(p.nn, name)(3, 4, **options))(x)
        return [out, *(state if isinstance(state, tuple) else [state])]

    case("_".join(["nn." + name, *map(str, options.values())]), call, (2, 5, 3))


def _sequences() -> None:
    for name in ("SimpleRNN", "GRU", "LSTM"):
        _recurrent(name)
        _recurrent(name, num_layers=2, direction="bidirect")
    case("nn.LSTM_lengths", lambda p, x, n: filled(p.nn.LSTM(3, 4))(x, None, n)[1][0], (2, 5, 3),
         ints(2, 5))  # fmt: skip
    case("nn.MultiHeadAttention", lambda p, x: filled(p.nn.MultiHeadAttention(4, 2))(x), (2, 3, 4))
    mask = np.tril(np.ones((3, 3), bool))
    for before in (False, True):
        case(f"nn.TransformerEncoderLayer_{before}",
             lambda p, x, m, b=before: filled(p.nn.TransformerEncoderLayer(
                 4, 2, 8, 0.0, normalize_before=b))(x, m), (2, 3, 4), mask)  # fmt: skip
    case("nn.Transformer", lambda p, x, y: filled(p.nn.Transformer(4, 2, 2, 2, 8, 0.0))(x, y),
         (2, 3, 4), (2, 5, 4))  # fmt: skip
    case("nn.Transformer_before",
         lambda p, x, y: filled(p.nn.Transformer(4, 2, 1, 2, 8, 0.0, normalize_before=True))(x, y),
         (2, 3, 4), (2, 5, 4))  # fmt: skip


def _resizing() -> None:
    for i, options in enumerate([
        {"size": [3, 4]}, {"scale_factor": 2}, {"scale_factor": [1.5, 2.5]}, {"size": [2, 3],
        "mode": "area"},
        {"size": [3, 4], "mode": "bilinear"}, {"size": [9, 13], "mode": "bilinear",
        "align_corners": True},
        {"size": [9, 13], "mode": "bilinear", "align_mode": 1}, {"scale_factor": 1.7,
        "mode": "bilinear"},
    ]):  # fmt: skip
        case(f"F.interpolate_{i}", lambda p, x, o=options: p.nn.functional.interpolate(x, **o),
             (1, 2, 5, 6))  # fmt: skip
    case("einsum", lambda p, x, y: [p.einsum("bij,bkj->bik", x, y), p.einsum("bij,bkj->b", x, y)],
         (2, 3, 4), (2, 5, 4))  # fmt: skip


for _family in (_pointwise, _binary, _reduce, _shape, _create, _linear_algebra, _activations,
                _network, _losses, _sequences, _resizing):  # fmt: skip
    _family()
