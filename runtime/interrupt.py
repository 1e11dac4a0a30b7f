"""Ctrl-C in a native loop.

Python's own handler of a signal runs when the interpreter goes on, which waits for the native call.
But Python lets its handler in C write the number of each signal to a file (`set_wakeup_fd`). Here
that is a page of memory, at which loops look in each round; it is in place while the main thread is
in a call that has a loop.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from typing import Final

from .abi import SIGNALS_PAGE

# What loops look at where no signal is to end them.
_QUIET: Final = (ctypes.c_char * 8)()
QUIET: Final = ctypes.addressof(_QUIET)


class Signals:
    """The page that Python writes the numbers of signals to."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.fd = _file_in_memory()
        os.ftruncate(self.fd, SIGNALS_PAGE)
        os.set_blocking(self.fd, False)
        self.page = mmap.mmap(self.fd, SIGNALS_PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.page))

    def run(self, call: Callable[[int], int], ctx: int) -> int:
        """Make the native call while signals are written to the page."""
        before = signal.set_wakeup_fd(self.fd, warn_on_full_buffer=False)
        try:
            return call(ctx)
        finally:
            signal.set_wakeup_fd(before)
            if self.page[0]:
                self._hand_on(before)

    def _hand_on(self, fd: int) -> None:
        """Empty the page; what stands there is for whoever has another such file."""
        seen = self.page[:].rstrip(b"\0")
        self.page[: len(seen)] = bytes(len(seen))
        os.lseek(self.fd, 0, os.SEEK_SET)
        if fd >= 0:
            os.write(fd, seen)


def _file_in_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("wherry signals")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


_signals: Signals | None = None


def signals() -> Signals | None:
    """The page, for the main thread; None for the others, which no signal ends."""
    global _signals
    if _signals is not None:
        return _signals if threading.get_ident() == _signals.thread else None
    if threading.current_thread() is not threading.main_thread():
        return None
    if _signals is None:
        _signals = Signals()
        os.register_at_fork(after_in_child=_forget)
    return _signals


def _forget() -> None:
    """A child makes a page of its own: this one is the parent's."""
    global _signals
    _signals = None
