"""`paddle.linalg`: the functions on matrices under this name."""

from .ops.linalg import matmul, norm

__all__ = ["matmul", "norm"]
