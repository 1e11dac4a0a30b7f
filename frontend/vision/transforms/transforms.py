"""Transforms of samples as objects. With tuples, `keys` says which parts are images."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...tensor import Tensor
from . import functional as F
from .images import size_of, to_array


class Compose:
    """Transforms one after the other.

    >>> import numpy as np
    >>> Compose([Resize(2), ToTensor()])(np.zeros([4, 4, 3], "uint8")).shape
    [3, 2, 2]
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, data: Any) -> Any:
        for transform in self.transforms:
            data = transform(data)
        return data

    def __repr__(self) -> str:
        lines = [f"    {transform}" for transform in self.transforms]
        return "\n".join(["Compose(", *lines, ")"])


class BaseTransform:
    """A transform of an image, or of the parts of a tuple that `keys` names "image".

    A subclass writes `_apply_image(image)`, for other keys `_apply_<key>(part)`; parts without
    such a method stay. `_get_params(inputs)` draws what all parts share, kept in `self.params`.
    """

    def __init__(self, keys: Sequence[str] | None = None) -> None:
        found = ("image",) if keys is None else keys
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise ValueError(f"keys should be a sequence, but got keys={keys}")
        self.keys = tuple(found)
        self.params: Any = None

    def _get_params(self, inputs: Any) -> Any:
        return None

    def _apply_image(self, image: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _apply_image")

    def __call__(self, inputs: Any) -> Any:
        parts = inputs if isinstance(inputs, tuple) else (inputs,)
        self.params = self._get_params(parts)
        outputs = []
        for key, part in zip(self.keys, parts, strict=False):
            apply = getattr(self, f"_apply_{key}", None)
            outputs.append(part if apply is None else apply(part))
        outputs += parts[len(self.keys) :]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


class ToTensor(BaseTransform):
    """PIL images and arrays [H, W, C] as Tensors [C, H, W] of float32; bytes in [0, 1]."""

    def __init__(self, data_format: str = "CHW", keys: Any = None) -> None:
        super().__init__(keys)
        self.data_format = data_format

    def _apply_image(self, img: Any) -> Any:
        return F.to_tensor(img, self.data_format)


class Resize(BaseTransform):
    """Another size: [height, width], or an int for the shorter side."""

    def __init__(self, size: Any, interpolation: str = "bilinear", keys: Any = None) -> None:
        super().__init__(keys)
        self.size, self.interpolation = size, interpolation

    def _apply_image(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation)


def _pair(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if isinstance(size, (int, float)) else (size[0], size[-1])


class RandomResizedCrop(BaseTransform):
    """A part of a random size (`scale` of the area) and aspect (`ratio`), in another size."""

    def __init__(
        self, size: Any, scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4, 4.0 / 3), interpolation: str = "bilinear",
        keys: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(keys)
        self.size, self.interpolation = _pair(size), interpolation
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            raise ValueError(f"scale and ratio need (least, most), got {scale} and {ratio}")
        self.scale, self.ratio = scale, ratio

    def _get_params(self, inputs: Any) -> tuple[int, int, int, int]:
        width, height = size_of(inputs[0])
        for _ in range(10):
            area = np.random.uniform(self.scale[0], self.scale[1]) * width * height
            aspect = math.exp(np.random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return random.randint(0, height - h), random.randint(0, width - w), h, w
        given = width / height
        w, h = width, height
        if given < min(self.ratio):
            h = round(w / min(self.ratio))
        elif given > max(self.ratio):
            w = round(h * max(self.ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def _apply_image(self, img: Any) -> Any:
        return F.resize(F.crop(img, *self.params), self.size, self.interpolation)


class CenterCrop(BaseTransform):
    """The middle of the image."""

    def __init__(self, size: Any, keys: Any = None) -> None:
        super().__init__(keys)
        self.size = _pair(size)

    def _apply_image(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class RandomHorizontalFlip(BaseTransform):
    """Mirrored left to right with a probability."""

    def __init__(self, prob: float = 0.5, keys: Any = None) -> None:
        super().__init__(keys)
        if not 0 <= prob <= 1:
            raise ValueError(f"probability must be between 0 and 1, got {prob}")
        self.prob = prob

    def _get_params(self, inputs: Any) -> bool:
        return random.random() < self.prob

    def _apply_image(self, img: Any) -> Any:
        return F.hflip(img) if self.params else img


class RandomVerticalFlip(RandomHorizontalFlip):
    """Upside down with a probability."""

    def _apply_image(self, img: Any) -> Any:
        return F.vflip(img) if self.params else img


class Normalize(BaseTransform):
    """(image - mean) / std by channel; one number stands for all channels."""

    def __init__(
        self, mean: Any = 0.0, std: Any = 1.0, data_format: str = "CHW", to_rgb: bool = False,
        keys: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(keys)
        self.mean = [mean] * 3 if isinstance(mean, (int, float)) else mean
        self.std = [std] * 3 if isinstance(std, (int, float)) else std
        self.data_format, self.to_rgb = data_format, to_rgb

    def _apply_image(self, img: Any) -> Any:
        return F.normalize(img, self.mean, self.std, self.data_format, self.to_rgb)


class Transpose(BaseTransform):
    """The axes of an array in another order; by default [H, W, C] to [C, H, W]."""

    def __init__(self, order: Sequence[int] = (2, 0, 1), keys: Any = None) -> None:
        super().__init__(keys)
        self.order = order

    def _apply_image(self, img: Any) -> Any:
        if isinstance(img, Tensor):
            return img.transpose(list(self.order))
        array = to_array(img)
        return (array[..., None] if array.ndim == 2 else array).transpose(self.order)


def _spread(value: Any, name: str, centre: float = 1.0, limits: Any = (0, math.inf)) -> Any:
    """A number as [centre - it, centre + it], a pair as it is; None where nothing changes."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative, got {value}")
        value = [max(centre - value, limits[0]), min(centre + value, limits[1])]
    if not limits[0] <= value[0] <= value[1] <= limits[1]:
        raise ValueError(f"{name} values should be between {limits}, got {value}")
    return None if value[0] == value[1] == centre else value


class _Adjust(BaseTransform):
    """One property of the image changed by a random factor."""

    name = ""
    centre = 1.0
    limits: Any = (0, math.inf)
    function: Callable[[Any, float], Any]

    def __init__(self, value: Any, keys: Any = None) -> None:
        super().__init__(keys)
        self.value = _spread(value, self.name, self.centre, self.limits)

    def _apply_image(self, img: Any) -> Any:
        if self.value is None:
            return img
        return type(self).function(img, random.uniform(*self.value))


class BrightnessTransform(_Adjust):
    """The brightness times a random factor near 1."""

    name, function = "brightness", staticmethod(F.adjust_brightness)


class ContrastTransform(_Adjust):
    """The contrast times a random factor near 1."""

    name, function = "contrast", staticmethod(F.adjust_contrast)


class SaturationTransform(_Adjust):
    """The saturation times a random factor near 1."""

    name, function = "saturation", staticmethod(F.adjust_saturation)


class HueTransform(_Adjust):
    """The hues moved by a random part of the circle."""

    name, function = "hue", staticmethod(F.adjust_hue)
    centre, limits = 0.0, (-0.5, 0.5)


class ColorJitter(BaseTransform):
    """Brightness, contrast, saturation and hue changed at random, in random order."""

    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0,
        keys: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(keys)
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.hue = saturation, hue

    def _get_params(self, inputs: Any) -> Compose:
        parts: list[Any] = [
            BrightnessTransform(self.brightness, self.keys),
            ContrastTransform(self.contrast, self.keys),
            SaturationTransform(self.saturation, self.keys),
            HueTransform(self.hue, self.keys),
        ]
        random.shuffle(parts)
        return Compose(parts)

    def _apply_image(self, img: Any) -> Any:
        return self.params(img)


class RandomCrop(BaseTransform):
    """A part of this size from a random place, after `padding`; `pad_if_needed` widens what is too
    small."""

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
        padding_mode: str = "constant", keys: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(keys)
        self.size, self.padding, self.pad_if_needed = _pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def _padded(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        width, height = size_of(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, (self.size[1] - width, 0), self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, (0, self.size[0] - height), self.fill, self.padding_mode)
        return img

    def _get_params(self, inputs: Any) -> tuple[int, int]:
        width, height = size_of(self._padded(inputs[0]))
        if height < self.size[0] or width < self.size[1]:
            raise ValueError(
                f"RandomCrop of {self.size} does not fit into an image of height {height} and "
                f"width {width}; pad_if_needed=True widens it"
            )
        return random.randint(0, height - self.size[0]), random.randint(0, width - self.size[1])

    def _apply_image(self, img: Any) -> Any:
        return F.crop(self._padded(img), self.params[0], self.params[1], *self.size)


class Pad(BaseTransform):
    """A border around the image."""

    def __init__(
        self, padding: Any, fill: Any = 0, padding_mode: str = "constant", keys: Any = None
    ) -> None:
        super().__init__(keys)
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def _apply_image(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomRotation(BaseTransform):
    """Turned by a random angle: in [-degrees, degrees], or in the pair `degrees`."""

    def __init__(
        self, degrees: Any, interpolation: str = "nearest", expand: bool = False,
        center: Any = None, fill: Any = 0, keys: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(keys)
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise ValueError("If degrees is a single number, it must be positive.")
            degrees = (-degrees, degrees)
        self.degrees, self.interpolation, self.expand = degrees, interpolation, expand
        self.center, self.fill = center, fill

    def _get_params(self, inputs: Any) -> float:
        return random.uniform(self.degrees[0], self.degrees[1])

    def _apply_image(self, img: Any) -> Any:
        return F.rotate(img, self.params, self.interpolation, self.expand, self.center, self.fill)


class Grayscale(BaseTransform):
    """Without colour, with 1 or 3 channels."""

    def __init__(self, num_output_channels: int = 1, keys: Any = None) -> None:
        super().__init__(keys)
        self.num_output_channels = num_output_channels

    def _apply_image(self, img: Any) -> Any:
        return F.to_grayscale(img, self.num_output_channels)


__all__ = [
    "BaseTransform", "BrightnessTransform", "CenterCrop", "ColorJitter", "Compose",
    "ContrastTransform", "Grayscale", "HueTransform", "Normalize", "Pad", "RandomCrop",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize",
    "SaturationTransform", "ToTensor", "Transpose",
]  # fmt: skip
