"""append_backward, gradients and minimize: static training equals dynamic mode (row 68)."""

from __future__ import annotations

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
