"""Hooks, `backward()`, `.grad`, optimizers' steps and `paddle.grad` inside of static functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

VALUES = ([1.0, 2.0], [-1.0, -2.0], [0.0, 3.0])


def hook_of_two_kinds(x: Any) -> Any:
    y = x * 2
    z = y * y
    y.register_hook(lambda g: g * 10 if g.sum() > 8 else None)
    return (z + y + 1).sum()


def hook_on_an_argument(x: Any) -> Any:
    x.register_hook(lambda g: g.clip(-1, 1))
    return (x**3).sum()


def hook_that_reads_more(x: Any) -> Any:
    y = x * 2
    out = (y * y).sum()
    y.register_hook(lambda g: g + out)
    y.register_hook(lambda g: g * x)
    return out


def hook_that_goes(x: Any) -> Any:
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: None)
    if handle.remove() and not handle.remove():
        y = y + 1
    return (y * y).sum()


def hooks_in_branches_and_loops(x: Any) -> Any:
    if x.sum() > 0:
        y = x * 3
        y.register_hook(lambda g: g * 5)
        x = y * y
    i = paddle.to_tensor(0)
    while i < 3:
        v = x * 2
        v.register_hook(lambda g: g / 2)
        x = v + 1
        i = i + 1
    return x.sum()


HOOKED = [
    hook_of_two_kinds, hook_on_an_argument, hook_that_reads_more, hook_that_goes,
    hooks_in_branches_and_loops,
]  # fmt: skip


@pytest.mark.parametrize("function", HOOKED, ids=[case.__name__ for case in HOOKED])
def test_hooks_change_the_gradient_as_in_dynamic_mode(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in VALUES:
        grads = []
        for called in (function, static):
            x = paddle.to_tensor(values, stop_gradient=False)
            called(x).backward()
            grads.append(x.grad.tolist())
        assert grads[0] == grads[1], values


def test_a_hook_prints_when_the_gradient_is_computed(capfd: pytest.CaptureFixture[str]) -> None:
    @to_static
    def f(x: Any) -> Any:
        y = x * 2
        y.register_hook(lambda g: print("grad", g))
        return y.sum()

    loss = f(paddle.to_tensor([3.0], stop_gradient=False))
    assert "grad" not in capfd.readouterr().out
    loss.backward()
    assert "grad" in capfd.readouterr().out


def test_a_hook_that_keeps_the_gradient_is_refused() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        y = x * 2
        y.register_hook(lambda g: seen.append(g))
        return y.sum()

    with pytest.raises(ConversionError, match="cannot write the contents of a list"):
        to_static(f)(paddle.to_tensor([3.0], stop_gradient=False))
    assert not seen


def test_a_hook_on_what_stops_the_gradient_is_the_error_of_dynamic_mode() -> None:
    def f(x: Any) -> Any:
        x.register_hook(lambda g: g)
        return x

    for called in (f, to_static(f)):
        with pytest.raises(RuntimeError, match="Cannot register hook on a tensor that stop"):
            called(paddle.ones([1]))


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = paddle.nn.Linear(2, 3), paddle.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.second(paddle.tanh(self.first(x)))


def batch(i: int) -> tuple[Any, Any]:
    x = np.random.default_rng(i).standard_normal((4 + i % 2, 2)).astype(np.float32)
    return paddle.to_tensor(x), paddle.to_tensor(x.sum(1, keepdims=True))


def two_nets() -> tuple[Any, Any]:
    paddle.seed(5)
    one, other = Net(), Net()
    other.set_state_dict(one.state_dict())
    return one, other


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda rate, ps: paddle.optimizer.SGD(rate, ps, weight_decay=0.1),
    "Momentum": lambda rate, ps: paddle.optimizer.Momentum(rate, 0.9, ps, weight_decay=0.01),
    "Adam": lambda rate, ps: paddle.optimizer.Adam(
        rate, parameters=ps, grad_clip=paddle.nn.ClipGradByGlobalNorm(0.5)
    ),
    "AdamW": lambda rate, ps: paddle.optimizer.AdamW(rate, parameters=ps),
    "Adamax": lambda rate, ps: paddle.optimizer.Adamax(rate, parameters=ps),
    "Lamb": lambda rate, ps: paddle.optimizer.Lamb(rate, parameters=ps),
}


def trained(net: Any, name: str, convert: bool) -> tuple[list[float], Any]:
    """The losses of a train step that is a function as a whole, and the optimizer's state."""
    schedule = paddle.optimizer.lr.StepDecay(0.1, 2)
    rule = OPTIMIZERS[name](schedule, net.parameters())

    def step(x: Any, y: Any) -> Any:
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        rule.step()
        rule.clear_grad()
        return loss

    called = to_static(step) if convert else step
    losses = []
    for i in range(6):
        losses.append(float(called(*batch(i))))
        schedule.step()
    return losses, rule


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_whole_train_step_trains_as_in_dynamic_mode(name: str) -> None:
    dynamic, static = two_nets()
    wanted, rule = trained(dynamic, name, False)
    found, other = trained(static, name, True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    for one, two in zip(dynamic.parameters(), static.parameters(), strict=True):
        np.testing.assert_allclose(two.numpy(), one.numpy(), rtol=1e-4, atol=1e-5)
        assert two.grad.tolist() == one.grad.tolist()
    states = [
        [v.numpy() for k, v in r.state_dict().items() if k != "LR_Scheduler"] for r in (rule, other)
    ]
    for one, two in zip(*states, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)


def test_state_that_is_loaded_is_the_one_that_a_static_step_goes_on_from() -> None:
    weight = paddle.create_parameter([1], "float32")
    rule = paddle.optimizer.Momentum(0.0, 0.5, [weight])

    @to_static
    def step() -> Any:
        weight.sum().backward()
        rule.step()
        rule.clear_grad()
        return weight * 1

    step()
    state = {name: value * 0 + 8 for name, value in rule.state_dict().items()}
    rule.set_state_dict(state)
    step()
    assert [value.tolist() for value in rule.state_dict().values()] == [[5.0]]


def test_gradients_accumulate_on_parameters_and_arguments() -> None:
    results = []
    for net, convert in zip(two_nets(), (False, True), strict=True):

        def step(x: Any, y: Any, net: Any = net) -> Any:
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            size = net.first.weight.grad.abs().sum()
            return loss, size

        called = to_static(step) if convert else step
        x, y = batch(0)
        x.stop_gradient = False
        found = []
        for i in range(4):
            loss, size = called(x, y)
            found += [float(loss), float(size)]
            if i == 2:
                net.clear_gradients()
        found += [x.grad.numpy(), *(p.grad.numpy() for p in net.parameters())]
        results.append(np.concatenate([np.ravel(one) for one in found]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)


def test_gradients_come_and_go() -> None:
    weight = paddle.create_parameter([2], "float32")

    @to_static
    def step(x: Any, keep: bool) -> Any:
        before = weight.grad is None
        (weight * x).sum().backward()
        found = weight.grad * 1
        if not keep:
            weight.clear_gradient(False)
        return found, before

    x = paddle.to_tensor([1.0, 2.0])
    for keep, wanted, before in ((True, 1.0, True), (True, 2.0, False), (False, 3.0, False),
                                 (True, 1.0, True), (False, 2.0, False)):  # fmt: skip
        found, was_none = step(x, keep)
        assert (found / x).tolist() == [wanted, wanted]
        assert was_none is before
        assert (weight.grad is not None) is keep


def test_leaves_made_inside_and_results_keep_gradients() -> None:
    def f(x: Any) -> Any:
        leaf = paddle.to_tensor([2.0, 3.0], stop_gradient=False)
        y = leaf * x
        y.retain_grads()
        (y * y).sum().backward()
        return leaf.grad, y.grad

    x = paddle.to_tensor([1.0, -1.0])
    for wanted, found in zip(f(x), to_static(f)(x), strict=True):
        assert wanted.tolist() == found.tolist()


def gradients_in_branches(weight: Any) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        if x.sum() > 0:
            (weight * x).sum().backward()
        i = paddle.to_tensor(0)
        while i < 2:
            (weight * weight).sum().backward()
            i = i + 1
        return weight.grad * 1

    return f


def test_backward_in_branches_and_loops() -> None:
    results = []
    for convert in (False, True):
        weight = paddle.to_tensor([3.0, 1.0], stop_gradient=False)
        weight.grad = paddle.zeros([2])
        called = gradients_in_branches(weight)
        called = to_static(called) if convert else called
        found = [called(paddle.to_tensor(values)).tolist() for values in VALUES]
        results.append((found, weight.grad.tolist()))
    assert results[0] == results[1]


def test_a_gradient_that_is_there_or_not_as_a_tensor_decides_is_refused() -> None:
    weight = paddle.to_tensor([3.0, 1.0], stop_gradient=False)

    def f(x: Any) -> Any:
        if x.sum() > 0:
            (weight * x).sum().backward()
        return x

    with pytest.raises(ConversionError, match="let every branch compute it, or clear it to zeros"):
        to_static(f)(paddle.ones([2]))


def test_the_gradient_of_an_argument_from_before_the_call_is_refused_where_it_is_read() -> None:
    @to_static
    def f(x: Any) -> Any:
        (x * x).sum().backward()
        return x.grad * 1

    x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    assert f(x).tolist() == x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match=r"call clear_gradient\(False\) on the argument first"):
        f(x)


def grad_in_branches_and_loops(x: Any) -> Any:
    before = x * x
    y = (before * x).sum()
    if y > 0:
        (g,) = paddle.grad(y, x, retain_graph=True)
        out = g * 2
    else:
        (g,) = paddle.grad((before * 2).sum(), before, retain_graph=True)
        out = x + g
    n, w = paddle.to_tensor(0), x.clone()
    while n < 3:
        (g,) = paddle.grad((w * w * before).sum(), w, retain_graph=True)
        w = w - 0.1 * g
        n = n + 1
    return out, w


def test_paddle_grad_in_branches_and_loops() -> None:
    static = to_static(grad_in_branches_and_loops)
    for values in VALUES:
        x = paddle.to_tensor(values, stop_gradient=False)
        for wanted, found in zip(grad_in_branches_and_loops(x), static(x), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


def grad_through_rounds(x: Any) -> Any:
    n, w = paddle.to_tensor(0), x * 1
    while n < 3:
        w = w * x
        (g,) = paddle.grad(w.sum(), x, retain_graph=True)
        n = n + 1
    return g


def grad_by_another_name(x: Any) -> Any:
    n, w = paddle.to_tensor(0), x
    while n < 3:
        (g,) = paddle.grad((w * x).sum(), w, retain_graph=True)
        w = w - g
        n = n + 1
    return w


def schedule_inside(x: Any) -> Any:
    paddle.optimizer.lr.StepDecay(0.1, 2).step()
    return x


def hook_from_outside(x: Any) -> Any:
    y = x * 2
    if x.sum() > 0:
        y.register_hook(lambda g: g * 2)
    return y


PARAMETER = paddle.create_parameter([1], "float32")


def hook_on_a_parameter(x: Any) -> Any:
    PARAMETER.register_hook(lambda g: g * 2)
    return x * PARAMETER


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (grad_through_rounds, "take it after the loop"),
        (grad_by_another_name, r"as x.clone\(\)"),
        (schedule_inside, "call it outside of it"),
        (hook_from_outside, "register it where the tensor is made"),
        (hook_on_a_parameter, "register it outside of it"),
    ],
)
def test_what_is_refused_says_what_to_do(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(ConversionError, match=text):
        to_static(function)(paddle.to_tensor([1.0, 2.0], stop_gradient=False))
