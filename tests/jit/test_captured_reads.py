"""Buffers and other tensors of which the code makes Python values: a call sees what they hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError


class Net(paddle.nn.Layer):
    """A Layer with numbers in buffers."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("n", paddle.to_tensor(1))
        self.register_buffer("m", paddle.to_tensor([2, 3]))

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def rounds(net: Net, x: Any) -> Any:
    for i in range(net.n):
        x = x + i
    return x


def cut(net: Net, x: Any) -> Any:
    return x[: net.n], x[net.n :], x[0 : net.n : 2], x[net.n % 3]


def compared(net: Net, x: Any) -> Any:
    return x * max(net.n, 2) + min([net.n, net.m[0]]), 2 in net.m, net.n in (1, 3)


def listed(net: Net, x: Any) -> Any:
    return [x, x + 1, x + 2, x + 3][net.n], [2, 3, 4, 5][net.n]


def as_numbers(net: Net, x: Any) -> Any:
    return x * math.sqrt(net.n), x * net.n.numpy(), x + np.array(net.m).sum(), [*net.m.tolist()]


def as_sizes(net: Net, x: Any) -> Any:
    return paddle.zeros([net.n, 2]), paddle.topk(x, net.n)[0]


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return np.asarray(getattr(value, "array", value)).tolist()


@pytest.mark.parametrize(
    "function", [rounds, cut, compared, listed, as_numbers, as_sizes], ids=lambda f: f.__name__
)
def test_a_write_between_two_calls_is_seen(function: Callable[..., Any]) -> None:
    dynamic, static = Net(function), to_static(Net(function))
    x = paddle.to_tensor([1.0, -2.0, 3.0])
    for n in (1, 2, 2, 3, 1):
        for net in (dynamic, static):
            net.n.set_value(paddle.to_tensor(n))
            net.m.set_value(paddle.to_tensor([n, n + 1]))
        assert plain(static(x)) == plain(dynamic(x)), n


def test_what_a_call_reads_anew_needs_one_program() -> None:
    for function in (rounds, compared):
        net = to_static(Net(function))
        programs = set()
        for n in (1, 2, 3):
            net.n.set_value(paddle.to_tensor(n))
            net(paddle.ones([3]))
            programs.add(id(net.forward.concrete_program))
        assert len(programs) == 1


class Cache(paddle.nn.Layer):
    """Rows that are kept from call to call, as many as a buffer says."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", paddle.zeros([8, 2]))
        self.register_buffer("count", paddle.to_tensor(0))

    def forward(self, x: Any) -> Any:
        self.rows[self.count] = x
        self.count += 1
        return self.rows[: self.count].sum(0), len(self.rows[: self.count])


def test_a_cache_of_rows_grows_from_call_to_call() -> None:
    dynamic, static = Cache(), to_static(Cache())
    first = None
    for i in range(5):
        x = paddle.to_tensor([float(i), 1.0])
        assert plain(static(x)) == plain(dynamic(x))
        first = first or static.forward.concrete_program
    assert static.forward.concrete_program is first


def test_a_value_that_the_call_itself_changes_is_read_at_each_call() -> None:
    def scaled(net: Net, x: Any) -> Any:
        y = x * float(net.n.numpy() + net.m.tolist()[0])
        net.n += 1
        return y

    dynamic, static = Net(scaled), to_static(Net(scaled))
    for _ in range(3):
        x = paddle.ones([2])
        assert plain(static(x)) == plain(dynamic(x))


def test_a_value_is_not_known_behind_a_write() -> None:
    def written(net: Net, x: Any) -> Any:
        net.n += 1
        return x * net.n.tolist()

    with pytest.raises(ConversionError, match="was written before in this function") as caught:
        to_static(Net(written))(paddle.ones([2]))
    assert "return x * net.n.tolist()\n" in str(caught.value)


def test_a_buffer_is_printed_at_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    def told(net: Net, x: Any) -> Any:
        print("n:", net.n)
        return x

    net = to_static(Net(told))
    for n in (5, 7):
        net.n.set_value(paddle.to_tensor(n))
        net(paddle.ones([2]))
    assert capsys.readouterr().out == "n: 5\nn: 7\n"


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_a_range_of_tensors(dtype: str) -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        total, last = paddle.zeros([], "int64"), 0
        for last in range(a, b, c):
            total = total * 7 + last
        for i in range(b):
            total = total + i
        return total, last

    static = to_static(f)
    for values in ((3, 0, -1), (0, 5, 2), (5, 0, -2), (5, 5, 1), (-3, 4, 3), (0, -4, 1)):
        given = [paddle.to_tensor(value, dtype) for value in values]
        assert plain(static(*given)) == plain(f(*given)), values
    assert len(static.program_cache) == 1
    with pytest.raises(TypeError, match="must be an integer, got float32"):
        static(*[paddle.ones([])] * 3)
