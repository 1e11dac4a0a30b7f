"""Random numbers from one counted state (`paddle.seed`), equal in eager and compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, int64

from ..random import draw
from ..tensor import Tensor
from .convert import dims_of, dtype_or_default


def uniform(
    shape: Any, dtype: Any = None, min: float = -1.0, max: float = 1.0, seed: int = 0,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [min, max). A seed other than 0 makes this call repeatable on its own.

    >>> import wherry as paddle
    >>> paddle.uniform([2, 3]).shape
    [2, 3]
    """
    return draw(  # type: ignore[no-any-return]
        "uniform_random", seed=seed, shape=dims_of(shape), min=float(min), max=float(max),
        dtype=dtype_or_default(dtype),
    )  # fmt: skip


def rand(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Uniform numbers in [0, 1).

    >>> import wherry as paddle
    >>> 0.0 <= paddle.rand([1]).item() < 1.0
    True
    """
    return uniform(shape, dtype, 0.0, 1.0)


def gaussian(
    shape: Any, mean: float = 0.0, std: float = 1.0, dtype: Any = None, seed: int = 0
) -> Tensor:
    """Numbers of a normal distribution."""
    return draw(  # type: ignore[no-any-return]
        "gaussian_random", seed=seed, shape=dims_of(shape), mean=float(mean), std=float(std),
        dtype=dtype_or_default(dtype),
    )  # fmt: skip


def randn(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Numbers of the standard normal distribution.

    >>> import wherry as paddle
    >>> paddle.randn([2]).shape
    [2]
    """
    return gaussian(shape, 0.0, 1.0, dtype)


standard_normal = randn


def normal(mean: Any = 0.0, std: Any = 1.0, shape: Any = None, name: str | None = None) -> Tensor:
    """Normal numbers; mean and std are numbers (then `shape` is needed) or Tensors that broadcast.

    >>> import wherry as paddle
    >>> paddle.normal(0.0, 2.0, [3]).shape
    [3]
    """
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        return gaussian([1] if shape is None else shape, mean, std)
    like = mean if isinstance(mean, Tensor) else std
    return gaussian(like.shape, 0.0, 1.0, like.dtype) * std + mean  # type: ignore[no-any-return]


def randint(low: int = 0, high: int | None = None, shape: Any = (1,), dtype: Any = None,
            name: str | None = None) -> Tensor:  # fmt: skip
    """Integers in [low, high); with one limit in [0, low).

    >>> import wherry as paddle
    >>> paddle.randint(0, 10, [2, 2]).dtype
    paddle.int64
    """
    if high is None:
        low, high = 0, low
    if low >= high:
        raise ValueError(
            f"randint's low must less then high, but received low = {low}, high = {high}"
        )
    return draw(  # type: ignore[no-any-return]
        "randint", shape=dims_of(shape), low=int(low), high=int(high),
        dtype=int64 if dtype is None else as_dtype(dtype),
    )  # fmt: skip


def randint_like(x: Tensor, low: int = 0, high: int | None = None, dtype: Any = None,
                 name: str | None = None) -> Tensor:  # fmt: skip
    """`randint` of x's shape and dtype.

    >>> import wherry as paddle
    >>> paddle.randint_like(paddle.ones([2]), 5).shape
    [2]
    """
    kind = x.dtype if dtype is None else as_dtype(dtype)
    return randint(low, high, x.shape).astype(kind)  # type: ignore[no-any-return]


def randperm(n: int, dtype: Any = "int64", name: str | None = None) -> Tensor:
    """0 .. n-1 in random order.

    >>> import wherry as paddle
    >>> sorted(paddle.randperm(3).tolist())
    [0, 1, 2]
    """
    return draw("randperm", n=int(n), dtype=as_dtype(dtype))  # type: ignore[no-any-return]


def bernoulli(x: Tensor, name: str | None = None) -> Tensor:
    """1 with the probability that x gives for each element, else 0.

    >>> import wherry as paddle
    >>> paddle.bernoulli(paddle.ones([2])).tolist()
    [1.0, 1.0]
    """
    return draw("bernoulli", x)  # type: ignore[no-any-return]


def multinomial(x: Tensor, num_samples: int = 1, replacement: bool = False,
                name: str | None = None) -> Tensor:  # fmt: skip
    """Positions drawn along the last axis with probabilities in proportion to x (not negative).

    >>> import wherry as paddle
    >>> paddle.multinomial(paddle.to_tensor([0.0, 1.0])).tolist()
    [1]
    """
    weights = x.array
    if (weights < 0).any() or (weights.sum(-1) <= 0).any():
        raise ValueError("multinomial needs weights >= 0 with a positive sum in each row")
    if not replacement and num_samples > np.count_nonzero(weights, -1).min():
        raise ValueError(
            f"multinomial without replacement cannot draw {num_samples} of fewer positive weights"
        )
    if replacement:
        ends = np.cumsum(weights / weights.sum(-1, keepdims=True), -1)
        noise = rand([*x.shape[:-1], num_samples], "float64").array
        chosen = (noise[..., None] >= ends[..., None, :]).sum(-1)
        return Tensor(np.minimum(chosen, weights.shape[-1] - 1).astype(np.int64))
    # The largest of log(w) + Gumbel noise are a draw without replacement.
    with np.errstate(divide="ignore"):
        noise = -np.log(-np.log(rand(x.shape, "float64").array.clip(1e-300)))
        keys = np.log(weights) + noise
    return Tensor(np.argsort(-keys, axis=-1)[..., :num_samples].astype(np.int64))
