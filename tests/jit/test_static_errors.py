"""What to_static refuses, and the errors of code that it runs: types and lines are the user's."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import (
    to_static,
)  # fmt: skip
from wherry.schema.errors import ConversionError, RunError
from wherry.static import InputSpec


def test_errors_name_the_users_lines() -> None:
    def inner(x: Any) -> Any:
        return x.reshape([7, 7])

    @to_static
    def outer(x: Any) -> Any:
        if x.sum() > 0:
            x = inner(x)
        return x

    with pytest.raises(ValueError, match="reshape") as caught:
        outer(paddle.ones([3]))
    text = str(caught.value)
    assert text.startswith("In transformed code:")
    assert "return x.reshape([7, 7])" in text and "x = inner(x)" in text
    assert text.count("<--- HERE") == 1 and "frontend" not in text
    shown = """
        def test_errors_name_the_users_lines() -> None:
            def inner(x: Any) -> Any:
                return x.reshape([7, 7])
                       ~~~~~~~~~~~~~~~~~ <--- HERE

            @to_static
"""
    assert shown in text
    assert all("frontend/jit/branch" not in str(entry.path) for entry in caught.traceback)


def test_errors_in_the_data_name_the_users_line() -> None:
    @to_static
    def f(x: Any) -> Any:
        assert x.sum() > 0, "needs a positive sum"
        return x

    f(paddle.ones([2]))
    text = r"(?s)assert x.sum\(\) > 0.*~ <--- HERE.*needs a positive sum"
    for kind in (AssertionError, RunError):
        with pytest.raises(kind, match=text):
            f(-paddle.ones([2]))


def test_a_check_of_sizes_that_fails_shows_the_line_that_needs_it() -> None:
    @to_static(input_spec=[InputSpec([None], name="x")])
    def f(x: Any) -> Any:
        return x.reshape([-1, 4])

    with pytest.raises(ValueError, match=r"size 0 of x is 6") as caught:
        f(paddle.ones([6]))
    assert "            return x.reshape([-1, 4])\n            ~~~" in str(caught.value)
    assert all("static_function" not in str(entry.path) for entry in caught.traceback[1:])


def test_errors_of_the_users_own_keep_their_type() -> None:
    def bad(x: Any) -> Any:
        return {"a": x}["b"]

    with pytest.raises(KeyError) as caught:
        to_static(bad)(paddle.ones([1]))
    assert any("<--- HERE" in note for note in caught.value.__notes__)


REFUSED = [
    (lambda x: x.numpy().tolist(), "a list of numbers"),
    (lambda x: np.sort(x), "as a numpy array"),
    (lambda x: {str(v): v for v in x if v > 0}, "a Python bool"),
    (lambda x: [0, 1]["a" if x.sum() > 0 else 1], "the str 'a' or the int 1, which a tensor"),
]


@pytest.mark.parametrize(("function", "text"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_users_line(function: Any, text: str) -> None:
    with pytest.raises(ConversionError, match=text) as caught:
        to_static(function)(paddle.ones([2]))
    assert "test_static_errors.py" in str(caught.value)


def test_variables_without_one_meaning_are_refused_when_used() -> None:
    def none_or_list(x: Any) -> Any:
        pair = [x, x] if x.sum() > 0 else [x]
        a, b = pair
        return a + b

    def another_shape(x: Any) -> Any:
        i = 0
        while i < x.sum():
            x = paddle.concat([x, x])
            i += 1
        return x

    for function, text in (
        (none_or_list, r"unpack a slice, `a, b = rows\[:2\]`"),
        (another_shape, r"shape \[2\] before a round"),
    ):
        with pytest.raises(ConversionError, match=text):
            to_static(function)(paddle.ones([2]))


def test_a_tensor_kept_from_a_trace_is_refused() -> None:
    kept: list[Any] = []

    @to_static
    def f(x: Any) -> Any:
        kept.append(x + 1)
        return x

    f(paddle.ones([2]))
    with pytest.raises(ConversionError, match="has no value yet"):
        kept[0].numpy().tolist()
    with pytest.raises(ConversionError):
        _ = kept[0] + paddle.ones([2])


def test_a_recursion_that_a_tensor_should_end() -> None:
    @to_static
    def f(x: Any) -> Any:
        if x.sum() > 100:
            return x
        return f(x * 2)

    # What other tests left must not be finalized where no more calls fit on the stack.
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ConversionError, match="write a `while` loop") as caught:
            f(paddle.ones([2]))
    finally:
        gc.enable()
    assert str(caught.value).count("return f(x * 2)") == 1


def test_a_function_without_source_says_so() -> None:
    names: dict[str, Any] = {}
    exec("def f(x):\n    return x + 1 if x.sum() > 0 else x", names)
    exec("def plain(x):\n    return x * 2", names)
    assert to_static(names["plain"])(paddle.ones([2])).tolist() == [2, 2]

    def calls(x: Any) -> Any:
        return names["f"](x) * 2

    for function in (names["f"], calls):
        with pytest.raises(ConversionError, match="f was not converted: its source is not in"):
            to_static(function)(paddle.ones([2]))


def test_calls_that_do_not_fit() -> None:
    @to_static
    def f(x: Any, y: Any) -> Any:
        return x + y

    x = paddle.ones([2])
    with pytest.raises(ValueError, match="requires `y` arguments"):
        f(x)
    with pytest.raises(ValueError, match="requires 2 arguments"):
        f(x, x, x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        f(x, x, z=1)
    nested = to_static(lambda pair: pair[0], input_spec=[[InputSpec([2]), InputSpec([2])]])
    with pytest.raises(TypeError, match="should be <class 'list'>, but received <class 'tuple'>"):
        nested((x, x))


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="'CINN' or None, but received LLVM"):
        to_static(backend="LLVM")
    with pytest.raises(TypeError, match="Required type\\(build_strategy\\)"):
        to_static(build_strategy=3)
    with pytest.raises(TypeError, match=r"one of \(tuple, list\), but received InputSpec"):
        to_static(input_spec=InputSpec([1]))
    to_static(lambda x: x, full_graph=True, property=False)

    class Plain:
        @to_static
        def method(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match=r"please ensure the class inherits from nn.Layer"):
        Plain().method(paddle.ones([1]))


def test_what_comes_before_an_error_runs_before_it(capsys: Any) -> None:
    """The error of tracing is that of each call, but for those that end before it."""
    seen = paddle.zeros([2])

    @to_static
    def f(x: Any, key: str) -> Any:
        notes = {"a": x}
        assert x.sum() > 0, "needs a positive sum"
        print(x.max())
        seen.add_(x)
        return notes[key]

    for _ in range(2):
        with pytest.raises(KeyError, match="'b'"):
            f(paddle.ones([2]), "b")
        assert capsys.readouterr().out == "1.0\n"
        with pytest.raises(AssertionError, match="needs a positive sum"):
            f(-paddle.ones([2]), "b")
    assert capsys.readouterr().out == "" and seen.tolist() == [2.0, 2.0]
    assert f(paddle.ones([2]), "a").tolist() == [1.0, 1.0]
    with pytest.raises(KeyError, match="'b'"):
        f.concrete_for([InputSpec([2], name="x"), "b"])
