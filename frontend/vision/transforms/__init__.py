"""`paddle.vision.transforms`: images made ready for nets."""

from . import functional
from .functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    center_crop,
    crop,
    erase,
    hflip,
    normalize,
    pad,
    resize,
    rotate,
    to_grayscale,
    to_tensor,
    vflip,
)
from .transforms import (
    BaseTransform,
    BrightnessTransform,
    CenterCrop,
    ColorJitter,
    Compose,
    ContrastTransform,
    Grayscale,
    HueTransform,
    Normalize,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    SaturationTransform,
    ToTensor,
    Transpose,
)

__all__ = [
    "BaseTransform", "BrightnessTransform", "CenterCrop", "ColorJitter", "Compose",
    "ContrastTransform", "Grayscale", "HueTransform", "Normalize", "Pad", "RandomCrop",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip",
    "Resize", "SaturationTransform", "ToTensor", "Transpose", "adjust_brightness",
    "adjust_contrast", "adjust_hue", "adjust_saturation", "center_crop", "crop", "erase",
    "functional", "hflip", "normalize", "pad", "resize", "rotate", "to_grayscale", "to_tensor",
    "vflip",
]  # fmt: skip
