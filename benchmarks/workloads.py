"""What is timed. A workload is one entry of WORKLOADS: shapes, and its forward written once.

`forward(f, w, *inputs)` calls the operations of `f` (see backends.py; each framework has its own
`f`) on the weights `w`, by name, and the inputs. Everything is float32, images are NCHW.
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


@dataclass(frozen=True)
class Workload:
    """One network or kernel at one batch size."""

    name: str
    batch: int
    forward: Callable[..., Any]
    inputs: tuple[Shape, ...]
    weights: dict[str, Shape]

    def values(self) -> tuple[list[Array], dict[str, Array]]:
        """Inputs and weights as float32 arrays, the same in every process and run."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        inputs = [rng.standard_normal(shape, np.float32) for shape in self.inputs]
        weights = {
            name: rng.standard_normal(shape, np.float32) * np.float32(_fan_in(shape) ** -0.5)
            for name, shape in self.weights.items()
        }
        return inputs, weights


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
    Workload(
        "layer_norm-1024", 1, layer_norm, ((1024, 1024),), {"scale": (1024,), "bias": (1024,)}
    ),
]
