"""Writes through views, masks and index tensors while tracing equal those of dynamic mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static

X = np.arange(12, dtype=np.float32).reshape(3, 4) - 5


def rows(x: Any) -> Any:
    z = x * 1
    y = z[0]
    y.add_(paddle.to_tensor(1.0))
    z[1][1] = 7.0
    return z, y


def slices_of_slices(x: Any) -> Any:
    z = x * 1
    y = z[:, 1:3]
    y[0] = 9.0
    w = z[::2]
    w[:, ::-1][0] = paddle.to_tensor([1.0, 2.0, 3.0, 4.0])
    z.add_(paddle.ones([]))
    return z, y, w


def transposed_and_reshaped(x: Any) -> Any:
    z = x * 1
    t = z.transpose([1, 0])[2]
    t.add_(paddle.to_tensor(5.0))
    flat = z.reshape([-1])
    flat[3:5] = 50.0
    return z, t, flat


def unbound(x: Any) -> Any:
    z = x * 1
    a, b, c = z.unbind(0)
    b.add_(paddle.to_tensor(1.0))
    z[2] = 0.0
    return z, a, b, c


def argument(x: Any) -> Any:
    x[0].add_(paddle.to_tensor(1.0))
    return x.sum()


def rows_by_tensor_in_a_loop(x: Any) -> Any:
    z = x * 1
    i = paddle.to_tensor(0)
    while i < 3:
        row = z[i]
        row.add_(row)
        i = i + 1
    return z


def in_branches(x: Any) -> Any:
    z = x * 1
    if x.sum() > 0:
        z[0].add_(paddle.to_tensor(1.0))
    else:
        z[1][2] = 100.0
    return z


def number_by_mask(x: Any) -> Any:
    z = x * 1
    z[x > 0] = 5.0
    z[x < -3] = paddle.to_tensor([-5.0])
    return z


def values_by_mask(x: Any) -> Any:
    z = x * 1
    z[x > 0] = paddle.to_tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    return z


def rows_by_mask(x: Any) -> Any:
    z = x * 1
    z[x[:, 0] > -2] = paddle.to_tensor([1.0, 2.0, 3.0, 4.0])
    z[x[:, 0] > -2, 1:3] = paddle.to_tensor([[10.0, 20.0], [30.0, 40.0]])
    z[:, x[0] > -4] = paddle.to_tensor([[1.0], [2.0], [3.0]])
    return z


def index_tensors(x: Any) -> Any:
    z = x * 1
    z[paddle.to_tensor([0, 2]), 1:3] = 7.0
    z[:, paddle.to_tensor([0, 3])] = paddle.to_tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    z[None, 0] = 3.0
    z[paddle.to_tensor(1), 2:] = 4.0
    z[0, paddle.to_tensor([-1])] = 44.0
    return z


FUNCTIONS = [
    rows, slices_of_slices, transposed_and_reshaped, unbound, argument, rows_by_tensor_in_a_loop,
    in_branches, number_by_mask, rows_by_mask, index_tensors,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    compiled = to_static(function)
    for array in (X, -X):
        ours, theirs = paddle.to_tensor(array), paddle.to_tensor(array)
        found, wanted = compiled(ours), function(theirs)
        pairs = zip(_flat(found), _flat(wanted), strict=True)
        for one, other in [*pairs, (ours, theirs)]:
            assert np.array_equal(one.numpy(), other.numpy())


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def test_a_mask_needs_as_many_values_as_it_has_true_elements() -> None:
    compiled = to_static(values_by_mask)
    x = paddle.to_tensor(X)
    assert np.array_equal(compiled(x).numpy(), values_by_mask(x).numpy())
    with pytest.raises(ValueError, match="as many values as the mask has True elements"):
        compiled(-x)


def test_views_of_what_is_captured_write_to_it() -> None:
    buffer = paddle.zeros([2, 2])

    @to_static
    def f(x: Any) -> Any:
        first, second = buffer[0], buffer[1]
        first.add_(x)
        buffer.add_(paddle.ones([]))
        return first + second

    assert f(paddle.ones([2])).tolist() == [3.0, 3.0]
    assert buffer.tolist() == [[2.0, 2.0], [1.0, 1.0]]


def test_gradients_go_through_writes_to_slices() -> None:
    @to_static
    def f(x: Any) -> Any:
        z = x * 1
        row = z[0]
        row.multiply_(paddle.to_tensor(3.0))
        z[x > 2] = 0.0
        return (z * z).sum()

    x = paddle.to_tensor(X, stop_gradient=False)
    f(x).backward()
    scale = np.where(X > 2, 0, np.array([[9], [1], [1]]))
    assert np.array_equal(x.grad.numpy(), 2 * scale * X)
