"""Bernoulli and categorical distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.schema.dtypes import int64

from ..dispatch import run_op
from ..nn import functional as F
from ..ops import math, random
from ..ops.convert import cast_to, to_tensor_like
from ..ops.creation import full_like
from ..ops.reduce import sum as total
from ..ops.shape import reshape
from ..tensor import Tensor
from .base import Distribution, ExponentialFamily, parameters, register_kl


class Bernoulli(ExponentialFamily):
    """1 with a probability, else 0.

    >>> import wherry as paddle
    >>> paddle.distribution.Bernoulli(0.25).variance.item()
    0.1875
    """

    probs: Tensor

    def __init__(self, probs: Any, name: str | None = None) -> None:
        (self.probs,) = parameters(probs)
        super().__init__(self.probs.shape)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    @property
    def _logits(self) -> Tensor:
        """log(p / (1 - p)), of p between the smallest steps from 0 and 1."""
        low = 1.1920928955078125e-07
        held = math.clip(self.probs, low, 1 - low)
        return math.log(held / (1 - held))

    def sample(self, shape: Sequence[int] = ()) -> Tensor:
        drawn = random.uniform(self._extended(shape), self.probs.dtype, 0.0, 1.0)
        return cast_to(drawn < self.probs, self.probs.dtype).detach()  # type: ignore[no-any-return]

    def rsample(self, shape: Sequence[int] = (), temperature: float = 1.0) -> Tensor:
        """Draws that a temperature blurs, so that gradients flow through them."""
        drawn = random.uniform(self._extended(shape), self.probs.dtype, 2.0**-24, 1.0 - 2.0**-24)
        return (self._logits + math.log(drawn / (1 - drawn))) / temperature

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self._logits, self.probs, reduction="none")

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(
            self._logits + value * 0, value + self.probs * 0, reduction="none"
        )

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of what is at most the value."""
        zero, one = full_like(self.probs, 0), full_like(self.probs, 1)
        below = run_op("where", value < 1, 1 - self.probs, one)
        return run_op("where", value < 0, zero, below)  # type: ignore[no-any-return]


class Categorical(Distribution):
    """One of some numbers, each with a probability.

    As in Paddle the `logits` are logarithms (softmax) for `sample`, `entropy` and `kl_divergence`,
    and weights, divided by their sum, for `probs` and `log_prob`.

    >>> import wherry as paddle
    >>> one = paddle.distribution.Categorical(paddle.to_tensor([1.0, 3.0]))
    >>> one.probs(paddle.to_tensor([1])).item()
    0.75
    """

    def __init__(self, logits: Any, name: str | None = None) -> None:
        self.logits = logits if isinstance(logits, Tensor) else to_tensor_like(logits)
        super().__init__(self.logits.shape[:-1])

    def sample(self, shape: Sequence[int] = ()) -> Tensor:
        count = 1
        for size in shape:
            count *= size
        rows = reshape(F.softmax(self.logits.detach()), [-1, self.logits.shape[-1]])
        drawn = random.multinomial(rows, count, True)
        drawn = run_op("transpose2", drawn, axis=[1, 0])
        return reshape(drawn, [*shape, *self._batch_shape])

    def entropy(self) -> Tensor:
        shares = F.log_softmax(self.logits)
        return -total(math.exp(shares) * shares, -1)

    def probs(self, value: Tensor) -> Tensor:
        shares = self.logits / total(self.logits, -1, keepdim=True)
        value = cast_to(value, int64)
        if self.logits.ndim == 1:
            flat = run_op("gather", shares, reshape(value, [-1]), axis=0)
            return reshape(flat, value.shape)
        if value.ndim == 1:
            value = run_op("expand_v2", value, shape=[*self.logits.shape[:-1], value.shape[-1]])
        return run_op("take_along_axis", shares, value, Axis=shares.ndim - 1)  # type: ignore[no-any-return]

    def log_prob(self, value: Tensor) -> Tensor:
        return math.log(self.probs(value))


@register_kl(Categorical, Categorical)
def _categoricals(p: Categorical, q: Categorical) -> Tensor:
    left, right = F.log_softmax(p.logits), F.log_softmax(q.logits)
    return total(math.exp(left) * (left - right), -1, keepdim=True)


@register_kl(Bernoulli, Bernoulli)
def _bernoullis(p: Bernoulli, q: Bernoulli) -> Tensor:
    ones = math.log(p.probs / q.probs) * p.probs
    return ones + math.log((1 - p.probs) / (1 - q.probs)) * (1 - p.probs)


__all__ = ["Bernoulli", "Categorical"]
