"""What a model prints: on stdout, or kept until it is known whether it shall be seen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Each thread has its own: what others print meanwhile is not held back.
_held: ContextVar[io.StringIO | None] = ContextVar("held", default=None)


def show(*values: object, sep: str = " ", end: str = "\n") -> None:
    """`print`, to where it belongs."""
    print(*values, sep=sep, end=end, file=_held.get())


@contextmanager
def held_back() -> Iterator[io.StringIO]:
    """Keep what is shown inside; it is for the caller to show it."""
    text = io.StringIO()
    before = _held.set(text)
    try:
        yield text
    finally:
        _held.reset(before)
