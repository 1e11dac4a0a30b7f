"""What is computed from Tensors once, and again when one of them was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from wherry.tensor import LAST_WRITE, Storage, Tensor

T = TypeVar("T")


class _State(NamedTuple, Generic[T]):
    """A value, the versions that it came from, and the last write when these were looked at."""

    stamp: int
    versions: list[tuple[Storage, int]]
    value: T


class Prepared(Generic[T]):
    """Call it for the value. Several threads may: one of them computes, the others wait for it.

    Writes are known by the Tensors' versions. Without any write in the process a call compares one
    number. The value is replaced, never changed, so that a call that still reads it is not
    disturbed.
    """

    def __init__(self, sources: Sequence[Tensor], compute: Callable[[], T]) -> None:
        self._sources, self._compute = sources, compute
        self._state: _State[T] | None = None
        self._lock = Lock()

    def __call__(self) -> T:
        state = self._state
        if state is not None and state.stamp == LAST_WRITE.stamp:
            return state.value
        with self._lock:
            return self._renewed()

    def _renewed(self) -> T:
        # What is written from here on has a later stamp, and is seen by the next call.
        stamp, state = LAST_WRITE.stamp, self._state
        versions = [(one.storage, one.storage.version) for one in self._sources]
        same = state is not None and state.versions == versions
        value = state.value if state is not None and same else self._compute()
        self._state = _State(stamp, versions, value)
        return value
