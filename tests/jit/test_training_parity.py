"""Compiled training equals dynamic training over a hundred steps: losses, parameters, buffers,
masks and the random state.

Four nets, each with four optimizers. Among the hundred steps are all kinds of steps: several
losses, a second forward before the backward of the first, gradients of two batches that are added
up, Python arguments that alternate, batches of other sizes. Every net has a frozen parameter, a
Linear that is used twice, a branch that is detached, dropout and a buffer of integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry import nn, optimizer
from wherry.jit import to_static
from wherry.nn import functional as F

STEPS = 100


class Net(nn.Layer):
    """A body, and behind it what every net has."""

    shape: tuple[int, ...]

    def __init__(self, body: nn.Layer, width: int) -> None:
        super().__init__()
        self.body, self.drop = body, nn.Dropout(0.2)
        self.twice, self.out, self.frozen = (nn.Linear(width, n) for n in (width, 3, 3))
        self.frozen.weight.stop_gradient = True
        self.register_buffer("calls", paddle.zeros([2], "int64"))

    def forward(self, x: Any, act: bool = False) -> Any:
        self.calls += 3 if act else 1
        hidden = self.body(x)
        gate = self.drop(paddle.ones_like(hidden))
        hidden = (F.relu(hidden) if act else paddle.tanh(hidden)) * gate
        hidden = paddle.tanh(self.twice(paddle.tanh(self.twice(hidden))))
        return self.out(hidden) + self.frozen(hidden.detach()), gate == 0


class Mlp(Net):
    shape = (6,)

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 5)), 5)


class Cnn(Net):
    shape = (1, 6, 6)

    def __init__(self) -> None:
        # No bias before batch_norm: its gradient is rounding only, which Adam blows up.
        conv = nn.Conv2D(1, 3, 3, padding=1, bias_attr=False)
        body = nn.Sequential(conv, nn.BatchNorm2D(3), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2D(2))
        super().__init__(nn.Sequential(body, nn.Flatten(), nn.Linear(27, 5)), 5)


class LastState(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6)

    def forward(self, x: Any) -> Any:
        found, (h, _) = self.lstm(x)
        return found[:, -1] + h[0]


class Lstm(Net):
    shape = (3, 4)

    def __init__(self) -> None:
        super().__init__(LastState(), 6)


class Encoder(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        # No bias in attention: that of the keys has a gradient of rounding only.
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, bias_attr=[False, None])
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x: Any) -> Any:
        return self.encoder(x).mean(1)


class Transformer(Net):
    shape = (4, 8)

    def __init__(self) -> None:
        super().__init__(Encoder(), 8)


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
    decay = paddle.regularizer.L1Decay(1e-4)
    rate = optimizer.lr.ExponentialDecay(0.005, gamma=0.99)
    return optimizer.Adam(
        rate, parameters=parameters, weight_decay=decay, grad_clip=nn.ClipGradByGlobalNorm(1.0)
    )


def adamw(parameters: list[Any]) -> Any:
    rate = optimizer.lr.LinearWarmup(0.005, warmup_steps=10, start_lr=0.0, end_lr=0.005)
    return optimizer.AdamW(
        rate, parameters=parameters, weight_decay=0.05, grad_clip=nn.ClipGradByGlobalNorm(0.5)
    )


RULES: tuple[Rule, ...] = (sgd, momentum, adam, adamw)
Batch = tuple[Any, Any]
Step = Callable[[Any, Batch, Batch], Any]


def plain(net: Any, batch: Batch, other: Batch) -> Any:
    out, mask = net(batch[0])
    return F.cross_entropy(out, batch[1]), mask


def several_losses(net: Any, batch: Batch, other: Batch) -> Any:
    """Of one forward: one loss goes backward by itself, the others as a sum."""
    out, mask = net(batch[0])
    (0.1 * (out**2).mean()).backward(retain_graph=True)
    return F.cross_entropy(out, batch[1]) + F.relu(out).sum() * 0.01, mask


def second_forward(net: Any, batch: Batch, other: Batch) -> Any:
    first, mask = net(batch[0])
    second, _ = net(other[0])
    return F.cross_entropy(first, batch[1]) + F.cross_entropy(second, other[1]), mask


def accumulated(net: Any, batch: Batch, other: Batch) -> Any:
    F.cross_entropy(net(other[0])[0], other[1]).backward()
    return plain(net, batch, other)


def other_arguments(net: Any, batch: Batch, other: Batch) -> Any:
    out, mask = net(batch[0], True) if batch[1][0] == 0 else net(batch[0], act=False)
    return F.cross_entropy(out, batch[1]), mask


KINDS: tuple[Step, ...] = (plain, several_losses, second_forward, accumulated, other_arguments)


class Trained:
    """A net in training, dynamic or static, that draws the random numbers of its own state."""

    def __init__(self, make: Callable[[], Any], rule: Rule, static: bool) -> None:
        paddle.seed(11)
        with paddle.utils.unique_name.guard():
            net = make()
            # Named here, the parameters of two nets are called alike, and share compiled code.
            self.names = [value.name for value in net.state_dict().values()]
        self.net = to_static(net) if static else net
        self.rule = rule([p for p in net.parameters() if not p.stop_gradient])
        self.random = paddle.get_rng_state()

    def step(self, kind: Step, batch: Batch, other: Batch) -> tuple[float, Any]:
        paddle.set_rng_state(self.random)
        loss, mask = kind(self.net, batch, other)
        loss.backward()
        self.rule.step()
        self.rule.clear_grad()
        self.rule._learning_rate.step()
        self.random = paddle.get_rng_state()
        return float(loss), mask.numpy()

    def state(self) -> dict[str, Any]:
        kept = {**self.net.state_dict(), **self.rule.state_dict()}
        return {name: value.numpy() for name, value in kept.items() if name != "LR_Scheduler"}

    def become(self, other: Trained) -> None:
        self.net.set_state_dict(other.net.state_dict())
        self.rule.set_state_dict(other.rule.state_dict())


def batches(make: type[Net]) -> Iterator[tuple[Batch, Batch]]:
    rng, dtype = np.random.default_rng(0), paddle.get_default_dtype()

    def batch(size: int) -> Batch:
        x = rng.normal(size=(size, *make.shape)).astype(dtype)
        return paddle.to_tensor(x), paddle.to_tensor(rng.integers(0, 3, size))

    return ((batch(5 - i % 3), batch(3)) for i in range(STEPS))


def check_close(found: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> None:
    """Integers are equal; a float may be off by the tolerance, relative to its tensor."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        exact = value.dtype.kind != "f"
        off = 0.0 if exact else tolerance * np.abs(value).max()
        np.testing.assert_allclose(found[name], value, 0, off, err_msg=name)


