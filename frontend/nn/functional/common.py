"""linear, embedding, dropout, padding, one_hot, similarity, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, float32
from wherry.schema.errors import OpError, OpTypeError

from ...dispatch import constant, layer_name, run_op
from ...location import user_location
from ...ops.convert import cast_to, dims_of, need_tensor
from ...ops.creation import arange
from ...random import draw
from ...tensor import Tensor

DATA_FORMATS = ("NCL", "NLC", "NCHW", "NHWC", "NCDHW", "NDHWC")


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, name: str | None = None
) -> Tensor:
    """x @ weight + bias: x [..., in], weight [in, out], bias [out], of one float dtype.

    Raises OpError if x's last size is not `in`, OpTypeError if the dtypes differ.

    >>> import wherry as paddle
    >>> F = paddle.nn.functional
    >>> F.linear(paddle.ones([2, 3]), paddle.ones([3, 1])).tolist()
    [[3.0], [3.0]]
    """
    need_tensor(x, "linear")
    need_tensor(weight, "linear", "weight")
    if x.dtype is not weight.dtype:
        raise OpTypeError(
            f"needs x in the weight's dtype {weight.dtype.name}, got {x.dtype.name}; x.astype("
            f"'{weight.dtype.name}') converts it", "linear", user_location(),
        )  # fmt: skip
    if not x.ndim:
        raise OpError("needs x of at least 1 dim, got a 0-d Tensor", "linear", user_location())
    with layer_name("linear"):
        out: Tensor = run_op("matmul_v2", x, weight)
        return out if bias is None else run_op("elementwise_add", out, bias)


def embedding(
    x: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The rows of weight [V, D] at the ids x (integers of any shape): [..., D].

    Rows of `padding_idx` are zeros and get no gradient. An id out of range raises RunError.

    >>> import wherry as paddle
    >>> paddle.nn.functional.embedding(paddle.to_tensor([1]), paddle.eye(2)).tolist()
    [[0.0, 1.0]]
    """
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    out: Tensor = run_op(
        "lookup_table_v2", weight, need_tensor(x, "embedding"), padding_idx=padding
    )
    return out


def one_hot(x: Tensor, num_classes: int, name: str | None = None) -> Tensor:
    """Ones at the positions x (integers) along a new last axis of zeros, in float32.

    >>> import wherry as paddle
    >>> paddle.nn.functional.one_hot(paddle.to_tensor([1]), 3).tolist()
    [[0.0, 1.0, 0.0]]
    """
    depth = int(num_classes) if not isinstance(num_classes, Tensor) else num_classes.as_dim()
    out: Tensor = run_op("one_hot_v2", need_tensor(x, "one_hot"), depth=depth, dtype=float32)
    return out


def dropout(
    x: Tensor, p: float = 0.5, axis: Any = None, training: bool = True,
    mode: str = "upscale_in_train", name: str | None = None,
) -> Tensor:  # fmt: skip
    """Set elements to 0 with probability p in training.

    mode "upscale_in_train" divides the rest by 1 - p in training; "downscale_in_infer" multiplies
    by 1 - p outside of it. With `axis` whole slices are dropped: the mask varies along these axes
    only.

    >>> import wherry as paddle
    >>> paddle.nn.functional.dropout(paddle.ones([2]), 0.5, training=False).tolist()
    [1.0, 1.0]
    """
    need_tensor(x, "dropout")
    if not 0 <= p <= 1:
        raise ValueError(f"p argument should between 0 and 1, got {p}")
    if mode not in ("upscale_in_train", "downscale_in_infer", "downgrade_in_infer"):
        raise ValueError(
            "mode argument should be 'downscale_in_infer' or 'upscale_in_train', got " + repr(mode)
        )
    how = "upscale_in_train" if mode == "upscale_in_train" else "downgrade_in_infer"
    if axis is not None:
        return _dropout_axes(x, float(p), axis, training, how)
    if not training:
        return run_op(  # type: ignore[no-any-return]
            "dropout", x, None, dropout_prob=float(p), is_test=True, dropout_implementation=how
        )[0]
    out, _ = draw("dropout", x, dropout_prob=float(p), is_test=False, dropout_implementation=how)
    return out  # type: ignore[no-any-return]


def _dropout_axes(x: Tensor, p: float, axis: Any, training: bool, how: str) -> Tensor:
    if not training:
        return x if how == "upscale_in_train" else x * (1.0 - p)
    axes = [a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)]
    shape = [d if i in axes else 1 for i, d in enumerate(x.shape)]
    kept = run_op("fill_constant", shape=shape, value=1.0, dtype=x.dtype)
    mask, _ = draw("dropout", kept, dropout_prob=p, is_test=False, dropout_implementation=how)
    return x * mask  # type: ignore[no-any-return]


