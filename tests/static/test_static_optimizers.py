"""Optimizers in static mode: ops of the Program that train as dynamic mode does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.ir.backward import BACKWARD_ROLE
from wherry.static import Executor

static, optim, nn = paddle.static, paddle.optimizer, paddle.nn
rng = np.random.default_rng(0)
DATA = [
    (rng.standard_normal((n, 4)).astype("float32"), rng.standard_normal((n, 1)).astype("float32"))
    for n in (5, 5, 3, 7, 5)
]
Make = Callable[..., Any]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda **k: optim.SGD(0.1, **k),
    "sgd, l2": lambda **k: optim.SGD(0.1, weight_decay=0.05, **k),
    "sgd, l1": lambda **k: optim.SGD(0.1, weight_decay=paddle.regularizer.L1Decay(0.05), **k),
    "sgd, value": lambda **k: optim.SGD(0.1, grad_clip=nn.ClipGradByValue(0.05, -0.02), **k),
    "sgd, norm": lambda **k: optim.SGD(0.1, grad_clip=nn.ClipGradByNorm(0.1), **k),
    "sgd, global norm": lambda **k: optim.SGD(0.1, grad_clip=nn.ClipGradByGlobalNorm(0.2), **k),
    "momentum": lambda **k: optim.Momentum(0.1, weight_decay=0.01, **k),
    "nesterov": lambda **k: optim.Momentum(0.1, 0.8, use_nesterov=True, **k),
    "momentum, l1": lambda **k: optim.Momentum(
        0.1, weight_decay=paddle.regularizer.L1Decay(0.01), grad_clip=nn.ClipGradByNorm(0.3), **k
    ),
    "adam": lambda **k: optim.Adam(0.05, grad_clip=nn.ClipGradByGlobalNorm(0.5), **k),
    "adam, l2": lambda **k: optim.Adam(0.05, 0.8, 0.9, 1e-3, weight_decay=0.1, **k),
    "adamw": lambda **k: optim.AdamW(optim.lr.StepDecay(0.05, 1), **k),
    "adamw, some": lambda **k: optim.AdamW(
        0.05, weight_decay=0.3, apply_decay_param_fun=lambda name: "b_0" not in name,
        lr_ratio=lambda param: 0.5 if len(param.shape) == 2 else 1.0, **k,
    ),
    "adagrad": lambda **k: optim.Adagrad(0.1, initial_accumulator_value=0.1, **k),
    "rmsprop": lambda **k: optim.RMSProp(0.01, momentum=0.5, **k),
    "rmsprop, centered": lambda **k: optim.RMSProp(0.01, centered=True, **k),
    "adamax": lambda **k: optim.Adamax(0.05, **k),
    "adadelta": lambda **k: optim.Adadelta(0.5, **k),
    "lamb": lambda **k: optim.Lamb(
        0.05, 0.1, exclude_from_weight_decay_fn=lambda param: "b_0" in param.name, **k
    ),
}  # fmt: skip
NAMES = {
    "0.weight": "fc_0.w_0", "0.bias": "fc_0.b_0", "2.weight": "fc_1.w_0", "2.bias": "fc_1.b_0",
}  # fmt: skip


def mlp() -> Any:
    """The loss of a two-layer network on x against y."""
    x, y = static.data("x", [None, 4]), static.data("y", [None, 1])
    hidden = static.nn.fc(x, 8, activation="relu")
    return nn.functional.mse_loss(static.nn.fc(hidden, 1), y)


def feed_of(values: Any, labels: Any) -> dict[str, Any]:
    return {"x": values, "y": labels}


def step_scheduler(optimizer: Any) -> None:
    if isinstance(optimizer._learning_rate, optim.lr.LRScheduler):
        optimizer._learning_rate.step()


def dynamic(make: Make, start: dict[str, Any]) -> tuple[list[float], dict[str, Any]]:
    """The losses and the parameters after the same steps in dynamic mode."""
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    for name, param in net.named_parameters():
        param.name = NAMES[name]
        param.set_value(start[NAMES[name]])
    optimizer = make(parameters=net.parameters())
    losses = []
    for values, labels in DATA:
        out = net(paddle.to_tensor(values))
        loss = nn.functional.mse_loss(out, paddle.to_tensor(labels))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(loss.item())
        step_scheduler(optimizer)
    return losses, {param.name: param.numpy() for param in net.parameters()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_minimize_trains_as_dynamic_mode_does(name: str) -> None:
    make = OPTIMIZERS[name]
    loss = mlp()
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
        losses += exe.run(feed=feed_of(values, labels), fetch_list=[loss])
        step_scheduler(optimizer)
    paddle.disable_static()
    want, params = dynamic(make, start)
    np.testing.assert_allclose(losses, want, rtol=1e-4)
    for name, value in main.state_dict("param").items():
        np.testing.assert_allclose(value.numpy(), params[name], rtol=1e-4, atol=1e-5)
        assert (value.numpy() != start[name]).any()


def test_the_step_is_ops_of_the_program() -> None:
    """The names, slots and roles that Paddle's own Program has."""
    loss = mlp()
    ops, _ = optim.Adam(0.1).minimize(loss)
    main = static.default_main_program()
    assert [op.type for op in main.global_block().ops][-4:] == ["adam"] * 4
    first = ops[0]
    assert first.input("Param") == first.output("ParamOut") == ["fc_0.b_0"]
    assert first.input("Grad") == ["fc_0.b_0@GRAD"]
    assert first.input("LearningRate") == ["learning_rate_0"]
    assert first.output("Beta1PowOut") == ["fc_0.b_0_beta1_pow_acc_0"]
    assert first.attr("op_role_var") == ["fc_0.b_0", "fc_0.b_0@GRAD"]
    line = next(line for line in str(main).splitlines() if "learning_rate_0 :" in line)
    assert line.strip() == (
        "persist var learning_rate_0 : LOD_TENSOR.shape().dtype(float32).stop_gradient(True)"
    )
    state = [var.name for var in main.list_vars() if var.persistable and "fc_1.w_0_" in var.name]
    assert sorted(state) == [
        "fc_1.w_0_beta1_pow_acc_0", "fc_1.w_0_beta2_pow_acc_0", "fc_1.w_0_moment1_0",
        "fc_1.w_0_moment2_0",
    ]  # fmt: skip
    started = [op.output_arg_names for op in static.default_startup_program().global_block().ops]
    assert ["learning_rate_0"] in started
    assert ["fc_1.w_0_moment1_0"] in started


