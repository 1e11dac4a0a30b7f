"""Compiled training equals dynamic training over a hundred steps, for every kind of net, optimizer
and training loop: losses, parameters, buffers and the random state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry import nn, optimizer
from wherry.jit import to_static
from wherry.nn import functional as F


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """float64, so that rounding that differs does not grow over the steps."""
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


class Mlp(nn.Layer):
    shape = (6,)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x: Any) -> Any:
        return self.second(paddle.tanh(self.first(x)))


class Cnn(nn.Layer):
    shape = (1, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        # No bias before batch_norm: its gradient is rounding only, which Adam blows up.
        self.conv = nn.Conv2D(1, 3, 3, padding=1, bias_attr=False)
        self.norm, self.pool, self.drop = nn.BatchNorm2D(3), nn.MaxPool2D(2), nn.Dropout(0.3)
        self.out = nn.Linear(27, 3)

    def forward(self, x: Any) -> Any:
        x = self.pool(F.relu(self.norm(self.conv(x))))
        return self.out(self.drop(x.flatten(1)))


class Lstm(nn.Layer):
    shape = (3, 4)

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        found, (h, _) = self.lstm(x)
        return self.out(found[:, -1] + h[0])


class Transformer(nn.Layer):
    shape = (4, 8)

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.encoder(x).mean(1))


Rule = Callable[[list[Any]], Any]


def sgd(parameters: list[Any]) -> Any:
    rate = optimizer.lr.StepDecay(0.1, step_size=10, gamma=0.8)
    return optimizer.SGD(
        rate, parameters=parameters, weight_decay=0.01, grad_clip=nn.ClipGradByNorm(0.5)
    )


def momentum(parameters: list[Any]) -> Any:
    rate = optimizer.lr.CosineAnnealingDecay(0.05, T_max=40)
    return optimizer.Momentum(
        rate, 0.9, parameters=parameters, use_nesterov=True, weight_decay=1e-3,
        grad_clip=nn.ClipGradByValue(0.3),
    )  # fmt: skip


def adam(parameters: list[Any]) -> Any:
    return optimizer.Adam(0.005, parameters=parameters, grad_clip=nn.ClipGradByGlobalNorm(1.0))


def adamw(parameters: list[Any]) -> Any:
    rate = optimizer.lr.LinearWarmup(0.005, warmup_steps=10, start_lr=0.0, end_lr=0.005)
    return optimizer.AdamW(rate, parameters=parameters, weight_decay=0.05)


Step = Callable[[Any, Any, Any], Any]


def plain(net: Any, x: Any, label: Any) -> Any:
    return F.cross_entropy(net(x), label)


def train(make: type, rule: Rule, step: Step, static: bool, steps: int, every: int = 1) -> Any:
    """Losses, state and random state; `every` so many steps the optimizer steps."""
    paddle.seed(11)
    net = make()
    if static:
        net = to_static(net)
    parameters = rule([p for p in net.parameters() if not p.stop_gradient])
    rng = np.random.default_rng(0)
    losses = []
    for i in range(steps):
        size = 5 if i % 4 else 3
        x = paddle.to_tensor(rng.normal(size=(size, *make.shape)))  # type: ignore[attr-defined]
        loss = step(net, x, paddle.to_tensor(rng.integers(0, 3, size)))
        loss.backward()
        if i % every == every - 1:
            parameters.step()
            parameters.clear_grad()
            if hasattr(parameters._learning_rate, "step"):
                parameters._learning_rate.step()
        losses.append(float(loss))
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    return losses, state, paddle.get_rng_state()[0].numpy()


def check(make: type, rule: Rule, step: Step = plain, steps: int = 12, every: int = 1) -> None:
    want, state, random = train(make, rule, step, False, steps, every)
    got, other, other_random = train(make, rule, step, True, steps, every)
    np.testing.assert_allclose(got, want, rtol=1e-9)
    assert want[0] != want[-1]
    for name, value in state.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-8, atol=1e-11, err_msg=name)
    assert np.array_equal(random, other_random)


@pytest.mark.parametrize(
    ("make", "rule"), [(Mlp, sgd), (Cnn, adamw), (Lstm, adam), (Transformer, momentum)]
)
def test_a_hundred_steps(make: type, rule: Rule) -> None:
    check(make, rule, steps=100)


@pytest.mark.parametrize("rule", [momentum, adam, adamw])
def test_optimizers_schedules_clipping_and_decay(rule: Rule) -> None:
    check(Mlp, rule, steps=25)


def test_several_losses_of_one_forward() -> None:
    def step(net: Any, x: Any, label: Any) -> Any:
        out = net(x)
        return F.cross_entropy(out, label) + 0.1 * (out**2).mean() + F.relu(out).sum() * 0.01

    check(Mlp, adam, step)


def test_several_losses_that_go_backward_one_after_the_other() -> None:
    def step(net: Any, x: Any, label: Any) -> Any:
        out = net(x)
        (0.1 * (out**2).mean()).backward(retain_graph=True)
        return F.cross_entropy(out, label)

    check(Mlp, adam, step)


def test_a_second_forward_before_the_backward_of_the_first() -> None:
    def step(net: Any, x: Any, label: Any) -> Any:
        first = net(x)
        second = net(x * 0.5)
        return F.cross_entropy(first, label) + F.cross_entropy(second, label)

    check(Mlp, sgd, step)
    check(Cnn, sgd, step, steps=6)


def test_gradients_that_are_accumulated_over_batches() -> None:
    check(Mlp, momentum, every=4)


class Frozen(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.first.weight.stop_gradient = True


class Shared(Mlp):
    """One Linear used twice, and its weight once more."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        x = paddle.tanh(self.first(paddle.tanh(self.first(x))))
        return self.second(x @ self.first.weight.t())


class Detached(Mlp):
    def forward(self, x: Any) -> Any:
        hidden = paddle.tanh(self.first(x))
        return self.second(hidden) + self.second(hidden.detach()) * 2


@pytest.mark.parametrize("make", [Frozen, Shared, Detached])
def test_frozen_shared_and_detached_parameters(make: type) -> None:
    check(make, adamw)


class Flagged(Mlp):
    def forward(self, x: Any, act: bool = False, scale: float = 1.0) -> Any:
        hidden = self.first(x) * scale
        return self.second(F.relu(hidden) if act else paddle.tanh(hidden))


def test_python_arguments_that_alternate() -> None:
    def step(net: Any, x: Any, label: Any) -> Any:
        act = bool(label[0] == 0)
        return F.cross_entropy(net(x, act) if label[1] == 0 else net(x, act, scale=0.5), label)

    check(Flagged, adam, step)