@contextmanager
def default_dtype(dtype: str) -> Iterator[None]:
    paddle.set_default_dtype(dtype)
    yield
    paddle.set_default_dtype("float32")


@pytest.mark.parametrize("make", [Mlp, Cnn, Lstm, Transformer])
def test_a_hundred_steps_of_float64_are_within_1e_9(make: type[Net]) -> None:
    with default_dtype("float64"):
        for rule in RULES:
            dynamic, static = (Trained(make, rule, compiled) for compiled in (False, True))
            first = dynamic.state()
            for number, (batch, other) in enumerate(batches(make)):
                check_step(dynamic, static, KINDS[number % len(KINDS)], batch, other, 1e-9)
            last = dynamic.state()
            check_close(static.state(), last, 1e-9)
            still = {name for name in first if np.array_equal(first[name], last[name])}
            assert still == {"frozen.weight"}


@pytest.mark.parametrize("make", [Mlp, Cnn, Lstm, Transformer])
def test_each_of_a_hundred_steps_of_float32_is_within_1e_5_from_equal_state(
    make: type[Net],
) -> None:
    for rule in RULES:
        dynamic, static = (Trained(make, rule, compiled) for compiled in (False, True))
        for number, (batch, other) in enumerate(batches(make)):
            check_step(dynamic, static, KINDS[number % len(KINDS)], batch, other, 1e-5)
            check_close(static.state(), dynamic.state(), 1e-5)
            static.become(dynamic)


def check_step(
    dynamic: Trained, static: Trained, kind: Step, batch: Batch, other: Batch, tolerance: float
) -> None:
    """The loss within the tolerance; the mask and the random state equal."""
    wanted, mask = dynamic.step(kind, batch, other)
    found, same_mask = static.step(kind, batch, other)
    assert abs(found - wanted) <= tolerance * abs(wanted)
    np.testing.assert_array_equal(same_mask, mask)
    assert static.random[0].tolist() == dynamic.random[0].tolist()