def test_a_training_run_is_one_compiled_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from wherry.static import run

    compiled = []
    plain = run.native_code

    def counted(*args: Any, **kwargs: Any) -> Any:
        compiled.append(args[0])
        return plain(*args, **kwargs)

    loss = mlp()
    optim.Adam(0.1).minimize(loss)
    exe = Executor()
    exe.run(static.default_startup_program())
    monkeypatch.setattr(run, "native_code", counted)
    for values, labels in DATA:
        exe.run(feed=feed_of(values, labels), fetch_list=[loss])
    (program,) = compiled
    roles = {op.attrs.get("op_role", 0) for op in program.global_block.ops}
    assert {0, BACKWARD_ROLE, 2} <= roles


def test_parameters_have_their_own_settings() -> None:
    """A learning rate, a regularizer, no clipping, no training, per ParamAttr: as in dynamic."""
    attrs = {
        "slow": paddle.ParamAttr(name="slow", learning_rate=0.1),
        "own": paddle.ParamAttr(name="own", regularizer=paddle.regularizer.L2Decay(1.0)),
        "free": paddle.ParamAttr(name="free", need_clip=False),
        "frozen": paddle.ParamAttr(name="frozen", trainable=False),
    }

    def loss_of(params: dict[str, Any]) -> Any:
        return paddle.add_n([(p * p).sum() for p in params.values()])

    def make(**k: Any) -> Any:
        clip = nn.ClipGradByGlobalNorm(0.5)
        return optim.SGD(0.1, weight_decay=0.3, grad_clip=clip, **k)

    ones = nn.initializer.Constant(1.0)
    params = {
        name: static.create_parameter([3], "float32", attr=attr, default_initializer=ones)
        for name, attr in attrs.items()
    }
    make().minimize(loss_of(params))
    exe = Executor()
    exe.run(static.default_startup_program())
    found = exe.run(fetch_list=list(params))
    paddle.disable_static()
    plain = {
        name: paddle.create_parameter([3], "float32", attr=attr, default_initializer=ones)
        for name, attr in attrs.items()
    }
    optimizer = make(parameters=list(plain.values()))
    loss_of(plain).backward()
    optimizer.step()
    for value, param in zip(found, plain.values(), strict=True):
        np.testing.assert_allclose(value, param.numpy(), rtol=1e-6)
    assert found[3].tolist() == [1.0] * 3


