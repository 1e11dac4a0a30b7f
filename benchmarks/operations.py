"""The operations of which workloads are made, in each framework's own way of saying them.

`+`, `-`, `*`, `/`, `@` and `>` are Python's. ONNX's operations stand in onnx_graph.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import Array, Shape

EPSILON = 1e-5  # of layer_norm and batch_norm
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Operations:
    """What is written alike for tensors of numpy, torch and Paddle."""

    def while_loop(
        self, again: Callable[..., Any], step: Callable[..., Any], state: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """`state = step(*state)` as long as `again(*state)`."""
        while again(*state):
            state = step(*state)
        return state


class Reference(Operations):
    """numpy, in the inputs' precision. Counts the contractions' FLOPs, and rows never read."""

    def __init__(self) -> None:
        self.flops = 0
        self.unread = 0  # elements of tables

    def matmul(self, x: Array, y: Array) -> Array:
        out = np.asarray(x @ y)
        self.flops += 2 * out.size * x.shape[-1]
        return out

    def linear(self, x: Array, w: Array, b: Array) -> Array:
        return self.matmul(x, w) + b

    def conv2d(
        self, x: Array, k: Array, b: Array | None = None, stride: int = 1, padding: int = 0,
        groups: int = 1,
    ) -> Array:  # fmt: skip
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, border), k.shape[2:], (2, 3))
        windows = windows[:, :, ::stride, ::stride]
        parts = zip(np.split(windows, groups, 1), np.split(k, groups, 0), strict=True)
        out = np.concatenate(
            [np.tensordot(p, q, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) for p, q in parts], 1
        )
        self.flops += 2 * out.size * k[0].size
        return out if b is None else np.asarray(out + b[:, None, None])

    def batch_norm(self, x: Array, scale: Array, bias: Array, mean: Array, var: Array) -> Array:
        factor = scale / np.sqrt(var + EPSILON)
        return np.asarray(x * factor[:, None, None] + (bias - mean * factor)[:, None, None])

    def max_pool2d(self, x: Array, size: int, stride: int = 0, padding: int = 0) -> Array:
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        padded = np.pad(x, border, constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3))
        step = stride or size
        return np.asarray(windows[:, :, ::step, ::step].max((4, 5)))

    def mean_pool2d(self, x: Array) -> Array:
        return np.asarray(x.mean((2, 3), keepdims=True))

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def gelu(self, x: Array) -> Array:
        return np.asarray(0.5 * x * (1 + _erf(x * math.sqrt(0.5))))

    def tanh(self, x: Array) -> Array:
        return np.asarray(np.tanh(x))

    def abs(self, x: Array) -> Array:
        return np.asarray(np.abs(x))

    def largest(self, x: Array) -> Any:
        return x.max()

    def flatten(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

    def reshape(self, x: Array, shape: Shape) -> Array:
        return x.reshape(shape)

    def transpose(self, x: Array, axes: Shape) -> Array:
        return x.transpose(axes)

    def embedding(self, ids: Array, table: Array) -> Array:
        out = table[ids]
        self.unread += max(table.size - out.size, 0)
        return out

    def softmax(self, x: Array) -> Array:
        shifted = np.exp(x - x.max(-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(-1, keepdims=True))

    def layer_norm(self, x: Array, scale: Array, bias: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        return np.asarray(centred / np.sqrt(variance + EPSILON) * scale + bias)

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        scores = self.matmul(q, k.swapaxes(-1, -2)) * q.shape[-1] ** -0.5
        return self.matmul(self.softmax(scores), v)


class PaddleStyle(Operations):
    """wherry and Paddle, whose API is the same."""

    def __init__(self, paddle: Any) -> None:
        functional = paddle.nn.functional
        self.matmul, self.linear, self.relu = paddle.matmul, functional.linear, functional.relu
        self.softmax, self.gelu, self.tanh = functional.softmax, functional.gelu, paddle.tanh
        self.abs, self.largest, self.transpose = paddle.abs, paddle.max, paddle.transpose
        self.reshape, self.embedding = paddle.reshape, functional.embedding
        self.functional, self.paddle = functional, paddle

    def conv2d(
        self, x: Any, k: Any, b: Any = None, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Any:
        return self.functional.conv2d(x, k, b, stride, padding, groups=groups)

    def batch_norm(self, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
        return self.functional.batch_norm(x, mean, var, scale, bias, epsilon=EPSILON)

    def max_pool2d(self, x: Any, size: int, stride: int = 0, padding: int = 0) -> Any:
        return self.functional.max_pool2d(x, size, stride or size, padding)

    def mean_pool2d(self, x: Any) -> Any:
        return self.functional.adaptive_avg_pool2d(x, 1)

    def flatten(self, x: Any) -> Any:
        return self.paddle.flatten(x, 1)

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        return self.functional.layer_norm(x, x.shape[-1:], scale, bias, EPSILON)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        scores = self.matmul(q, k, transpose_y=True) * q.shape[-1] ** -0.5
        return self.matmul(self.softmax(scores), v)


class Torch(Operations):
    """torch; the matrices of `linear` lie transposed, as in torch's own Linear."""

    def __init__(self, torch: Any) -> None:
        functional = torch.nn.functional
        self.matmul, self.relu, self.tanh, self.abs = (
            torch.matmul, torch.relu, torch.tanh, torch.abs,
        )  # fmt: skip
        self.gelu, self.largest, self.reshape = functional.gelu, torch.max, torch.reshape
        self.transpose, self.embedding = torch.permute, functional.embedding
        self.attention = functional.scaled_dot_product_attention
        self.functional = functional

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return self.functional.linear(x, w.T, b)

    def conv2d(
        self, x: Any, k: Any, b: Any = None, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Any:
        return self.functional.conv2d(x, k, b, stride, padding, groups=groups)

    def batch_norm(self, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
        return self.functional.batch_norm(x, mean, var, scale, bias, eps=EPSILON)

    def max_pool2d(self, x: Any, size: int, stride: int = 0, padding: int = 0) -> Any:
        return self.functional.max_pool2d(x, size, stride or size, padding)

    def mean_pool2d(self, x: Any) -> Any:
        return self.functional.adaptive_avg_pool2d(x, 1)

    def flatten(self, x: Any) -> Any:
        return x.flatten(1)

    def softmax(self, x: Any) -> Any:
        return self.functional.softmax(x, -1)

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        return self.functional.layer_norm(x, x.shape[-1:], scale, bias, EPSILON)


class Jax:
    """jax."""

    def __init__(self, jax: Any) -> None:
        self.lax, self.np = jax.lax, jax.numpy
        self.relu, self.softmax, self.matmul = jax.nn.relu, jax.nn.softmax, jax.numpy.matmul
        self.tanh, self.abs, self.largest = jax.numpy.tanh, jax.numpy.abs, jax.numpy.max
        self.reshape, self.transpose = jax.numpy.reshape, jax.numpy.transpose
        self.exact_gelu = jax.nn.gelu

    def while_loop(self, again: Any, step: Any, state: tuple[Any, ...]) -> Any:
        return self.lax.while_loop(lambda s: again(*s), lambda s: step(*s), state)

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def conv2d(
        self, x: Any, k: Any, b: Any = None, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Any:
        border = [(padding, padding)] * 2
        out = self.lax.conv_general_dilated(x, k, (stride,) * 2, border, feature_group_count=groups)
        return out if b is None else out + b[:, None, None]

    def batch_norm(self, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
        factor = scale * self.lax.rsqrt(var + EPSILON)
        return x * factor[:, None, None] + (bias - mean * factor)[:, None, None]

    def max_pool2d(self, x: Any, size: int, stride: int = 0, padding: int = 0) -> Any:
        steps, border = (1, 1, *(stride or size,) * 2), ((0, 0),) * 2 + ((padding,) * 2,) * 2
        window = (1, 1, size, size)
        return self.lax.reduce_window(x, -self.np.inf, self.lax.max, window, steps, border)

    def mean_pool2d(self, x: Any) -> Any:
        return x.mean((2, 3), keepdims=True)

    def gelu(self, x: Any) -> Any:
        return self.exact_gelu(x, approximate=False)

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def embedding(self, ids: Any, table: Any) -> Any:
        return table[ids]

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        variance = self.np.square(centred).mean(-1, keepdims=True)
        return centred * self.lax.rsqrt(variance + EPSILON) * scale + bias

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        scores = self.matmul(q, k.swapaxes(-1, -2)) * q.shape[-1] ** -0.5
        return self.matmul(self.softmax(scores), v)
