# ruff: noqa: SIM108  (an `if` statement is what is tested)
"""Compiled training equals dynamic training: weights, buffers, random state; and compiles once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.codegen import compile_count
from wherry.jit import to_static


class Mlp(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first = paddle.nn.Linear(6, 16)
        self.second = paddle.nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.second(paddle.nn.functional.relu(self.first(x)))


class Cnn(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        # No bias before batch_norm: its gradient is 0 but for rounding, which Adam blows up.
        self.conv = paddle.nn.Conv2D(1, 4, 3, padding=1, bias_attr=False)
        self.norm = paddle.nn.BatchNorm2D(4)
        self.pool = paddle.nn.MaxPool2D(2)
        self.drop = paddle.nn.Dropout(0.4)
        self.out = paddle.nn.Linear(4 * 9, 3)

    def forward(self, x: Any) -> Any:
        x = self.pool(paddle.nn.functional.relu(self.norm(self.conv(x))))
        return self.out(self.drop(x.flatten(1)))


class Branching(paddle.nn.Layer):
    """A branch that depends on a tensor, with other parameters on each side."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = paddle.nn.Linear(6, 3), paddle.nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        if x.mean() > 0:
            y = self.left(x)
        else:
            y = self.right(x) * 2
        return y


def train(static: bool) -> Any:
    """The losses and the network after training from one seed."""
    paddle.seed(3)
    net = Branching()
    if static:
        net = to_static(net)
    rule = paddle.optimizer.Adam(0.01, parameters=net.parameters())
    rng = np.random.default_rng(0)
    losses = []
    for step in range(100):
        size = 8 if step % 3 else 5
        x = paddle.to_tensor(rng.normal(size=(size, 6)))
        label = paddle.to_tensor(rng.integers(0, 3, size))
        loss = paddle.nn.functional.cross_entropy(net(x), label)
        loss.backward()
        rule.step()
        rule.clear_grad()
        losses.append(float(loss))
    return losses, net


@pytest.fixture
def double() -> Any:
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


def test_a_hundred_steps_of_branches_equal_dynamic(double: None) -> None:
    want, net = train(static=False)
    got, twin = train(static=True)
    np.testing.assert_allclose(got, want, rtol=1e-9)
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(
            twin.state_dict()[name].numpy(), value.numpy(), rtol=1e-9, atol=1e-12
        )


def test_a_last_partial_batch_compiles_nothing() -> None:
    net = to_static(Cnn())
    rule = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    counts = []
    for size in (64, 64, 13):
        loss = net(paddle.rand([size, 1, 6, 6])).mean()
        loss.backward()
        rule.step()
        rule.clear_grad()
        counts.append(compile_count())
    assert counts[0] == counts[1] == counts[2]
    assert len(net.forward.program_cache) == 2


def test_gradients_of_inputs() -> None:
    @to_static
    def f(x: Any, y: Any) -> Any:
        return (x * y).sum() + (y * y).sum()

    x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    y = paddle.to_tensor([3.0, 4.0])
    out = f(x, y)
    assert not out.stop_gradient
    out.backward()
    assert x.grad.tolist() == [3.0, 4.0]
    assert y.grad is None


def test_under_no_grad_nothing_is_taped() -> None:
    net = to_static(Mlp())
    with paddle.no_grad():
        assert net(paddle.ones([2, 6])).stop_gradient
    assert not net(paddle.ones([2, 6])).stop_gradient
    net.eval()
    assert not net(paddle.ones([2, 6])).stop_gradient


