"""What is timed. A workload is one entry of WORKLOADS: shapes, and its forward written once.

`forward(f, w, *inputs)` calls the operations of `f` (see operations.py; each framework has its own
`f`) on the weights `w`, by name, and the inputs. Everything is float32 but ids, images are NCHW.

A weight's name ends in TABLE where it is one, whose rows are looked up, and in VARIANCE where it
must be positive.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
TABLE, VARIANCE = "_table", "_var"


@dataclass(frozen=True)
class Workload:
    """One network or kernel at one batch size. With `ids` the inputs are int64 numbers below it."""

    name: str
    batch: int
    forward: Callable[..., Any]
    inputs: tuple[Shape, ...]
    weights: dict[str, Shape]
    ids: int = 0

    def values(self) -> tuple[list[Array], dict[str, Array]]:
        """Inputs and weights, the same in every process and run."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        inputs = [
            rng.integers(self.ids, size=shape)
            if self.ids
            else rng.standard_normal(shape, np.float32)
            for shape in self.inputs
        ]
        weights = {
            name: rng.standard_normal(shape, np.float32) * np.float32(_fan_in(shape) ** -0.5)
            for name, shape in self.weights.items()
        }
        positive = {k: abs(v) + np.float32(0.5) for k, v in weights.items() if k.endswith(VARIANCE)}
        return inputs, weights | positive


def _fan_in(shape: Shape) -> int:
    """How many products a sum has: of a filter [out, in, h, w], a matrix [in, out], a vector 1."""
    return math.prod(shape[1:]) if len(shape) == 4 else shape[0] if len(shape) == 2 else 1


def mlp(f: Any, w: Any, x: Any) -> Any:
    x = f.relu(f.linear(x, w["w0"], w["b0"]))
    x = f.relu(f.linear(x, w["w1"], w["b1"]))
    return f.linear(x, w["w2"], w["b2"])


def lenet(f: Any, w: Any, x: Any) -> Any:
    x = f.max_pool2d(f.relu(f.conv2d(x, w["k0"], w["c0"], padding=2)), 2)
    x = f.max_pool2d(f.relu(f.conv2d(x, w["k1"], w["c1"])), 2)
    x = f.relu(f.linear(f.flatten(x), w["w0"], w["b0"]))
    x = f.relu(f.linear(x, w["w1"], w["b1"]))
    return f.linear(x, w["w2"], w["b2"])


def matmul(f: Any, w: Any, x: Any, y: Any) -> Any:
    return f.matmul(x, y)


def project(f: Any, w: Any, x: Any) -> Any:
    return f.matmul(x, w["w"])


