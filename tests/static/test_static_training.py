"""append_backward, gradients and minimize: static training equals dynamic mode (row 68)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static
rng = np.random.default_rng(0)
DATA = [
    (rng.standard_normal((n, 4)).astype("float32"), rng.standard_normal((n, 1)).astype("float32"))
    for n in (5, 5, 3, 7, 5)
]


def mlp() -> tuple[Any, Any]:
    """A two-layer network on x, and its loss against y."""
    x, y = static.data("x", [None, 4]), static.data("y", [None, 1])
    hidden = static.nn.fc(x, 8, activation="relu")
    out = static.nn.fc(hidden, 1)
    return out, paddle.nn.functional.mse_loss(out, y)


def test_append_backward_gives_pairs() -> None:
    _, loss = mlp()
    pairs = static.append_backward(loss)
    assert [(p.name, g.name) for p, g in pairs] == [
        (name, f"{name}@GRAD") for name in ("fc_0.w_0", "fc_0.b_0", "fc_1.w_0", "fc_1.b_0")
    ]
    ops = static.default_main_program().global_block().ops
    roles = [op.attrs.get("op_role", 0) for op in ops]
    at = roles.index(256)
    assert roles[at + 1] == 257
    assert not any(roles[:at])
    assert set(roles[at + 2 :]) == {1}


def test_gradients_are_those_of_dynamic_mode() -> None:
    _, loss = mlp()
    pairs = static.append_backward(loss, no_grad_set={"fc_1.b_0"})
    assert len(pairs) == 3
    exe = Executor()
    exe.run(static.default_startup_program())
    values, labels = DATA[0]
    grads = exe.run(feed={"x": values, "y": labels}, fetch_list=[grad for _, grad in pairs])
    state = {k: v.numpy() for k, v in static.default_main_program().state_dict().items()}
    paddle.disable_static()
    weights = {k: paddle.to_tensor(v, stop_gradient=False) for k, v in state.items()}
    functional = paddle.nn.functional
    hidden = functional.relu(
        functional.linear(paddle.to_tensor(values), weights["fc_0.w_0"], weights["fc_0.b_0"])
    )
    out = functional.linear(hidden, weights["fc_1.w_0"], weights["fc_1.b_0"])
    functional.mse_loss(out, paddle.to_tensor(labels)).backward()
    for (param, _), grad in zip(pairs, grads, strict=True):
        want = weights[param.name].grad.numpy()
        np.testing.assert_allclose(grad, want, rtol=1e-4, atol=1e-6)


def test_gradients_with_respect_to_inputs() -> None:
    x = static.data("x", [None, 3])
    other = static.data("other", [2])
    x.stop_gradient = other.stop_gradient = False
    squares = x * x
    found = static.gradients(paddle.sum(squares), [x, other])
    assert found[1] is None
    (weighted,) = static.gradients([squares], [x], [x * 0.5])
    value = rng.standard_normal((2, 3)).astype("float32")
    first, second = Executor().run(feed={"x": value}, fetch_list=[found[0], weighted])
    np.testing.assert_allclose(first, 2 * value, rtol=1e-6)
    np.testing.assert_allclose(second, value * value, rtol=1e-6)


Make = Callable[..., Any]
OPTIMIZERS: list[Make] = [
    lambda **k: paddle.optimizer.SGD(0.1, **k),
    lambda **k: paddle.optimizer.Momentum(0.1, weight_decay=0.01, **k),
    lambda **k: paddle.optimizer.Adam(0.05, grad_clip=paddle.nn.ClipGradByGlobalNorm(0.5), **k),
    lambda **k: paddle.optimizer.AdamW(paddle.optimizer.lr.StepDecay(0.05, 1), **k),
]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=["sgd", "momentum", "adam", "adamw"])
def test_minimize_trains_as_dynamic_mode_does(make: Make) -> None:
    _, loss = mlp()
    optimizer = make()
    ops, pairs = optimizer.minimize(loss)
    assert len(ops) == len(pairs) == 4
    assert {op.attr("op_role") for op in ops} == {2}
    exe = Executor()
    exe.run(static.default_startup_program())
    main = static.default_main_program()
    start = {name: value.numpy() for name, value in main.state_dict("param").items()}
    losses = []
    for values, labels in DATA:
        losses += exe.run(feed={"x": values, "y": labels}, fetch_list=[loss])
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()
    paddle.disable_static()
    want = dynamic(make, start)
    np.testing.assert_allclose(losses, want[0], rtol=1e-4)
    for name, value in main.state_dict("param").items():
        np.testing.assert_allclose(value.numpy(), want[1][name], rtol=1e-4, atol=1e-5)
        assert (value.numpy() != start[name]).any()


def dynamic(make: Make, start: dict[str, Any]) -> tuple[list[float], dict[str, Any]]:
    """The losses and the parameters after the same steps in dynamic mode."""
    net = paddle.nn.Sequential(paddle.nn.Linear(4, 8), paddle.nn.ReLU(), paddle.nn.Linear(8, 1))
    names = {"0.weight": "fc_0.w_0", "0.bias": "fc_0.b_0", "2.weight": "fc_1.w_0",
             "2.bias": "fc_1.b_0"}  # fmt: skip
    net.set_state_dict({own: start[name] for own, name in names.items()})
    optimizer = make(parameters=net.parameters())
    losses = []
    for values, labels in DATA:
        loss = paddle.nn.functional.mse_loss(
            net(paddle.to_tensor(values)), paddle.to_tensor(labels)
        )
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(loss.item())
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()
    return losses, {names[own]: value.numpy() for own, value in net.state_dict().items()}


def test_test_clone_does_not_train() -> None:
    out, loss = mlp()
    main = static.default_main_program()
    test = main.clone(for_test=True)
    paddle.optimizer.SGD(0.1).minimize(loss)
    late = main.clone(for_test=True)
    exe = Executor()
    exe.run(static.default_startup_program())
    feed = {"x": DATA[0][0], "y": DATA[0][1]}
    before, first = exe.run(test, feed=feed, fetch_list=["fc_0.w_0", loss.name])
    after, second = exe.run(late, feed=feed, fetch_list=["fc_0.w_0", loss.name])
    np.testing.assert_array_equal(before, after)
    assert first == second
    assert not any(op.attrs.get("op_role") == 1 for op in late.global_block().ops)
    (moved,) = exe.run(main, feed=feed, fetch_list=["fc_0.w_0"])
    assert (moved != before).any()
    (seen,) = exe.run(test, feed={"x": DATA[0][0]}, fetch_list=["fc_0.w_0"])
    np.testing.assert_array_equal(seen, moved)
    assert exe.run(test, feed={"x": DATA[0][0]}, fetch_list=[out])[0].shape == (5, 1)


def test_layers_and_parameter_attributes_train() -> None:
    paddle.disable_static()
    net = paddle.nn.Linear(4, 2)
    paddle.enable_static()
    x = static.data("x", [None, 4])
    frozen = paddle.ParamAttr(name="frozen", trainable=False)
    slow = paddle.ParamAttr(name="slow", learning_rate=0.0)
    loss = paddle.mean(static.nn.fc(net(x), 1, weight_attr=frozen, bias_attr=slow))
    _, pairs = paddle.optimizer.SGD(0.1).minimize(loss)
    assert {param.name for param, _ in pairs} == {net.weight.name, net.bias.name, "slow"}
    exe = Executor()
    exe.run(static.default_startup_program())
    start = net.weight.numpy()
    _, kept = exe.run(feed={"x": DATA[0][0]}, fetch_list=[loss, "slow"])
    assert not kept.any()
    assert (net.weight.numpy() != start).any()
    assert net.weight.grad is None


def test_errors() -> None:
    out, _ = mlp()
    with pytest.raises(ValueError, match="should be a Variable of one element"):
        static.append_backward(out)
    with pytest.raises(TypeError, match="needs a Variable of static mode, but received int"):
        static.append_backward(3)
    with pytest.raises(ValueError, match="same number of target_gradients as targets"):
        static.gradients([out], [out], [out, out])
    paddle.disable_static()
    with pytest.raises(AttributeError, match="parameters argument given to the Optimizer"):
        paddle.optimizer.SGD(0.1)
