"""Sizes that are guessed: called again until they are right, remembered, by several threads."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
import pytest

from wherry.runtime.guesses import Guesses
from wherry.schema.errors import InputError, ResizeError, RunError
from wherry.schema.output import show


class Model:
    """Needs hidden inputs `a` of the size it is told, then `b` of twice that."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, wanted: int, hidden: list[Any]) -> int:
        self.calls.append(tuple(len(one) for one in hidden))
        show("wants", wanted)
        for name, size, right in zip("ab", self.calls[-1], (wanted, 2 * wanted), strict=True):
            if size != right:
                error = ResizeError(f"{name}\n  at line 3")
                error.value = right
                raise error
        return wanted


def test_wrong_guesses_are_corrected_and_right_ones_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guesses, model = Guesses(["a", "b"]), Model()
    assert [guesses.run(functools.partial(model, n)) for n in (3, 3, 5)] == [3, 3, 5]
    assert model.calls == [(1, 1), (3, 1), (3, 6), (3, 6), (3, 6), (5, 6), (5, 10)]
    assert capsys.readouterr().out == "wants 3\nwants 3\nwants 5\n"


def test_other_errors_pass_with_what_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def call(hidden: list[Any]) -> None:
        show("before")
        raise RunError("stopped")

    with pytest.raises(RunError, match="stopped"):
        Guesses(["a"]).run(call)
    assert capsys.readouterr().out == "before\n"


def test_guesses_that_the_arguments_refuse_are_dropped() -> None:
    guesses, model = Guesses(["a", "b"]), Model()
    guesses.run(lambda hidden: model(7, hidden))

    def guarded(hidden: list[Any]) -> int:
        if len(hidden[0]) not in (1, 4):
            raise InputError("does not fit")
        return model(4, hidden)

    assert guesses.run(guarded) == 4

    def never(hidden: list[Any]) -> None:
        raise InputError("fits no guess")

    with pytest.raises(InputError, match="fits no guess"):
        guesses.run(never)


def test_threads_do_not_disturb_one_another() -> None:
    guesses, found = Guesses(["a", "b"]), []

    def work(wanted: int) -> None:
        for _ in range(200):
            model = Model()
            found.append(guesses.run(functools.partial(model, wanted)) == wanted)
            found.append(len(model.calls) <= 3)

    threads = [threading.Thread(target=work, args=(n,)) for n in (2, 5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 1200


def test_without_hidden_inputs_nothing_is_held_back(capsys: pytest.CaptureFixture[str]) -> None:
    def call(hidden: list[Any]) -> list[Any]:
        show(np.arange(2))
        return hidden

    assert Guesses([]).run(call) == []
    assert capsys.readouterr().out == "[0 1]\n"


def test_a_guess_that_the_arguments_refuse_is_no_error_of_theirs() -> None:
    def needs_four(hidden: list[Any]) -> int:
        if len(hidden[0]) != 4 or len(hidden[1]) < 4:
            raise InputError(f"needs 4, got {len(hidden[0])}")
        return Model()(right, hidden)

    right = 4
    assert Guesses(["a", "b"]).run(needs_four) == 4
    right = 3
    with pytest.raises(InputError, match="needs 4, got 3"):
        Guesses(["a", "b"]).run(needs_four)
