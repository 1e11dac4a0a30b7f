"""LeNet, AlexNet and VGG."""

from __future__ import annotations

import math
from typing import Any

from ... import nn
from ...nn.initializer import Uniform
from ...ops.shape import flatten
from ...param_attr import ParamAttr
from ...tensor import Tensor
from .blocks import build


class LeNet(nn.Layer):
    """LeNet for images [N, 1, 28, 28].

    >>> import wherry as paddle
    >>> paddle.vision.models.LeNet()(paddle.rand([2, 1, 28, 28])).shape
    [2, 10]
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.Conv2D(1, 6, 3, stride=1, padding=1), nn.ReLU(), nn.MaxPool2D(2, 2),
            nn.Conv2D(6, 16, 5, stride=1, padding=0), nn.ReLU(), nn.MaxPool2D(2, 2),
        )  # fmt: skip
        if num_classes > 0:
            self.fc = nn.Sequential(
                nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, num_classes)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        x: Tensor = self.features(inputs)
        return self.fc(flatten(x, 1)) if self.num_classes > 0 else x


def _uniform(fan: float) -> ParamAttr:
    bound = 1.0 / math.sqrt(fan)
    return ParamAttr(initializer=Uniform(-bound, bound))


class ConvPoolLayer(nn.Layer):
    """A convolution, relu and max pooling by 3 in steps of 2."""

    def __init__(
        self, input_channels: int, output_channels: int, filter_size: int, stride: int,
        padding: int, stdv: float, groups: int = 1, act: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if act == "relu":
            self.relu = nn.ReLU()
        self._conv = _conv(input_channels, output_channels, filter_size, stride, padding, groups)
        self._pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=0)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self._conv(inputs)
        return self._pool(self.relu(x) if hasattr(self, "relu") else x)  # type: ignore[no-any-return]


def _conv(c: int, o: int, size: int, stride: int, padding: int, groups: int = 1) -> nn.Conv2D:
    attr, bias = _uniform(c * size * size), _uniform(c * size * size)
    return nn.Conv2D(c, o, size, stride, padding, groups=groups, weight_attr=attr, bias_attr=bias)


class AlexNet(nn.Layer):
    """AlexNet for images [N, 3, 224, 224].

    >>> import wherry as paddle
    >>> len(paddle.vision.models.AlexNet(num_classes=0).parameters())
    10
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.num_classes = num_classes
        self._conv1 = ConvPoolLayer(3, 64, 11, 4, 2, 0.0, act="relu")
        self._conv2 = ConvPoolLayer(64, 192, 5, 1, 2, 0.0, act="relu")
        self._conv3 = _conv(192, 384, 3, 1, 1)
        self._conv4 = _conv(384, 256, 3, 1, 1)
        self._conv5 = ConvPoolLayer(256, 256, 3, 1, 1, 0.0, act="relu")
        if num_classes > 0:
            fan = 256 * 6 * 6
            self._drop1 = nn.Dropout(p=0.5, mode="downscale_in_infer")
            self._fc6 = nn.Linear(fan, 4096, _uniform(fan), _uniform(fan))
            self._drop2 = nn.Dropout(p=0.5, mode="downscale_in_infer")
            self._fc7 = nn.Linear(4096, 4096, _uniform(fan), _uniform(fan))
            self._fc8 = nn.Linear(4096, num_classes, _uniform(fan), _uniform(fan))

    def forward(self, inputs: Tensor) -> Tensor:
        x: Tensor = self._conv2(self._conv1(inputs))
        x = nn.functional.relu(self._conv3(x))
        x = self._conv5(nn.functional.relu(self._conv4(x)))
        if self.num_classes <= 0:
            return x
        x = nn.functional.relu(self._fc6(self._drop1(flatten(x, 1))))
        x = nn.functional.relu(self._fc7(self._drop2(x)))
        return self._fc8(x)  # type: ignore[no-any-return]


def alexnet(pretrained: bool = False, **kwargs: Any) -> nn.Layer:
    """AlexNet; `pretrained` is the path of a file of weights."""
    return build(lambda: AlexNet(**kwargs), "alexnet", pretrained)


class VGG(nn.Layer):
    """VGG: `features` and three linear layers.

    >>> import wherry as paddle
    >>> net = paddle.vision.models.vgg11(num_classes=0)
    >>> net(paddle.rand([1, 3, 32, 32])).shape
    [1, 512, 7, 7]
    """

    def __init__(self, features: nn.Layer, num_classes: int = 1000, with_pool: bool = True) -> None:
        super().__init__()
        self.features = features
        self.num_classes, self.with_pool = num_classes, with_pool
        if with_pool:
            self.avgpool = nn.AdaptiveAvgPool2D((7, 7))
        if num_classes > 0:
            self.classifier = nn.Sequential(
                nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(),
                nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, num_classes),
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.avgpool(x) if self.with_pool else x
        return self.classifier(flatten(x, 1)) if self.num_classes > 0 else x


# The channels of the convolutions, between poolings.
_VGG = {
    "vgg11": ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg13": ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}


def _features(name: str, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Layer] = []
    channels = 3
    for part in _VGG[name]:
        for out in part:
            layers.append(nn.Conv2D(channels, out, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2D(out), nn.ReLU()] if batch_norm else [nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2D(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _vgg(name: str) -> Any:
    def function(pretrained: bool = False, batch_norm: bool = False, **kwargs: Any) -> nn.Layer:
        return build(lambda: VGG(_features(name, batch_norm), **kwargs), name, pretrained)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name.upper()}, with `batch_norm` or without; `pretrained` is a path."
    return function


vgg11, vgg13, vgg16, vgg19 = (_vgg(name) for name in _VGG)

__all__ = ["VGG", "AlexNet", "LeNet", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19"]
