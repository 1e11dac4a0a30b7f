"""The random state: [seed, number of the draw]. Each op that draws reads it and advances it by one.

The state is a buffer like any other, so that a traced function reads and advances the same one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .dispatch import run_op, tracer, update_buffer
from .tensor import Tensor

STATE = Tensor(np.array([0, 0], np.int64), name="rng_state")
STATE.persistable = True
STATE.array[0] = time.time_ns() % 2**31


class Generator:
    """What `paddle.seed` returns: the handle of the random state."""

    def manual_seed(self, seed: int) -> Generator:
        """Start again from this seed."""
        return globals()["seed"](seed)  # type: ignore[no-any-return]

    def initial_seed(self) -> int:
        """The seed that was set."""
        return int(STATE.array[0])

    def get_state(self) -> Tensor:
        """A copy of the state: int64 [seed, draw]."""
        return Tensor(STATE.array.copy())

    def set_state(self, state: Tensor) -> None:
        """Go back to a state that `get_state` gave."""
        STATE.array[...] = state.array
        STATE.storage.version += 1


_generator = Generator()


def seed(seed: int) -> Generator:
    """Set the seed of everything random: ops, initializers, dropout, shuffling.

    >>> import wherry as paddle
    >>> _ = paddle.seed(7); a = paddle.rand([2])
    >>> _ = paddle.seed(7); bool((a == paddle.rand([2])).all())
    True
    """
    STATE.array[...] = (int(seed), 0)
    STATE.storage.version += 1
    return _generator


def default_generator() -> Generator:
    """The handle of the random state."""
    return _generator


def get_rng_state(device: str | None = None) -> list[Tensor]:
    """The state of the generator, in a list as in Paddle."""
    return [_generator.get_state()]


def set_rng_state(state_list: list[Tensor], device: str | None = None) -> None:
    """Go back to a state that `get_rng_state` gave."""
    _generator.set_state(state_list[0])


def draw(op_type: str, *inputs: Any, seed: int = 0, **attrs: Any) -> Any:
    """Run an op that takes the random state as its last input slot, and advance the state.

    A `seed` other than 0 gives the op a state of its own.
    """
    if seed:
        return run_op(op_type, *inputs, Tensor(np.array([seed, 0], np.int64)), **attrs)
    if tracer.get() is not None:
        out = run_op(op_type, *inputs, STATE, **attrs)
        update_buffer(STATE, run_op("rng_advance", STATE))
        return out
    out = run_op(op_type, *inputs, Tensor(STATE.array.copy()), **attrs)
    STATE.array[1] += 1
    STATE.storage.version += 1
    return out


def numpy_generator() -> np.random.Generator:
    """A numpy generator for one use on the host (shuffling), and advance the state."""
    first, number = (int(v) for v in STATE.array)
    STATE.array[1] += 1
    STATE.storage.version += 1
    return np.random.default_rng([first % 2**64, number])