def test_a_write_between_forward_and_backward_is_refused() -> None:
    net = to_static(Mlp())
    loss = net(paddle.ones([2, 6])).mean()
    net.second.weight.set_value(net.second.weight * 2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_write_to_what_backward_does_not_read_is_no_harm() -> None:
    net = to_static(Mlp())
    loss = net(paddle.ones([2, 6])).mean()
    net.second.bias.set_value(net.second.bias + 1)
    loss.backward()
    assert np.allclose(net.second.bias.grad.numpy(), 1 / 3)


def test_backward_is_compiled_when_it_is_asked_for() -> None:
    net = to_static(Mlp())
    before = compile_count()
    out = net(paddle.ones([2, 6]))
    assert compile_count() == before + 1
    out.mean().backward()
    net(paddle.ones([2, 6])).mean().backward()
    assert compile_count() == before + 2


def test_a_frozen_parameter_that_is_thawed_trains() -> None:
    net = to_static(Mlp())
    net.first.weight.stop_gradient = True
    net(paddle.ones([2, 6])).mean().backward()
    assert net.first.weight.grad is None
    net.first.weight.stop_gradient = False
    net(paddle.ones([2, 6])).mean().backward()
    assert net.first.weight.grad is not None


def test_eval_uses_running_statistics() -> None:
    net = to_static(Cnn())
    x = paddle.rand([8, 1, 6, 6])
    for _ in range(3):
        net(x)
    before = net.norm._mean.numpy()
    assert np.abs(before).max() > 0, "training wrote the buffer"
    net.eval()
    a, b = net(x).numpy(), net(x).numpy()
    assert (a == b).all()
    assert (net.norm._mean.numpy() == before).all()
    assert np.allclose(a, net.forward.dynamic(x).numpy(), atol=1e-5)


def test_values_of_arguments_share_parameters() -> None:
    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = paddle.nn.Linear(4, 2)

        def forward(self, x: Any, use_act: bool = False) -> Any:
            out = self.linear(x)
            return paddle.nn.functional.relu(out) if use_act else out

    net = to_static(Net())
    x = paddle.ones([3, 4])
    for call in (lambda: net(x), lambda: net(x, True), lambda: net(x, use_act=True),
                 lambda: net(x, False), lambda: net(x, 1)):  # fmt: skip
        call()
    assert len(net.forward.program_cache) == 2


def test_gradients_of_any_order_through_a_compiled_call() -> None:
    f = to_static(lambda x: (x * x * x).sum())
    x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    found = f(x)
    for wanted in ([3.0, 12.0], [6.0, 12.0], [6.0, 6.0]):
        (grad,) = paddle.grad(found.sum(), x, create_graph=True)
        assert grad.tolist() == wanted
        found = grad


def test_a_gradient_penalty_reaches_the_parameters() -> None:
    def penalty(forward: Callable[..., Any]) -> None:
        x = paddle.to_tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6))
        x.stop_gradient = False
        (grad,) = paddle.grad(paddle.tanh(forward(x)).sum(), x, create_graph=True)
        (grad**2).sum().backward()

    net = Mlp()
    penalty(net)
    wanted = [p.grad.numpy() if p.grad is not None else None for p in net.parameters()]
    net.clear_gradients()
    penalty(to_static(net))
    for one, parameter in zip(wanted, net.parameters(), strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), one, atol=1e-6)


@pytest.mark.parametrize("make", [Cnn, lambda: paddle.nn.Sequential(
    paddle.nn.Flatten(), paddle.nn.Linear(36, 4), paddle.nn.Dropout(0.5), paddle.nn.Tanh()
)])  # fmt: skip
def test_create_graph_sees_the_random_numbers_and_statistics_of_the_call(
    make: Callable[[], Any],
) -> None:
    one, two = make(), make()
    two.set_state_dict(one.state_dict())
    found = []
    for net in (one, to_static(two)):
        paddle.seed(9)
        x = paddle.to_tensor(np.linspace(-1, 1, 288, dtype=np.float32).reshape(8, 1, 6, 6))
        x.stop_gradient = False
        loss = (net(x) ** 2).sum()
        paddle.rand([3])  # what is drawn later changes nothing
        (grad,) = paddle.grad(loss, x, create_graph=True)
        (grad**2).sum().backward()
        grads = [p.grad.numpy() for p in net.parameters() if p.grad is not None]
        found.append([grad.numpy(), x.grad.numpy(), *grads, *(b.numpy() for b in net.buffers())])
    for wanted, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, wanted, rtol=1e-3, atol=1e-5)


def test_grad_inside() -> None:
    @to_static
    def f(x: Any) -> Any:
        y = (x * x * x).sum()
        return paddle.grad(y, x, create_graph=True)[0]

    x = paddle.to_tensor([2.0], stop_gradient=False)
    out = f(x)
    assert out.tolist() == [12.0]
    out.backward()
    assert x.grad.tolist() == [12.0]


def test_grad_inside_is_a_constant_without_create_graph() -> None:
    @to_static
    def f(x: Any) -> Any:
        return paddle.grad((x * x).sum(), x)[0]

    x = paddle.to_tensor([2.0], stop_gradient=False)
    out = f(x)
    assert out.tolist() == [4.0] and out.stop_gradient
