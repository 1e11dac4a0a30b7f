"""Pixels by position: grid_sample, affine_grid, unfold and fold."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from wherry.schema.dtypes import int64

from ...dispatch import constant, run_op
from ...ops.convert import cast_to, dims_of, need_tensor
from ...tensor import Tensor
from .conv import pair


def affine_grid(
    theta: Tensor, out_shape: Any, align_corners: bool = True, name: str | None = None
) -> Tensor:
    """Where each pixel of an image of `out_shape` lies after the maps `theta`, in [-1, 1].

    theta [N, 2, 3] and [N, C, H, W] give [N, H, W, 2]; [N, 3, 4] and [N, C, D, H, W] give
    [N, D, H, W, 3]. `align_corners` puts -1 and 1 on the middles of the outer pixels, else on
    their edges.

    >>> import wherry as paddle
    >>> theta = paddle.to_tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> paddle.nn.functional.affine_grid(theta, [1, 1, 2, 2])[0, 0].tolist()
    [[-1.0, -1.0], [1.0, -1.0]]
    """
    need_tensor(theta, "affine_grid", "theta")
    sizes = dims_of(out_shape, "out_shape")[2:]
    axes = len(sizes)
    if theta.ndim != 3 or list(theta.shape[1:]) != [axes, axes + 1]:
        raise ValueError(
            f"affine_grid needs theta of shape [N, {axes}, {axes + 1}] for {axes} spatial sizes, "
            f"got {theta.shape}"
        )
    lines = [_line(int(size), align_corners) for size in sizes]
    mesh = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(sizes)], -1)
    base = constant(mesh.reshape(-1, axes + 1).astype(theta.dtype.numpy))
    out = run_op("matmul_v2", base, theta, trans_y=True)
    return run_op("reshape2", out, shape=[theta.shape[0], *sizes, axes])  # type: ignore[no-any-return]


def _line(size: int, align_corners: bool) -> Any:
    if align_corners:
        return np.linspace(-1.0, 1.0, size) if size > 1 else np.array([-1.0 if size else 0.0])
    return (np.arange(size) * 2 + 1) / size - 1


def grid_sample(
    x: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool = True, name: str | None = None,
) -> Tensor:  # fmt: skip
    """x at the positions of a grid in [-1, 1]: x [N, C, H, W] at grid [N, H', W', 2] gives
    [N, C, H', W'], volumes likewise.

    mode: "bilinear" or "nearest". Beyond the edges are zeros, the pixels of the edge ("border") or
    the image mirrored ("reflection").

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0, 3.0]]]])
    >>> paddle.nn.functional.grid_sample(x, paddle.to_tensor([[[[0.0, 0.0]]]])).item()
    2.0
    """
    need_tensor(x, "grid_sample"), need_tensor(grid, "grid_sample", "grid")
    if mode not in ("bilinear", "nearest"):
        raise ValueError(
            f"The mode of grid sample function should be in ['bilinear', 'nearest'], got {mode}"
        )
    if padding_mode not in ("zeros", "reflection", "border"):
        raise ValueError(
            "The padding mode of grid sample function should be in ['zeros', 'reflection', "
            f"'border'], got {padding_mode}"
        )
    axes = x.ndim - 2
    if axes not in (2, 3) or grid.ndim != x.ndim or grid.shape[-1] != axes:
        raise ValueError(
            "grid_sample needs x [N, C, H, W] and a grid [N, H', W', 2], or a dimension more of "
            f"both, got {x.shape} and {grid.shape}"
        )
    sizes = x.shape[2:]
    places = []
    for i, size in enumerate(sizes):
        at = run_op("slice", grid, axes=[axes + 1], starts=[axes - 1 - i], ends=[axes - i])
        at = run_op("reshape2", at, shape=[grid.shape[0], 1, -1])
        places.append(_place(at, size, padding_mode, align_corners))
    flat = run_op("reshape2", x, shape=[x.shape[0], x.shape[1], -1])
    if mode == "nearest":
        # As in Paddle: in volumes a position is outside before it is rounded, in images after.
        rounded = [_to_even(at) for at in places]
        out = _picked(flat, rounded, sizes, places if axes == 3 else rounded)
    else:
        out = _blended(flat, places, sizes)
    return run_op("reshape2", out, shape=[*x.shape[:2], *grid.shape[1:-1]])  # type: ignore[no-any-return]


def _place(at: Tensor, size: Any, padding_mode: str, align_corners: bool) -> Tensor:
    """A coordinate in [-1, 1] as a number of pixels, moved into the image as the mode says."""
    last = size - 1
    place = (at + 1.0) * (last * 0.5) if align_corners else ((at + 1.0) * float(size) - 1.0) * 0.5
    if padding_mode == "border":
        return _limited(place, last)
    if padding_mode == "reflection":
        return _mirrored(place, last, align_corners)
    return place


def _limited(place: Tensor, last: Any) -> Tensor:
    high = run_op("fill_any_like", place, value=last, dtype=place.dtype)
    low = run_op("fill_any_like", place, value=0, dtype=place.dtype)
    return run_op("elementwise_max", run_op("elementwise_min", place, high), low)  # type: ignore[no-any-return]


def _mirrored(place: Tensor, last: Any, align_corners: bool) -> Tensor:
    """Mirrored at the middles of the outer pixels, or at their outer edges."""
    if align_corners:
        if last == 0:
            return place * 0.0
        span, size = float(last * 2), float(last)
        inside = run_op("abs", place)
        rest = inside - run_op("floor", inside.detach() / span) * span
        return run_op("elementwise_min", rest, size * 2.0 - rest)  # type: ignore[no-any-return]
    span = float((last + 1) * 2)
    inside = run_op("abs", place + 0.5)
    rest = inside - run_op("floor", inside.detach() / span) * span
    return _limited(run_op("elementwise_min", rest, span - rest) - 0.5, last)


def _to_even(at: Tensor) -> Tensor:
    """The nearest integer, halves to the even one."""
    low = run_op("floor", at)
    part = at - low
    odd = run_op("floor", low * 0.5) * 2.0 != low
    up = run_op("logical_or", part > 0.5, run_op("logical_and", part == 0.5, odd))
    return low + cast_to(up, at.dtype)  # type: ignore[no-any-return]


def _picked(flat: Tensor, places: list[Tensor], sizes: list[Any], tested: list[Tensor]) -> Tensor:
    """The pixels [N, C, P] at whole positions; 0 where what is `tested` lies outside the image."""
    index = inside = None
    for at, size, test in zip(places, sizes, tested, strict=True):
        valid = run_op("logical_and", test >= 0.0, test <= float(size - 1))
        whole = cast_to(_limited(at, size - 1), int64)
        index = whole if index is None else index * size + whole
        inside = valid if inside is None else run_op("logical_and", inside, valid)
    assert index is not None
    index = run_op("expand_v2", index, shape=[flat.shape[0], flat.shape[1], index.shape[2]])
    found = run_op("take_along_axis", flat, index, Axis=2)
    zero = run_op("fill_any_like", found, value=0, dtype=found.dtype)
    return run_op("where", inside, found, zero)  # type: ignore[no-any-return]


def _blended(flat: Tensor, places: list[Tensor], sizes: list[Any]) -> Tensor:
    """The corners around each position, each by the share that lies opposite to it."""
    lows = [run_op("floor", at.detach()) for at in places]
    parts = [at - low for at, low in zip(places, lows, strict=True)]
    total = None
    for corner in product((0, 1), repeat=len(places)):
        weight = None
        for side, part in zip(corner, parts, strict=True):
            share = part if side else 1.0 - part
            weight = share if weight is None else weight * share
        at = [low + float(side) for side, low in zip(corner, lows, strict=True)]
        value = _picked(flat, at, sizes, at) * weight
        total = value if total is None else total + value
    assert total is not None
    return total


def _taps(sizes: list[Any], kernel: Any, stride: Any, dilation: Any, sides: list[int],
          function: str) -> tuple[Any, list[int], list[int]]:  # fmt: skip
    """For each tap of the kernel and each window the pixel of the padded image; its sizes; the
    numbers of windows."""
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"{function} needs known spatial sizes, got {sizes}")
    high = [sizes[0] + sides[0] + sides[1], sizes[1] + sides[2] + sides[3]]
    counts = [
        (high[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)
    ]  # fmt: skip
    if min(counts) < 1:
        raise ValueError(f"{function}: a window of {kernel} does not fit into {high}")
    lines = [
        np.arange(kernel[i])[:, None] * dilation[i] + np.arange(counts[i]) * stride[i]
        for i in (0, 1)
    ]
    grid = lines[0][:, None, :, None] * high[1] + lines[1][None, :, None, :]
    return grid.reshape(-1), high, counts


def _four(paddings: Any) -> list[int]:
    """paddings as [top, bottom, left, right]; given are one, two [h, w], or [top, left, bottom,
    right]."""
    if isinstance(paddings, int):
        return [paddings] * 4
    if len(paddings) == 2:
        return [paddings[0], paddings[0], paddings[1], paddings[1]]
    if len(paddings) == 4:
        return [paddings[0], paddings[2], paddings[1], paddings[3]]
    raise ValueError(
        "Unexpected type of paddings, it should be either an integer or a list of 2 or 4 integers"
    )


def unfold(
    x: Tensor, kernel_sizes: Any, strides: Any = 1, paddings: Any = 0, dilations: Any = 1,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The windows of images x [N, C, H, W] as columns: [N, C * h * w, number of windows].

    >>> import wherry as paddle
    >>> paddle.nn.functional.unfold(paddle.ones([1, 2, 4, 4]), 2).shape
    [1, 8, 9]
    """
    need_tensor(x, "unfold")
    if x.ndim != 4:
        raise ValueError(f"input should be the format of [N, C, H, W], got shape {x.shape}")
    kernel, sides = pair(kernel_sizes, "kernel_sizes"), _four(paddings)
    index, high, counts = _taps(
        x.shape[2:], kernel, pair(strides, "strides"), pair(dilations, "dilations"), sides, "unfold"
    )
    if any(sides):
        x = run_op("pad", x, paddings=[0, 0, 0, 0, *sides], pad_value=0.0)
    n, c = x.shape[:2]
    flat = run_op("reshape2", x, shape=[n, c, high[0] * high[1]])
    columns = run_op("index_select", flat, constant(index), dim=2)
    shape = [n, c * kernel[0] * kernel[1], counts[0] * counts[1]]
    return run_op("reshape2", columns, shape=shape)  # type: ignore[no-any-return]


