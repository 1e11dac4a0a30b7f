"""ResNet and its wider kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import nn
from ...ops.shape import flatten
from ...tensor import Tensor
from .blocks import build


class _Block(nn.Layer):
    """Convolutions beside a shortcut."""

    expansion: int

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Layer | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1,
        norm_layer: Callable[..., nn.Layer] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self._build(inplanes, planes, width, stride, groups, dilation, norm_layer or nn.BatchNorm2D)
        self.relu = nn.ReLU()
        self.downsample, self.stride = downsample, stride

    def _build(
        self, inplanes: int, planes: int, width: int, stride: int, groups: int, dilation: int,
        norm: Callable[..., nn.Layer],
    ) -> None:  # fmt: skip
        """Make the convolutions and their norms; `width` is that of the middle one of three."""
        raise NotImplementedError

    def convolved(self, x: Tensor) -> Tensor:
        """What is added to the shortcut."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(self.convolved(x) + identity)  # type: ignore[no-any-return]


class BasicBlock(_Block):
    """Two convolutions of 3 x 3 beside a shortcut."""

    expansion = 1

    def _build(
        self, inplanes: int, planes: int, width: int, stride: int, groups: int, dilation: int,
        norm: Callable[..., nn.Layer],
    ) -> None:  # fmt: skip
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = nn.Conv2D(inplanes, planes, 3, padding=1, stride=stride, bias_attr=False)
        self.bn1 = norm(planes)
        self.conv2 = nn.Conv2D(planes, planes, 3, padding=1, bias_attr=False)
        self.bn2 = norm(planes)

    def convolved(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))  # type: ignore[no-any-return]


class BottleneckBlock(_Block):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1 beside a shortcut."""

    expansion = 4

    def _build(
        self, inplanes: int, planes: int, width: int, stride: int, groups: int, dilation: int,
        norm: Callable[..., nn.Layer],
    ) -> None:  # fmt: skip
        self.conv1 = nn.Conv2D(inplanes, width, 1, bias_attr=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2D(
            width, width, 3, padding=dilation, stride=stride, groups=groups, dilation=dilation,
            bias_attr=False,
        )  # fmt: skip
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2D(width, planes * self.expansion, 1, bias_attr=False)
        self.bn3 = norm(planes * self.expansion)

    def convolved(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))  # type: ignore[no-any-return]


_DEPTHS = {
    18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3],
}  # fmt: skip


class ResNet(nn.Layer):
    """ResNet of a depth, of `BasicBlock` (18, 34) or `BottleneckBlock` (50, 101, 152).

    `width` and `groups` widen the bottlenecks; `num_classes` 0 leaves out the last layer,
    `with_pool` False the pooling before it.

    >>> import wherry as paddle
    >>> net = paddle.vision.models.resnet18(num_classes=4)
    >>> net.eval()
    >>> net(paddle.rand([1, 3, 32, 32])).shape
    [1, 4]
    """

    def __init__(
        self, block: Any, depth: int = 50, width: int = 64, num_classes: int = 1000,
        with_pool: bool = True, groups: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        if depth not in _DEPTHS:
            raise ValueError(f"ResNet has the depths {sorted(_DEPTHS)}, got {depth}")
        self.groups, self.base_width = groups, width
        self.num_classes, self.with_pool = num_classes, with_pool
        self._norm_layer = nn.BatchNorm2D
        self.inplanes, self.dilation = 64, 1
        self.conv1 = nn.Conv2D(3, 64, kernel_size=7, stride=2, padding=3, bias_attr=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)
        counts = _DEPTHS[depth]
        self.layer1 = self._make_layer(block, 64, counts[0])
        self.layer2 = self._make_layer(block, 128, counts[1], stride=2)
        self.layer3 = self._make_layer(block, 256, counts[2], stride=2)
        self.layer4 = self._make_layer(block, 512, counts[3], stride=2)
        if with_pool:
            self.avgpool = nn.AdaptiveAvgPool2D((1, 1))
        if num_classes > 0:
            self.fc = nn.Linear(512 * block.expansion, num_classes)

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1) -> nn.Sequential:
        downsample, out = None, planes * block.expansion
        if stride != 1 or self.inplanes != out:
            downsample = nn.Sequential(
                nn.Conv2D(self.inplanes, out, 1, stride=stride, bias_attr=False),
                self._norm_layer(out),
            )
        options = {"groups": self.groups, "base_width": self.base_width,
                   "norm_layer": self._norm_layer}  # fmt: skip
        layers = [block(self.inplanes, planes, stride, downsample, **options)]
        self.inplanes = out
        layers += [block(out, planes, **options) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.avgpool(x) if self.with_pool else x
        return self.fc(flatten(x, 1)) if self.num_classes > 0 else x


# name -> (block, depth, further arguments)
_NETS: dict[str, tuple[Any, int, dict[str, int]]] = {
    "resnet18": (BasicBlock, 18, {}),
    "resnet34": (BasicBlock, 34, {}),
    "resnet50": (BottleneckBlock, 50, {}),
    "resnet101": (BottleneckBlock, 101, {}),
    "resnet152": (BottleneckBlock, 152, {}),
    "resnext50_32x4d": (BottleneckBlock, 50, {"groups": 32, "width": 4}),
    "resnext50_64x4d": (BottleneckBlock, 50, {"groups": 64, "width": 4}),
    "resnext101_32x4d": (BottleneckBlock, 101, {"groups": 32, "width": 4}),
    "resnext101_64x4d": (BottleneckBlock, 101, {"groups": 64, "width": 4}),
    "resnext152_32x4d": (BottleneckBlock, 152, {"groups": 32, "width": 4}),
    "resnext152_64x4d": (BottleneckBlock, 152, {"groups": 64, "width": 4}),
    "wide_resnet50_2": (BottleneckBlock, 50, {"width": 128}),
    "wide_resnet101_2": (BottleneckBlock, 101, {"width": 128}),
}


def _resnet(name: str) -> Any:
    block, depth, options = _NETS[name]

    def function(pretrained: bool = False, **kwargs: Any) -> nn.Layer:
        return build(lambda: ResNet(block, depth, **{**options, **kwargs}), name, pretrained)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}; `pretrained` is the path of a file of weights."
    return function


(
    resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, resnext50_64x4d,
    resnext101_32x4d, resnext101_64x4d, resnext152_32x4d, resnext152_64x4d, wide_resnet50_2,
    wide_resnet101_2,
) = (_resnet(name) for name in _NETS)  # fmt: skip

__all__ = [
    "BasicBlock", "BottleneckBlock", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet152", "resnext50_32x4d", "resnext50_64x4d", "resnext101_32x4d", "resnext101_64x4d",
    "resnext152_32x4d", "resnext152_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip
