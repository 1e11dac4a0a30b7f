"""PyLayer: backwards of one's own."""

import gc
import weakref

import numpy as np
import pytest
from gradient_harness import leaf

import wherry as paddle
from wherry.autograd import PyLayer


class Tanh(PyLayer):
    @staticmethod
    def forward(ctx, x, scale=1.0):
        y = paddle.tanh(x) * scale
        ctx.save_for_backward(y)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensor()
        return grad * (1 - paddle.square(y / ctx.scale)) * ctx.scale


class Pair(PyLayer):
    @staticmethod
    def forward(ctx, x, y):
        return x * 1, y * 1, x > y

    @staticmethod
    def backward(ctx, gx, gy, _):
        return gx * 2, gy * 3


def test_it_agrees_with_the_tape():
    x, twin = leaf([0.3, -1.2]), leaf([0.3, -1.2])
    (Tanh.apply(x, scale=2.0) ** 2).sum().backward()
    ((paddle.tanh(twin) * 2) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), twin.grad.numpy(), rtol=1e-12)


def test_gradients_of_gradients():
    x = leaf(0.7)
    (first,) = paddle.grad(Tanh.apply(x), x, create_graph=True)
    (second,) = paddle.grad(first, x)
    y = np.tanh(0.7)
    np.testing.assert_allclose(second.item(), -2 * y * (1 - y * y), rtol=1e-12)


def test_several_outputs_and_missing_gradients():
    x, y = leaf([1.0]), leaf([2.0])
    a, b, flag = Pair.apply(x, y)
    assert flag.stop_gradient and not a.stop_gradient
    a.backward()
    assert x.grad.tolist() == [2] and y.grad.tolist() == [0]
    assert b.tolist() == [2]


def test_a_wrong_number_of_gradients_is_named():
    class Wrong(Tanh):
        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    with pytest.raises(ValueError, match=r"Wrong\.backward must return one gradient"):
        Wrong.apply(leaf([1.0])).backward()


def test_nothing_is_taped_off_the_tape_and_nothing_leaks():
    with paddle.no_grad():
        assert Tanh.apply(leaf([1.0])).stop_gradient
    gc.collect()
    gc.disable()
    try:
        out = Tanh.apply(leaf([1.0]))
        node = weakref.ref(out.node)
        del out
        assert node() is None
    finally:
        gc.enable()
