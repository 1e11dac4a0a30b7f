"""paddle.amp on a CPU: as in Paddle it warns, checks its arguments and changes no value."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static

NO_EFFECT = r"can only be enabled on CUDAPlace.*current place is Place\(cpu\), so it makes no eff"


def test_auto_cast_warns_at_the_users_line_and_leaves_dtypes() -> None:
    net = paddle.nn.Linear(2, 2)
    for guard in (paddle.amp.auto_cast, paddle.amp.amp_guard):
        with pytest.warns(UserWarning, match="amp_guard " + NO_EFFECT) as caught, guard(level="O2"):
            assert net(paddle.ones([1, 2])).dtype == paddle.float32
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with paddle.amp.auto_cast(enable=False):
            assert net(paddle.ones([1, 2])).dtype == paddle.float32


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"level": "O7"}, "level should be O0, OD, O1 or O2"),
        ({"dtype": "int8"}, "dtype should be 'float16' or 'bfloat16'"),
        ({"custom_white_list": {"a"}, "custom_black_list": {"a"}}, "overlap custom black list"),
    ],
)
def test_auto_cast_checks_its_arguments(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text), paddle.amp.auto_cast(**options):
        pass


def train(net: Any, mixed: bool) -> list[float]:
    rule = paddle.optimizer.Adam(0.1, parameters=net.parameters())
    scaler = paddle.amp.GradScaler(init_loss_scaling=1024)
    x = paddle.to_tensor(np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2))
    losses = []
    for i in range(4):
        with paddle.amp.auto_cast(enable=mixed):
            loss = (net(x) ** 2).mean()
        if not mixed:
            loss.backward()
            rule.step()
        elif i % 2:
            scaler.scale(loss).backward()
            scaler.unscale_(rule)
            scaler.step(rule)
            scaler.update()
        else:
            scaler.scale(loss).backward()
            scaler.minimize(rule, loss)
        rule.clear_grad()
        losses.append(float(loss))
    return losses


@pytest.mark.filterwarnings("ignore:.*so it makes no effect")
@pytest.mark.parametrize("static", [False, True])
def test_training_around_a_layer_is_that_without_amp(static: bool) -> None:
    one, two = paddle.nn.Linear(2, 2), paddle.nn.Linear(2, 2)
    two.set_state_dict(one.state_dict())
    assert train(to_static(two) if static else two, True) == pytest.approx(train(one, False))


@pytest.mark.filterwarnings("ignore:.*so it makes no effect")
def test_amp_inside_a_static_train_step() -> None:
    net = paddle.nn.Linear(2, 1)
    rule = paddle.optimizer.SGD(0.05, parameters=net.parameters())
    scaler = paddle.amp.GradScaler()

    @to_static
    def step(x: Any) -> Any:
        with paddle.amp.auto_cast():
            loss = (net(x) ** 2).mean()
        scaler.scale(loss).backward()
        scaler.step(rule)
        scaler.update()
        rule.clear_grad()
        return loss

    first, *_, last = [float(step(paddle.ones([3, 2]))) for _ in range(5)]
    assert last < first


def test_a_scaler_says_that_it_makes_no_effect() -> None:
    with pytest.warns(UserWarning, match="AmpScaler " + NO_EFFECT) as caught:
        scaler = paddle.amp.GradScaler()
    assert caught[0].filename == __file__
    assert not scaler.is_enable()
    assert scaler.state_dict() == {}
    scaler.load_state_dict({"scale": np.array([2.0], np.float32)})
    assert scaler.state_dict() == {}
    loss = paddle.ones([1])
    assert scaler.scale(loss) is loss
    scaler.set_init_loss_scaling(3.0)
    assert scaler.get_init_loss_scaling() == 3.0
    with pytest.raises(ValueError, match=r"must be > 1\.0"):
        scaler.set_incr_ratio(0.5)


def test_decorate_gives_back_what_it_is_given() -> None:
    net = paddle.nn.Linear(2, 2)
    rule = paddle.optimizer.Adam(parameters=net.parameters())
    assert paddle.amp.decorate(net, level="O2") is net
    assert paddle.amp.decorate([net], [rule]) == ([net], [rule])
    assert net.weight.dtype == paddle.float32
    with pytest.raises(ValueError, match="level should be O1 or O2"):
        paddle.amp.decorate(net, level="O3")


def test_what_is_supported() -> None:
    assert not paddle.amp.is_float16_supported()
    assert not paddle.amp.is_bfloat16_supported()


def test_numerics_are_checked() -> None:
    check, modes = paddle.amp.debugging.check_numerics, paddle.amp.debugging.DebugMode
    bad = paddle.to_tensor([1.0, float("nan"), 0.0, float("inf")])
    with pytest.raises(RuntimeError, match=r"num_nan=1, num_inf=1, num_zero=1.*op=add, tensor=x"):
        check(bad, "add", "x")
    assert check(bad, "add", "x", modes.CHECK_NAN_INF)[0].tolist() == [1, 1, 1]
    counts, values = check(paddle.to_tensor([1.0, 0.0]), "add", "x")
    assert (counts.tolist(), values.tolist()) == ([0, 0, 1], [1.0, 0.0, 0.5])

    class Net(paddle.nn.Layer):
        @paddle.amp.debugging.check_layer_numerics
        def forward(self, x: Any) -> Any:
            return x.log()

    with pytest.raises(RuntimeError, match="tensor=output"):
        Net()(paddle.zeros([2]))
