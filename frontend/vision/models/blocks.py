"""What the models share: a convolution with its norm and activation, and weights from a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import nn


class ConvNormActivation(nn.Sequential):
    """A convolution, its norm and its activation; either of these may be None. Without a norm the
    convolution has a bias.

    >>> import wherry as paddle
    >>> ConvNormActivation(3, 8, 3)(paddle.ones([1, 3, 4, 4])).shape
    [1, 8, 4, 4]
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1,
        padding: int | None = None, groups: int = 1,
        norm_layer: Callable[..., nn.Layer] | None = nn.BatchNorm2D,
        activation_layer: Callable[..., nn.Layer] | None = nn.ReLU, dilation: int = 1,
        bias: bool | None = None,
    ) -> None:  # fmt: skip
        if padding is None:
            padding = (kernel_size - 1) // 2 * dilation
        has_bias = norm_layer is None if bias is None else bias
        layers: list[nn.Layer] = [
            nn.Conv2D(
                in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                bias_attr=None if has_bias else False,
            )
        ]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of the divisor that is nearest to a number of channels, and not a tenth less."""
    near = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * channels else near


def build(make: Callable[[], nn.Layer], name: str, pretrained: Any) -> nn.Layer:
    """The net that `make` gives, with the weights of a file if `pretrained` is its path."""
    if pretrained is True:
        raise ValueError(
            f"{name}(pretrained=True) would download weights, which wherry does not do: fetch "
            f"the file that Paddle names for {name} and pass its path, "
            f"{name}(pretrained='{name}.pdparams')"
        )
    net = make()
    if pretrained:
        from ...serialization import load

        net.set_state_dict(load(str(pretrained)))
    return net
