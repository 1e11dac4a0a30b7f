"""Transforms of whole events, and those that are made of others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..nn.functional.activation import softmax, softplus
from ..ops import math
from ..ops.creation import full_like
from ..ops.reduce import cumprod, cumsum
from ..ops.reduce import sum as total
from ..ops.shape import concat, reshape, stack, unbind
from ..tensor import Tensor
from .transforms import Transform, sum_rightmost


class SoftmaxTransform(Transform):
    """y = softmax(x) over the last axis; the inverse is log, up to a constant.

    >>> import wherry as paddle
    >>> paddle.distribution.SoftmaxTransform().forward(paddle.zeros([2])).tolist()
    [0.5, 0.5]
    """

    domain_rank = codomain_rank = 1

    def _forward(self, x: Tensor) -> Tensor:
        return softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return math.log(y)


class StickBreakingTransform(Transform):
    """K numbers as K + 1 probabilities: each takes a share of what the ones before it left.

    >>> import wherry as paddle
    >>> paddle.distribution.StickBreakingTransform().forward(paddle.zeros([1])).tolist()
    [0.5, 0.5]
    """

    domain_rank = codomain_rank = 1

    def _offset(self, x: Tensor) -> Tensor:
        """The logarithm of how many parts are left behind each share."""
        return math.log(x.shape[-1] + 1 - cumsum(full_like(x, 1), -1))

    def _forward(self, x: Tensor) -> Tensor:
        share = math.sigmoid(x - self._offset(x))
        left = cumprod(1 - share, -1)
        one = full_like(share[..., :1], 1)
        return concat([share, one], -1) * concat([one, left], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        parts = y[..., :-1]
        left = 1 - cumsum(parts, -1)
        return math.log(parts) - math.log(left) + self._offset(parts)

    def _slope(self, x: Tensor) -> Tensor:
        y = self._forward(x)
        moved = x - self._offset(x)
        return total(-moved + (-softplus(-moved)) + math.log(y[..., :-1]), -1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:-1], shape[-1] - 1)


class ReshapeTransform(Transform):
    """An event of one shape as one of another.

    >>> import wherry as paddle
    >>> paddle.distribution.ReshapeTransform([4], [2, 2]).forward(paddle.ones([3, 4])).shape
    [3, 2, 2]
    """

    def __init__(self, in_event_shape: Sequence[int], out_event_shape: Sequence[int]) -> None:
        self.in_event_shape, self.out_event_shape = tuple(in_event_shape), tuple(out_event_shape)
        if prod(self.in_event_shape) != prod(self.out_event_shape):
            raise ValueError(
                f"ReshapeTransform needs shapes of as many elements, got {self.in_event_shape} "
                f"and {self.out_event_shape}"
            )
        self.domain_rank, self.codomain_rank = len(in_event_shape), len(out_event_shape)

    def _forward(self, x: Tensor) -> Tensor:
        return reshape(x, [*x.shape[: x.ndim - self.domain_rank], *self.out_event_shape])

    def _inverse(self, y: Tensor) -> Tensor:
        return reshape(y, [*y.shape[: y.ndim - self.codomain_rank], *self.in_event_shape])

    def _slope(self, x: Tensor) -> Tensor:
        return sum_rightmost(full_like(x, 0), self.domain_rank)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[: len(shape) - self.domain_rank], *self.out_event_shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[: len(shape) - self.codomain_rank], *self.in_event_shape)


class IndependentTransform(Transform):
    """A transform whose slopes are summed over so many more axes.

    >>> import wherry as paddle
    >>> exp = paddle.distribution.ExpTransform()
    >>> both = paddle.distribution.IndependentTransform(exp, 1)
    >>> both.forward_log_det_jacobian(paddle.to_tensor([1.0, 2.0])).item()
    3.0
    """

    def __init__(self, base: Transform, reinterpreted_batch_rank: int) -> None:
        if reinterpreted_batch_rank <= 0:
            raise ValueError(
                f"IndependentTransform needs a rank of 1 or more, got {reinterpreted_batch_rank}"
            )
        self.base, self.rank = base, reinterpreted_batch_rank
        self.is_injective = base.is_injective
        self.domain_rank = base.domain_rank + self.rank
        self.codomain_rank = base.codomain_rank + self.rank

    def _forward(self, x: Tensor) -> Tensor:
        return self.base.forward(x)

    def _inverse(self, y: Tensor) -> Any:
        return self.base.inverse(y)

    def _slope(self, x: Tensor) -> Tensor:
        return sum_rightmost(self.base.forward_log_det_jacobian(x), self.rank)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self.base.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self.base.inverse_shape(shape)


class ChainTransform(Transform):
    """Transforms one after the other, the first one first.

    >>> import wherry as paddle
    >>> exp, tanh = paddle.distribution.ExpTransform(), paddle.distribution.TanhTransform()
    >>> paddle.distribution.ChainTransform([tanh, exp]).forward(paddle.zeros([1])).tolist()
    [1.0]
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = list(transforms)
        self.is_injective = all(one.is_injective for one in transforms)
        rank = self.transforms[-1].codomain_rank
        for one in reversed(self.transforms):
            rank = max(rank + one.domain_rank - one.codomain_rank, one.domain_rank)
        self.domain_rank = rank
        for one in self.transforms:
            rank += one.codomain_rank - one.domain_rank
        self.codomain_rank = rank

    def _forward(self, x: Tensor) -> Tensor:
        for one in self.transforms:
            x = one.forward(x)
        return x

    def _inverse(self, y: Tensor) -> Any:
        for one in reversed(self.transforms):
            y = one.inverse(y)
        return y

    def _slope(self, x: Tensor) -> Tensor:
        slope: Any = 0.0
        rank = self.domain_rank
        for one in self.transforms:
            own = one.forward_log_det_jacobian(x)
            slope = slope + sum_rightmost(own, rank - one.domain_rank)
            rank += one.codomain_rank - one.domain_rank
            x = one.forward(x)
        return slope  # type: ignore[no-any-return]

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        for one in self.transforms:
            shape = one.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        for one in reversed(self.transforms):
            shape = one.inverse_shape(shape)
        return tuple(shape)


class StackTransform(Transform):
    """A transform for each part of x along an axis.

    >>> import wherry as paddle
    >>> d = paddle.distribution
    >>> both = d.StackTransform([d.ExpTransform(), d.AbsTransform()])
    >>> both.forward(paddle.zeros([2, 1])).tolist()
    [[1.0], [0.0]]
    """

    def __init__(self, transforms: Sequence[Transform], axis: int = 0) -> None:
        self.transforms, self.axis = list(transforms), axis
        self.is_injective = all(one.is_injective for one in transforms)

    def _each(self, method: str, x: Tensor) -> Tensor:
        if x.shape[self.axis] != len(self.transforms):
            raise ValueError(
                f"StackTransform needs a size of {len(self.transforms)} at axis {self.axis}, one "
                f"for each transform, got {x.shape}"
            )
        parts = zip(self.transforms, unbind(x, self.axis), strict=True)
        return stack([getattr(one, method)(part) for one, part in parts], self.axis)

    def _forward(self, x: Tensor) -> Tensor:
        return self._each("forward", x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._each("inverse", y)

    def _slope(self, x: Tensor) -> Tensor:
        return self._each("forward_log_det_jacobian", x)


__all__ = [
    "ChainTransform", "IndependentTransform", "ReshapeTransform", "SoftmaxTransform",
    "StackTransform", "StickBreakingTransform",
]  # fmt: skip
