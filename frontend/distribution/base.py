"""What all distributions share, and the table of Kullback-Leibler divergences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wherry.schema.dtypes import float32

from ..ops import math
from ..ops.convert import cast_to, is_number, to_tensor_like
from ..ops.shape import broadcast_tensors
from ..tensor import Tensor


class Distribution:
    """A base of distributions: `batch_shape` is that of the parameters, `event_shape` of a draw."""

    def __init__(self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = ()) -> None:
        self._batch_shape, self._event_shape = tuple(batch_shape), tuple(event_shape)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self._batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(self.variance)

    def rsample(self, shape: Sequence[int] = ()) -> Tensor:
        """Draws of this shape before the batch's, through which gradients flow."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample")

    def sample(self, shape: Sequence[int] = ()) -> Tensor:
        """Draws of this shape before the batch's, as constants."""
        return self.rsample(shape).detach()  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability (density) of a value."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def prob(self, value: Tensor) -> Tensor:
        """The probability (density) of a value."""
        return math.exp(self.log_prob(value))

    probs: Any = prob

    def kl_divergence(self, other: Distribution) -> Tensor:
        """The Kullback-Leibler divergence from this distribution to another."""
        return kl_divergence(self, other)

    def _extended(self, shape: Sequence[int]) -> list[int]:
        return [*shape, *self._batch_shape, *self._event_shape]


class ExponentialFamily(Distribution):
    """A base of the distributions of the exponential family."""


def parameters(*values: Any) -> list[Tensor]:
    """Numbers, lists, arrays and Tensors as float Tensors of one shape."""
    tensors = []
    for value in values:
        made = value if isinstance(value, Tensor) else to_tensor_like(
            float(value) if is_number(value) else value
        )  # fmt: skip
        tensors.append(made if made.dtype.is_float and isinstance(value, Tensor)
                       else cast_to(made, float32))  # fmt: skip
    return broadcast_tensors(tensors) if len(tensors) > 1 else tensors


Divergence = Callable[[Any, Any], Tensor]
_DIVERGENCES: dict[tuple[type, type], Divergence] = {}


def register_kl(cls_p: type, cls_q: type) -> Callable[[Divergence], Divergence]:
    """Enter a function of two distributions of these classes as their divergence."""
    if not (issubclass(cls_p, Distribution) and issubclass(cls_q, Distribution)):
        raise TypeError("cls_p and cls_q must be subclass of Distribution")

    def enter(function: Divergence) -> Divergence:
        _DIVERGENCES[cls_p, cls_q] = function
        return function

    return enter


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence from p to q. Raises NotImplementedError for a pair of kinds
    that has no formula.

    >>> import wherry as paddle
    >>> Normal = paddle.distribution.Normal
    >>> paddle.distribution.kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0)).item()
    0.5
    """
    found = [
        (type(p).__mro__.index(a) + type(q).__mro__.index(b), function)
        for (a, b), function in _DIVERGENCES.items()
        if isinstance(p, a) and isinstance(q, b)
    ]
    if not found:
        raise NotImplementedError(
            f"there is no divergence from {type(p).__name__} to {type(q).__name__}; "
            "paddle.distribution.register_kl enters one"
        )
    return min(found, key=lambda one: one[0])[1](p, q)
