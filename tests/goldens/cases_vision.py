"""Cases for paddle.vision: nets with given weights, the names of their parameters, transforms."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from cases import case
from PIL import Image


def filled(net: Any) -> Any:
    """The net in eval mode, with weights that depend on their order only."""
    for i, parameter in enumerate(net.parameters()):
        size, first = np.prod(parameter.shape), parameter.shape[0]
        low = -1 if parameter.ndim > 1 else 0.1  # variances are positive
        numbers = np.random.RandomState(i).uniform(low, 1, parameter.shape)
        parameter.set_value((numbers / max(1, np.sqrt(size / first))).astype("float32"))
    net.eval()
    return net


def names(p: Any, net: Any) -> Any:
    """A number for the name and shape of each entry of the state."""
    entries = [f"{key} {list(value.shape)}" for key, value in net.state_dict().items()]
    return p.to_tensor(np.array([zlib.crc32(entry.encode()) for entry in entries], "int64"))


def _outputs(p: Any, net: Any, x: Any) -> list[Any]:
    return [filled(net)(x).flatten()[:50], names(p, net)]


def _net(name: str, shape: tuple[int, ...], **options: Any) -> None:
    case(f"vision.{name}", lambda p, x: _outputs(p, getattr(p.vision.models, name)(**options), x),
         shape, grad=False)  # fmt: skip


def _nets() -> None:
    _net("LeNet", (2, 1, 28, 28))
    _net("resnet18", (1, 3, 32, 32), num_classes=5)
    case("vision.ResNet", lambda p, x: _outputs(p, p.vision.models.ResNet(
        p.vision.models.resnet.BottleneckBlock, 50, width=8, groups=4, num_classes=0), x),
        (1, 3, 32, 32), grad=False)  # fmt: skip
    _net("vgg11", (1, 3, 32, 32), num_classes=0, batch_norm=True)
    _net("mobilenet_v1", (1, 3, 32, 32), scale=0.25, num_classes=5)
    _net("mobilenet_v2", (1, 3, 32, 32), scale=0.25, num_classes=5)
    _net("mobilenet_v3_small", (1, 3, 32, 32), scale=0.5, num_classes=5)
    _net("mobilenet_v3_large", (1, 3, 32, 32), scale=0.35, num_classes=5)


def _image() -> Any:
    return Image.fromarray(np.random.RandomState(0).randint(0, 256, (13, 17, 3)).astype("uint8"))


def _transform(name: str, *calls: tuple[Any, ...], **options: Any) -> None:
    def call(p: Any) -> list[Any]:
        function = getattr(p.vision.transforms, name)
        results = [np.array(function(_image(), *arguments)) for arguments in calls]
        return [p.to_tensor(result) for result in results]

    case(f"vision.{name}", call)


def _transforms() -> None:
    _transform("resize", (8,), ((5, 20), "nearest"), ([9, 9], "bicubic"))
    _transform("center_crop", (5,), ((5, 8),))
    _transform("crop", (2, 3, 4, 5))
    _transform("hflip", ())
    _transform("vflip", ())
    _transform("pad", (2,), ((1, 2), 7), ((1, 2, 3, 4), (1, 2, 3)), (2, 0, "reflect"),
               (2, 0, "edge"), (2, 0, "symmetric"))  # fmt: skip
    _transform("adjust_brightness", (0.5,), (1.5,))
    _transform("adjust_contrast", (0.4,), (1.7,))
    _transform("adjust_hue", (0.2,), (-0.3,))
    _transform("to_grayscale", (), (3,))
    _transform("rotate", (30,), (45, "bilinear", True, None, 3), (90, "nearest", True))
    _transform("to_tensor", (), ("HWC",))
    _transform("normalize", ([127.5] * 3, [127.5] * 3, "HWC"))
    case("vision.Compose", lambda p: p.vision.transforms.Compose([
        p.vision.transforms.Resize(12), p.vision.transforms.RandomHorizontalFlip(1.0),
        p.vision.transforms.CenterCrop(10), p.vision.transforms.ToTensor(),
        p.vision.transforms.Normalize(0.5, 0.25)])(_image()))  # fmt: skip
    case("vision.Tensors", lambda p, x: [
        p.vision.transforms.hflip(x), p.vision.transforms.vflip(x),
        p.vision.transforms.center_crop(x, 5), p.vision.transforms.crop(x, 1, 2, 3, 4),
        p.vision.transforms.resize(x, [7, 9]), p.vision.transforms.resize(x, 6),
        p.vision.transforms.normalize(x, [0.5] * 3, [2.0] * 3),
        p.vision.transforms.pad(x, [1, 2])], (3, 13, 17), grad=False)  # fmt: skip


for _family in (_nets, _transforms):
    _family()
