"""Recurrent nets, written once for paddle and wherry: with weights that Paddle drew, their results,
gradients and some steps of training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Found = dict[str, np.ndarray]
SIZES = 3, 4  # of an input, of a state
STEPS = 4


class Case:
    """A recurrent layer: how it is made, and what it is called with besides the inputs."""

    def __init__(
        self, make: Callable[[Any], Any], shape: tuple[int, ...] = (2, 5, 3), lengths: bool = False,
        states: tuple[tuple[int, ...], ...] = (),
    ) -> None:  # fmt: skip
        self.make, self.shape, self.lengths, self.states = make, shape, lengths, states


def _layer(kind: str, **options: Any) -> Callable[[Any], Any]:
    return lambda p: getattr(p.nn, kind)(*SIZES, **options)


def _cell(kind: str, **options: Any) -> Callable[[Any], Any]:
    return lambda p: p.nn.RNN(getattr(p.nn, kind)(*SIZES), **options)


def _both(kind: str) -> Callable[[Any], Any]:
    return lambda p: p.nn.BiRNN(*(getattr(p.nn, kind)(*SIZES) for _ in range(2)))


STATE, TWO = (1, 2, 4), (4, 2, 4)
RNNS: dict[str, Case] = {
    "lstm": Case(_layer("LSTM")),
    "lstm_deep_both_ways": Case(_layer("LSTM", num_layers=2, direction="bidirect")),
    "lstm_time_major": Case(_layer("LSTM", time_major=True), (5, 2, 3)),
    "lstm_lengths": Case(_layer("LSTM", direction="bidirect"), lengths=True),
    "lstm_lengths_time_major": Case(_layer("LSTM", time_major=True), (5, 2, 3), lengths=True),
    "cell_lengths": Case(_cell("GRUCell"), lengths=True),
    "lstm_states": Case(_layer("LSTM"), states=(STATE, STATE)),
    # No lengths with them: Paddle's gradient of weight_hh backwards is not the derivative then.
    "lstm_deep_states": Case(_layer("LSTM", num_layers=2, direction="bidirect"), states=(TWO, TWO)),
    "gru": Case(_layer("GRU")),
    "gru_deep_both_ways": Case(_layer("GRU", num_layers=2, direction="bidirect")),
    "gru_lengths": Case(_layer("GRU", num_layers=2), lengths=True),
    "gru_states": Case(_layer("GRU"), states=(STATE,)),
    "gru_time_major": Case(_layer("GRU", time_major=True, direction="bidirect"), (5, 2, 3)),
    "simple_relu": Case(_layer("SimpleRNN", activation="relu", num_layers=2)),
    "cell_lstm": Case(_cell("LSTMCell")),
    "cell_gru_reverse": Case(_cell("GRUCell", is_reverse=True)),
    "cell_both_ways": Case(_both("GRUCell")),
}


def _number(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32")


def net_of(p: Any, case: Case) -> Any:
    """A Layer with the recurrent layer in it, and an output of what it gives."""

    class Net(p.nn.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body = case.make(p)

        def forward(self, x: Any, lengths: Any, states: Any) -> Any:
            states = tuple(states) if len(states) > 1 else (states[0] if states else None)
            return self.body(x, states, lengths)

    return Net()


def flat(value: Any) -> list[Any]:
    """The tensors of a nested result."""
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in flat(part)]
    return [value]


def results(p: Any, case: Case, convert: Callable[[Any], Any] = lambda net: net,
            weights: Mapping[str, np.ndarray] | None = None) -> Found:  # fmt: skip
    """The weights, and with them outputs, states, the inputs' gradients and losses of training."""
    net = net_of(p, case)
    if weights is not None:
        missing = net.set_state_dict({k: p.to_tensor(v) for k, v in weights.items()})
        assert tuple(missing) == ([], []), missing
    found = {f"state/{name}": value.numpy() for name, value in net.state_dict().items()}
    net = convert(net)
    x = p.to_tensor(_number(case.shape, 1), stop_gradient=False)
    lengths = p.to_tensor([5, 3]) if case.lengths else None
    states = [p.to_tensor(_number(shape, 2 + i)) for i, shape in enumerate(case.states)]
    rule = p.optimizer.Momentum(0.1, parameters=net.parameters())
    losses = []
    for step in range(STEPS):
        outputs = flat(net(x, lengths, states))
        loss = sum((one**2).mean() for one in outputs)
        loss.backward()
        if step == 0:
            found |= {f"out/{i}": one.numpy() for i, one in enumerate(outputs)}
            found["grad"] = x.grad.numpy()
        rule.step()
        rule.clear_grad()
        losses.append(float(loss))
    return {**found, "losses": np.array(losses, "float32")}


def all_results(p: Any) -> Found:
    """All that is recorded, by name."""
    p.seed(7)
    return {
        f"{name}/{key}": array
        for name, case in RNNS.items() for key, array in results(p, case).items()
    }  # fmt: skip