def dropout2d(x: Tensor, p: float = 0.5, training: bool = True, data_format: str = "NCHW",
              name: str | None = None) -> Tensor:  # fmt: skip
    """Dropout of whole channels of images [N, C, H, W] (or NHWC)."""
    return dropout(x, p, [0, 1] if data_format == "NCHW" else [0, 3], training)


def dropout3d(x: Tensor, p: float = 0.5, training: bool = True, data_format: str = "NCDHW",
              name: str | None = None) -> Tensor:  # fmt: skip
    """Dropout of whole channels of volumes [N, C, D, H, W] (or NDHWC)."""
    return dropout(x, p, [0, 1] if data_format == "NCDHW" else [0, 4], training)


def alpha_dropout(
    x: Tensor, p: float = 0.5, training: bool = True, name: str | None = None
) -> Tensor:
    """Dropout that keeps mean and variance of what selu gives."""
    if not training or p == 0:
        return x
    low = -1.7580993408473766
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5 if p < 1 else 0.0
    kept = run_op("fill_constant", shape=list(x.shape), value=1.0, dtype=x.dtype)
    mask, _ = draw("dropout", kept, dropout_prob=p, is_test=False,
                   dropout_implementation="downgrade_in_infer")  # fmt: skip
    return (x * mask + (1.0 - mask) * low) * scale - scale * low * p  # type: ignore[no-any-return]


def label_smooth(label: Tensor, prior_dist: Tensor | None = None, epsilon: float = 0.1,
                 name: str | None = None) -> Tensor:  # fmt: skip
    """(1 - epsilon) * label + epsilon * prior; without a prior 1 / classes.

    >>> import wherry as paddle
    >>> paddle.nn.functional.label_smooth(paddle.to_tensor([[0.0, 1.0]]), epsilon=0.5).tolist()
    [[0.25, 0.75]]
    """
    if not 0 <= epsilon <= 1:
        raise ValueError("The value of epsilon must be between 0 and 1.")
    if prior_dist is None:
        return label * (1.0 - epsilon) + epsilon / label.shape[-1]  # type: ignore[no-any-return]
    return label * (1.0 - epsilon) + prior_dist * epsilon


def normalize(
    x: Tensor, p: float = 2, axis: int = 1, epsilon: float = 1e-12, name: str | None = None
) -> Tensor:
    """x divided by its p-norm along an axis (at least epsilon).

    >>> import wherry as paddle
    >>> paddle.nn.functional.normalize(paddle.to_tensor([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    at = axis if x.ndim > 1 else 0
    length = run_op("p_norm", x, porder=float(p), axis=at, keepdim=True)
    floor = run_op("fill_constant", shape=[], value=epsilon, dtype=x.dtype)
    return x / run_op("elementwise_max", length, floor)  # type: ignore[no-any-return]


def cosine_similarity(x1: Tensor, x2: Tensor, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along an axis.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1.0, 0.0]])
    >>> paddle.nn.functional.cosine_similarity(x, x).tolist()
    [1.0]
    """
    product = run_op("reduce_sum", x1 * x2, dim=[axis])
    squares = run_op("reduce_sum", x1 * x1, dim=[axis]) * run_op("reduce_sum", x2 * x2, dim=[axis])
    floor = run_op("fill_constant", shape=[], value=eps * eps, dtype=x1.dtype)
    return product / run_op("sqrt", run_op("elementwise_max", squares, floor))  # type: ignore[no-any-return]


