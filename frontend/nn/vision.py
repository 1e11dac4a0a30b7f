"""Layers that resize images."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .layer import Layer


class Upsample(Layer):
    """`paddle.nn.functional.interpolate` as a layer.

    >>> import wherry as paddle
    >>> Upsample(scale_factor=2)(paddle.ones([1, 1, 2, 2])).shape
    [1, 1, 4, 4]
    """

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
        align_corners: bool = False,
        align_mode: int = 0, data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode.lower()
        self.align_corners, self.align_mode = align_corners, align_mode
        self.data_format = data_format

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners,
                             self.align_mode, self.data_format)  # fmt: skip

    def _target(self) -> str:
        return (
            f"size={self.size}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor}"
        )

    def extra_repr(self) -> str:
        return (
            f"{self._target()}, mode={self.mode}, align_corners={self.align_corners}, "
            f"align_mode={self.align_mode}, data_format={self.data_format}"
        )


class UpsamplingNearest2D(Upsample):
    """Images with pixels repeated."""

    def __init__(self, size: Any = None, scale_factor: Any = None, data_format: str = "NCHW",
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__(size, scale_factor, "nearest", False, 0, data_format)

    def extra_repr(self) -> str:
        return f"{self._target()}, data_format={self.data_format}"


class UpsamplingBilinear2D(Upsample):
    """Images resized linearly in both directions, corners on corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None, data_format: str = "NCHW",
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__(size, scale_factor, "bilinear", True, 0, data_format)

    def extra_repr(self) -> str:
        return f"{self._target()}, data_format={self.data_format}"


__all__ = ["Upsample", "UpsamplingBilinear2D", "UpsamplingNearest2D"]
