"""What follows a product or a convolution in a network makes no pass over memory of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import wherry as paddle
from wherry import nn
from wherry.cli.inspect import compiled, kernel_ops, what
from wherry.ir.opdef import get_op
from wherry.ir.passes.fuse_contract import HEADS
from wherry.ir.serialize import load_program
from wherry.nn import functional as F


class Block(nn.Layer):
    """A ResNet block; with a stride its shortcut is a convolution."""

    def __init__(self, channels: int, outputs: int, stride: int):
        super().__init__()
        self.first = conv_norm(channels, outputs, 3, stride=stride)
        self.second = conv_norm(outputs, outputs, 3)
        self.short = conv_norm(channels, outputs, 1, stride=stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.short(x))


class Projected(nn.Layer):
    """A product with bias, gelu and a residual."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 64)

    def forward(self, x):
        return F.gelu(self.linear(x)) + x


class Gated(nn.Layer):
    """The feed-forward part of newer transformers."""

    def __init__(self):
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(64, 96), nn.Linear(64, 96), nn.Linear(96, 64)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x)) + x


class Half(nn.Layer):
    """A network whose result is cast."""

    def __init__(self, inner: nn.Layer):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return F.relu(self.inner(x)).astype("float16")


def conv_norm(channels, outputs, kernel, *after: nn.Layer, **attrs) -> nn.Layer:
    conv = nn.Conv2D(channels, outputs, kernel, padding=kernel // 2, bias_attr=False, **attrs)
    return nn.Sequential(conv, nn.BatchNorm2D(outputs), *after)


def separable() -> nn.Layer:
    return nn.Sequential(
        conv_norm(3, 32, 3, nn.ReLU(), stride=2),
        conv_norm(32, 32, 3, nn.ReLU6(), groups=32),
        conv_norm(32, 64, 1, nn.ReLU6()),
    )


def transposed(channels, outputs, kernel, *after: nn.Layer, **attrs) -> nn.Layer:
    conv = nn.Conv2DTranspose(channels, outputs, kernel, **attrs)
    return nn.Sequential(conv, nn.BatchNorm2D(outputs), *after)


class Joined(nn.Layer):
    """A step of a U-Net: what comes from below is added to what went past."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2D(16, 32, 2, stride=2), transposed(32, 16, 2, stride=2)

    def forward(self, x):
        return F.relu(self.up(F.relu(self.down(x))) + x)


def decoder() -> nn.Layer:
    return nn.Sequential(
        transposed(16, 8, 4, nn.ReLU(), stride=2, padding=1),
        transposed(8, 8, 3, nn.GELU(), groups=2),
        nn.Conv2DTranspose(8, 3, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def along_one_axis() -> nn.Layer:
    return nn.Sequential(nn.Conv1D(8, 16, 3, padding=1), nn.BatchNorm1D(16), nn.ReLU())


def stem() -> nn.Layer:
    head = conv_norm(3, 32, 7, nn.ReLU(), nn.MaxPool2D(3, 2, 1), stride=2)
    return nn.Sequential(head, Block(32, 32, 1), Block(32, 64, 2))


def encoder(**attrs) -> nn.Layer:
    return nn.TransformerEncoderLayer(64, 4, 256, activation="gelu", **attrs)


IMAGE, TOKENS = [None, 16, 20, 20], [None, None, 64]
# With strides of 2 a convolution for each phase, and what puts these together.
TURNED = 5
# The network, its input, and how many products and convolutions it has.
NETWORKS: dict[str, tuple[Callable[[], nn.Layer], list[int | None], int]] = {
    "resnet": (stem, [None, 3, 64, 64], 6),
    "resnet of known size": (stem, [1, 3, 64, 64], 6),
    "separable": (separable, [None, 3, 32, 32], 3),
    "hardswish": (lambda: conv_norm(16, 32, 3, nn.Hardswish()), IMAGE, 1),
    "in groups": (lambda: conv_norm(16, 32, 3, nn.Hardswish(), groups=2), IMAGE, 1),
    "few outputs": (lambda: conv_norm(16, 4, 3, nn.Sigmoid()), IMAGE, 1),
    "along one axis": (along_one_axis, [None, 8, 50], 1),
    "transposed": (decoder, IMAGE, 2 * TURNED + 1),
    "transposed, of known size": (decoder, [1, 16, 20, 20], 2 * TURNED + 1),
    "transposed, with a residual": (Joined, IMAGE, 1 + TURNED),
    "transposed along one axis": (
        lambda: nn.Sequential(nn.Conv1DTranspose(8, 16, 4, stride=2), nn.ReLU()), [None, 8, 50], 3
    ),
    "cast": (lambda: Half(conv_norm(16, 32, 3)), IMAGE, 1),
    "product": (Projected, [None, 64], 1),
    "product of known size": (Projected, [4, 64], 1),
    "product and cast": (lambda: Half(nn.Linear(64, 32)), TOKENS, 1),
    "product and norm": (
        lambda: nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1D(64), nn.ReLU()), [None, 64], 1
    ),
    "gated": (Gated, TOKENS, 3),
    "transformer": (encoder, TOKENS, 8),
    "transformer, norms first": (lambda: encoder(normalize_before=True), TOKENS, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pointwise_op_stands_alone(name, tmp_path):
    make, shape, heads = NETWORKS[name]
    net = make()
    net.eval()
    for parameter in net.parameters():  # equal numbers would be folded to one
        parameter.set_value(paddle.rand(parameter.shape) + 0.5)
    spec = [paddle.static.InputSpec(shape, "float32", "x")]
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=spec)
    program, _ = load_program(str(tmp_path / "net"))
    kernels = kernel_ops(compiled(program))
    alone = [what(op) for op in kernels if get_op(op.type).is_map or what(op).startswith("loop:")]
    assert alone == []
    assert sum(not HEADS.isdisjoint(what(op).split()) for op in kernels) == heads
