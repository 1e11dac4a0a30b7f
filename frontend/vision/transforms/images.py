"""The images that transforms take: Pillow's, arrays [H, W, C] and Tensors [C, H, W]."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ...tensor import Array, Tensor
from ...utils import try_import

_HINT = "this transform needs Pillow: pip install pillow"


def is_pil(img: Any) -> bool:
    """True for an image of Pillow; does not import it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def need_image(img: Any, function: str) -> Any:
    """The image if it is one; else an error that says what is taken."""
    if is_pil(img) or isinstance(img, Tensor):
        return img
    if isinstance(img, np.ndarray) and img.ndim in (2, 3):
        return img
    raise TypeError(
        f"{function} needs a PIL image, a numpy array [H, W] or [H, W, C] or a Tensor, got "
        f"{type(img).__name__}"
    )


def to_array(img: Any) -> Array:
    """An image of Pillow as an array [H, W, C], [H, W] for one channel; an array as it is."""
    return np.array(img) if is_pil(img) else img


def to_pil(img: Array) -> Any:
    """An array of bytes as an image of Pillow."""
    if img.dtype != np.uint8:
        raise TypeError(
            f"this transform takes arrays of uint8 only, got {img.dtype}; give a PIL image"
        )
    image = try_import("PIL.Image", _HINT)
    return image.fromarray(img[:, :, 0] if img.ndim == 3 and img.shape[2] == 1 else img)


def like(img: Any, result: Any) -> Any:
    """A PIL image in the form of the image that it was made of."""
    if is_pil(img):
        return result
    array = np.array(result)
    return array[:, :, None] if img.ndim == 3 and array.ndim == 2 else array


def size_of(img: Any, data_format: str = "CHW") -> tuple[int, int]:
    """(width, height) of an image of any kind."""
    if is_pil(img):
        return img.size  # type: ignore[no-any-return]
    if isinstance(img, Tensor):
        height, width = img.shape[-2:] if data_format == "CHW" else img.shape[-3:-1]
        return width, height
    return img.shape[1], img.shape[0]


def resampling(interpolation: str) -> Any:
    """Pillow's number for an interpolation by name."""
    image = try_import("PIL.Image", _HINT)
    names = ("nearest", "bilinear", "bicubic", "box", "lanczos", "hamming")
    if interpolation not in names:
        raise ValueError(f"interpolation is one of {', '.join(names)}, got {interpolation!r}")
    return getattr(image.Resampling, interpolation.upper())


def resize_array(img: Array, size: tuple[int, int], interpolation: str) -> Array:
    """An array [H, W, ...] in another size (height, width), by the middles of the pixels."""
    if interpolation not in ("nearest", "bilinear"):
        return like(img, to_pil(img).resize(size[::-1], resampling(interpolation)))  # type: ignore[no-any-return]
    out = img if interpolation == "nearest" else img.astype(np.float64)
    for axis, wanted in enumerate(size):
        given = img.shape[axis]
        if interpolation == "nearest":
            out = np.take(out, np.arange(wanted) * given // wanted, axis)
            continue
        at = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
        low = np.floor(at).astype(int)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(img.ndim)])
        high = np.minimum(low + 1, given - 1)
        out = np.take(out, low, axis) * (1 - part) + np.take(out, high, axis) * part
    return np.rint(out).astype(img.dtype) if img.dtype.kind in "ui" else out.astype(img.dtype)
