"""What a call of a static function costs in Python, told by the lines that it runs, not by time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static


def net_of(layers: int) -> Any:
    net = to_static(paddle.nn.Sequential(*(paddle.nn.Linear(4, 4) for _ in range(layers))))
    net.eval()
    return net


def lines_of(call: Callable[[], Any]) -> int:
    """How many lines of Python a call runs."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(old)
    return lines


def test_a_call_runs_no_more_python_for_a_larger_net() -> None:
    x, counts = paddle.ones([2, 4]), []
    with paddle.no_grad():
        for layers in (1, 12):
            net = net_of(layers)
            for _ in range(2):
                net(x)
            counts.append(lines_of(lambda net=net: net(x)))  # type: ignore[misc]
    assert counts[0] == counts[1] < 150


@pytest.mark.parametrize("write", [
    lambda net: net[0].weight.set_value(net[0].weight * 2),
    lambda net: net[0].weight.scale_(2.0),
    lambda net: net.set_state_dict({k: v * 2 for k, v in net.state_dict().items()}),
    lambda net: setattr(net[0], "bias", net.create_parameter([4], is_bias=False)),
    lambda net: net.astype("float64"),
])  # fmt: skip
def test_whatever_is_written_between_two_calls_is_seen(write: Callable[[Any], Any]) -> None:
    net = net_of(2)
    with paddle.no_grad():
        x = paddle.ones([2, 4])
        for _ in range(2):
            net(x)
        write(net)
        x = x.astype(net[0].weight.dtype)
        wanted = net[1].forward(net[0].forward(x)).numpy()
        np.testing.assert_allclose(net(x).numpy(), wanted, rtol=1e-5)