def fold(
    x: Tensor, output_sizes: Any, kernel_sizes: Any, strides: Any = 1, paddings: Any = 0,
    dilations: Any = 1, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of `unfold`: columns x [N, C * h * w, L] added up into images of `output_sizes`.

    >>> import wherry as paddle
    >>> paddle.nn.functional.fold(paddle.ones([1, 4, 2]), [2, 3], 2).tolist()
    [[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]
    """
    need_tensor(x, "fold")
    if x.ndim != 3:
        raise ValueError(f"input should be the format of [N, C, L], got shape {x.shape}")
    sizes, kernel = pair(output_sizes, "output_sizes"), pair(kernel_sizes, "kernel_sizes")
    sides, count = _four(paddings), kernel[0] * kernel[1]
    index, high, counts = _taps(
        sizes, kernel, pair(strides, "strides"), pair(dilations, "dilations"), sides, "fold"
    )
    n, columns, windows = x.shape
    if columns % count or windows != counts[0] * counts[1]:
        raise ValueError(
            f"fold needs x of shape [N, C * {count}, {counts[0] * counts[1]}] for windows of "
            f"{kernel} in {sizes}, got {x.shape}"
        )
    channels = columns // count
    values = run_op("reshape2", x, shape=[n, channels, count * windows])
    empty = run_op("fill_constant", shape=[n, channels, high[0] * high[1]], value=0, dtype=x.dtype)
    out = run_op("index_add", empty, constant(index), values, axis=2)
    out = run_op("reshape2", out, shape=[n, channels, *high])
    starts = [sides[0], sides[2]]
    return run_op(  # type: ignore[no-any-return]
        "slice", out, axes=[2, 3], starts=starts,
        ends=[starts[0] + sizes[0], starts[1] + sizes[1]],
    )  # fmt: skip


__all__ = ["affine_grid", "fold", "grid_sample", "unfold"]
