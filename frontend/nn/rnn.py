"""Recurrent layers: cells, and the stacks of them: SimpleRNN, LSTM and GRU.

A cell is called on (inputs, states) and returns (output, new states). Sequences are [batch, time,
size], or [time, batch, size] with time_major.
"""

from __future__ import annotations

import math
from typing import Any

from ..dispatch import run_op
from ..ops import creation, shape
from ..tensor import Tensor
from ..utils import map_structure
from . import functional as F
from .container import LayerList
from .initializer import Uniform
from .layer import Layer
from .recurrence import RNN, BiRNN, running


class RNNCellBase(Layer):
    """What cells share: first states of zeros, of the sizes that `state_shape` names."""

    hidden_size: int

    @property
    def state_shape(self) -> Any:
        """The sizes of the states after the batch."""
        return (self.hidden_size,)

    def get_initial_states(
        self, batch_ref: Any, shape: Any = None, dtype: Any = None, init_value: float = 0.0,
        batch_dim_idx: int = 0,
    ) -> Any:  # fmt: skip
        """States of one value for the batch of `batch_ref`."""
        batch, kind = batch_ref.shape[batch_dim_idx], dtype or batch_ref.dtype
        sizes = self.state_shape if shape is None else shape
        if sizes and isinstance(sizes[0], (list, tuple)):
            return tuple(creation.full([batch, *one], init_value, kind) for one in sizes)
        return creation.full([batch, *sizes], init_value, kind)


class _Cell(RNNCellBase):
    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, weight_ih_attr: Any = None,
        weight_hh_attr: Any = None,
        bias_ih_attr: Any = None, bias_hh_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        if hidden_size <= 0:
            raise ValueError(
                f"hidden_size of {type(self).__name__} must be greater than 0, got {hidden_size}"
            )
        limit = 1.0 / math.sqrt(hidden_size)
        start, rows = Uniform(-limit, limit), self.gates * hidden_size
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = self.create_parameter(
            [rows, input_size], weight_ih_attr, default_initializer=start
        )
        self.weight_hh = self.create_parameter(
            [rows, hidden_size], weight_hh_attr, default_initializer=start
        )
        self.bias_ih = self.create_parameter(
            [rows], bias_ih_attr, is_bias=True, default_initializer=start
        )
        self.bias_hh = self.create_parameter(
            [rows], bias_hh_attr, is_bias=True, default_initializer=start
        )

    def _gates(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What comes from the inputs, and what from the hidden state."""
        pairs = ((inputs, self.weight_ih, self.bias_ih), (hidden, self.weight_hh, self.bias_hh))
        found = []
        for x, weight, bias in pairs:
            product = run_op("matmul_v2", x, weight, trans_y=True)
            found.append(product if bias is None else product + bias)
        return found[0], found[1]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class SimpleRNNCell(_Cell):
    """h' = activation(W_ih x + b_ih + W_hh h + b_hh), activation tanh or relu."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, activation: str = "tanh",
        weight_ih_attr: Any = None, weight_hh_attr: Any = None, bias_ih_attr: Any = None,
        bias_hh_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, weight_ih_attr, weight_hh_attr, bias_ih_attr, bias_hh_attr
        )
        if activation not in ("tanh", "relu"):
            raise ValueError(
                f"activation for SimpleRNNCell should be tanh or relu, but get {activation}"
            )
        self.activation = activation

    def forward(self, inputs: Tensor, states: Any = None) -> tuple[Tensor, Any]:
        states = self.get_initial_states(inputs) if states is None else states
        from_inputs, from_hidden = self._gates(inputs, states)
        hidden = getattr(F, self.activation)(from_inputs + from_hidden)
        return hidden, hidden


class LSTMCell(_Cell):
    """The cell of Hochreiter and Schmidhuber; gates in the order input, forget, cell, output.

    >>> import wherry as paddle
    >>> out, (h, c) = LSTMCell(3, 4)(paddle.ones([2, 3]))
    >>> out.shape, c.shape
    ([2, 4], [2, 4])
    """

    gates = 4

    @property
    def state_shape(self) -> Any:
        return (self.hidden_size,), (self.hidden_size,)

    def forward(self, inputs: Tensor, states: Any = None) -> tuple[Tensor, Any]:
        hidden, cell = self.get_initial_states(inputs) if states is None else states
        from_inputs, from_hidden = self._gates(inputs, hidden)
        enter, keep, new, leave = shape.split(from_inputs + from_hidden, 4, axis=-1)
        cell = F.sigmoid(keep) * cell + F.sigmoid(enter) * F.tanh(new)
        hidden = F.sigmoid(leave) * F.tanh(cell)
        return hidden, (hidden, cell)


class GRUCell(_Cell):
    """The gated recurrent unit: gates reset, update, candidate; reset after the product."""

    gates = 3

    def forward(self, inputs: Tensor, states: Any = None) -> tuple[Tensor, Any]:
        hidden = self.get_initial_states(inputs) if states is None else states
        from_inputs, from_hidden = self._gates(inputs, hidden)
        x_reset, x_update, x_new = shape.split(from_inputs, 3, axis=1)
        h_reset, h_update, h_new = shape.split(from_hidden, 3, axis=1)
        update = F.sigmoid(x_update + h_update)
        new = F.tanh(x_new + F.sigmoid(x_reset + h_reset) * h_new)
        hidden = (hidden - new) * update + new
        return hidden, hidden


