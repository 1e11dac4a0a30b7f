"""SpectralNorm: a weight divided by its largest singular value."""

from __future__ import annotations

from ..grad_mode import no_grad
from ..ops.linalg import dot, mv, norm
from ..ops.shape import reshape, transpose
from ..tensor import Tensor
from .initializer import Normal
from .layer import Layer


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows are its slices along an axis."""
    order = [dim, *(i for i in range(weight.ndim) if i != dim)]
    return reshape(transpose(weight, order), [weight.shape[dim], -1])


def power_iterations(
    weight: Tensor, u: Tensor, v: Tensor, dim: int, rounds: int, eps: float
) -> tuple[Tensor, Tensor]:
    """u and v nearer to the singular vectors of the largest singular value."""
    with no_grad():
        matrix = as_matrix(weight.detach(), dim)
        for _ in range(rounds):
            v = _unit(mv(transpose(matrix, [1, 0]), u), eps)
            u = _unit(mv(matrix, v), eps)
    return u, v


def divided_by_sigma(weight: Tensor, u: Tensor, v: Tensor, dim: int) -> Tensor:
    """weight / (u^T W v)."""
    return weight / dot(u, mv(as_matrix(weight, dim), v))


def _unit(x: Tensor, eps: float) -> Tensor:
    return x / (norm(x) + eps)


class SpectralNorm(Layer):
    """A weight of this shape divided by its largest singular value, which each call finds in
    `power_iters` rounds; `dim` is the axis of the rows.

    >>> import wherry as paddle
    >>> layer = paddle.nn.SpectralNorm([2, 2], power_iters=20)
    >>> round(layer(paddle.eye(2) * 4.0)[0, 0].item(), 4)
    1.0
    """

    def __init__(
        self, weight_shape: list[int], dim: int = 0, power_iters: int = 1, epsilon: float = 1e-12,
        dtype: str = "float32", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=dtype)
        self._dim, self._power_iters, self._epsilon = dim, power_iters, epsilon
        self._weight_shape = list(weight_shape)
        if 0 in self._weight_shape:
            raise ValueError(
                f"Any dimension of `weight_shape` cannot be equal to 0, got {weight_shape}"
            )
        if not dim < len(self._weight_shape):
            raise ValueError(
                f"The input `dim` should be less than the length of `weight_shape`, got {dim}"
            )
        rows = self._weight_shape[dim]
        width = 1
        for i, size in enumerate(self._weight_shape):
            width *= 1 if i == dim else size
        for key, size in (("weight_u", rows), ("weight_v", width)):
            vector = self.create_parameter([size], dtype=dtype, default_initializer=Normal(0, 1.0))
            vector.stop_gradient = True
            setattr(self, key, vector)

    def forward(self, x: Tensor) -> Tensor:
        # As in Paddle, each call begins with the vectors that the layer was made with.
        u, v = power_iterations(
            x, self.weight_u, self.weight_v, self._dim, self._power_iters, self._epsilon
        )
        return divided_by_sigma(x, u, v, self._dim)


__all__ = ["SpectralNorm"]