def test_groups_of_parameters() -> None:
    ones = nn.initializer.Constant(1.0)
    a, b = (
        static.create_parameter([2], "float32", name=name, default_initializer=ones)
        for name in ("a", "b")
    )
    groups = [{"params": [a]}, {"params": [b], "learning_rate": 0.5, "weight_decay": 1.0}]
    optim.SGD(0.1, parameters=groups).minimize((a + b).sum())
    exe = Executor()
    exe.run(static.default_startup_program())
    found = exe.run(fetch_list=["a", "b"])
    np.testing.assert_allclose(found[0], [0.9, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found[1], [0.9, 0.9], rtol=1e-6)


def one_weight() -> Any:
    weight = static.create_parameter([1], "float32", name="w", is_bias=True)
    return weight.sum()


def weight_after_run(exe: Executor) -> float:
    return float(exe.run(fetch_list=["w"])[0][0])


def test_learning_rates_follow_schedulers_and_set_lr() -> None:
    scheduler = optim.lr.StepDecay(1.0, 1, gamma=0.5)
    optimizer = optim.SGD(scheduler)
    optimizer.minimize(one_weight())
    exe = Executor()
    exe.run(static.default_startup_program())
    assert weight_after_run(exe) == -1.0
    assert weight_after_run(exe) == -2.0
    scheduler.step()
    assert weight_after_run(exe) == -2.5
    rate = static.global_scope().find_var("learning_rate_0").get_tensor()
    assert np.array(rate) == 0.5


def test_set_lr_and_writing_the_rate() -> None:
    optimizer = optim.SGD(1.0)
    optimizer.minimize(one_weight())
    exe = Executor()
    exe.run(static.default_startup_program())
    assert weight_after_run(exe) == -1.0
    rate = static.global_scope().find_var("learning_rate_0").get_tensor()
    rate.set(np.array(0.25, np.float32), paddle.CPUPlace())
    assert weight_after_run(exe) == -1.25
    optimizer.set_lr(2.0)
    assert weight_after_run(exe) == -3.25


def test_backward_and_apply_gradients() -> None:
    loss = mlp()
    optimizer = optim.SGD(0.1)
    pairs = optimizer.backward(loss)
    doubled = [(param, grad * 2.0) for param, grad in pairs]
    assert len(optimizer.apply_gradients(doubled)) == 4
    exe = Executor()
    exe.run(static.default_startup_program())
    main = static.default_main_program()
    before = {name: value.numpy() for name, value in main.state_dict("param").items()}
    grads = exe.run(feed=feed_of(*DATA[0]), fetch_list=[grad for _, grad in pairs])
    after = main.state_dict("param")
    for (param, _), grad in zip(pairs, grads, strict=True):
        want = before[param.name] - 0.2 * grad
        np.testing.assert_allclose(after[param.name].numpy(), want, rtol=1e-5, atol=1e-7)


def test_two_optimizers_in_one_program() -> None:
    """The second one sees the parameters that the first one has left."""
    ones = nn.initializer.Constant(1.0)
    weight = static.create_parameter([1], "float32", name="w", default_initializer=ones)
    optim.SGD(0.5).minimize((weight * 2.0).sum())
    loss = (weight * 3.0).sum()
    optim.SGD(0.1).minimize(loss)
    exe = Executor()
    exe.run(static.default_startup_program())
    found, value = exe.run(fetch_list=["w", loss])
    np.testing.assert_allclose(value, 0.0)
    np.testing.assert_allclose(found, [1.0 - 0.5 * 2 - 0.1 * 3], rtol=1e-5)


def test_what_a_program_cannot_hold_is_refused() -> None:
    class Own(optim.SGD):
        def update(self, *args: Any) -> None:
            """Works on arrays."""

    class Clip(nn.clip.ClipGradBase):
        def clip(self, pairs: Any) -> Any:
            return pairs

    loss = mlp()
    with pytest.raises(TypeError, match="Own changes arrays, which a Program cannot"):
        Own(0.1).minimize(loss)
    with pytest.raises(TypeError, match="Clip clips arrays, which a Program cannot"):
        optim.SGD(0.1, grad_clip=Clip()).minimize(loss)
    penalty = type("Mine", (paddle.regularizer.L2Decay,), {})(0.1)
    with pytest.raises(TypeError, match="Mine works on arrays"):
        optim.SGD(0.1, weight_decay=penalty).minimize(loss)
    with pytest.raises(ValueError, match="does the loss depend on a parameter that is trained"):
        optim.SGD(0.1).minimize(paddle.mean(static.data("z", [2])))


def test_starting_again_forgets_the_state() -> None:
    loss = mlp()
    optim.Adam(0.1).minimize(loss)
    exe = Executor()
    losses = []
    for _ in range(2):
        paddle.seed(3)
        exe.run(static.default_startup_program())
        losses.append([exe.run(feed=feed_of(*DATA[0]), fetch_list=[loss])[0] for _ in range(3)])
    np.testing.assert_array_equal(losses[0], losses[1])
    assert losses[0][2] < losses[0][0]
