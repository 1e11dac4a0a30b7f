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


def test_a_hook_that_gives_something_in_one_branch_only_changes_that_one() -> None:
    class Pair(paddle.nn.Layer):
        def forward(self, x: Any, y: Any) -> Any:
            return x - y

    def swapped(layer: Any, inputs: Any) -> Any:
        if inputs[0].sum() > 3:
            return inputs[1], inputs[0] * 2
        return None

    def larger(layer: Any, inputs: Any, output: Any) -> Any:
        if output.sum() > 0:
            return output * 10
        return None

    pair = Pair()
    pair.register_forward_pre_hook(swapped)
    pair.register_forward_pre_hook(lambda layer, inputs: None)
    pair.register_forward_post_hook(larger)
    static = to_static(lambda x: pair(x, paddle.ones([2])))
    for values in ([1.0, 1.0], [2.0, 3.0], [-2.0, 0.0], [1.5, 1.0]):
        x = paddle.to_tensor(values)
        assert static(x).tolist() == pair(x, paddle.ones([2])).tolist(), values