def conv(f: Any, w: Any, x: Any) -> Any:
    """A convolution that keeps the image's size, with bias; depthwise where the filter is."""
    channels, (_, per_group, height, _) = x.shape[1], w["k"].shape
    return f.conv2d(x, w["k"], w["b"], padding=height // 2, groups=channels // per_group)


def softmax(f: Any, w: Any, x: Any) -> Any:
    return f.softmax(x)


def layer_norm(f: Any, w: Any, x: Any) -> Any:
    return f.layer_norm(x, w["scale"], w["bias"])


def gelu_norm(f: Any, w: Any, x: Any, c: Any) -> Any:
    return f.layer_norm(f.gelu(x * w["a"] + w["b"]) * f.tanh(c), w["scale"], w["bias"])


def newton(f: Any, w: Any, a: Any) -> Any:
    """Roots of a * a + 1 by Newton's iteration from 2**90, until none moves by 1e-3: 90 rounds."""
    square = a * a + 1.0

    def moves(x: Any, before: Any) -> Any:
        return f.largest(f.abs(before - x) / x) > 1e-3

    def step(x: Any, before: Any) -> Any:
        return (x + square / x) * 0.5, x

    x, _ = f.while_loop(moves, step, (square * 2.0**90, square * 2.0**91))
    return x


def resnet18(f: Any, w: Any, x: Any) -> Any:
    x = f.max_pool2d(f.relu(_normed(f, w, x, "stem", 2, 3)), 3, 2, 1)
    for stage in range(4):
        for block in range(2):
            name, stride = f"s{stage}b{block}", 2 if stage and not block else 1
            y = f.relu(_normed(f, w, x, name + "_first", stride, 1))
            y = _normed(f, w, y, name + "_second", 1, 1)
            x = f.relu(y + (_normed(f, w, x, name + "_short", stride, 0) if stride > 1 else x))
    return f.linear(f.flatten(f.mean_pool2d(x)), w["w"], w["b"])


def _normed(f: Any, w: Any, x: Any, name: str, stride: int, padding: int) -> Any:
    """A convolution without bias, then a batch norm, as networks are trained and exported."""
    x = f.conv2d(x, w[name], stride=stride, padding=padding)
    norm = (w[f"{name}_{part}"] for part in ("scale", "bias", "mean", "var"))
    return f.batch_norm(x, *norm)


def bert(f: Any, w: Any, ids: Any) -> Any:
    """Embeddings and two encoder layers: the hidden states."""
    x = f.embedding(ids, w["word_table"]) + w["positions"]
    x = f.layer_norm(x, w["scale"], w["bias"])
    for layer in "01":
        q, k, v = (_heads(f, f.linear(x, w[n + layer], w[n + layer + "_b"])) for n in "qkv")
        y = f.reshape(f.transpose(f.attention(q, k, v), (0, 2, 1, 3)), (1, 128, 128))
        y = x + f.linear(y, w["out" + layer], w["out" + layer + "_b"])
        x = f.layer_norm(y, w["scale1" + layer], w["bias1" + layer])
        y = f.gelu(f.linear(x, w["up" + layer], w["up" + layer + "_b"]))
        y = x + f.linear(y, w["down" + layer], w["down" + layer + "_b"])
        x = f.layer_norm(y, w["scale2" + layer], w["bias2" + layer])
    return x


def _heads(f: Any, x: Any) -> Any:
    """[1, 128, 128] as two heads: [1, 2, 128, 64]."""
    return f.transpose(f.reshape(x, (1, 128, 2, 64)), (0, 2, 1, 3))


MLP = {"w0": (784, 256), "b0": (256,), "w1": (256, 128), "b1": (128,), "w2": (128, 10), "b2": (10,)}
LENET = {
    "k0": (6, 1, 5, 5),
    "c0": (6,),
    "k1": (16, 6, 5, 5),
    "c1": (16,),
    "w0": (400, 120),
    "b0": (120,),
    "w1": (120, 84),
    "b1": (84,),
    "w2": (84, 10),
    "b2": (10,),
}


VECTOR = (1024,)


def _bert_weights() -> dict[str, Shape]:
    weights = {"word_table": (30522, 128), "positions": (128, 128), "scale": (128,), "bias": (128,)}
    for layer in "01":
        sizes = {"q": (128, 128), "k": (128, 128), "v": (128, 128), "out": (128, 128),
                 "up": (128, 512), "down": (512, 128)}  # fmt: skip
        for name, size in sizes.items():
            weights |= {name + layer: size, f"{name}{layer}_b": size[1:]}
        norms = ("scale1", "bias1", "scale2", "bias2")
        weights |= {name + layer: (128,) for name in norms}
    return weights


def _resnet_weights() -> dict[str, Shape]:
    filters = {"stem": (64, 3, 7, 7)}
    for stage, (before, width) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)]):
        for block, entering in enumerate((before, width)):
            filters[f"s{stage}b{block}_first"] = (width, entering, 3, 3)
            filters[f"s{stage}b{block}_second"] = (width, width, 3, 3)
        if stage:
            filters[f"s{stage}b0_short"] = (width, before, 1, 1)
    weights: dict[str, Shape] = {"w": (512, 1000), "b": (1000,)}
    for name, shape in filters.items():
        weights[name] = shape
        weights |= {f"{name}_{part}": shape[:1] for part in ("scale", "bias", "mean", "var")}
    return weights


def _conv(name: str, size: int, filters: Shape, channels: int) -> Workload:
    weights = {"k": filters, "b": filters[:1]}
    return Workload(name, 1, conv, ((1, channels, size, size),), weights)


WORKLOADS = [
    *(Workload("mlp", batch, mlp, ((batch, 784),), MLP) for batch in (1, 64, 1024)),
    *(Workload("lenet", batch, lenet, ((batch, 1, 28, 28),), LENET) for batch in (1, 64)),
    *(Workload(f"matmul-{n}", 1, matmul, ((n, n), (n, n)), {}) for n in (64, 256, 512, 1024)),
    *(Workload("matmul-768x3072", m, project, ((m, 768),), {"w": (768, 3072)}) for m in (1, 8, 32)),
    _conv("conv3x3-56-64-64", 56, (64, 64, 3, 3), 64),
    _conv("conv1x1-56-64-256", 56, (256, 64, 1, 1), 64),
    _conv("conv3x3-14-256-256", 14, (256, 256, 3, 3), 256),
    _conv("conv3x3-7-512-512", 7, (512, 512, 3, 3), 512),
    _conv("depthwise3x3-56-64", 56, (64, 1, 3, 3), 64),
    Workload("softmax-64x4096", 1, softmax, ((64, 4096),), {}),
    Workload("layer_norm-1024", 1, layer_norm, ((1024, 1024),), {"scale": VECTOR, "bias": VECTOR}),
    Workload(
        "gelu_norm-1024",
        1,
        gelu_norm,
        ((1024, 1024), (1024, 1024)),
        {"a": VECTOR, "b": VECTOR, "scale": VECTOR, "bias": VECTOR},
    ),
    Workload("bert-tiny", 1, bert, ((1, 128),), _bert_weights(), ids=30522),
    Workload("resnet18", 1, resnet18, ((1, 3, 224, 224),), _resnet_weights()),
    Workload("newton", 1, newton, ((64,),), {}),
]
