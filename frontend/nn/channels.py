"""Layers that rearrange or drop channels."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .layer import Layer


class PixelUnshuffle(Layer):
    """[N, C, H * r, W * r] to [N, C * r * r, H, W]: the inverse of PixelShuffle.

    >>> import wherry as paddle
    >>> paddle.nn.PixelUnshuffle(2)(paddle.ones([1, 1, 4, 6])).shape
    [1, 4, 2, 3]
    """

    def __init__(
        self, downscale_factor: int, data_format: str = "NCHW", name: str | None = None
    ) -> None:
        super().__init__()
        if not isinstance(downscale_factor, int) or downscale_factor <= 0:
            raise ValueError(f"Downscale factor must be a positive int, got {downscale_factor!r}")
        self._downscale_factor, self._data_format = downscale_factor, data_format

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_unshuffle(x, self._downscale_factor, self._data_format)

    def extra_repr(self) -> str:
        last = f", data_format={self._data_format}" if self._data_format != "NCHW" else ""
        return f"downscale_factor={self._downscale_factor}{last}"


class ChannelShuffle(Layer):
    """`paddle.nn.functional.channel_shuffle` as a layer.

    >>> import wherry as paddle
    >>> x = paddle.arange(4.0).reshape([1, 4, 1, 1])
    >>> paddle.nn.ChannelShuffle(2)(x).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int, data_format: str = "NCHW", name: str | None = None) -> None:
        super().__init__()
        if not isinstance(groups, int) or groups <= 0:
            raise ValueError(f"groups must be a positive int, got {groups!r}")
        self._groups, self._data_format = groups, data_format

    def forward(self, x: Tensor) -> Tensor:
        return F.channel_shuffle(x, self._groups, self._data_format)

    def extra_repr(self) -> str:
        last = f", data_format={self._data_format}" if self._data_format != "NCHW" else ""
        return f"groups={self._groups}{last}"


class Softmax2D(Layer):
    """The softmax over the channels of images [N, C, H, W] or [C, H, W].

    >>> import wherry as paddle
    >>> paddle.nn.Softmax2D()(paddle.zeros([1, 2, 1, 1])).flatten().tolist()
    [0.5, 0.5]
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self._name = name

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in (3, 4):
            raise ValueError(f"Softmax2D requires a 3D or 4D tensor as input. Received: {x.ndim}D.")
        return F.softmax(x, axis=-3)

    def extra_repr(self) -> str:
        return f"name={self._name}" if self._name else ""


class Dropout3D(Layer):
    """Whole channels of volumes set to 0 with probability p while training.

    >>> import wherry as paddle
    >>> layer = paddle.nn.Dropout3D(); layer.eval()
    >>> layer(paddle.ones([1, 1, 1, 1, 2])).flatten().tolist()
    [1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, data_format: str = "NCDHW", name: str | None = None) -> None:
        super().__init__()
        self.p, self.data_format = p, data_format

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.data_format)

    def extra_repr(self) -> str:
        return f"p={self.p}, data_format={self.data_format}"


__all__ = ["ChannelShuffle", "Dropout3D", "PixelUnshuffle", "Softmax2D"]
