"""`paddle.autograd.jacobian` and `hessian`: all derivatives of some numbers by others.

They are computed when they are first looked at, and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from .autograd import grad
from .ops.creation import zeros_like
from .ops.reduce import sum as total
from .ops.shape import reshape, stack
from .tensor import Tensor


class Jacobian:
    """The derivatives of ys by xs: [M, N] of M numbers by N, or with a batch axis [B, M, N].

    An axis is missing where ys or xs is one number. Indexing gives Tensors.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    >>> paddle.autograd.jacobian(x * x, x)[:].tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    def __init__(self, ys: Tensor, xs: Tensor, is_batched: bool = False) -> None:
        low = 1 if is_batched else 0
        for name, one in (("ys", ys), ("xs", xs)):
            if not low <= one.ndim <= low + 1:
                raise ValueError(
                    f"{name}.ndim should be {low} or {low + 1} when is_batched={is_batched} but "
                    f"got {one.ndim}"
                )
        self._ys, self._xs, self._batched = ys, xs, is_batched

    @property
    def shape(self) -> list[int]:
        front = self._ys.shape[:1] if self._batched else []
        low = len(front)
        return [*front, *self._ys.shape[low:], *self._xs.shape[low:]]

    def _gradient(self, weights: Tensor) -> Tensor:
        (found,) = grad(
            [self._ys], [self._xs], [weights], retain_graph=True, create_graph=True,
            allow_unused=True,
        )  # fmt: skip
        return zeros_like(self._xs) if found is None else found

    @cached_property
    def _whole(self) -> Tensor:
        axis = 1 if self._batched else 0
        if self._ys.ndim == axis:
            return self._gradient(Tensor(np.ones_like(self._ys.array)))
        rows = []
        for i in range(self._ys.shape[-1]):
            weights = np.zeros_like(self._ys.array)
            weights[..., i] = 1
            rows.append(self._gradient(Tensor(weights)))
        return stack(rows, axis)

    def __getitem__(self, index: Any) -> Tensor:
        if not self.shape:
            raise IndexError("0-D tensor can not be indexed.")
        return self._whole[index]


class Hessian(Jacobian):
    """The second derivatives of one number (of each of a batch) by xs and by others."""

    def __init__(self, ys: Tensor, xs: Tensor, others: Tensor, is_batched: bool = False) -> None:
        count = ys.size // ys.shape[0] if is_batched and ys.ndim else ys.size
        if count != 1:
            where = "0" if is_batched else "None"
            raise ValueError(f"Only support ys.numel()({count})==1 when batch_axis is {where}.")
        (slope,) = grad([total(ys)], [xs], create_graph=True, allow_unused=True)
        super().__init__(zeros_like(xs) if slope is None else reshape(slope, xs.shape), others,
                         is_batched)  # fmt: skip

    def _gradient(self, weights: Tensor) -> Tensor:
        if self._ys.stop_gradient:
            return zeros_like(self._xs)
        return super()._gradient(weights)


def _is_batched(batch_axis: int | None) -> bool:
    if batch_axis not in (None, 0):
        raise ValueError(f"batch_axis should be None or 0, but got {batch_axis}.")
    return batch_axis == 0


def _over(values: Any, function: Callable[[Tensor], Any]) -> Any:
    """The function of a Tensor; of a list or tuple the tuple of its values."""
    if isinstance(values, (list, tuple)):
        return tuple(function(one) for one in values)
    return function(values)


def jacobian(ys: Any, xs: Any, batch_axis: int | None = None) -> Any:
    """The Jacobian of ys by xs; of lists a tuple of them, of two lists a tuple of tuples.

    ys and xs have one axis or none, and with `batch_axis` 0 one more in front.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    >>> paddle.autograd.jacobian(x * 3, x)[0].tolist()
    [3.0, 0.0]
    """
    batched = _is_batched(batch_axis)
    return _over(ys, lambda y: _over(xs, lambda x: Jacobian(y, x, batched)))


def hessian(ys: Tensor, xs: Any, batch_axis: int | None = None) -> Any:
    """The second derivatives of one number by xs; of a list of xs a tuple of tuples.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    >>> paddle.autograd.hessian((x**3).sum(), x)[:].tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    batched = _is_batched(batch_axis)
    return _over(xs, lambda x: _over(xs, lambda other: Hessian(ys, x, other, batched)))


__all__ = ["Hessian", "Jacobian", "hessian", "jacobian"]
