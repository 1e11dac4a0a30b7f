"""Convolution layers over sequences, images and volumes."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.conv import pair
from .initializer import Normal
from .layer import Layer


class _Conv(Layer):
    """What the convolution layers share: the filter, the bias and the printed form."""

    axes: int
    transposed = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, output_padding: Any = 0,
        padding_mode: str = "zeros",
        weight_attr: Any = None, bias_attr: Any = None, data_format: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        if weight_attr is False:
            raise ValueError("weight_attr should not be False in Conv.")
        if groups < 1:
            raise ValueError(f"groups must be > 0, got {groups}")
        for channels in (in_channels, *([] if self.transposed else [out_channels])):
            if channels % groups:
                raise ValueError(f"groups {groups} must divide the channels {channels}")
        self._in_channels, self._out_channels, self._groups = in_channels, out_channels, groups
        self._kernel_size = pair(kernel_size, "kernel_size", self.axes)
        self._stride = pair(stride, "stride", self.axes)
        self._dilation = pair(dilation, "dilation", self.axes)
        for name in ("kernel_size", "stride", "dilation"):
            sizes = getattr(self, f"_{name}")
            if any(size < 1 for size in sizes):
                raise ValueError(f"{name} needs ints > 0, got {sizes}")
        self._padding, self._padding_mode = padding, padding_mode
        self._output_padding = output_padding
        self._data_format = data_format or ("NCL", "NCHW", "NCDHW")[self.axes - 1]
        self.weight = self.create_parameter(
            self._filter_shape(), weight_attr, default_initializer=self._initializer()
        )
        self.bias = self.create_parameter([out_channels], bias_attr, is_bias=True)

    def _filter_shape(self) -> list[int]:
        if self.transposed:
            return [self._in_channels, self._out_channels // self._groups, *self._kernel_size]
        return [self._out_channels, self._in_channels // self._groups, *self._kernel_size]

    def _initializer(self) -> Normal | None:
        if self.transposed:
            return None
        return Normal(0.0, math.sqrt(2.0 / (math.prod(self._kernel_size) * self._in_channels)))

    def _padded(self, x: Tensor) -> tuple[Tensor, Any]:
        """x padded in modes other than zeros, and the padding that is left for the op."""
        if self._padding_mode == "zeros":
            return x, self._padding
        if isinstance(self._padding, str):
            raise ValueError(f"padding_mode {self._padding_mode!r} needs numbers as padding")
        sides = pair(self._padding, "padding", self.axes)
        amounts = [side for p in reversed(sides) for side in (p, p)]
        return F.pad(x, amounts, self._padding_mode, data_format=self._data_format), 0

    def extra_repr(self) -> str:
        text = f"{self._in_channels}, {self._out_channels}, kernel_size={self._kernel_size}"
        ones = [1] * self.axes
        shown = (
            ("stride", self._stride, ones), ("padding", self._padding, 0),
            ("padding_mode", self._padding_mode, "zeros"),
            ("output_padding", self._output_padding, 0),
            ("dilation", self._dilation, ones), ("groups", self._groups, 1),
        )  # fmt: skip
        text += "".join(f", {key}={value}" for key, value, usual in shown if value != usual)
        return text + f", data_format={self._data_format}"


class _Plain(_Conv):
    """A convolution; which one, its number of `axes` says."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, padding_mode: str = "zeros",
        weight_attr: Any = None, bias_attr: Any = None, data_format: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, 0,
            padding_mode, weight_attr, bias_attr, data_format,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self._padded(x)
        function = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        return function(x, self.weight, self.bias, self._stride, padding, self._dilation,
                        self._groups, self._data_format)  # fmt: skip


class Conv1D(_Plain):
    """The convolution of sequences [N, C, L] with a learned filter [O, C / groups, l].

    >>> import wherry as paddle
    >>> paddle.nn.Conv1D(3, 8, 3)(paddle.ones([1, 3, 5])).shape
    [1, 8, 3]
    """

    axes = 1


class Conv2D(_Plain):
    """The convolution of images [N, C, H, W] with a learned filter [O, C / groups, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv2D(3, 8, 3, padding=1)(paddle.ones([1, 3, 5, 5])).shape
    [1, 8, 5, 5]
    """

    axes = 2


class Conv3D(_Plain):
    """The convolution of volumes [N, C, D, H, W] with a learned filter [O, C / groups, d, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv3D(3, 8, 3, padding=1)(paddle.ones([1, 3, 4, 4, 4])).shape
    [1, 8, 4, 4, 4]
    """

    axes = 3


class _Transposed(_Conv):
    """A transposed convolution."""

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
            output_padding, "zeros", weight_attr, bias_attr, data_format,
        )  # fmt: skip

    def forward(self, x: Tensor, output_size: Any = None) -> Tensor:
        function: Any = (F.conv1d_transpose, F.conv2d_transpose, F.conv3d_transpose)[self.axes - 1]
        out: Tensor = function(
            x, self.weight, self.bias, self._stride, self._padding, self._output_padding,
            dilation=self._dilation, groups=self._groups, output_size=output_size,
            data_format=self._data_format,
        )  # fmt: skip
        return out


class Conv1DTranspose(_Transposed):
    """The transposed convolution of sequences with a learned filter [C, O / groups, l].

    >>> import wherry as paddle
    >>> paddle.nn.Conv1DTranspose(3, 8, 2, stride=2)(paddle.ones([1, 3, 5])).shape
    [1, 8, 10]
    """

    axes = 1

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str | None = None,
    ) -> None:  # fmt: skip
        # In Paddle's order, where groups come before the dilation.
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, weight_attr, bias_attr, data_format,
        )  # fmt: skip


class Conv2DTranspose(_Transposed):
    """The transposed convolution of images with a learned filter [C, O / groups, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv2DTranspose(3, 8, 2, stride=2)(paddle.ones([1, 3, 5, 5])).shape
    [1, 8, 10, 10]
    """

    axes = 2


class Conv3DTranspose(_Transposed):
    """The transposed convolution of volumes with a learned filter [C, O / groups, d, h, w].

    >>> import wherry as paddle
    >>> paddle.nn.Conv3DTranspose(3, 8, 2, stride=2)(paddle.ones([1, 3, 2, 2, 2])).shape
    [1, 8, 4, 4, 4]
    """

    axes = 3


__all__ = [
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
]  # fmt: skip
