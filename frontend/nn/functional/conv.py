"""Convolutions of one and two spatial dims, and the transposed ones."""

from __future__ import annotations

from typing import Any

from ...dispatch import run_op
from ...ops.convert import need_tensor
from ...tensor import Tensor


def pair(value: Any, what: str, count: int = 2) -> list[int]:
    """One int for each spatial axis; an int stands for all of them."""
    values = [value] * count if isinstance(value, int) else [int(v) for v in value]
    if len(values) != count:
        raise ValueError(f"{what} needs {count} ints or one, got {value!r}")
    return values


def paddings(padding: Any, axes: int = 2, channel_last: bool = False) -> tuple[list[int], str]:
    """A padding argument as (numbers, algorithm): "SAME", "VALID", an int, [h, w], [top, bottom,
    left, right], or a pair for each axis of the image, batch and channel included.
    """
    if isinstance(padding, str):
        if padding.upper() not in ("SAME", "VALID"):
            raise ValueError(f"Unknown padding: '{padding}'. It can only be 'SAME' or 'VALID'.")
        return [0] * axes, padding.upper()
    if isinstance(padding, int):
        return [padding] * axes, "EXPLICIT"
    if padding and isinstance(padding[0], (list, tuple)):
        spatial = padding[1:-1] if channel_last else padding[2:]
        spatial = padding if len(padding) == axes else spatial
        return [int(p) for one in spatial for p in one], "EXPLICIT"
    return [int(p) for p in padding], "EXPLICIT"


def _conv_nd(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    groups: int, data_format: str,
) -> Tensor:  # fmt: skip
    need_tensor(x, "conv2d")
    numbers, algorithm = paddings(padding, 2, data_format == "NHWC")
    if data_format == "NHWC":
        x = run_op("transpose2", x, axis=[0, 3, 1, 2])
    # A depthwise filter has an op of its own, as in Paddle.
    channels = x.shape[1] if x.ndim == 4 else None
    depthwise = groups > 1 and groups == channels and weight.shape[0] % groups == 0
    out: Tensor = run_op(
        "depthwise_conv2d" if depthwise else "conv2d", x, weight, strides=pair(stride, "stride"),
        paddings=numbers, padding_algorithm=algorithm, dilations=pair(dilation, "dilation"),
        groups=groups, data_format="NCHW",
    )  # fmt: skip
    out = _with_bias(out, bias)
    return run_op("transpose2", out, axis=[0, 2, 3, 1]) if data_format == "NHWC" else out


def _with_bias(out: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return out
    return run_op("elementwise_add", out, bias, axis=1)  # type: ignore[no-any-return]


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1, data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The convolution of images x [N, C, H, W] (or NHWC) with filters [O, C / groups, h, w].

    padding: "SAME", "VALID", an int, [h, w] or [top, bottom, left, right]. Raises OpError where
    channels, ranks or sizes do not fit.

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 3, 3]), paddle.ones([1, 1, 3, 3])
    >>> paddle.nn.functional.conv2d(x, w).tolist()
    [[[[9.0]]]]
    """
    return _conv_nd(x, weight, bias, stride, padding, dilation, groups, data_format)


def _widened(padding: Any) -> Any:
    """The padding of one axis as that of two, the first of size 1."""
    if isinstance(padding, str):
        return padding
    if isinstance(padding, int):
        return [0, padding]
    flat = [p for one in padding for p in (one if isinstance(one, (list, tuple)) else [one])][-2:]
    return [0, flat[0]] if len(flat) == 1 else [0, 0, *flat]


def conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1, data_format: str = "NCL", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The convolution of sequences x [N, C, L] (or NLC) with filters [O, C / groups, l].

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 4]), paddle.ones([1, 1, 2])
    >>> paddle.nn.functional.conv1d(x, w).tolist()
    [[[2.0, 2.0, 2.0]]]
    """
    at = 1 if data_format == "NLC" else 2
    out = conv2d(
        run_op("unsqueeze2", x, axes=[at]), run_op("unsqueeze2", weight, axes=[2]), bias,
        [1, *pair(stride, "stride", 1)], _widened(padding), [1, *pair(dilation, "dilation", 1)],
        groups, "NHWC" if data_format == "NLC" else "NCHW",
    )  # fmt: skip
    return run_op("squeeze2", out, axes=[at])  # type: ignore[no-any-return]


def conv2d_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, dilation: Any = 1, groups: int = 1, output_size: Any = None,
    data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The transposed convolution: x [N, C, H, W], filters [C, O / groups, h, w]; returns [N, O, H',
    W'].

    H' is (H - 1) * stride - padding + dilation * (h - 1) + 1 + output_padding, or `output_size`.

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 1, 1]), paddle.ones([1, 1, 2, 2])
    >>> paddle.nn.functional.conv2d_transpose(x, w).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    numbers, algorithm = paddings(padding, 2, data_format == "NHWC")
    if data_format == "NHWC":
        x = run_op("transpose2", x, axis=[0, 3, 1, 2])
    out: Tensor = run_op(
        "conv2d_transpose", x, weight, strides=pair(stride, "stride"), paddings=numbers,
        padding_algorithm=algorithm, dilations=pair(dilation, "dilation"), groups=groups,
        output_size=[] if output_size is None else pair(output_size, "output_size"),
        output_padding=pair(output_padding, "output_padding"), data_format="NCHW",
    )  # fmt: skip
    out = _with_bias(out, bias)
    return run_op("transpose2", out, axis=[0, 2, 3, 1]) if data_format == "NHWC" else out


def conv1d_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1, output_size: Any = None,
    data_format: str = "NCL", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The transposed convolution of sequences: x [N, C, L], filters [C, O / groups, l].

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 1]), paddle.ones([1, 1, 3])
    >>> paddle.nn.functional.conv1d_transpose(x, w).tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    at = 1 if data_format == "NLC" else 2
    size = None if output_size is None else [1, *pair(output_size, "output_size", 1)]
    out = conv2d_transpose(
        run_op("unsqueeze2", x, axes=[at]), run_op("unsqueeze2", weight, axes=[2]), bias,
        [1, *pair(stride, "stride", 1)], _widened(padding),
        [0, *pair(output_padding, "output_padding", 1)], [1, *pair(dilation, "dilation", 1)],
        groups, size, "NHWC" if data_format == "NLC" else "NCHW",
    )  # fmt: skip
    return run_op("squeeze2", out, axes=[at])  # type: ignore[no-any-return]


__all__ = ["conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose"]
