# ruff: noqa: PERF401  (the statements are what is tested)
"""The syntax of control flow that is promised, one test for each promise: as in dynamic mode for
each branch, and for 0, 1 and many rounds.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle

sys.path.insert(0, str(Path(__file__).parent))

from promises import Promises, keep

promise = Promises()


def count(x: Any) -> Any:
    """0 and more, as the input says."""
    return x.max().astype("int64").clip(0, 6)


@promise("if, elif and else on a tensor")
def _(x: Any) -> Any:
    if x.sum() > 4:
        y = x + 1
    elif x.sum() > 0:
        y = x + 2
    else:
        y = x - 1
    return y


@promise("if on a Python value is Python's own")
def _(x: Any) -> Any:
    extra = None
    if extra is None and x.dtype == paddle.float32:
        x = x + 1
    return x


@promise("None against a tensor, and branches of different shape")
def _(x: Any) -> Any:
    y = None
    if x.sum() > 0:
        y = x
    z = x if x.max() > 2 else x[:1]
    return (x if y is None else y * 2), z.sum()


@promise("the conditional expression")
def _(x: Any) -> Any:
    return x + 1 if x.sum() > 0 else x - 1 if x.min() > -3 else x


@promise("return in branches and in loops, without a return at the end")
def _(x: Any) -> Any:
    if x.sum() > 8:
        return x + 1
    for i in range(count(x)):
        if i > 1:
            return x * i
    if x.sum() < 0:
        return None
    return x, x


@promise("and, or, not: both of two tensors, the right value of a tensor and a Python value")
def _(x: Any) -> Any:
    a, b = x.sum() > 0, x.max() > 2
    if (a and not b) or (not a and b):
        x = x + 1
    return x + ((x.max() and 3) or 5), x * (0 or x.sum())


@promise("a range of a constant, of a tensor, with start and step")
def _(x: Any) -> Any:
    total = x * 0
    for i in range(3):
        total = total + i
    for i in range(count(x)):
        total = total + x * i
    for i in range(5, count(x), -2):
        total = total - i
    return total


@promise("a loop over a tensor, enumerated and zipped")
def _(x: Any) -> Any:
    total = x.sum() * 0
    for row in x:
        total = total * 2 + row
    for i, row in enumerate(x, 1):
        total = total + row * i
    for a, b in zip(x, x * 2, strict=True):
        total = total + a * b
    return total


@promise("while with break and continue under conditions on tensors")
def _(x: Any) -> Any:
    i = paddle.to_tensor(0)
    while i < 6:
        i = i + 1
        if i == 2:
            continue
        x = x + i
        if x.sum() > 9:
            break
    return x, i


@promise("else of while and for runs unless break was reached")
def _(x: Any) -> Any:
    n = count(x)
    while n > 0:
        n = n - 1
        if x.sum() > 7:
            break
    else:
        x = x + 100
    for i in range(count(x)):
        if i == 2:
            break
    else:
        x = x - 50
    return x


@promise("while True and a range of a constant with a break that a tensor decides")
def _(x: Any) -> Any:
    while True:
        x = x.abs() * 2 + 1
        if x.sum() > 20:
            break
    for i in range(4):
        x = x - i
        if x.sum() > 30:
            break
    return x


@promise("a list that grows in a constant loop, in a tensor's loop and in a tensor's if")
def _(x: Any) -> Any:
    found = []
    for i in range(2):
        found.append(x * i)
    if x.sum() > 0:
        found.append(x)
    for i in range(count(x)):
        found.append(x + i)
    found[0] = x * 9
    last = found.pop()
    return paddle.stack(found), last, len(found)


@promise("existing keys of dicts and attributes change in loops and branches")
def _(x: Any) -> Any:
    class Box:
        pass

    box, table = Box(), {"a": x, "b": x * 2}
    box.value = x  # type: ignore[attr-defined]
    i = paddle.to_tensor(0)
    while i < count(x):
        table["a"] = table["a"] + 1
        box.value = box.value * 2  # type: ignore[attr-defined]
        i = i + 1
    if x.sum() > 0:
        table["b"] = table["a"]
    return table["a"], table["b"], box.value  # type: ignore[attr-defined]


@promise("comprehensions, filtered by a tensor too, and generator expressions")
def _(x: Any) -> Any:
    rows = [row * 2 for row in x]
    kept = [row for row in rows if row > 0]
    return sum(rows), len(kept), sum((row for row in rows if row < 2), x.sum())


def factorial(n: int, x: Any) -> Any:
    return x if n == 0 else x * n + factorial(n - 1, x)


@promise("lambda, nested functions and recursion on Python values")
def _(x: Any) -> Any:
    choose = lambda a, b: a if a.sum() > b.sum() else b  # noqa: E731

    def inner(y: Any) -> Any:
        return choose(y, x)

    return factorial(3, inner(-x))


@promise("try, except, finally and with around conditions on tensors")
def _(x: Any) -> Any:
    try:
        with contextlib.nullcontext(x) as y:
            if y.sum() > 0:
                y = y + 1
        {}["no"]  # type: ignore[index]
    except KeyError:
        y = y * 2
    finally:
        x = x - 1
    return x, y


@pytest.mark.parametrize("text", promise)
def test_promise(text: str) -> None:
    keep(promise[text])
