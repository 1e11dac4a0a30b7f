"""Layers that resize images, and cut them into windows."""

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


class Unfold(Layer):
    """`paddle.nn.functional.unfold` as a layer: the windows of images as columns.

    >>> import wherry as paddle
    >>> paddle.nn.Unfold(2)(paddle.ones([1, 2, 4, 4])).shape
    [1, 8, 9]
    """

    def __init__(
        self, kernel_sizes: Any, dilations: Any = 1, paddings: Any = 0, strides: Any = 1,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_sizes, self.dilations = kernel_sizes, dilations
        self.paddings, self.strides = paddings, strides

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_sizes, self.strides, self.paddings, self.dilations)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_sizes}, dilation={self.dilations}, "
            f"padding={self.paddings}, stride={self.strides}"
        )


class Fold(Unfold):
    """`paddle.nn.functional.fold` as a layer: columns added up into images.

    >>> import wherry as paddle
    >>> paddle.nn.Fold([2, 3], 2)(paddle.ones([1, 4, 2])).shape
    [1, 1, 2, 3]
    """

    def __init__(
        self, output_sizes: Any, kernel_sizes: Any, dilations: Any = 1, paddings: Any = 0,
        strides: Any = 1, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_sizes, dilations, paddings, strides)
        self.output_sizes = output_sizes

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_sizes, self.kernel_sizes, self.strides, self.paddings,
                      self.dilations)  # fmt: skip


__all__ = ["Fold", "Unfold", "Upsample", "UpsamplingBilinear2D", "UpsamplingNearest2D"]
