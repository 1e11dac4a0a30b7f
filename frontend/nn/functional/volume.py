"""Convolutions and pooling of volumes [N, C, D, H, W].

They are made of those of images: a convolution adds one over images for each depth of the filter,
pooling takes the windows of H and W first and those of D after it.
"""

from __future__ import annotations

from typing import Any

from ...dispatch import run_op
from ...ops.convert import need_tensor
from ...tensor import Tensor
from .conv import conv2d, conv2d_transpose, paddings, pair
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

_FORMATS = ("NCDHW", "NDHWC")
_FIRST, _LAST = [0, 4, 1, 2, 3], [0, 2, 3, 4, 1]


def _channels_first(x: Tensor, data_format: str, function: str) -> Tensor:
    if data_format not in _FORMATS:
        raise ValueError(
            f"Attr(data_format) should be 'NCDHW' or 'NDHWC'. Received {data_format!r} ({function})"
        )
    need_tensor(x, function)
    if x.ndim != 5:
        raise ValueError(f"{function} needs x of 5 dims, {data_format}, got shape {x.shape}")
    return run_op("transpose2", x, axis=_FIRST) if data_format == "NDHWC" else x


def _back(x: Tensor, data_format: str) -> Tensor:
    return run_op("transpose2", x, axis=_LAST) if data_format == "NDHWC" else x


def _images(x: Tensor) -> Tensor:
    """[N, C, D, H, W] as images [N * D, C, H, W]."""
    n, c, d, h, w = x.shape
    moved = run_op("transpose2", x, axis=[0, 2, 1, 3, 4])
    return run_op("reshape2", moved, shape=[n * d, c, h, w])  # type: ignore[no-any-return]


