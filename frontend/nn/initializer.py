"""`paddle.nn.initializer`: an initializer is called on a Tensor and fills it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import update_buffer
from ..ops import random
from ..tensor import Tensor


class Initializer:
    """Fills a Tensor when it is called. Subclasses define `value`."""

    def __call__(self, param: Tensor, block: Any = None) -> Tensor:
        update_buffer(param, self.value(param))
        return param

    def value(self, like: Tensor) -> Tensor:
        """The first value: a Tensor of like's shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} defines no value")


class Constant(Initializer):
    """One number everywhere.

    >>> import wherry as paddle
    >>> paddle.nn.initializer.Constant(3.0)(paddle.empty([2])).tolist()
    [3.0, 3.0]
    """

    def __init__(self, value: float = 0.0) -> None:
        self.number = value

    def value(self, like: Tensor) -> Tensor:
        return Tensor(np.full_like(like.array, self.number))


class Uniform(Initializer):
    """Uniform in [low, high)."""

    def __init__(self, low: float = -1.0, high: float = 1.0, name: str | None = None) -> None:
        if low > high:
            raise ValueError(f"Uniform needs low <= high, got {low} and {high}")
        self.low, self.high = low, high

    def value(self, like: Tensor) -> Tensor:
        return random.uniform(like.shape, like.dtype, self.low, self.high)


class Normal(Initializer):
    """Normal with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, std: float = 1.0, name: str | None = None) -> None:
        self.mean, self.std = mean, std

    def value(self, like: Tensor) -> Tensor:
        return random.gaussian(like.shape, self.mean, self.std, like.dtype)


class TruncatedNormal(Initializer):
    """Normal, with what lies further than two standard deviations from the mean drawn again."""

    def __init__(self, mean: float = 0.0, std: float = 1.0, name: str | None = None) -> None:
        self.mean, self.std = mean, std

    def value(self, like: Tensor) -> Tensor:
        drawn = random.gaussian(like.shape, 0.0, 1.0, "float64").array.copy()
        while (far := np.abs(drawn) > 2.0).any():
            drawn[far] = random.gaussian([int(far.sum())], 0.0, 1.0, "float64").array
        return Tensor((drawn * self.std + self.mean).astype(like.array.dtype))


def fans(shape: list[int]) -> tuple[int, int]:
    """How many inputs and outputs a weight joins: a matrix [in, out], a filter [out, in, ...]."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


class _Xavier(Initializer):
    def __init__(
        self, fan_in: float | None = None, fan_out: float | None = None, name: str | None = None
    ) -> None:
        self.fan_in, self.fan_out = fan_in, fan_out

    def variance(self, like: Tensor) -> float:
        """2 / (fan_in + fan_out)."""
        first, second = fans(like.shape)
        total = (self.fan_in or first) + (self.fan_out or second)
        return 2.0 / total if total else 0.0


class XavierUniform(_Xavier):
    """Uniform in [-a, a], a = sqrt(6 / (fan_in + fan_out)): the default of weights."""

    def value(self, like: Tensor) -> Tensor:
        limit = math.sqrt(3.0 * self.variance(like))
        return random.uniform(like.shape, like.dtype, -limit, limit)


class XavierNormal(_Xavier):
    """Normal with the standard deviation sqrt(2 / (fan_in + fan_out))."""

    def value(self, like: Tensor) -> Tensor:
        return random.gaussian(like.shape, 0.0, math.sqrt(self.variance(like)), like.dtype)


class _Kaiming(Initializer):
    def __init__(
        self, fan_in: float | None = None, negative_slope: float = 0.0, nonlinearity: str = "relu"
    ) -> None:
        self.fan_in = fan_in
        self.gain = calculate_gain(nonlinearity, negative_slope)

    def std(self, like: Tensor) -> float:
        """gain / sqrt(fan_in)."""
        fan = self.fan_in or fans(like.shape)[0]
        return self.gain / math.sqrt(fan) if fan else 0.0


