"""Ctrl-C ends a native loop that has no end; other signals and handlers let it go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.runtime import interrupt

ENDLESS = """
    import os, signal, sys, threading, time
    import wherry as paddle

    @paddle.jit.to_static
    def f(x):
        while x.sum() < 1:
            x = x * 0.5
        return x

    f(paddle.ones([2]))
    # A shell lets what it runs in the background ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begun = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    begun.start()
    try:
        f(paddle.zeros([2]))
    except KeyboardInterrupt:
        print("interrupted", f(paddle.ones([2])).tolist())
"""


def test_ctrl_c_ends_an_endless_native_loop(tmp_path: object) -> None:
    script = f"{tmp_path}/endless.py"
    with open(script, "w") as file:
        file.write(textwrap.dedent(ENDLESS))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "interrupted [1.0, 1.0]\n"


@to_static
def many_rounds(n: object) -> object:
    i = paddle.zeros([], "int64")
    while i < n:
        i = i + 1
    return i


ROUNDS = 30_000_000


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGINT])
def test_a_handler_that_returns_lets_the_loop_go_on(number: signal.Signals) -> None:
    seen: list[int] = []
    before = signal.signal(number, lambda *_: seen.append(1))
    many_rounds(paddle.to_tensor(1))
    timer = threading.Timer(0.005, os.kill, (os.getpid(), number))
    try:
        timer.start()
        assert int(many_rounds(paddle.to_tensor(ROUNDS))) == ROUNDS
        timer.join()
        assert seen == [1]
    finally:
        signal.signal(number, before)


def test_another_file_for_signals_gets_what_came_meanwhile() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    page = interrupt.signals()
    assert page is not None

    def call(ctx: int) -> int:
        os.kill(os.getpid(), signal.SIGUSR1)
        return ctx

    try:
        assert page.run(call, 7) == 7
        assert signal.set_wakeup_fd(before) == writing
        assert os.read(reading, 8) == bytes([signal.SIGUSR1])
        assert page.page[0] == 0
    finally:
        signal.signal(signal.SIGUSR1, handler)
        os.close(reading)
        os.close(writing)


def test_other_threads_are_left_alone() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(interrupt.signals()))
    thread.start()
    thread.join()
    assert found == [None]