def _volumes(x: Tensor, depth: Any) -> Tensor:
    """The inverse of `_images`."""
    nd, c, h, w = x.shape
    parts = run_op("reshape2", x, shape=[nd // depth, depth, c, h, w])
    return run_op("transpose2", parts, axis=[0, 2, 1, 3, 4])  # type: ignore[no-any-return]


def _sides(padding: Any, last: bool) -> tuple[list[int], str]:
    """(before, after) of D, H and W in one list, and the algorithm."""
    numbers, algorithm = paddings(padding, 3, last)
    if len(numbers) == 3:
        numbers = [side for p in numbers for side in (p, p)]
    return numbers, algorithm


def _same(size: int, kernel: int, stride: int) -> list[int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return [total // 2, total - total // 2]


def _pad_depth(x: Tensor, before: int, after: int) -> Tensor:
    if not before and not after:
        return x
    return run_op("pad", x, paddings=[0, 0, 0, 0, before, after, 0, 0, 0, 0], pad_value=0.0)  # type: ignore[no-any-return]


def conv3d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1, data_format: str = "NCDHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The convolution of volumes x [N, C, D, H, W] (or NDHWC), filters [O, C / groups, d, h, w].

    padding: "SAME", "VALID", an int, [d, h, w] or six numbers, before and after each axis. Raises
    OpError where channels, ranks or sizes do not fit.

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 3, 3, 3]), paddle.ones([1, 1, 3, 3, 3])
    >>> paddle.nn.functional.conv3d(x, w).item()
    27.0
    """
    x = _channels_first(x, data_format, "conv3d")
    sides, algorithm = _sides(padding, data_format == "NDHWC")
    steps, spread = pair(stride, "stride", 3), pair(dilation, "dilation", 3)
    spread = [1, 1, 1] if algorithm == "SAME" else spread
    taps = weight.shape[2]
    depth = _same(x.shape[2], taps, steps[0]) if algorithm == "SAME" else sides[:2]
    plane: Any = sides[2:] if algorithm == "EXPLICIT" else algorithm
    x = _pad_depth(x, *depth)
    rounds = (x.shape[2] - spread[0] * (taps - 1) - 1) // steps[0] + 1
    total = None
    for tap in range(taps):
        start = tap * spread[0]
        part = run_op(
            "strided_slice", x, axes=[2], starts=[start],
            ends=[start + (rounds - 1) * steps[0] + 1], strides=[steps[0]],
        )  # fmt: skip
        kernel = run_op("squeeze2", _tap(weight, tap), axes=[2])
        one = conv2d(_images(part), kernel, None, steps[1:], plane, spread[1:], groups)
        total = one if total is None else total + one
    assert total is not None
    return _finish(_volumes(total, rounds), bias, data_format)


def _tap(weight: Tensor, tap: int) -> Tensor:
    return run_op("slice", weight, axes=[2], starts=[tap], ends=[tap + 1])  # type: ignore[no-any-return]


def _finish(out: Tensor, bias: Tensor | None, data_format: str) -> Tensor:
    if bias is not None:
        out = run_op("elementwise_add", out, bias, axis=1)
    return _back(out, data_format)


def conv3d_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1, output_size: Any = None,
    data_format: str = "NCDHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The transposed convolution of volumes: x [N, C, D, H, W], filters [C, O / groups, d, h, w].

    D' is (D - 1) * stride - padding + dilation * (d - 1) + 1 + output_padding, or `output_size`.

    >>> import wherry as paddle
    >>> x, w = paddle.ones([1, 1, 1, 1, 1]), paddle.ones([1, 1, 2, 2, 2])
    >>> paddle.nn.functional.conv3d_transpose(x, w).shape
    [1, 1, 2, 2, 2]
    """
    x = _channels_first(x, data_format, "conv3d_transpose")
    sides, algorithm = _sides(padding, data_format == "NDHWC")
    steps, spread = pair(stride, "stride", 3), pair(dilation, "dilation", 3)
    extra = pair(output_padding, "output_padding", 3)
    taps, size = weight.shape[2], x.shape[2]
    depth = _same(size, taps, steps[0]) if algorithm == "SAME" else sides[:2]
    plane: Any = sides[2:] if algorithm == "EXPLICIT" else algorithm
    sizes = None if output_size is None else pair(output_size, "output_size", 3)
    full = (size - 1) * steps[0] + spread[0] * (taps - 1) + 1
    wanted = full - sum(depth) + extra[0] if sizes is None else sizes[0]
    low = full - sum(depth)
    if sizes is not None and not low <= wanted < low + steps[0]:
        raise ValueError(
            f"conv3d_transpose needs an output_size from {low} to {low + steps[0] - 1} in D, "
            f"got {wanted}"
        )
    images, length = _images(x), max(full, depth[0] + wanted)
    total = None
    for tap in range(taps):
        kernel = run_op("squeeze2", _tap(weight, tap), axes=[2])
        one = conv2d_transpose(
            images, kernel, None, steps[1:], plane, extra[1:], spread[1:], groups,
            None if sizes is None else sizes[1:],
        )  # fmt: skip
        placed = _placed(_volumes(one, size), steps[0], tap * spread[0], length)
        total = placed if total is None else total + placed
    out = run_op("slice", total, axes=[2], starts=[depth[0]], ends=[depth[0] + wanted])
    return _finish(out, bias, data_format)


def _placed(x: Tensor, step: int, start: int, length: int) -> Tensor:
    """x with `step - 1` planes of zeros behind each plane of D, moved by `start`, `length` deep."""
    n, c, d, h, w = x.shape
    if step > 1:
        x = run_op("unsqueeze2", x, axes=[3])
        x = run_op("pad", x, paddings=[0, 0, 0, 0, 0, 0, 0, step - 1, 0, 0, 0, 0], pad_value=0.0)
        x = run_op("reshape2", x, shape=[n, c, d * step, h, w])
        x = run_op("slice", x, axes=[2], starts=[0], ends=[(d - 1) * step + 1])
    return _pad_depth(x, start, length - start - ((d - 1) * step + 1))


def _by_depth(x: Tensor) -> Tensor:
    """[N, C, D, H, W] as images [N, C, D, H * W], to pool along D."""
    n, c, d, h, w = x.shape
    return run_op("reshape2", x, shape=[n, c, d, h * w])  # type: ignore[no-any-return]


def _from_depth(x: Tensor, like: Tensor) -> Tensor:
    n, c, d, _ = x.shape
    return run_op("reshape2", x, shape=[n, c, d, *like.shape[3:]])  # type: ignore[no-any-return]


def _parts(
    kernel_size: Any, stride: Any, padding: Any, last: bool
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """The arguments (kernel, stride, padding) for H and W, and for D over [D, H * W]."""
    kernel = pair(kernel_size, "kernel_size", 3)
    steps = pair(kernel_size if stride is None else stride, "stride", 3)
    sides, algorithm = _sides(padding, last)
    plane: Any = sides[2:] if algorithm == "EXPLICIT" else algorithm
    deep: Any = [*sides[:2], 0, 0] if algorithm == "EXPLICIT" else algorithm
    return (kernel[1:], steps[1:], plane), ([kernel[0], 1], [steps[0], 1], deep)


def max_pool3d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
    ceil_mode: bool = False, data_format: str = "NCDHW", name: str | None = None,
) -> Any:  # fmt: skip
    """The maximum of each window of volumes; `return_mask` adds its position in D * H * W.

    >>> import wherry as paddle
    >>> paddle.nn.functional.max_pool3d(paddle.ones([1, 1, 4, 4, 4]), 2).shape
    [1, 1, 2, 2, 2]
    """
    plane, deep = _parts(kernel_size, stride, padding, data_format == "NDHWC")
    x = _channels_first(x, data_format, "max_pool3d")
    if not return_mask:
        flat = _volumes(max_pool2d(_images(x), *plane, ceil_mode=ceil_mode), x.shape[2])
        out = _from_depth(max_pool2d(_by_depth(flat), *deep, ceil_mode=ceil_mode), flat)
        return _back(out, data_format)
    pooled, at = max_pool2d(_images(x), *plane, True, ceil_mode)
    flat, places = _volumes(pooled, x.shape[2]), _volumes(at, x.shape[2])
    best, depth = max_pool2d(_by_depth(flat), *deep, True, ceil_mode)
    out, mask = _from_depth(best, flat), _position(x, places, depth)
    return _back(out, data_format), _back(_from_depth(mask, flat), data_format)


def _position(x: Tensor, places: Tensor, depth: Tensor) -> Tensor:
    """Positions in D * H * W, from those in H * W and from those in D * (H' * W')."""
    *_, high, wide = x.shape
    row = depth // (places.shape[3] * places.shape[4])
    inner = run_op("take_along_axis", _by_depth(places), row, Axis=2)
    return row * (high * wide) + inner  # type: ignore[no-any-return]


def avg_pool3d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    exclusive: bool = True, divisor_override: float | None = None, data_format: str = "NCDHW",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of volumes; padding counts only if not `exclusive`.

    >>> import wherry as paddle
    >>> paddle.nn.functional.avg_pool3d(paddle.ones([1, 1, 4, 4, 4]), 2).shape
    [1, 1, 2, 2, 2]
    """
    plane, deep = _parts(kernel_size, stride, padding, data_format == "NDHWC")
    x = _channels_first(x, data_format, "avg_pool3d")
    counted = exclusive and divisor_override is None
    flat = _volumes(avg_pool2d(_images(x), *plane, ceil_mode, counted), x.shape[2])
    out = _from_depth(avg_pool2d(_by_depth(flat), *deep, ceil_mode, counted), flat)
    if divisor_override is not None:
        kernel = pair(kernel_size, "kernel_size", 3)
        out = out * (kernel[0] * kernel[1] * kernel[2] / divisor_override)
    return _back(out, data_format)


def _three(output_size: Any, x: Tensor) -> list[Any]:
    sizes = output_size if isinstance(output_size, (list, tuple)) else [output_size] * 3
    return [x.shape[2 + i] if size is None else size for i, size in enumerate(sizes)]


def adaptive_avg_pool3d(x: Tensor, output_size: Any, data_format: str = "NCDHW",
                        name: str | None = None) -> Tensor:  # fmt: skip
    """The mean over windows that divide the volume into [d, h, w] parts; None keeps a size.

    >>> import wherry as paddle
    >>> paddle.nn.functional.adaptive_avg_pool3d(paddle.ones([1, 2, 5, 5, 5]), 1).shape
    [1, 2, 1, 1, 1]
    """
    x = _channels_first(x, data_format, "adaptive_avg_pool3d")
    d, h, w = _three(output_size, x)
    flat = _volumes(adaptive_avg_pool2d(_images(x), [h, w]), x.shape[2])
    out = _from_depth(adaptive_avg_pool2d(_by_depth(flat), [d, None]), flat)
    return _back(out, data_format)


def adaptive_max_pool3d(
    x: Tensor, output_size: Any, return_mask: bool = False, name: str | None = None
) -> Any:
    """The maximum over windows that divide the volume into [d, h, w] parts.

    >>> import wherry as paddle
    >>> paddle.nn.functional.adaptive_max_pool3d(paddle.ones([1, 2, 5, 5, 5]), [2, 3, 1]).shape
    [1, 2, 2, 3, 1]
    """
    x = _channels_first(x, "NCDHW", "adaptive_max_pool3d")
    d, h, w = _three(output_size, x)
    pooled, at = adaptive_max_pool2d(_images(x), [h, w], True)
    flat, places = _volumes(pooled, x.shape[2]), _volumes(at, x.shape[2])
    best, depth = adaptive_max_pool2d(_by_depth(flat), [d, h * w], True)
    out = _from_depth(best, flat)
    return (out, _from_depth(_position(x, places, depth), flat)) if return_mask else out


__all__ = [
    "adaptive_avg_pool3d", "adaptive_max_pool3d", "avg_pool3d", "conv3d", "conv3d_transpose",
    "max_pool3d",
]  # fmt: skip
