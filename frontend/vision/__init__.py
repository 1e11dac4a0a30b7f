"""`paddle.vision`: nets, transforms and datasets of images."""

from . import datasets, models, transforms
from .datasets import *  # noqa: F403
from .models import *  # noqa: F403
from .transforms import *  # noqa: F403

_backend = ["pil"]


def set_image_backend(backend: str) -> None:
    """Choose what datasets give: "pil" for PIL images, "cv2" for arrays."""
    if backend not in ("pil", "cv2"):
        raise ValueError(f"Expected backend are one of ['pil', 'cv2'], but got {backend}")
    _backend[0] = backend


def get_image_backend() -> str:
    """What was chosen with `set_image_backend`: "pil" at first."""
    return _backend[0]


__all__ = ["datasets", "get_image_backend", "models", "set_image_backend", "transforms"]
