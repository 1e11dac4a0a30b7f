"""Pooling layers."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .layer import Layer


class _Pool(Layer):
    """A layer that calls a pooling function with the arguments it was made with."""

    function: str
    shown: tuple[str, ...] = ("kernel_size", "stride", "padding")

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._arguments = arguments

    def forward(self, x: Tensor) -> Any:
        return getattr(F, self.function)(x, **self._arguments)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={self._arguments[name]}" for name in self.shown)


class MaxPool2D(_Pool):
    """The maximum of each window of images [N, C, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.MaxPool2D(2)(paddle.ones([1, 1, 4, 4])).shape
    [1, 1, 2, 2]
    """

    function = "max_pool2d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
        ceil_mode: bool = False, data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, return_mask=return_mask,
            ceil_mode=ceil_mode, data_format=data_format,
        )  # fmt: skip


class AvgPool2D(_Pool):
    """The mean of each window of images [N, C, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.AvgPool2D(2)(paddle.ones([1, 1, 4, 4])).shape
    [1, 1, 2, 2]
    """

    function = "avg_pool2d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        exclusive: bool = True, divisor_override: float | None = None, data_format: str = "NCHW",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            exclusive=exclusive, divisor_override=divisor_override, data_format=data_format,
        )  # fmt: skip


class MaxPool1D(_Pool):
    """The maximum of each window of sequences [N, C, L]."""

    function = "max_pool1d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
        ceil_mode: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding,
                         return_mask=return_mask, ceil_mode=ceil_mode)  # fmt: skip


class AvgPool1D(_Pool):
    """The mean of each window of sequences [N, C, L]."""

    function = "avg_pool1d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, exclusive: bool = True,
        ceil_mode: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding,
                         exclusive=exclusive, ceil_mode=ceil_mode)  # fmt: skip


class AdaptiveAvgPool2D(_Pool):
    """The mean over windows that divide the image into [h, w] parts.

    >>> import wherry as paddle
    >>> paddle.nn.AdaptiveAvgPool2D(1)(paddle.ones([1, 3, 5, 5])).shape
    [1, 3, 1, 1]
    """

    function, shown = "adaptive_avg_pool2d", ("output_size",)

    def __init__(
        self, output_size: Any, data_format: str = "NCHW", name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, data_format=data_format)


class AdaptiveMaxPool2D(_Pool):
    """The maximum over windows that divide the image into [h, w] parts."""

    function, shown = "adaptive_max_pool2d", ("output_size", "return_mask")

    def __init__(
        self, output_size: Any, return_mask: bool = False, name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, return_mask=return_mask)


class AdaptiveAvgPool1D(_Pool):
    """The mean over `output_size` windows that divide the sequence."""

    function, shown = "adaptive_avg_pool1d", ("output_size",)

    def __init__(self, output_size: int, name: str | None = None) -> None:
        super().__init__(output_size=output_size)


class AdaptiveMaxPool1D(_Pool):
    """The maximum over `output_size` windows that divide the sequence."""

    function, shown = "adaptive_max_pool1d", ("output_size", "return_mask")

    def __init__(
        self, output_size: int, return_mask: bool = False, name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, return_mask=return_mask)


__all__ = [
    "AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "AdaptiveMaxPool1D", "AdaptiveMaxPool2D", "AvgPool1D",
    "AvgPool2D", "MaxPool1D", "MaxPool2D",
]  # fmt: skip