class _Stack(LayerList):
    """Layers of one kind of cell, in one direction or two."""

    cell: Any

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, direction: str = "forward",
        time_major: bool = False, dropout: float = 0.0, weight_ih_attr: Any = None,
        weight_hh_attr: Any = None, bias_ih_attr: Any = None, bias_hh_attr: Any = None,
        name: str | None = None, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        both = direction in ("bidirect", "bidirectional")
        if not both and direction != "forward":
            raise ValueError(
                f"direction should be forward or bidirect (or bidirectional), received "
                f"direction = {direction}"
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.num_directions, self.time_major, self.dropout = 2 if both else 1, time_major, dropout
        attrs = (weight_ih_attr, weight_hh_attr, bias_ih_attr, bias_hh_attr)
        for i in range(num_layers):
            size = input_size if i == 0 else hidden_size * self.num_directions
            cells = [
                self.cell(size, hidden_size, *options.values(), *attrs)
                for _ in range(self.num_directions)
            ]
            self.append(
                BiRNN(cells[0], cells[-1], time_major) if both else RNN(cells[0], False, time_major)
            )
            for cell, suffix in zip(cells, ("", "_reverse"), strict=False):
                self._name_parameters(cell, f"_l{i}{suffix}")

    def _name_parameters(self, cell: Layer, suffix: str) -> None:
        """The cell's parameters under Paddle's names of them in the stack, too."""
        for name, param in cell._parameters.items():
            if param is not None:
                self._parameters[name + suffix] = param

    def forward(
        self, inputs: Tensor, initial_states: Any = None, sequence_length: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        axis = 1 if self.time_major else 0
        if initial_states is None:
            size = [self.num_layers * self.num_directions, inputs.shape[axis], self.hidden_size]
            initial_states = map_structure(
                lambda _: creation.zeros(size, inputs.dtype), self._structure()
            )
        states = map_structure(lambda s: shape.unbind(s, 0), initial_states)
        finals: list[Any] = []
        for i, layer in enumerate(self):
            if i and self.dropout:
                inputs = F.dropout(inputs, self.dropout, training=self.training)
            own = [
                self._state(states, i * self.num_directions + d) for d in range(self.num_directions)
            ]
            start = own[0] if self.num_directions == 1 else tuple(own)
            inputs, last = layer(inputs, start, sequence_length)
            finals += [last] if self.num_directions == 1 else list(last)
        if sequence_length is not None:
            inputs = self._ended(inputs, sequence_length)
        return inputs, map_structure(lambda *parts: shape.stack(list(parts), 0), *finals)

    def _ended(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """The outputs with zeros behind the end of each sequence."""
        axis = 0 if self.time_major else 1
        mask = running(lengths, outputs, axis)
        if self.time_major:
            mask = run_op("transpose2", mask, axis=[1, 0])
        return outputs * run_op("unsqueeze2", mask, axes=[2])  # type: ignore[no-any-return]

    def _structure(self) -> Any:
        return 0

    def _state(self, states: Any, index: int) -> Any:
        return states[index]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += f", num_layers={self.num_layers}" if self.num_layers != 1 else ""
        text += f", time_major={self.time_major}" if self.time_major else ""
        return text + (f", dropout={self.dropout}" if self.dropout else "")


class SimpleRNN(_Stack):
    """Layers of SimpleRNNCell over a sequence; returns (outputs, last states).

    >>> import wherry as paddle
    >>> out, h = SimpleRNN(3, 4, 2)(paddle.ones([2, 5, 3]))
    >>> out.shape, h.shape
    ([2, 5, 4], [2, 2, 4])
    """

    cell = SimpleRNNCell

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, direction: str = "forward",
        time_major: bool = False, dropout: float = 0.0, activation: str = "tanh",
        weight_ih_attr: Any = None, weight_hh_attr: Any = None, bias_ih_attr: Any = None,
        bias_hh_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, direction, time_major, dropout, weight_ih_attr,
            weight_hh_attr, bias_ih_attr, bias_hh_attr, activation=activation,
        )  # fmt: skip


class LSTM(_Stack):
    """Layers of LSTMCell over a sequence; returns (outputs, (last hidden, last cell)).

    >>> import wherry as paddle
    >>> out, (h, c) = LSTM(3, 4, direction="bidirect")(paddle.ones([2, 5, 3]))
    >>> out.shape, c.shape
    ([2, 5, 8], [2, 2, 4])
    """

    cell = LSTMCell

    def _structure(self) -> Any:
        return 0, 0

    def _state(self, states: Any, index: int) -> Any:
        return states[0][index], states[1][index]


class GRU(_Stack):
    """Layers of GRUCell over a sequence; returns (outputs, last states)."""

    cell = GRUCell


__all__ = [
    "GRU", "LSTM", "RNN", "BiRNN", "GRUCell", "LSTMCell", "RNNCellBase", "SimpleRNN",
    "SimpleRNNCell",
]  # fmt: skip