class KaimingNormal(_Kaiming):
    """Normal with the standard deviation gain / sqrt(fan_in)."""

    def value(self, like: Tensor) -> Tensor:
        return random.gaussian(like.shape, 0.0, self.std(like), like.dtype)


class KaimingUniform(_Kaiming):
    """Uniform in [-a, a], a = gain * sqrt(3 / fan_in)."""

    def value(self, like: Tensor) -> Tensor:
        limit = math.sqrt(3.0) * self.std(like)
        return random.uniform(like.shape, like.dtype, -limit, limit)


class Assign(Initializer):
    """This very value: a numpy array, nested list or Tensor of the parameter's shape."""

    def __init__(self, value: Any, name: str | None = None) -> None:
        self.data = value

    def value(self, like: Tensor) -> Tensor:
        data = self.data.numpy() if isinstance(self.data, Tensor) else np.asarray(self.data)
        if list(data.shape) != like.shape:
            raise ValueError(f"Assign has shape {list(data.shape)}, the parameter {like.shape}")
        return Tensor(data.astype(like.array.dtype))


class Orthogonal(Initializer):
    """Rows (or columns, whichever are fewer) that are orthonormal, times the gain."""

    def __init__(self, gain: float = 1.0, name: str | None = None) -> None:
        self.gain = gain

    def value(self, like: Tensor) -> Tensor:
        rows = like.shape[0]
        columns = math.prod(like.shape[1:])
        drawn = random.gaussian([max(rows, columns), min(rows, columns)], dtype="float64").array
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diag(r))
        q = q.T if rows < columns else q
        return Tensor((self.gain * q).reshape(like.shape).astype(like.array.dtype))


class Dirac(Initializer):
    """A convolution filter that passes its input channels through."""

    def __init__(self, groups: int = 1, name: str | None = None) -> None:
        self.groups = groups

    def value(self, like: Tensor) -> Tensor:
        if like.ndim not in (3, 4, 5):
            raise ValueError(f"Dirac needs a filter of 3, 4 or 5 dims, got shape {like.shape}")
        out = np.zeros_like(like.array)
        per_group = like.shape[0] // self.groups
        centre = tuple(size // 2 for size in like.shape[2:])
        for group in range(self.groups):
            for channel in range(min(per_group, like.shape[1])):
                out[(group * per_group + channel, channel, *centre)] = 1
        return Tensor(out)


_GAINS = {
    "sigmoid": 1.0, "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0,
    "conv1d_transpose": 1.0, "conv2d_transpose": 1.0, "conv3d_transpose": 1.0,
    "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity shrinks a standard deviation, inverted.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else float(param)) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"nonlinearity function {nonlinearity} is not suppported now; "
            f"known: leaky_relu, {', '.join(_GAINS)}"
        )
    return _GAINS[nonlinearity]


_global: dict[str, Initializer | None] = {"weight": None, "bias": None}


def set_global_initializer(
    weight_init: Initializer | None, bias_init: Initializer | None = None
) -> None:
    """Initialize all later parameters so, where no attr says otherwise; None undoes it."""
    for value in (weight_init, bias_init):
        if value is not None and not isinstance(value, Initializer):
            raise TypeError(f"an initializer is needed, got {type(value).__name__}")
    _global.update(weight=weight_init, bias=bias_init)


def initializer_for(own: Any, default: Any, is_bias: bool) -> Initializer:
    """The attr's initializer, else the global one, else the layer's, else Paddle's default."""
    chosen = own or _global["bias" if is_bias else "weight"] or default
    return chosen or (Constant(0.0) if is_bias else XavierUniform())


__all__ = [
    "Assign", "Constant", "Dirac", "Initializer", "KaimingNormal", "KaimingUniform", "Normal",
    "Orthogonal", "TruncatedNormal", "Uniform", "XavierNormal", "XavierUniform", "calculate_gain",
    "set_global_initializer",
]  # fmt: skip