def pairwise_distance(
    x: Tensor, y: Tensor, p: float = 2.0, epsilon: float = 1e-6, keepdim: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The p-norm of x - y + epsilon along the last axis."""
    out: Tensor = run_op("p_norm", x - y + epsilon, porder=float(p), axis=-1, keepdim=keepdim)
    return out


def pad(
    x: Tensor, pad: Any, mode: str = "constant", value: float = 0.0, data_format: str = "NCHW",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """x with elements added at the edges.

    `pad` with 2 * x.ndim numbers (and mode "constant"): [before, after] of each axis from the
    first. With fewer: of the spatial axes, from the last one back. mode: constant, reflect,
    replicate, circular.

    >>> import wherry as paddle
    >>> x = paddle.ones([1, 1, 1, 2])
    >>> paddle.nn.functional.pad(x, [1, 0, 0, 0]).tolist()
    [[[[0.0, 1.0, 1.0]]]]
    """
    if data_format not in DATA_FORMATS:
        raise ValueError(f"data_format should be in one of {DATA_FORMATS} but got {data_format}")
    amounts = [pad] * (2 * (x.ndim - 2)) if isinstance(pad, int) else dims_of(pad, "pad")
    if mode == "constant" and len(amounts) == 2 * x.ndim:
        pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    else:
        pairs = _spatial_pairs(x, amounts, data_format)
    if mode == "constant":
        flat = [amount for pair in pairs for amount in pair]
        out: Tensor = run_op("pad", x, paddings=flat, pad_value=float(value))
        return out
    return _padded_by_index(x, pairs, mode)


def _spatial_pairs(x: Tensor, amounts: list[Any], data_format: str) -> list[tuple[Any, Any]]:
    spatial = list(range(1,
        x.ndim - 1)) if data_format.endswith("C") and len(data_format) > 2 else list(
        range(2, x.ndim)
    )  # fmt: skip
    if len(amounts) % 2 or len(amounts) // 2 > len(spatial):
        raise ValueError(
            f"pad needs [before, after] for each of {len(spatial)} spatial axes of x {x.shape}, or "
            f"{2 * x.ndim} numbers for all axes, got {len(amounts)} numbers"
        )
    pairs = [(0, 0)] * x.ndim
    for i in range(len(amounts) // 2):
        pairs[spatial[-1 - i]] = (amounts[2 * i], amounts[2 * i + 1])
    return pairs


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _padded_by_index(x: Tensor, pairs: list[tuple[Any, Any]], mode: str) -> Tensor:
    if mode not in _MODES:
        raise ValueError(
            "mode should be one of constant, reflect, replicate, circular, but got " + repr(mode)
        )
    for axis, amounts in enumerate(pairs):
        if amounts != (0, 0):
            size = x.shape[axis]
            if not isinstance(size, int):
                raise OpError(
                    f"pad mode {mode!r} needs a known size on axis {axis}", "pad3d", user_location()
                )
            if mode == "reflect" and max(amounts) >= size:
                raise ValueError(
                    f"reflect padding {amounts} must be smaller than the size {size} of axis {axis}"
                )
            index = np.pad(np.arange(size), amounts, mode=_MODES[mode])  # type: ignore[call-overload]
            x = run_op("index_select", x, constant(index.astype(np.int64)), dim=axis)
    return x


def zeropad2d(
    x: Tensor, padding: Any, data_format: str = "NCHW", name: str | None = None
) -> Tensor:
    """Zeros around images: padding is [left, right, top, bottom] or one int."""
    return pad(x, padding, "constant", 0.0, data_format)


def sequence_mask(
    x: Tensor, maxlen: Any = None, dtype: Any = "int64", name: str | None = None
) -> Tensor:
    """For each length in x a row of `maxlen` with ones before that length.

    >>> import wherry as paddle
    >>> paddle.nn.functional.sequence_mask(paddle.to_tensor([1, 2]), maxlen=3).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    length = int(x.numpy().max()) if maxlen is None else maxlen
    places = arange(0, length, 1, x.dtype)
    return cast_to(places < run_op("unsqueeze2", x, axes=[x.ndim]), as_dtype(dtype))


def pixel_shuffle(
    x: Tensor, upscale_factor: int, data_format: str = "NCHW", name: str | None = None
) -> Tensor:
    """[N, C * r * r, H, W] to [N, C, H * r, W * r] (or NHWC likewise).

    >>> import wherry as paddle
    >>> paddle.nn.functional.pixel_shuffle(paddle.ones([1, 4, 2, 2]), 2).shape
    [1, 1, 4, 4]
    """
    r = upscale_factor
    if data_format == "NHWC":
        x = run_op("transpose2", x, axis=[0, 3, 1, 2])
    n, c, h, w = x.shape
    blocks = run_op("reshape2", x, shape=[n, c // (r * r), r, r, h, w])
    moved = run_op("transpose2", blocks, axis=[0, 1, 4, 2, 5, 3])
    out: Tensor = run_op("reshape2", moved, shape=[n, c // (r * r), h * r, w * r])
    return out if data_format == "NCHW" else run_op("transpose2", out, axis=[0, 2, 3, 1])


def bilinear(
    x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None = None, name: str | None = None
) -> Tensor:
    """out[n, o] = sum over i, j of x1[n, i] * weight[o, i, j] * x2[n, j], plus the bias."""
    outputs, first, second = weight.shape
    flat = run_op(
        "reshape2", run_op("transpose2", weight, axis=[1, 0, 2]), shape=[first, outputs * second]
    )
    mixed = run_op("reshape2", run_op("matmul_v2", x1, flat), shape=[-1, outputs, second])
    out = run_op("reduce_sum", mixed * run_op("unsqueeze2", x2, axes=[1]), dim=[2])
    return out if bias is None else out + bias  # type: ignore[no-any-return]


__all__ = [
    "alpha_dropout", "bilinear", "cosine_similarity", "dropout", "dropout2d", "dropout3d",
    "embedding", "label_smooth", "linear", "normalize", "one_hot", "pad", "pairwise_distance",
    "pixel_shuffle", "sequence_mask", "zeropad2d",
]  # fmt: skip
