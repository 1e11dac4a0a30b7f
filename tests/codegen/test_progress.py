"""What is shown while something takes long."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from threading import Event

import pytest

from wherry.codegen import progress as module
from wherry.codegen.progress import progress


class Terminal(io.StringIO):
    """A stderr that says whether it is a terminal, and when it was first written to."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal, self.written = is_terminal, Event()

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_long_work_is_shown_on_a_terminal_and_wiped_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    terminal = Terminal(True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("compiling net for host"):
        assert terminal.written.wait(600)
    shown = terminal.getvalue()
    assert shown.startswith("\rcompiling net for host: 0.")
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize(("is_terminal", "patience"), [(False, 0.0), (True, 60.0)])
def test_nothing_is_shown_in_a_pipe_or_for_short_work(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, patience: float
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", patience)
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("compiling"):
        assert not terminal.written.wait(0.05)
    assert terminal.getvalue() == ""


# A process that compiles, and shows at once that it does.
COMPILE = """
import numpy as np
from wherry.codegen import jit, progress
from wherry.ir.text import parse_text
progress._PATIENCE, progress._STEP = 0.0, 0.001
text = "program(x: float32[3]) { y: float32[3] = exp(X=x)  yield y }"
assert jit(parse_text(text))([np.zeros(3, np.float32)])[0].tolist() == [1.0] * 3
"""


def test_compiling_is_shown_on_a_real_terminal_and_not_in_a_pipe() -> None:
    command = [sys.executable, "-c", COMPILE]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stderr=theirs) as child:
        os.close(theirs)
        shown = b"".join(_read_all(ours))
    os.close(ours)
    assert child.returncode == 0, shown
    assert shown.startswith(b"\rcompiling model for host: 0.") and shown.endswith(b"\r\x1b[K")
    piped = subprocess.run(command, capture_output=True, check=True)
    assert (piped.stdout, piped.stderr) == (b"", b"")


def _read_all(terminal: int) -> Iterator[bytes]:
    """What is written until nobody has the other side open."""
    while True:
        try:
            yield os.read(terminal, 1000)
        except OSError:  # Linux's way of telling
            return
