"""Resizing of images and sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wherry.schema.errors import OpError

from ...dispatch import constant, run_op
from ...location import user_location
from ...ops.convert import dims_of, need_tensor
from ...tensor import Array, Tensor

_LAST = ("NLC", "NHWC", "NDHWC")
_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}


def interpolate(
    x: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool = False,
    align_mode: int = 0, data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """x [N, C, ...] with other spatial sizes: `size`, or the old ones times `scale_factor`.

    mode: nearest, linear, bilinear, trilinear, area. `align_corners` lets the corners coincide;
    else `align_mode` 0 counts from the middles of the pixels and 1 from their edges.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0, 2.0]]]])
    >>> paddle.nn.functional.interpolate(x, size=[1, 4]).tolist()
    [[[[1.0, 1.0, 2.0, 2.0]]]]
    """
    axes = _spatial(need_tensor(x, "interpolate"), data_format)
    scales = _scales(scale_factor, len(axes))
    sizes = _sizes(x, axes, size, scales)
    mode = mode.lower()
    if mode == "area":
        return _area(x, sizes, data_format)
    if mode != "nearest" and _LINEAR.get(mode) != len(axes):
        raise OpError(
            f"needs mode nearest, area or {[m for m, n in _LINEAR.items() if n == len(axes)]} "
            f"for x of shape {x.shape}, got {mode!r}",
            "interpolate", user_location(),
        )  # fmt: skip
    if mode == "nearest" and align_corners:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | "
            "bilinear | bicubic | trilinear"
        )
    for axis, wanted, scale in zip(axes, sizes, scales, strict=True):
        x = _resized(x, axis, wanted, scale, mode, align_corners, align_mode)
    return x


def _spatial(x: Tensor, data_format: str) -> list[int]:
    if x.ndim not in (3, 4, 5):
        raise OpError(
            f"needs x of 3, 4 or 5 dims, got shape {x.shape}", "interpolate", user_location()
        )
    return list(range(1, x.ndim - 1)) if data_format in _LAST else list(range(2, x.ndim))


def _scales(scale_factor: Any, count: int) -> list[float | None]:
    if scale_factor is None:
        return [None] * count
    if isinstance(scale_factor, Tensor):
        scale_factor = scale_factor.tolist()
    given = (
        list(scale_factor) if isinstance(scale_factor, (list, tuple)) else [scale_factor] * count
    )
    if len(given) != count or any(s <= 0 for s in given):
        raise ValueError(f"scale_factor needs {count} numbers > 0, or one, got {scale_factor}")
    return [float(s) for s in given]


def _sizes(x: Tensor, axes: list[int], size: Any, scales: list[float | None]) -> list[int]:
    if (size is None) == (scales[0] is None):
        raise ValueError("One of size and scale_factor must be set, and not both.")
    for axis in axes:
        if not isinstance(x.shape[axis], int):
            raise OpError(
                f"needs known spatial sizes, got {x.shape}", "interpolate", user_location()
            )
    if size is None:
        return [
            math.floor(x.shape[a] * s) for a, s in zip(axes, scales, strict=True) if s is not None
        ]
    wanted = dims_of(size, "size")
    wanted = wanted * len(axes) if len(wanted) == 1 else wanted
    if len(wanted) != len(axes):
        raise ValueError(f"size needs {len(axes)} ints, got {size}")
    if any(int(w) < 1 for w in wanted):
        raise ValueError(f"size needs ints > 0, got {size}")
    return [int(w) for w in wanted]


def _resized(
    x: Tensor,
    axis: int,
    wanted: int,
    scale: float | None,
    mode: str,
    corners: bool,
    align_mode: int,
) -> Tensor:
    size = x.shape[axis]
    if wanted == size and scale in (None, 1.0):
        return x
    places = np.arange(wanted, dtype=np.float64)
    ratio = 1 / scale if scale else size / wanted
    if corners:
        where = places * ((size - 1) / (wanted - 1) if wanted > 1 else 0.0)
    elif mode != "nearest" and align_mode == 0:
        where = np.maximum((places + 0.5) * ratio - 0.5, 0.0)
    else:
        where = places * ratio
    low = np.minimum(np.floor(where), size - 1)
    first = _taken(x, axis, low)
    if mode == "nearest":
        return first
    share = (np.minimum(where, size - 1) - low).astype(x.dtype.numpy)
    weight = constant(share.reshape([wanted if i == axis else 1 for i in range(x.ndim)]))
    return first + (_taken(x, axis, np.minimum(low + 1, size - 1)) - first) * weight


def _taken(x: Tensor, axis: int, positions: Array) -> Tensor:
    return run_op("index_select", x, constant(positions.astype(np.int64)), dim=axis)  # type: ignore[no-any-return]


def _area(x: Tensor, sizes: list[int], data_format: str) -> Tensor:
    from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d

    if len(sizes) == 1:
        return adaptive_avg_pool1d(x, sizes[0])
    if len(sizes) == 2:
        return adaptive_avg_pool2d(x, sizes, data_format)
    raise OpError("needs 3 or 4 dims for mode 'area'", "interpolate", user_location())


upsample = interpolate

__all__ = ["interpolate", "upsample"]
