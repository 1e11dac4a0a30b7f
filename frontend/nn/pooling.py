"""Pooling layers over sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .layer import Layer


class _Pool(Layer):
    """A layer that calls a pooling function with the arguments it was made with.

    `format` is the layout of what it takes, where it may be another one.
    """

    function: str
    format: str
    shown: tuple[str, ...] = ("kernel_size", "stride", "padding")

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._arguments = arguments

    def forward(self, x: Tensor) -> Any:
        return getattr(F, self.function)(x, **self._arguments)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={self._arguments[name]}" for name in self.shown)


class _MaxPool(_Pool):
    """The maximum of each window of images, or volumes."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
        ceil_mode: bool = False, data_format: str | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, return_mask=return_mask,
            ceil_mode=ceil_mode, data_format=data_format or self.format,
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


class MaxPool2D(_MaxPool):
    """The maximum of each window of images [N, C, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.MaxPool2D(2)(paddle.ones([1, 1, 4, 4])).shape
    [1, 1, 2, 2]
    """

    function, format = "max_pool2d", "NCHW"


class MaxPool3D(_MaxPool):
    """The maximum of each window of volumes [N, C, D, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.MaxPool3D(2)(paddle.ones([1, 1, 4, 4, 4])).shape
    [1, 1, 2, 2, 2]
    """

    function, format = "max_pool3d", "NCDHW"


class _AvgPool(_Pool):
    """The mean of each window of images, or volumes."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        exclusive: bool = True, divisor_override: float | None = None,
        data_format: str | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            exclusive=exclusive, divisor_override=divisor_override,
            data_format=data_format or self.format,
        )  # fmt: skip


class AvgPool1D(_Pool):
    """The mean of each window of sequences [N, C, L]."""

    function = "avg_pool1d"

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, exclusive: bool = True,
        ceil_mode: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding,
                         exclusive=exclusive, ceil_mode=ceil_mode)  # fmt: skip


class AvgPool2D(_AvgPool):
    """The mean of each window of images [N, C, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.AvgPool2D(2)(paddle.ones([1, 1, 4, 4])).shape
    [1, 1, 2, 2]
    """

    function, format = "avg_pool2d", "NCHW"


class AvgPool3D(_AvgPool):
    """The mean of each window of volumes [N, C, D, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.AvgPool3D(2)(paddle.ones([1, 1, 4, 4, 4])).shape
    [1, 1, 2, 2, 2]
    """

    function, format = "avg_pool3d", "NCDHW"


class _AdaptiveAvg(_Pool):
    """The mean over windows that divide an image, or a volume, into parts."""

    shown = ("output_size",)

    def __init__(
        self, output_size: Any, data_format: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, data_format=data_format or self.format)


class AdaptiveAvgPool1D(_Pool):
    """The mean over `output_size` windows that divide the sequence."""

    function, shown = "adaptive_avg_pool1d", ("output_size",)

    def __init__(self, output_size: int, name: str | None = None) -> None:
        super().__init__(output_size=output_size)


class AdaptiveAvgPool2D(_AdaptiveAvg):
    """The mean over windows that divide the image into [h, w] parts.

    >>> import wherry as paddle
    >>> paddle.nn.AdaptiveAvgPool2D(1)(paddle.ones([1, 3, 5, 5])).shape
    [1, 3, 1, 1]
    """

    function, format = "adaptive_avg_pool2d", "NCHW"


class AdaptiveAvgPool3D(_AdaptiveAvg):
    """The mean over windows that divide the volume into [d, h, w] parts."""

    function, format = "adaptive_avg_pool3d", "NCDHW"


class _AdaptiveMax(_Pool):
    """The maximum over windows that divide something into parts."""

    shown = ("output_size", "return_mask")

    def __init__(
        self, output_size: Any, return_mask: bool = False, name: str | None = None
    ) -> None:
        super().__init__(output_size=output_size, return_mask=return_mask)


class AdaptiveMaxPool1D(_AdaptiveMax):
    """The maximum over `output_size` windows that divide the sequence."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2D(_AdaptiveMax):
    """The maximum over windows that divide the image into [h, w] parts."""

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3D(_AdaptiveMax):
    """The maximum over windows that divide the volume into [d, h, w] parts."""

    function = "adaptive_max_pool3d"


class _Unpool(Layer):
    """A layer that undoes max pooling with the arguments it was made with."""

    function: str
    format: str

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0,
        data_format: str | None = None, output_size: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._arguments = {
            "kernel_size": kernel_size, "stride": stride, "padding": padding,
            "data_format": data_format or self.format, "output_size": output_size,
        }  # fmt: skip

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        out: Tensor = getattr(F, self.function)(x, indices, **self._arguments)
        return out

    def extra_repr(self) -> str:
        return f"output_size={self._arguments['output_size']}"


class MaxUnPool1D(_Unpool):
    """Sequences from the maxima of windows and where they were."""

    function, format = "max_unpool1d", "NCL"


class MaxUnPool2D(_Unpool):
    """Images from the maxima of windows and where they were.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> paddle.nn.MaxUnPool2D(2)(*paddle.nn.MaxPool2D(2, return_mask=True)(x)).tolist()
    [[[[0.0, 0.0], [0.0, 4.0]]]]
    """

    function, format = "max_unpool2d", "NCHW"


class MaxUnPool3D(_Unpool):
    """Volumes from the maxima of windows and where they were."""

    function, format = "max_unpool3d", "NCDHW"


__all__ = [
    "AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool1D",
    "AdaptiveMaxPool2D", "AdaptiveMaxPool3D", "AvgPool1D", "AvgPool2D", "AvgPool3D", "MaxPool1D",
    "MaxPool2D", "MaxPool3D", "MaxUnPool1D", "MaxUnPool2D", "MaxUnPool3D",
]  # fmt: skip
