"""Tensors filled in place: their diagonals, and with exponential random numbers."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import int64

from ..dispatch import run_op, update_buffer, write
from ..tensor import Tensor
from . import random
from .convert import cast_to, need_tensor, scalar
from .creation import arange
from .math import log1p
from .shape import moveaxis, reshape


def exponential_(x: Tensor, lam: float = 1.0, name: str | None = None) -> Tensor:
    """Fill with numbers of the exponential distribution of this rate; returns x.

    >>> import wherry as paddle
    >>> bool((paddle.zeros([100]).exponential_(2.0) >= 0).all())
    True
    """
    uniform = random.uniform(x.shape, x.dtype, 0.0, 1.0)
    update_buffer(x, log1p(-uniform) * (-1.0 / lam))
    return x


def fill_diagonal_(
    x: Tensor, value: float, offset: int = 0, wrap: bool = False, name: str | None = None
) -> Tensor:
    """Write a number to the diagonal of a matrix, or of a tensor of equal sizes; returns x.

    `wrap` goes on below, one row after the matrix would be full.

    >>> import wherry as paddle
    >>> paddle.zeros([2, 3]).fill_diagonal_(5.0, offset=1).tolist()
    [[0.0, 5.0, 0.0], [0.0, 0.0, 5.0]]
    """
    sizes = list(need_tensor(x, "fill_diagonal_").shape)
    if len(sizes) < 2 or (len(sizes) > 2 and len(set(sizes)) > 1):
        raise ValueError(f"fill_diagonal_ needs a matrix, or equal sizes, got {sizes}")
    if len(sizes) == 2:
        chosen = _is_diagonal(sizes[0], sizes[1], offset, wrap)
    else:
        places: list[Any] = [
            reshape(arange(0, size, 1, int64), [-1] + [1] * (len(sizes) - 1 - axis))
            for axis, size in enumerate(sizes)
        ]
        chosen = places[0] == places[1]
        for one in places[2:]:
            chosen = run_op("logical_and", chosen, places[0] == one)
    return write(x, run_op("where", chosen, scalar(value, x.dtype), x))


def _is_diagonal(rows: Any, columns: Any, offset: int, wrap: bool = False) -> Any:
    """Whether row i and column j stand on the diagonal."""
    i: Any = reshape(arange(0, rows, 1, int64), [-1, 1])
    j: Any = arange(0, columns, 1, int64)
    return (i * columns + j - offset) % (columns + 1) == 0 if wrap else j - i == offset


def fill_diagonal_tensor(
    x: Tensor, y: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, name: str | None = None
) -> Tensor:
    """x with y on the diagonals of two axes; y's last axis goes along them.

    >>> import wherry as paddle
    >>> paddle.zeros([2, 2]).fill_diagonal_tensor(paddle.to_tensor([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    need_tensor(x, "fill_diagonal_tensor"), need_tensor(y, "fill_diagonal_tensor", "y")
    matrices = moveaxis(x, [dim1, dim2], [-2, -1])
    rows, columns = matrices.shape[-2:]
    length = y.shape[-1]
    values = cast_to(y, x.dtype)
    # A diagonal above begins in row 0, one below in column 0: y goes along rows, or columns.
    rest = rows - length if offset >= 0 else columns - length
    padded = run_op("pad", values, paddings=[0, 0] * (y.ndim - 1) + [0, rest], pad_value=0.0)
    spread = run_op("unsqueeze2", padded, axes=[-1 if offset >= 0 else -2])
    found = run_op("where", _is_diagonal(rows, columns, offset), spread, matrices)
    return moveaxis(found, [-2, -1], [dim1, dim2])


def fill_diagonal_tensor_(
    x: Tensor, y: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, name: str | None = None
) -> Tensor:
    """`fill_diagonal_tensor` in place; returns x."""
    return write(x, fill_diagonal_tensor(x, y, offset, dim1, dim2))


__all__ = ["exponential_", "fill_diagonal_", "fill_diagonal_tensor", "fill_diagonal_tensor_"]
