"""Slices whose ends are tensors: read, written, and as views, as in dynamic mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry import static
from wherry.jit import to_static
from wherry.schema.errors import OpError


def read(x: Any, count: Any) -> Any:
    return (
        x[:count], x[count:], x[-count:], x[:-count], x[count - 1 : count + 1], x[: count + 5],
        x[count - 9 :], x[1:count],
    )  # fmt: skip


def read_beside_others(x: Any, count: Any) -> Any:
    y = paddle.stack([x, x + 1, x + 2])
    return (
        y[:count], y[:, count:], y[1, count:], y[:count, :count], y[count % 3, :count],
        y[:count, None], y[..., :count], y[:count, 1:],
    )  # fmt: skip


def written(x: Any, count: Any) -> Any:
    y, z = x * 1, paddle.stack([x, x + 1, x + 2])
    y[count:] += 1
    y[:count] = x[:count] * 2
    z[:count, 1:] = 9
    z[:, :count] *= 3
    return y, z


def views(x: Any, count: Any) -> Any:
    y = x * 1
    head = y[:count]
    y[0] = 9
    tail = y[count - 1 :]
    tail[0] = 5
    count.add_(paddle.ones([], "int64"))
    return y, head, tail, count


def in_rounds(x: Any, count: Any) -> Any:
    for i in range(count):
        x = x + x[i:].sum()
        if x[:i].sum() > 3:
            x[i:] = 0
    return x


def measured(x: Any, count: Any) -> Any:
    part = x[:count]
    return (part * part).sum(), len(part), part.shape[0] + count


CASES = [read, read_beside_others, written, views, in_rounds, measured]


@pytest.mark.parametrize("function", CASES)
def test_as_in_dynamic_mode(function: Callable[[Any, Any], Any]) -> None:
    traced = to_static(function)
    for values in ([1.0, 2.0, 3.0], [-2.0, 1.0, 0.5]):
        for count in (1, 2, 3):
            given, same = ((paddle.to_tensor(values), paddle.to_tensor(count)) for _ in range(2))
            assert plain(traced(*given)) == plain(function(*same)), (values, count)


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def test_the_gradient_is_that_of_the_part() -> None:
    @to_static
    def loss(x: Any, count: Any) -> Any:
        return (x[:count] ** 2).sum()

    x = paddle.to_tensor([1.0, 2.0, 3.0], stop_gradient=False)
    loss(x, paddle.to_tensor(2)).backward()
    assert x.grad.tolist() == [2, 4, 0]


def test_a_step_is_refused() -> None:
    with pytest.raises(OpError, match="needs the step 1, got 2; take every k-th element"):
        to_static(lambda x, n: x[:n:2])(paddle.ones([3]), paddle.to_tensor(2))


def test_in_static_mode() -> None:
    paddle.enable_static()
    try:
        main = static.Program()
        with static.program_guard(main):
            x, n = static.data("x", [4], "float32"), static.data("n", [], "int64")
            part = x[:n] * 2
        feed = {"x": np.arange(4, dtype=np.float32), "n": np.asarray(3)}
        (found,) = static.Executor().run(main, feed=feed, fetch_list=[part])
    finally:
        paddle.disable_static()
    assert found.tolist() == [0, 2, 4]
