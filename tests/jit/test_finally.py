"""`finally`, and errors one behind the other, where a tensor decides whether they are raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

INPUTS = ([1.0, 2.0], [-2.0, 1.0], [0.0, -3.0], [3.0, 4.0])
EQUAL: dict[str, Callable[[Any], Any]] = {}


def equal(text: str) -> Callable[[Any], Any]:
    def note(function: Any) -> Any:
        EQUAL[text] = function
        return function

    return note


@equal("a finally that raises an error of its own")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            raise IndexError("i")
    finally:
        raise ValueError("v")


@equal("an assert in a finally comes before the error that is on its way")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            raise KeyError("k")
        x = x + 1
    finally:
        assert x[0] > 1
    return x


@equal("an error that a finally raises is caught further out")
def _(x: Any) -> Any:
    times = 0
    try:
        try:
            if x.sum() > 0:
                raise KeyError("k")
            x = x + 1
        finally:
            times += 1
            assert x[0] < 0
    except AssertionError:
        times += 10
    return x, times


@equal("a finally in a loop on a tensor")
def _(x: Any) -> Any:
    for _ in range(x.max().astype("int64")):
        try:
            x = x + 1
            if x[0] > 3:
                raise KeyError("k")
        finally:
            assert x[1] > 2.5
    return x


@equal("a finally behind continue and break")
def _(x: Any) -> Any:
    for _ in range(3):
        try:
            x = x + 1
            if x.sum() > 0:
                continue
            if x.sum() > -3:
                break
        finally:
            x = x * 2
    return x


@equal("an assert in a finally behind a return")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            return x + 1
        x = x * 2
    finally:
        assert x[0] < 2
    return x


@equal("a variable that surely has no value, behind an error that a tensor decides on")
def _(x: Any) -> Any:
    if x.sum() > 100:
        y = y  # noqa: F821
    if x.sum() > 0:
        raise KeyError("k")
    return y


@equal("an item of None is written in a branch")
def _(x: Any) -> Any:
    table = None
    try:
        if x.sum() > 0:
            table[0] = x  # type: ignore[index]
    except TypeError:
        return x * 5
    finally:
        x = x + 1
    if x[0] < 1:
        table[0] = x  # type: ignore[index]
    return x


@pytest.mark.parametrize("text", EQUAL)
def test_as_in_dynamic_mode(text: str) -> None:
    function = EQUAL[text]
    static = to_static(function)
    for values in INPUTS:
        assert outcome(static, values) == outcome(function, values), values


def outcome(function: Any, values: Any) -> Any:
    try:
        return plain(function(paddle.to_tensor(values)))
    except Exception as error:
        return next(kind for kind in (KeyError, AssertionError, NameError, ValueError, Exception)
                    if isinstance(error, kind))  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def test_what_a_finally_prints_is_printed_before_the_call_ends(capfd: Any) -> None:
    @to_static
    def f(x: Any) -> Any:
        try:
            assert x.sum() > 0, "negative"
        finally:
            print(x)
        return x

    with pytest.raises(AssertionError, match="negative"):
        f(paddle.to_tensor([-1.0, -2.0]))
    assert "-1" in capfd.readouterr().out


def test_a_jump_out_of_a_finally_is_refused() -> None:
    def returns(x: Any) -> Any:
        try:
            if x.sum() > 0:
                raise KeyError("k")
        finally:
            return x + 1  # noqa: B012

    def stops(x: Any) -> Any:
        for _ in range(3):
            try:
                x = x + 1
            finally:
                if x.sum() > 0:
                    break  # noqa: B012
        return x

    for function, jump in ((returns, "return"), (stops, "break")):
        with pytest.raises(ConversionError, match=rf"a `{jump}` in a `finally` \(line \d+\) drops"):
            to_static(function)(paddle.ones([2]))
