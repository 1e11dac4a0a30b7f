# ruff: noqa: PERF401  (the statements are what is tested)
"""What is promised of what is refused, and of finding a mistake: one test for each promise."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import save, to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec

REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {}


def refused(text: str, message: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Name a function after what is refused; the message says what to do."""

    def add(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        REFUSED[text] = function, message
        return function

    return add


def halved(x: Any) -> Any:
    return x if x.sum() < 1 else halved(x / 2)


@refused("a recursion that a tensor should end", "write a `while` loop")
def _(x: Any) -> Any:
    return halved(x)


@refused("sorting a list whose length a tensor decides", "append")
def _(x: Any) -> Any:
    found = []
    for i in range(x.sum().astype("int64")):
        found.append(x * i)
    found.sort()
    return found


@refused("a variable of a loop that changes its shape", "collect the parts in a list")
def _(x: Any) -> Any:
    y = x
    for _ in range(x.sum().astype("int64")):
        y = paddle.concat([y, x])
    return y


@refused("numpy on a traced tensor", "tensor operations")
def _(x: Any) -> Any:
    import numpy

    return numpy.sort(x.numpy())


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_names_the_line_and_a_way_out(text: str) -> None:
    function, message = REFUSED[text]
    with pytest.raises(ConversionError, match=message) as caught:
        outcome = to_static(function)(paddle.ones([2]))
        assert outcome is None
    assert "test_promises_errors.py" in str(caught.value)


def test_raise_under_a_tensor_is_raised_by_the_call_that_takes_the_branch() -> None:
    @to_static
    def f(x: Any) -> Any:
        if x.sum() > 0:
            raise ValueError("positive")
        return x

    assert f(paddle.zeros([2])).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="positive"):
        f(paddle.ones([2]))


def test_a_false_assert_on_a_tensor_keeps_the_users_message() -> None:
    @to_static
    def f(x: Any) -> Any:
        assert x.sum() > 0, "must be positive"
        return x

    with pytest.raises(AssertionError, match="must be positive"):
        f(paddle.zeros([2]))


def test_a_net_that_was_built_in_static_mode_says_what_is_wrong() -> None:
    paddle.enable_static()
    net = paddle.nn.Linear(2, 2)
    paddle.disable_static()
    calls = (
        lambda: save(net, "build/static_net", input_spec=[InputSpec([None, 2])]),
        lambda: to_static(net)(paddle.ones([1, 2])),
    )
    for call in calls:
        with pytest.raises(RuntimeError, match=r"disable_static\(\)` before initial"):
            call()


def test_translator_disable_new_error_leaves_errors_as_they_are_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def f(x: Any) -> Any:
        return x.reshape([7])

    with pytest.raises(ValueError, match="In transformed code"):
        to_static(f)(paddle.ones([2]))
    monkeypatch.setenv("TRANSLATOR_DISABLE_NEW_ERROR", "1")
    with pytest.raises(ValueError) as caught:
        to_static(f)(paddle.ones([2]))
    assert "In transformed code" not in str(caught.value)
    assert any("frontend/jit" in str(entry.path) for entry in caught.traceback)


SOURCE = "def f(x):\n    return x + 1 if x.sum() > 0 else x\n"


def test_source_that_linecache_knows_is_converted_as_in_a_notebook() -> None:
    name = "<cell 1 of a notebook>"
    linecache.cache[name] = len(SOURCE), None, SOURCE.splitlines(True), name
    names: dict[str, Any] = {}
    exec(compile(SOURCE, name, "exec"), names)
    static = to_static(names["f"])
    assert static(paddle.ones([2])).tolist() == [2.0, 2.0]
    assert static(-paddle.ones([2])).tolist() == [-1.0, -1.0]


def test_source_that_nobody_knows_says_how_to_give_it() -> None:
    names: dict[str, Any] = {}
    exec(SOURCE, names)
    with pytest.raises(ConversionError, match=r"not in a file.*linecache.cache\[filename\] = "):
        to_static(names["f"])(paddle.ones([2]))
