"""The inverse of max pooling: each maximum where it was, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from wherry.schema.dtypes import int64

from ...dispatch import run_op
from ...ops.compound import put_along_axis
from ...ops.convert import cast_to, need_tensor
from ...tensor import Tensor
from .conv import pair

_FORMATS = ("NCL", "NCHW", "NCDHW")


def _unpool(axes: int, text: str) -> Callable[..., Tensor]:
    """max_unpool1d, 2d or 3d; `text` is what it takes."""

    def function(
        x: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        data_format: str = _FORMATS[axes - 1], output_size: Any = None, name: str | None = None,
    ) -> Tensor:  # fmt: skip
        need_tensor(x, f"max_unpool{axes}d"), need_tensor(indices, f"max_unpool{axes}d", "indices")
        if data_format != _FORMATS[axes - 1]:
            raise ValueError(
                f"Attr(data_format) should be '{_FORMATS[axes - 1]}', got {data_format!r}"
            )
        if x.ndim != axes + 2 or x.shape != indices.shape:
            raise ValueError(
                f"max_unpool{axes}d needs x and indices of {axes + 2} dims and one shape, got "
                f"{x.shape} and {indices.shape}"
            )
        sizes = _sizes(x, axes, kernel_size, stride, padding, output_size)
        images = x.shape[:2]
        zeros = run_op("fill_constant", shape=[*images, prod(sizes)], value=0, dtype=x.dtype)
        flat, at = (run_op("reshape2", one, shape=[*images, -1]) for one in (x, indices))
        spread = put_along_axis(zeros, cast_to(at, int64), flat, 2)
        return run_op("reshape2", spread, shape=[*images, *sizes])  # type: ignore[no-any-return]

    function.__name__ = function.__qualname__ = f"max_unpool{axes}d"
    function.__doc__ = f"""{text} with each maximum where `indices` says, and zeros elsewhere.

    x and indices are what `max_pool{axes}d(..., return_mask=True)` gave. `output_size` is what it
    was given, where the windows do not cover all of that.
    """
    return function


def _sizes(
    x: Tensor, axes: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> list[int]:
    """The sizes of the image that was pooled."""
    kernel, sides = pair(kernel_size, "kernel_size", axes), pair(padding, "padding", axes)
    steps = kernel if stride is None else pair(stride, "stride", axes)
    if output_size is not None:
        return [int(size) for size in output_size][-axes:]
    parts = zip(x.shape[2:], steps, sides, kernel, strict=True)
    return [(size - 1) * step - 2 * side + wide for size, step, side, wide in parts]


max_unpool1d = _unpool(1, "Sequences [N, C, L]")
max_unpool2d = _unpool(2, "Images [N, C, H, W]")
max_unpool3d = _unpool(3, "Volumes [N, C, D, H, W]")

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]
