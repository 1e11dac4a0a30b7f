"""Transforms as functions. Images are Pillow's, arrays [H, W, C] or Tensors [C, H, W]."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ...ops import shape as shapes
from ...ops.convert import cast_to
from ...ops.creation import to_tensor as make_tensor
from ...tensor import Tensor
from ...utils import try_import
from .images import (
    is_pil,
    like,
    need_image,
    resampling,
    resize_array,
    size_of,
    to_array,
    to_pil,
)


def to_tensor(pic: Any, data_format: str = "CHW") -> Tensor:
    """A PIL image or an array [H, W, C] as a Tensor of float32; bytes become numbers in [0, 1].

    >>> import numpy as np
    >>> to_tensor(np.full([1, 2, 3], 255, "uint8")).shape
    [3, 1, 2]
    """
    if data_format not in ("CHW", "HWC"):
        raise ValueError(f"data_format should be CHW or HWC. Got {data_format}")
    if isinstance(pic, Tensor):
        return pic
    array = to_array(need_image(pic, "to_tensor"))
    if array.ndim == 2:
        array = array[:, :, None]
    scaled = array.dtype == np.uint8
    array = array.astype(np.float32) if array.dtype != np.float64 else array
    array = array / np.float32(255.0) if scaled else array
    order = [2, 0, 1] if data_format == "CHW" else [0, 1, 2]
    return make_tensor(np.ascontiguousarray(array.transpose(order)))


def resize(img: Any, size: Any, interpolation: str = "bilinear") -> Any:
    """The image in another size: [height, width], or an int for the shorter side.

    >>> import numpy as np
    >>> resize(np.zeros([4, 8, 3], "uint8"), 2).shape
    (2, 4, 3)
    """
    need_image(img, "resize")
    width, height = size_of(img)
    if isinstance(size, int):
        if min(width, height) == size:
            return img
        if width < height:
            size = (int(size * height / width), size)
        else:
            size = (size, int(size * width / height))
    if len(size) == 1:
        size = (size[0], size[0])
    if is_pil(img):
        return img.resize(tuple(size)[::-1], resampling(interpolation))
    if isinstance(img, Tensor):
        out = nn.functional.interpolate(
            img.unsqueeze(0), size=list(size), mode=interpolation, align_corners=False
        )
        return out.squeeze(0)
    return resize_array(img, tuple(size), interpolation)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of the image of this size that begins at (top, left)."""
    need_image(img, "crop")
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    if isinstance(img, Tensor):
        return img[..., top : top + height, left : left + width]
    return img[top : top + height, left : left + width]


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the image, an int or [height, width] large.

    >>> import numpy as np
    >>> center_crop(np.arange(9).reshape(3, 3), 1)
    array([[4]])
    """
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    wide, high = size_of(need_image(img, "center_crop"))
    top, left = round((high - height) / 2.0), round((wide - width) / 2.0)
    return crop(img, top, left, height, width)


def hflip(img: Any) -> Any:
    """The image mirrored left to right."""
    need_image(img, "hflip")
    if is_pil(img):
        return img.transpose(try_import("PIL.Image").Transpose.FLIP_LEFT_RIGHT)
    return shapes.flip(img, [-1]) if isinstance(img, Tensor) else img[:, ::-1]


def vflip(img: Any) -> Any:
    """The image turned upside down."""
    need_image(img, "vflip")
    if is_pil(img):
        return img.transpose(try_import("PIL.Image").Transpose.FLIP_TOP_BOTTOM)
    return shapes.flip(img, [-2]) if isinstance(img, Tensor) else img[::-1]


_MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with a border: an int, [left and right, top and bottom] or [left, top, right,
    bottom] wide, filled with a number or by continuing the image.

    >>> import numpy as np
    >>> pad(np.ones([1, 1], "uint8"), 1).tolist()
    [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    need_image(img, "pad")
    if padding_mode not in _MODES:
        raise ValueError(f"padding_mode is one of {', '.join(_MODES)}, got {padding_mode!r}")
    sides = [padding] * 4 if isinstance(padding, int) else list(padding)
    sides = [*sides, *sides] if len(sides) == 2 else sides
    if len(sides) != 4:
        raise ValueError(f"padding needs an int or 2 or 4 of them, got {padding}")
    left, top, right, bottom = sides
    if isinstance(img, Tensor):
        mode = {"edge": "replicate"}.get(padding_mode, padding_mode)
        out = nn.functional.pad(img.unsqueeze(0), [left, right, top, bottom], mode, float(fill))
        return out.squeeze(0)
    if is_pil(img) and padding_mode == "constant":
        ops = try_import("PIL.ImageOps")
        return ops.expand(img, border=(left, top, right, bottom), fill=fill)
    array = to_array(img)
    amounts = [(top, bottom), (left, right), *[(0, 0)] * (array.ndim - 2)]
    options: dict[str, Any] = {"constant_values": fill} if padding_mode == "constant" else {}
    out = np.pad(array, amounts, mode=padding_mode, **options)  # type: ignore[call-overload]
    return to_pil(out) if is_pil(img) else out


def normalize(img: Any, mean: Any, std: Any, data_format: str = "CHW", to_rgb: bool = False) -> Any:
    """(img - mean) / std by channel, as float32; `to_rgb` turns the order of the channels first.

    >>> import numpy as np
    >>> normalize(np.ones([1, 1, 2], "float32"), [0.5], [0.5]).tolist()
    [[[1.0, 1.0]]]
    """
    form = [-1, 1, 1] if data_format == "CHW" else [1, 1, -1]
    centre = np.array(mean, np.float32).reshape(form)
    spread = np.array(std, np.float32).reshape(form)
    if isinstance(img, Tensor):
        img = cast_to(img, make_tensor(centre).dtype) if not img.dtype.is_float else img
        return (img - make_tensor(centre)) / make_tensor(spread)
    array = to_array(need_image(img, "normalize")).astype(np.float32)
    if to_rgb:
        array = array[::-1] if data_format == "CHW" else array[..., ::-1]
    return (array - centre) / spread


def _enhanced(img: Any, kind: str, factor: float, function: str) -> Any:
    need_image(img, function)
    if isinstance(img, Tensor):
        raise TypeError(f"{function} takes PIL images and arrays of uint8, got a Tensor")
    pil = img if is_pil(img) else to_pil(img)
    enhance = try_import("PIL.ImageEnhance")
    return like(img, getattr(enhance, kind)(pil).enhance(factor))


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Darker for factors below 1, brighter above."""
    return _enhanced(img, "Brightness", brightness_factor, "adjust_brightness")


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Less contrast for factors below 1 (0 is grey), more above."""
    return _enhanced(img, "Contrast", contrast_factor, "adjust_contrast")


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Paler for factors below 1 (0 is black and white), more colour above."""
    return _enhanced(img, "Color", saturation_factor, "adjust_saturation")


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """All hues moved round the circle by a factor in [-0.5, 0.5]."""
    need_image(img, "adjust_hue")
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor:{hue_factor} is not in [-0.5, 0.5].")
    pil = img if is_pil(img) else to_pil(img)
    if pil.mode in ("L", "1", "I", "F"):
        return img
    image = try_import("PIL.Image")
    hue, saturation, value = pil.convert("HSV").split()
    # Bytes wrap around: the circle.
    moved = np.array(hue, np.uint8) + np.uint8(int(hue_factor * 255) % 256)
    merged = image.merge("HSV", (image.fromarray(moved), saturation, value))
    return like(img, merged.convert(pil.mode))


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image without colour, with 1 or 3 equal channels."""
    need_image(img, "to_grayscale")
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    pil = (img if is_pil(img) else to_pil(img)).convert("L")
    if num_output_channels == 3:
        pil = try_import("PIL.Image").merge("RGB", [pil] * 3)
    return like(img, pil)


def rotate(
    img: Any, angle: float, interpolation: str = "nearest", expand: bool = False,
    center: Any = None, fill: Any = 0,
) -> Any:  # fmt: skip
    """The image turned by an angle in degrees, against the clock."""
    need_image(img, "rotate")
    pil = img if is_pil(img) else to_pil(img)
    many = len(pil.getbands())
    value = (fill,) * many if isinstance(fill, int) and many > 1 else fill
    turned = pil.rotate(angle, resampling(interpolation), expand, center, fillcolor=value)
    return like(img, turned)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """The image with the value v in the part of size (h, w) that begins at (i, j)."""
    need_image(img, "erase")
    if isinstance(img, Tensor):
        out = img if inplace else img.clone()
        out[..., i : i + h, j : j + w] = v
        return out
    array = to_array(img)
    array = array if inplace and not is_pil(img) else array.copy()
    array[i : i + h, j : j + w] = v
    return to_pil(array) if is_pil(img) else array


__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "center_crop",
    "crop", "erase", "hflip", "normalize", "pad", "resize", "rotate", "to_grayscale", "to_tensor",
    "vflip",
]  # fmt: skip
