"""The Programs of `try`: their gradients, their errors, and what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError


def positive(x: Any) -> Any:
    if x.sum() > 0:
        raise ValueError("positive")
    return x + 1


def test_one_program_serves_both_ways() -> None:
    @to_static
    def static(x: Any) -> Any:
        try:
            return positive(x) * 2
        except (KeyError, ValueError) as error:
            return x, str(error)

    for values in ([1.0, 0.5], [-1.0, -0.5], [-3.0, 1.0]):
        static(paddle.to_tensor(values))
    assert len(static.program_cache) == 1
    assert [op.type for op in static.main_program.global_block.ops].count("cond") == 1


def test_gradients_go_through_the_clause_that_ran() -> None:
    @to_static
    def f(x: Any) -> Any:
        try:
            y = positive(x) * 2
        except ValueError:
            y = x * 5
        return y.sum()

    for values, slope in (([1.0, 2.0], 5.0), ([-1.0, -2.0], 2.0)):
        x = paddle.to_tensor(values, stop_gradient=False)
        f(x).backward()
        assert x.grad.tolist() == [slope, slope]


def test_python_runs_the_clauses_of_its_own_errors() -> None:
    seen: list[str] = []

    @to_static
    def f(x: Any) -> Any:
        try:
            x = x + {}["k"]
        except KeyError as error:
            seen.append(repr(error))
        else:
            seen.append("else")
        finally:
            seen.append("finally")
        return x

    assert f(paddle.ones([2])).tolist() == [1.0, 1.0]
    assert seen == ["KeyError('k')", "finally"]


def test_the_error_that_leaves_shows_the_users_line() -> None:
    @to_static
    def f(x: Any) -> Any:
        try:
            return positive(x)
        except KeyError:
            return x

    with pytest.raises(ValueError, match='raise ValueError\\("positive"\\)'):
        f(paddle.ones([2]))


def test_what_cannot_be_converted_passes_a_clause_that_fits_all() -> None:
    @to_static
    def f(x: Any) -> Any:
        try:
            x = np.sort(x.numpy())
        except Exception:
            x = x + 1
        return x

    with pytest.raises(ConversionError, match="numpy"):
        f(paddle.ones([2]))


def generated(x: Any) -> Iterator[Any]:
    try:
        yield positive(x)
    except ValueError:
        yield x


class Timer:
    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *error: Any) -> None:
        self.failed = error[0] is not None


def test_code_of_which_python_sees_the_end_is_refused() -> None:
    def manager(x: Any) -> Any:
        try:
            with Timer():
                x = positive(x)
        except ValueError:
            x = x - 1
        return x

    def swallowed(x: Any) -> Any:
        with contextlib.suppress(ValueError):
            x = positive(x)
        return x

    def generator(x: Any) -> Any:
        for one in generated(x):
            x = x + one
        return x

    for function, text in (
        (manager, "a `with` of a Timer in some calls only"),
        (swallowed, "a `with` of a suppress"),
        (generator, "a `try` with a `yield` in it"),
    ):
        with pytest.raises(ConversionError, match=text) as caught:
            to_static(function)(paddle.ones([2]))
        assert "positive(x)" in str(caught.value)
        assert "catch it inside" in str(caught.value)
