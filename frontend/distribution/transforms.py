"""Transforms of random numbers: functions with an inverse and the logarithm of their slope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..nn.functional.activation import softplus
from ..ops import math
from ..ops.creation import full_like
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shape
from ..tensor import Tensor
from .base import Distribution, parameters


class Transform:
    """A base of transforms. The last `domain_rank` axes of x are transformed together, and become
    the last `codomain_rank` axes of the result.

    `t(x)` is `t.forward(x)` of a Tensor, a `TransformedDistribution` of a distribution, and a
    `ChainTransform` of another transform. A subclass writes `_forward`, `_inverse` and `_slope`,
    the logarithm of the absolute determinant of the Jacobian at x.
    """

    domain_rank = 0
    codomain_rank = 0
    is_injective = True

    def __call__(self, input: Any) -> Any:
        from .event_transforms import ChainTransform
        from .transformed import TransformedDistribution

        if isinstance(input, Distribution):
            return TransformedDistribution(input, [self])
        if isinstance(input, Transform):
            return ChainTransform([self, input])
        return self.forward(input)

    def forward(self, x: Tensor) -> Tensor:
        """f(x)."""
        return self._forward(self._checked(x, self.domain_rank))

    def inverse(self, y: Tensor) -> Any:
        """The x with f(x) = y."""
        return self._inverse(self._checked(y, self.codomain_rank))

    def forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        """log |det df/dx| at x, one number for each event."""
        if not self.is_injective:
            raise NotImplementedError(
                f"{type(self).__name__} takes several x to one y: it has no one slope at x"
            )
        return self._slope(self._checked(x, self.domain_rank))

    def inverse_log_det_jacobian(self, y: Tensor) -> Any:
        """log |det dx/dy| at y."""
        return -1.0 * self._slope(self.inverse(y))

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of f(x) for an x of this shape."""
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of x for an f(x) of this shape."""
        return tuple(shape)

    def _checked(self, value: Any, rank: int) -> Tensor:
        if not isinstance(value, Tensor):
            raise TypeError(f"{type(self).__name__} needs a Tensor, got {type(value).__name__}")
        if value.ndim < rank:
            raise ValueError(
                f"{type(self).__name__} needs a tensor of {rank} dims or more, got {value.shape}"
            )
        return value

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def _inverse(self, y: Tensor) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def _slope(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no log_det_jacobian")


def sum_rightmost(x: Tensor, count: int) -> Tensor:
    """x summed over its last axes."""
    return total(x, list(range(-count, 0))) if count > 0 else x


class AbsTransform(Transform):
    """y = |x|. Its inverse gives both x: (-y, y).

    >>> import wherry as paddle
    >>> paddle.distribution.AbsTransform().forward(paddle.to_tensor([-2.0])).tolist()
    [2.0]
    """

    is_injective = False

    def _forward(self, x: Tensor) -> Tensor:
        return math.abs(x)

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return -y, y

    def inverse_log_det_jacobian(self, y: Tensor) -> tuple[Tensor, Tensor]:
        zero = full_like(y, 0)
        return zero, zero


class AffineTransform(Transform):
    """y = loc + scale * x.

    >>> import wherry as paddle
    >>> affine = paddle.distribution.AffineTransform(paddle.ones([1]), paddle.full([1], 2.0))
    >>> affine.forward(paddle.to_tensor([3.0])).tolist()
    [7.0]
    """

    def __init__(self, loc: Any, scale: Any) -> None:
        self.loc, self.scale = parameters(loc, scale)

    def _forward(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def _slope(self, x: Tensor) -> Tensor:
        return math.log(math.abs(self.scale)) + full_like(x, 0)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(broadcast_shape(list(shape), self.loc.shape))

    inverse_shape = forward_shape


class ExpTransform(Transform):
    """y = exp(x).

    >>> import wherry as paddle
    >>> paddle.distribution.ExpTransform().forward(paddle.zeros([1])).tolist()
    [1.0]
    """

    def _forward(self, x: Tensor) -> Tensor:
        return math.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return math.log(y)

    def _slope(self, x: Tensor) -> Tensor:
        return x


class PowerTransform(Transform):
    """y = x ** power, for x > 0.

    >>> import wherry as paddle
    >>> square = paddle.distribution.PowerTransform(paddle.full([1], 2.0))
    >>> square.forward(paddle.to_tensor([3.0])).tolist()
    [9.0]
    """

    def __init__(self, power: Any) -> None:
        (self.power,) = parameters(power)

    def _forward(self, x: Tensor) -> Tensor:
        return math.pow(x, self.power)

    def _inverse(self, y: Tensor) -> Tensor:
        return math.pow(y, 1.0 / self.power)

    def _slope(self, x: Tensor) -> Tensor:
        return math.log(math.abs(self.power * math.pow(x, self.power - 1.0)))


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x)).

    >>> import wherry as paddle
    >>> paddle.distribution.SigmoidTransform().forward(paddle.zeros([1])).tolist()
    [0.5]
    """

    def _forward(self, x: Tensor) -> Tensor:
        return math.sigmoid(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return math.log(y) - math.log1p(-y)

    def _slope(self, x: Tensor) -> Tensor:
        return -softplus(-x) - softplus(x)


class TanhTransform(Transform):
    """y = tanh(x).

    >>> import wherry as paddle
    >>> paddle.distribution.TanhTransform().forward(paddle.zeros([1])).tolist()
    [0.0]
    """

    def _forward(self, x: Tensor) -> Tensor:
        return math.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return math.atanh(y)

    def _slope(self, x: Tensor) -> Tensor:
        # log(1 - tanh(x)^2) without a difference of nearly equal numbers.
        return 2.0 * (0.6931471805599453 - x - softplus(-2.0 * x))


__all__ = [
    "AbsTransform", "AffineTransform", "ExpTransform", "PowerTransform", "SigmoidTransform",
    "TanhTransform", "Transform", "sum_rightmost",
]  # fmt: skip
