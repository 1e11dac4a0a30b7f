"""RNN and BiRNN, which run a cell over a sequence: step by step, or as a loop of the Program."""

from __future__ import annotations

from typing import Any, Final

from ..dispatch import run_op, tracer
from ..ops import creation, shape
from ..ops.convert import cast_to
from ..tensor import Tensor
from ..utils import map_structure
from . import functional as F
from .layer import Layer

# Steps up to which a Program holds each of them; compiling takes long for more.
_UNROLLED: Final = 32


class RNN(Layer):
    """Runs a cell over a sequence, forwards or backwards.

    With `sequence_length` [batch] the states stop changing after a sequence's end.

    >>> import wherry as paddle
    >>> out, state = RNN(paddle.nn.GRUCell(3, 4))(paddle.ones([2, 5, 3]))
    >>> out.shape, state.shape
    ([2, 5, 4], [2, 4])
    """

    def __init__(self, cell: Layer, is_reverse: bool = False, time_major: bool = False) -> None:
        super().__init__()
        self.cell, self.is_reverse, self.time_major = cell, is_reverse, time_major

    def forward(
        self, inputs: Tensor, initial_states: Any = None, sequence_length: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        axis = 0 if self.time_major else 1
        steps = inputs.shape[axis]
        if initial_states is None:
            initial_states = self.cell.get_initial_states(inputs, batch_dim_idx=1 - axis)
        mask = None
        if sequence_length is not None:
            mask = running(sequence_length, inputs, axis)
        if not isinstance(steps, int) or (steps > _UNROLLED and tracer.get() is not None):
            return self._loop(inputs, initial_states, mask, kwargs)
        states, outputs = initial_states, []
        order = range(steps - 1, -1, -1) if self.is_reverse else range(steps)
        for i in order:
            output, states = self._step(inputs, axis, i, states, mask, kwargs)
            outputs.append(output)
        outputs = outputs[::-1] if self.is_reverse else outputs
        return shape.stack(outputs, axis), states

    def _step(
        self, inputs: Tensor, axis: int, i: int, states: Any, mask: Tensor | None,
        kwargs: dict[str, Any],
    ) -> tuple[Tensor, Any]:  # fmt: skip
        """The output at step i, and the states after it."""
        step = run_op("slice", inputs, axes=[axis], starts=[i], ends=[i + 1], decrease_axis=[axis])
        output, new = self.cell(step, states, **kwargs)
        if mask is not None:
            keep = run_op("slice", mask, axes=[1], starts=[i], ends=[i + 1])
            new = map_structure(_Masked(keep), states, new)
        return output, new

    def _loop(
        self, inputs: Tensor, states: Any, mask: Tensor | None, kwargs: dict[str, Any]
    ) -> tuple[Tensor, Any]:
        """The same as a loop of the Program, for many steps or a number that the run knows only.

        The first step, which there must be, tells what an output looks like.
        """
        from ..static.nn.control_flow import while_loop

        rows = inputs if self.time_major else shape.transpose(inputs, [1, 0, 2])
        steps = rows.shape[0]
        last = steps - 1 if self.is_reverse else 0

        def step(place: Any, states: Any) -> tuple[Tensor, Any]:
            output, new = self.cell(rows[place], states, **kwargs)
            if mask is not None:
                keep = run_op("unsqueeze2", mask[:, place], axes=[1])
                new = map_structure(_Masked(keep), states, new)
            return output, new

        output, states = step(last, states)
        outputs = creation.zeros([steps, *output.shape], output.dtype)
        outputs[last] = output

        def round_(i: Any, outputs: Any, states: Any) -> list[Any]:
            place = steps - 1 - i if self.is_reverse else i
            output, states = step(place, states)
            outputs[place] = output
            return [i + 1, outputs, states]

        start = creation.full([], 1, "int64")
        _, outputs, states = while_loop(lambda i, *_: i < steps, round_, [start, outputs, states])
        return outputs if self.time_major else shape.transpose(outputs, [1, 0, 2]), states


def running(lengths: Tensor, sequences: Tensor, axis: int) -> Tensor:
    """[batch, steps]: 1 where a sequence still runs, else 0. `axis` is that of the steps."""
    batch, steps = sequences.shape[1 - axis], sequences.shape[axis]
    return shape.reshape(F.sequence_mask(lengths, steps, sequences.dtype), [batch, steps])


class _Masked:
    """The new state where the sequence still runs, else the old one."""

    def __init__(self, keep: Tensor) -> None:
        self.keep = keep

    def __call__(self, old: Tensor, new: Tensor) -> Tensor:
        keep = cast_to(self.keep, new.dtype)
        return new * keep + old * (1.0 - keep)


class BiRNN(Layer):
    """One cell forwards and one backwards; the outputs side by side."""

    def __init__(self, cell_fw: Layer, cell_bw: Layer, time_major: bool = False) -> None:
        super().__init__()
        self.cell_fw, self.cell_bw, self.time_major = cell_fw, cell_bw, time_major

    def forward(
        self, inputs: Tensor, initial_states: Any = None, sequence_length: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        first, second = (None, None) if initial_states is None else initial_states
        ahead, back = self._runs()
        out_fw, state_fw = ahead(inputs, first, sequence_length, **kwargs)
        out_bw, state_bw = back(inputs, second, sequence_length, **kwargs)
        return shape.concat([out_fw, out_bw], -1), (state_fw, state_bw)

    def _runs(self) -> tuple[RNN, RNN]:
        """The two passes, outside of the tree of layers: the cells stand in it already."""
        if "_passes" not in self.__dict__:
            ahead = RNN(self.cell_fw, False, self.time_major)
            self.__dict__["_passes"] = (ahead, RNN(self.cell_bw, True, self.time_major))
        passes: tuple[RNN, RNN] = self.__dict__["_passes"]
        return passes
