"""A line on the terminal that says what takes so long, and for how long already."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from typing import Final

_PATIENCE: Final = 1.0  # seconds for which nothing is said
_STEP: Final = 0.2


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show `what` on the terminal while the block runs, if it runs long. Silent in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    done = Event()
    thread = Thread(target=_show, args=(what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(what: str, done: Event) -> None:
    start, shown = perf_counter(), False
    while not done.wait(_STEP if shown else _PATIENCE):
        shown = True
        sys.stderr.write(f"\r{what}: {perf_counter() - start:.1f} s")
        sys.stderr.flush()
    if shown:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
