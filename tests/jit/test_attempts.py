"""`try`, `except` and `with` around errors that a tensor decides on are as in dynamic mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.static import InputSpec

INPUTS = ([1.0, 0.5], [2.0, 1.0], [-1.0, -0.5], [-3.0, 1.0], [0.75, -0.5])
EQUAL: dict[str, Callable[[Any], Any]] = {}


def equal(text: str) -> Callable[[Any], Any]:
    def note(function: Any) -> Any:
        EQUAL[text] = function
        return function

    return note


def positive(x: Any) -> Any:
    if x.sum() > 0:
        raise ValueError("positive")
    return x + 1


@equal("a raise under a condition on a tensor is caught, and what follows it is not run")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            raise ValueError("no")
        x = x * 2
    except ValueError:
        x = x + 10
    return x


@equal("a raise in a function that is called is caught by its caller")
def _(x: Any) -> Any:
    try:
        return positive(x) * 2
    except (KeyError, ValueError) as error:
        return x, str(error)


@equal("the first clause that fits runs, else and finally as in Python")
def _(x: Any) -> Any:
    steps = []
    try:
        if x[0] > 1:
            raise KeyError("k")
        if x.sum() > 0:
            raise ValueError("v")
    except LookupError:
        steps.append(1)
    except Exception:
        steps.append(2)
    else:
        steps.append(3)
    finally:
        steps.append(4)
    return steps


@equal("an error of Python in such a branch")
def _(x: Any) -> Any:
    known = {"a": 1}
    try:
        x = x + (known["b"] if x.sum() > 0 else known["a"])
    except KeyError as error:
        x = x - 1 if "b" in str(error) else x
    return x


@equal("an op that the branch cannot have")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            x = paddle.matmul(x, paddle.ones([3, 2]))
        x = x + 1
    except ValueError:
        x = x - 1
    return x


@equal("an assert on a tensor")
def _(x: Any) -> Any:
    try:
        assert x.sum() > 0, "not positive"
        x = x + 1
    except AssertionError as error:
        return "not positive" in str(error)
    return x


@equal("a variable without a value")
def _(x: Any) -> Any:
    if x.sum() > 0:
        y = x + 1
    try:
        x = y * 2
    except NameError:
        x = x - 1
    return x


@equal("an index into a list whose length a tensor decides")
def _(x: Any) -> Any:
    rows = [x]
    if x.sum() > 0:
        rows.append(x + 1)
    try:
        return rows[1]
    except IndexError:
        return rows[0] * 3


@equal("raise anew, another error, and a try around a try")
def _(x: Any) -> Any:
    n = 0
    try:
        try:
            y = positive(x)
            n = 1
        except ValueError as error:
            if x[0] > 1:
                raise KeyError("large") from error
            n = 2
            raise
        finally:
            x = x + 1
    except KeyError:
        return n + 10, x
    except ValueError:
        return n + 20, x
    return n, y


@equal("an error that no clause fits leaves the call")
def _(x: Any) -> Any:
    try:
        return positive(x)
    except KeyError:
        return x


@equal("a loop on a tensor ends where its body raises")
def _(x: Any) -> Any:
    i = paddle.to_tensor(0)
    try:
        while i < 5:
            x = x + 1
            if x.sum() > 6:
                raise ValueError("large")
            i = i + 1
        x = x * 10
    except ValueError:
        x = x - 100
    return x, i


@equal("a loop whose condition raises")
def _(x: Any) -> Any:
    try:
        while positive(x).sum() < 4:
            x = x + 0.5
    except ValueError:
        x = x * 100
    return x


@equal("a for over a tensor in whose rounds a try catches, with continue and break")
def _(x: Any) -> Any:
    for value in x:
        try:
            if value > 1:
                raise KeyError("k")
            if value < -1:
                break
            x = x + 1
        except KeyError:
            x = x * 2
            continue
        x = x + 0.5
    return x


@equal("a loop that is unrolled")
def _(x: Any) -> Any:
    try:
        for i in range(3):
            if x[0] > 1.5:
                raise ValueError("v")
            x = x + i
    except ValueError:
        x = -x
    return x, i


@equal("attributes, lists and dicts are as they were when it was raised")
def _(x: Any) -> Any:
    box, rows, table = type("Box", (), {})(), [x], {"k": 0}
    box.value = x
    try:
        box.value = x + 1
        rows[0] = x * 2
        positive(x)
        box.value = x * 3
        table["k"] = 1
        rows[0] = x * 4
    except ValueError:
        table["k"] += 5
    return box.value, rows, table


@equal("what a call writes after it raised, announced before the call")
def _(x: Any) -> Any:
    box, rows, n = type("Box", (), {})(), [], x
    box.value = x

    def bump(v: Any) -> Any:
        nonlocal n
        w = positive(v)
        n = n + w
        return w

    def tried(v: Any) -> Any:
        try:
            rows.append(bump(v))
            box.value = bump(v)
        except ValueError:
            rows.append(v * 0)

    tried(x)
    tried(x - 2)
    return box.value, rows, n


@equal("lists and dicts that only the side makes that goes on")
def _(x: Any) -> Any:
    if x.sum() > 0:
        raise KeyError("k")
    else:
        table = {"a": x + 1}
        rows = [x * 2, table]
        same = rows
    same.append(x)
    table["b"] = x - 1
    return rows


@equal("a raise in an operand, and in a branch inside of a branch")
def _(x: Any) -> Any:
    try:
        if x[0] > -2 and positive(x).sum() > 0:
            y = x + 1
        else:
            y = x
            if x[1] > 0:
                raise KeyError("k")
    except (ValueError, KeyError):
        y = x * 7
    return y


@equal("no_grad, and a manager inside of which the error is caught")
def _(x: Any) -> Any:
    with contextlib.ExitStack():
        try:
            with paddle.no_grad():
                x = positive(x)
        except ValueError:
            x = x - 1
    return x


@equal("a raise in any case, behind one that a tensor decides on")
def _(x: Any) -> Any:
    if x.sum() > 0:
        raise KeyError("k")
    raise ValueError("v")


@equal("an error has no name behind a clause that raises another one")
def _(x: Any) -> Any:
    try:
        if x.sum() > 0:
            raise ValueError("v")
        raise IndexError("i")
    except ValueError as error:
        x = x + len(str(error))
    except IndexError as error:
        x = error + x
    finally:
        x = error  # noqa: F821


@pytest.mark.parametrize("text", EQUAL)
def test_as_in_dynamic_mode(text: str) -> None:
    function = EQUAL[text]
    static = to_static(function)
    fixed = to_static(function, input_spec=[InputSpec([2], name="x")])
    for values in INPUTS:
        wanted = outcome(function, values)
        assert outcome(static, values) == wanted
        assert outcome(fixed, values) == wanted


def outcome(function: Any, values: Any) -> Any:
    try:
        return plain(function(paddle.to_tensor(values)))
    except Exception as error:
        return type(error).__name__


def plain(value: Any) -> Any:
    if isinstance(value, paddle.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return {k: plain(one) for k, one in value.items()} if isinstance(value, dict) else value
