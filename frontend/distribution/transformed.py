"""Distributions made of others: of transformed draws, and with more axes in an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from .base import Distribution
from .event_transforms import ChainTransform
from .transforms import Transform, sum_rightmost


class TransformedDistribution(Distribution):
    """The distribution of draws of `base` after the transforms.

    >>> import wherry as paddle
    >>> d = paddle.distribution
    >>> lognormal = d.TransformedDistribution(d.Normal(0.0, 1.0), [d.ExpTransform()])
    >>> round(lognormal.log_prob(paddle.ones([1])).item(), 4)
    -0.9189
    """

    def __init__(self, base: Distribution, transforms: Sequence[Transform]) -> None:
        if not isinstance(base, Distribution):
            raise TypeError(f"Expected type of 'base' is Distribution, but got {type(base)}.")
        if not all(isinstance(one, Transform) for one in transforms):
            raise TypeError("all elements of 'transforms' should be Transform type.")
        self.base, self.transforms = base, list(transforms)
        chain = ChainTransform(self.transforms)
        shape = (*base.batch_shape, *base.event_shape)
        if len(shape) < chain.domain_rank:
            raise ValueError(
                f"the transforms need draws of {chain.domain_rank} dims or more, got {list(shape)}"
            )
        whole = chain.forward_shape(shape)
        change = chain.codomain_rank - chain.domain_rank
        self._rank = max(chain.codomain_rank, len(base.event_shape) + change)
        cut = len(whole) - self._rank
        super().__init__(whole[:cut], whole[cut:])

    def sample(self, shape: Sequence[int] = ()) -> Tensor:
        return self._transformed(self.base.sample(shape))

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        return self._transformed(self.base.rsample(shape))

    def _transformed(self, x: Tensor) -> Tensor:
        for one in self.transforms:
            x = one.forward(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        found: Any = 0.0
        rank = self._rank
        for one in reversed(self.transforms):
            x = one.inverse(value)
            rank += one.domain_rank - one.codomain_rank
            slope = one.forward_log_det_jacobian(x)
            found = found - sum_rightmost(slope, rank - one.domain_rank)
            value = x
        own = self.base.log_prob(value)
        return found + sum_rightmost(own, rank - len(self.base.event_shape))  # type: ignore[no-any-return]


class Independent(Distribution):
    """A distribution whose last batch axes belong to the event: probabilities are multiplied.

    >>> import wherry as paddle
    >>> d = paddle.distribution
    >>> both = d.Independent(d.Normal(paddle.zeros([2]), paddle.ones([2])), 1)
    >>> both.event_shape, round(both.log_prob(paddle.zeros([2])).item(), 4)
    ((2,), -1.8379)
    """

    def __init__(self, base: Distribution, reinterpreted_batch_rank: int) -> None:
        if not isinstance(base, Distribution):
            raise TypeError(f"Expected type of 'base' is Distribution, but got {type(base)}.")
        if not 0 < reinterpreted_batch_rank <= len(base.batch_shape):
            raise ValueError(
                "Expected 0 < reinterpreted_batch_rank <= "
                f"{len(base.batch_shape)}, but got {reinterpreted_batch_rank}"
            )
        self.base, self.rank = base, reinterpreted_batch_rank
        shape = (*base.batch_shape, *base.event_shape)
        cut = len(base.batch_shape) - self.rank
        super().__init__(shape[:cut], shape[cut:])

    @property
    def mean(self) -> Tensor:
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        return self.base.variance

    def sample(self, shape: Sequence[int] = ()) -> Tensor:
        return self.base.sample(shape)

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        return self.base.rsample(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return sum_rightmost(self.base.log_prob(value), self.rank)

    def entropy(self) -> Tensor:
        return sum_rightmost(self.base.entropy(), self.rank)


__all__ = ["Independent", "TransformedDistribution"]
