"""What a static function reads and writes beside its arguments: attributes, globals, parts."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import (
    to_static,
)  # fmt: skip
from wherry.schema.errors import ConversionError


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)
        self.drop = paddle.nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(self.linear(x))


def test_globals_are_read_anew() -> None:
    table = paddle.to_tensor([1.0, 2.0])
    f = to_static(lambda x: x * table)
    assert f(paddle.ones([2])).tolist() == [1.0, 2.0]
    table.set_value(table * 10)
    assert f(paddle.ones([2])).tolist() == [10.0, 20.0]


def test_state_is_written_and_branches_undone() -> None:
    class Counter(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", paddle.zeros([1]))
            self.scale = 1

        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                self.calls.set_value(self.calls + 1)
                self.note(x)
            else:
                self.calls.set_value(self.calls - 1)
            return x * self.calls

        def note(self, x: Any) -> None:
            self.calls.set_value(self.calls + 10)

    dynamic, static = Counter(), to_static(Counter())
    for sign in (1.0, -1.0, 1.0):
        x = paddle.full([2], sign)
        assert dynamic(x).tolist() == static(x).tolist()
        assert dynamic.calls.tolist() == static.calls.tolist()


def test_attributes_that_are_given_other_tensors() -> None:
    class State(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", paddle.zeros([2]))
            self.last = paddle.zeros([2])

        def forward(self, x: Any) -> Any:
            self.mean = self.mean * 0.5 + x
            if x.sum() > 0:
                self.last = x
            return self.mean + self.last

    dynamic, static = State(), to_static(State())
    for value in (1.0, -2.0, 3.0):
        x = paddle.full([2], value)
        assert dynamic(x).tolist() == static(x).tolist()
        assert dynamic.mean.tolist() == static.mean.tolist()
        assert dynamic.last.tolist() == static.last.tolist()
    assert len(static.forward.program_cache) == 1

    class Growing(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kept = paddle.zeros([2])

        def forward(self, x: Any) -> Any:
            self.kept = paddle.concat([self.kept, x])
            return x

    with pytest.raises(ConversionError, match="must keep its shape"):
        to_static(Growing())(paddle.ones([2]))


def test_a_replaced_part_is_seen() -> None:
    net = to_static(Net())
    net.eval()
    x = paddle.rand([2, 10])
    net(x)
    net.linear = paddle.nn.Linear(10, 3)
    assert np.allclose(net(x).numpy(), net.linear(x).numpy(), atol=1e-6)
    net.linear.weight = paddle.nn.Linear(10, 3).weight
    assert np.allclose(net(x).numpy(), net.linear(x).numpy(), atol=1e-6)


def test_arguments_written_in_place() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        return x * 2

    static = to_static(f)
    for _ in range(2):
        a, b = paddle.ones([2]), paddle.ones([2])
        assert f(a).tolist() == static(b).tolist() == [10.0, 2.0]
        assert a.tolist() == b.tolist() == [5.0, 1.0]
    x = paddle.ones([2])
    x.stop_gradient = False
    with pytest.raises(ConversionError, match=r"x.clone\(\)"):
        static(x)


def test_a_failed_attempt_leaves_no_trace() -> None:
    class Counting(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[int] = []
            self.number = 0

        def forward(self, x: Any) -> Any:
            self.number += 1
            self.calls.append(1)
            if x.sum() > 0:
                self.number = 100
                with contextlib.suppress(ValueError):
                    x = x.reshape([100])
            return x * len([0] * x.shape[0])

    net = to_static(Counting())
    assert net(paddle.ones([3])).tolist() == [3.0] * 3
    assert len(net.calls) == 1, "the attempt with open sizes was undone"


def test_deepcopy_binds_to_the_copy() -> None:
    net = to_static(Net())
    twin = copy.deepcopy(net)
    twin.linear.weight.set_value(twin.linear.weight * 0)
    twin.eval()
    assert np.allclose(twin(paddle.ones([1, 10])).numpy(), twin.linear.bias.numpy())


def test_static_layers_inside_static_layers() -> None:
    inner = to_static(Net())

    class Outer(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner
            self.box = paddle.nn.Sequential(inner)

        def forward(self, x: Any) -> Any:
            return self.inner(x) + self.box(x)

    net = to_static(Outer())
    net.eval()
    x = paddle.rand([2, 10])
    assert np.allclose(net(x).numpy(), 2 * inner(x).numpy(), atol=1e-5)
