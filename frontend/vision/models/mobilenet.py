"""MobileNet V1, V2 and V3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...ops.shape import flatten
from ...tensor import Tensor
from .blocks import ConvNormActivation, build, make_divisible


class DepthwiseSeparable(nn.Layer):
    """A depthwise convolution of 3 x 3 and one of 1 x 1."""

    def __init__(
        self, in_channels: int, out_channels1: int, out_channels2: int, num_groups: int,
        stride: int, scale: float,
    ) -> None:  # fmt: skip
        super().__init__()
        middle = int(out_channels1 * scale)
        self._depthwise_conv = ConvNormActivation(
            in_channels, middle, 3, stride, 1, int(num_groups * scale)
        )
        self._pointwise_conv = ConvNormActivation(middle, int(out_channels2 * scale), 1, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self._pointwise_conv(self._depthwise_conv(x))  # type: ignore[no-any-return]


# name, channels in and out, stride: of MobileNetV1 before `scale`.
_V1 = (
    ("conv2_1", 32, 64, 1), ("conv2_2", 64, 128, 2), ("conv3_1", 128, 128, 1),
    ("conv3_2", 128, 256, 2), ("conv4_1", 256, 256, 1), ("conv4_2", 256, 512, 2),
    *((f"conv5_{i}", 512, 512, 1) for i in range(1, 6)),
    ("conv5_6", 512, 1024, 2), ("conv6", 1024, 1024, 1),
)  # fmt: skip


class MobileNetV1(nn.Layer):
    """MobileNetV1; `scale` multiplies the channels.

    >>> import wherry as paddle
    >>> net = paddle.vision.models.mobilenet_v1(scale=0.25, num_classes=4)
    >>> net.eval()
    >>> net(paddle.rand([1, 3, 32, 32])).shape
    [1, 4]
    """

    def __init__(self, scale: float = 1.0, num_classes: int = 1000, with_pool: bool = True) -> None:
        super().__init__()
        self.scale, self.num_classes, self.with_pool = scale, num_classes, with_pool
        self.dwsl: list[nn.Layer] = []
        self.conv1 = ConvNormActivation(3, int(32 * scale), 3, 2, 1)
        for name, low, high, stride in _V1:
            block = DepthwiseSeparable(int(low * scale), low, high, low, stride, scale)
            self.dwsl.append(block)
            self.add_sublayer(name, block)
        if with_pool:
            self.pool2d_avg = nn.AdaptiveAvgPool2D(1)
        if num_classes > 0:
            self.fc = nn.Linear(int(1024 * scale), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for block in self.dwsl:
            x = block(x)
        x = self.pool2d_avg(x) if self.with_pool else x
        return self.fc(flatten(x, 1)) if self.num_classes > 0 else x


class InvertedResidual(nn.Layer):
    """MobileNetV2's block: wider by 1 x 1, depthwise, narrower by 1 x 1, beside a shortcut."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: float,
        norm_layer: Callable[..., nn.Layer] = nn.BatchNorm2D,
    ) -> None:  # fmt: skip
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.stride, self.use_res_connect = stride, stride == 1 and inp == oup
        build_one = partial(ConvNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        layers: list[nn.Layer] = [] if expand_ratio == 1 else [build_one(inp, hidden, 1)]
        layers += [
            build_one(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2D(hidden, oup, 1, 1, 0, bias_attr=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.use_res_connect else out


# expansion, channels, repetitions, stride of the first
_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class MobileNetV2(nn.Layer):
    """MobileNetV2; `scale` multiplies the channels.

    >>> import wherry as paddle
    >>> net = paddle.vision.models.mobilenet_v2(scale=0.25, num_classes=4)
    >>> net.eval()
    >>> net(paddle.rand([1, 3, 32, 32])).shape
    [1, 4]
    """

    def __init__(self, scale: float = 1.0, num_classes: int = 1000, with_pool: bool = True) -> None:
        super().__init__()
        self.num_classes, self.with_pool = num_classes, with_pool
        channels, last = make_divisible(32 * scale), make_divisible(1280 * max(1.0, scale))
        act = {"norm_layer": nn.BatchNorm2D, "activation_layer": nn.ReLU6}
        features: list[nn.Layer] = [ConvNormActivation(3, channels, stride=2, **act)]
        for expansion, wide, count, stride in _V2:
            out = make_divisible(wide * scale)
            for i in range(count):
                features.append(InvertedResidual(channels, out, stride if i == 0 else 1, expansion))
                channels = out
        features.append(ConvNormActivation(channels, last, 1, **act))
        self.features = nn.Sequential(*features)
        if with_pool:
            self.pool2d_avg = nn.AdaptiveAvgPool2D(1)
        if num_classes > 0:
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.pool2d_avg(x) if self.with_pool else x
        return self.classifier(flatten(x, 1)) if self.num_classes > 0 else x


class SqueezeExcitation(nn.Layer):
    """Channels weighed by what two small layers make of their means."""

    def __init__(
        self, input_channels: int, squeeze_channels: int,
        activation: Callable[..., nn.Layer] = nn.ReLU,
        scale_activation: Callable[..., nn.Layer] = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2D(1)
        self.fc1 = nn.Conv2D(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2D(squeeze_channels, input_channels, 1)
        self.activation, self.scale_activation = activation(), scale_activation()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(scale) * x  # type: ignore[no-any-return]


class _V3Block(nn.Layer):
    """MobileNetV3's block."""

    def __init__(
        self, low: int, kernel: int, middle: int, high: int, squeezes: bool, act: Any, stride: int
    ) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2D, epsilon=0.001, momentum=0.99)
        self.use_res_connect, self.use_se = stride == 1 and low == high, squeezes
        self.expand = low != middle
        if self.expand:
            self.expand_conv = ConvNormActivation(
                low, middle, 1, 1, 0, norm_layer=norm, activation_layer=act
            )
        self.bottleneck_conv = ConvNormActivation(
            middle, middle, kernel, stride, (kernel - 1) // 2, middle, norm, act
        )
        if squeezes:
            self.mid_se = SqueezeExcitation(
                middle, make_divisible(middle // 4), scale_activation=nn.Hardsigmoid
            )
        self.linear_conv = ConvNormActivation(
            middle, high, 1, 1, 0, norm_layer=norm, activation_layer=None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.expand_conv(x) if self.expand else x
        out = self.bottleneck_conv(out)
        out = self.linear_conv(self.mid_se(out) if self.use_se else out)
        return x + out if self.use_res_connect else out  # type: ignore[no-any-return]


# channels in, kernel, channels between, channels out, squeezes, activation, stride
_SMALL = (
    (16, 3, 16, 16, True, "relu", 2), (16, 3, 72, 24, False, "relu", 2),
    (24, 3, 88, 24, False, "relu", 1), (24, 5, 96, 40, True, "hardswish", 2),
    (40, 5, 240, 40, True, "hardswish", 1), (40, 5, 240, 40, True, "hardswish", 1),
    (40, 5, 120, 48, True, "hardswish", 1), (48, 5, 144, 48, True, "hardswish", 1),
    (48, 5, 288, 96, True, "hardswish", 2), (96, 5, 576, 96, True, "hardswish", 1),
    (96, 5, 576, 96, True, "hardswish", 1),
)  # fmt: skip
_LARGE = (
    (16, 3, 16, 16, False, "relu", 1), (16, 3, 64, 24, False, "relu", 2),
    (24, 3, 72, 24, False, "relu", 1), (24, 5, 72, 40, True, "relu", 2),
    (40, 5, 120, 40, True, "relu", 1), (40, 5, 120, 40, True, "relu", 1),
    (40, 3, 240, 80, False, "hardswish", 2), (80, 3, 200, 80, False, "hardswish", 1),
    (80, 3, 184, 80, False, "hardswish", 1), (80, 3, 184, 80, False, "hardswish", 1),
    (80, 3, 480, 112, True, "hardswish", 1), (112, 3, 672, 112, True, "hardswish", 1),
    (112, 5, 672, 160, True, "hardswish", 2), (160, 5, 960, 160, True, "hardswish", 1),
    (160, 5, 960, 160, True, "hardswish", 1),
)  # fmt: skip
_ACTIVATIONS = {"relu": nn.ReLU, "hardswish": nn.Hardswish}


class MobileNetV3(nn.Layer):
    """MobileNetV3 of rows (channels in, kernel, channels between, channels out, squeezes,
    activation, stride); `scale` multiplies the channels."""

    def __init__(
        self, config: Any, last_channel: int, scale: float = 1.0, num_classes: int = 1000,
        with_pool: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config, self.scale, self.last_channel = config, scale, last_channel
        self.num_classes, self.with_pool = num_classes, with_pool
        norm = partial(nn.BatchNorm2D, epsilon=0.001, momentum=0.99)

        def wide(channels: float) -> int:
            return make_divisible(channels * scale)

        self.conv = ConvNormActivation(3, wide(config[0][0]), 3, 2, 1, 1, norm, nn.Hardswish)
        self.blocks = nn.Sequential(*(
            _V3Block(wide(low), kernel, wide(middle), wide(high), squeezes,
                               _ACTIVATIONS[act], stride)
            for low, kernel, middle, high, squeezes, act, stride in config
        ))  # fmt: skip
        out = wide(config[-1][3])
        self.lastconv = ConvNormActivation(out, out * 6, 1, 1, 0, 1, norm, nn.Hardswish)
        if with_pool:
            self.avgpool = nn.AdaptiveAvgPool2D(1)
        if num_classes > 0:
            self.classifier = nn.Sequential(
                nn.Linear(out * 6, last_channel), nn.Hardswish(), nn.Dropout(p=0.2),
                nn.Linear(last_channel, num_classes),
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.lastconv(self.blocks(self.conv(x)))
        x = self.avgpool(x) if self.with_pool else x
        return self.classifier(flatten(x, 1)) if self.num_classes > 0 else x


class MobileNetV3Small(MobileNetV3):
    """The small MobileNetV3.

    >>> import wherry as paddle
    >>> net = paddle.vision.models.mobilenet_v3_small(scale=0.5, num_classes=4)
    >>> net.eval()
    >>> net(paddle.rand([1, 3, 32, 32])).shape
    [1, 4]
    """

    def __init__(self, scale: float = 1.0, num_classes: int = 1000, with_pool: bool = True) -> None:
        super().__init__(_SMALL, make_divisible(1024 * scale), scale, num_classes, with_pool)


class MobileNetV3Large(MobileNetV3):
    """The large MobileNetV3."""

    def __init__(self, scale: float = 1.0, num_classes: int = 1000, with_pool: bool = True) -> None:
        super().__init__(_LARGE, make_divisible(1280 * scale), scale, num_classes, with_pool)


def _mobilenet(name: str, net: Callable[..., nn.Layer]) -> Any:
    def function(pretrained: bool = False, scale: float = 1.0, **kwargs: Any) -> nn.Layer:
        return build(lambda: net(scale=scale, **kwargs), name, pretrained)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{net.__name__}; `pretrained` is the path of a file of weights."
    return function


mobilenet_v1 = _mobilenet("mobilenet_v1", MobileNetV1)
mobilenet_v2 = _mobilenet("mobilenet_v2", MobileNetV2)
mobilenet_v3_small = _mobilenet("mobilenet_v3_small", MobileNetV3Small)
mobilenet_v3_large = _mobilenet("mobilenet_v3_large", MobileNetV3Large)

__all__ = [
    "MobileNetV1", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "mobilenet_v1",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
]  # fmt: skip
