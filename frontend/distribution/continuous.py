"""Normal, log-normal, uniform, Laplace and Gumbel distributions."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi
from typing import Any

from ..dispatch import run_op
from ..ops import math, random
from ..ops.convert import cast_to
from ..ops.creation import full_like
from ..tensor import Tensor
from .base import Distribution, kl_divergence, parameters, register_kl

EULER = 0.57721566490153286060


class _LocationScale(Distribution):
    """A distribution that is moved by `loc` and widened by `scale`."""

    def __init__(self, loc: Any, scale: Any, name: str | None = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape)

    def _standard(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def _uniform(self, shape: Sequence[int], low: float, high: float) -> Tensor:
        return random.uniform(self._extended(shape), self.loc.dtype, low, high)


class Normal(_LocationScale):
    """The normal distribution of a mean `loc` and a standard deviation `scale`.

    >>> import wherry as paddle
    >>> normal = paddle.distribution.Normal(0.0, 1.0)
    >>> round(normal.entropy().item(), 4), normal.sample([3]).shape
    (1.4189, [3])
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return math.square(self.scale)

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        drawn = random.gaussian(self._extended(shape), 0.0, 1.0, self.loc.dtype)
        return self.loc + drawn * self.scale

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * log(2 * pi) + math.log(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        apart = math.square(value - self.loc) / (2.0 * self.variance)
        return -1.0 * apart - math.log(self.scale) - log((2 * pi) ** 0.5)


class LogNormal(Normal):
    """exp of a normal distribution."""

    @property
    def mean(self) -> Tensor:
        return math.exp(self.loc + math.square(self.scale) / 2)

    @property
    def variance(self) -> Tensor:
        wide = math.square(self.scale)
        return math.expm1(wide) * math.exp(2 * self.loc + wide)

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        return math.exp(super().rsample(shape))

    def entropy(self) -> Tensor:
        return super().entropy() + self.loc

    def log_prob(self, value: Tensor) -> Tensor:
        inner = math.log(value)
        apart = math.square(inner - self.loc) / (2.0 * math.square(self.scale))
        return -1.0 * apart - math.log(self.scale) - log((2 * pi) ** 0.5) - inner


class Uniform(Distribution):
    """Equal probability in [low, high).

    >>> import wherry as paddle
    >>> uniform = paddle.distribution.Uniform(0.0, 2.0)
    >>> uniform.probs(paddle.to_tensor([0.5, 3.0])).tolist()
    [0.5, 0.0]
    """

    def __init__(self, low: Any, high: Any, name: str | None = None) -> None:
        self.low, self.high = parameters(low, high)
        super().__init__(self.low.shape)

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        return math.square(self.high - self.low) / 12

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        drawn = random.uniform(self._extended(shape), self.low.dtype, 0.0, 1.0)
        return self.low + drawn * (self.high - self.low)

    def entropy(self) -> Tensor:
        return math.log(self.high - self.low)

    def _inside(self, value: Tensor) -> Tensor:
        inside = run_op("logical_and", self.low < value, value < self.high)
        return cast_to(inside, self.low.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return math.log(self._inside(value)) - math.log(self.high - self.low)

    def probs(self, value: Tensor) -> Tensor:
        return self._inside(value) / (self.high - self.low)


class Laplace(_LocationScale):
    """The double exponential distribution around `loc`.

    >>> import wherry as paddle
    >>> paddle.distribution.Laplace(0.0, 1.0).cdf(paddle.to_tensor(0.0)).item()
    0.5
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return math.square(self.stddev)

    @property
    def stddev(self) -> Tensor:
        return self.scale * 2**0.5

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        drawn = self._uniform(shape, -0.5 + 2.0**-24, 0.5)
        return self.loc - self.scale * math.sign(drawn) * math.log1p(-2 * math.abs(drawn))

    def entropy(self) -> Tensor:
        return 1 + math.log(2 * self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        return -math.log(2 * self.scale) - math.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of what is at most the value."""
        apart = value - self.loc
        return 0.5 - 0.5 * math.sign(apart) * math.expm1(-math.abs(apart) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        term = value - 0.5
        return self.loc - self.scale * math.sign(term) * math.log1p(-2 * math.abs(term))


class Gumbel(_LocationScale):
    """The distribution of the largest of many draws.

    >>> import wherry as paddle
    >>> gumbel = paddle.distribution.Gumbel(paddle.to_tensor([0.0]), paddle.to_tensor([1.0]))
    >>> round(gumbel.mean.item(), 4)
    0.5772
    """

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * EULER

    @property
    def variance(self) -> Tensor:
        return full_like(self.scale, pi**2 / 6) * math.square(self.scale)

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        drawn = self._uniform(shape, 2.0**-24, 1.0)
        return self.loc - self.scale * math.log(-math.log(drawn))

    def entropy(self) -> Tensor:
        return math.log(self.scale) + 1 + EULER

    def log_prob(self, value: Tensor) -> Tensor:
        y = (self.loc - value) / self.scale
        return y - math.exp(y) - math.log(self.scale)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of what is at most the value."""
        return math.exp(-math.exp(-self._standard(value)))


@register_kl(Normal, Normal)
def _normals(p: Normal, q: Normal) -> Tensor:
    ratio = math.square(p.scale / q.scale)
    apart = math.square((p.loc - q.loc) / q.scale)
    return 0.5 * (ratio + apart - 1 - math.log(ratio))


@register_kl(Uniform, Uniform)
def _uniforms(p: Uniform, q: Uniform) -> Tensor:
    return math.log((q.high - q.low) / (p.high - p.low))


@register_kl(Laplace, Laplace)
def _laplaces(p: Laplace, q: Laplace) -> Tensor:
    ratio, apart = p.scale / q.scale, math.abs(p.loc - q.loc)
    term = -math.log(ratio) + apart / q.scale - 1
    return term + ratio * math.exp(-apart / p.scale)


__all__ = ["Gumbel", "Laplace", "LogNormal", "Normal", "Uniform", "kl_divergence"]
