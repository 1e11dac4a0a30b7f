"""Layers over volumes [N, C, D, H, W]: convolutions and pooling."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .conv import _Conv
from .layer import Layer
from .pooling import _Pool


class Conv3D(_Conv):
    """The convolution of volumes [N, C, D, H, W] with a learned filter [O, C / groups, d, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv3D(3, 8, 3, padding=1)(paddle.ones([1, 3, 4, 4, 4])).shape
    [1, 8, 4, 4, 4]
    """

    axes = 3

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, padding_mode: str = "zeros",
        weight_attr: Any = None, bias_attr: Any = None, data_format: str = "NCDHW",
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, 0,
            padding_mode, weight_attr, bias_attr, data_format,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self._padded(x)
        return F.conv3d(x, self.weight, self.bias, self._stride, padding, self._dilation,
                        self._groups, self._data_format)  # fmt: skip


class Conv3DTranspose(_Conv):
    """The transposed convolution of volumes with a learned filter [C, O / groups, d, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv3DTranspose(3, 8, 2, stride=2)(paddle.ones([1, 3, 2, 2, 2])).shape
    [1, 8, 4, 4, 4]
    """

    axes, transposed = 3, True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str = "NCDHW",
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
            output_padding, "zeros", weight_attr, bias_attr, data_format,
        )  # fmt: skip

    def forward(self, x: Tensor, output_size: Any = None) -> Tensor:
        return F.conv3d_transpose(
            x, self.weight, self.bias, self._stride, self._padding, self._output_padding,
            self._groups, self._dilation, output_size, self._data_format,
        )  # fmt: skip


class MaxPool3D(_Pool):
    """The maximum of each window of volumes [N, C, D, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.MaxPool3D(2)(paddle.ones([1, 1, 4, 4, 4])).shape
    [1, 1, 2, 2, 2]
    """

    function = "max_pool3d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
        ceil_mode: bool = False, data_format: str = "NCDHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, return_mask=return_mask,
            ceil_mode=ceil_mode, data_format=data_format,
        )  # fmt: skip


class AvgPool3D(_Pool):
    """The mean of each window of volumes [N, C, D, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.AvgPool3D(2)(paddle.ones([1, 1, 4, 4, 4])).shape
    [1, 1, 2, 2, 2]
    """

    function = "avg_pool3d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        exclusive: bool = True, divisor_override: float | None = None, data_format: str = "NCDHW",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            exclusive=exclusive, divisor_override=divisor_override, data_format=data_format,
        )  # fmt: skip


class AdaptiveAvgPool3D(_Pool):
    """The mean over windows that divide the volume into [d, h, w] parts."""

    function, shown = "adaptive_avg_pool3d", ("output_size",)

    def __init__(
        self, output_size: Any, data_format: str = "NCDHW", name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, data_format=data_format)


class AdaptiveMaxPool3D(_Pool):
    """The maximum over windows that divide the volume into [d, h, w] parts."""

    function, shown = "adaptive_max_pool3d", ("output_size", "return_mask")

    def __init__(
        self, output_size: Any, return_mask: bool = False, name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, return_mask=return_mask)


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


__all__ = [
    "AdaptiveAvgPool3D", "AdaptiveMaxPool3D", "AvgPool3D", "Conv3D", "Conv3DTranspose", "Fold",
    "MaxPool3D", "Unfold",
]  # fmt: skip
