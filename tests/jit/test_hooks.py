"""Hooks of Layers, and their modes, in functions that to_static converts."""

from __future__ import annotations

from typing import Any

import numpy as np

import wherry as paddle
from wherry.jit import to_static


class Outer(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.inner = paddle.nn.Linear(2, 2)

    @to_static
    def forward(self, x: Any) -> Any:
        return self.inner(x)


def test_hooks_that_come_and_go_are_seen_in_every_layer() -> None:
    net, x = Outer(), paddle.ones([1, 2])
    plain = net(x).numpy()
    for layer in (net, net.inner):
        after = layer.register_forward_post_hook(lambda layer, inputs, output: output * 2)
        assert np.array_equal(net(x).numpy(), plain * 2)
        before = layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * 0,))
        assert np.array_equal(net(x).numpy(), 2 * net.inner.bias.numpy()[None])
        before.remove()
        after.remove()
        assert np.array_equal(net(x).numpy(), plain)


def test_a_function_sees_the_mode_of_the_layers_that_it_calls() -> None:
    drop = paddle.nn.Sequential(paddle.nn.Dropout(0.5))
    seen = []

    @to_static
    def f(x: Any) -> Any:
        seen.append("traced")
        return drop(x)

    x = paddle.ones([64])
    assert set(f(x).tolist()) == {0.0, 2.0}
    drop.eval()
    assert f(x).tolist() == [1.0] * 64
    drop.train()
    assert set(f(x).tolist()) == {0.0, 2.0}
    assert set(f(paddle.ones([32])).tolist()) == {0.0, 2.0}
    assert len(seen) == 2
