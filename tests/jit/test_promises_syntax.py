# ruff: noqa: PERF401  (the statements are what is tested)
"""The syntax that is promised, one test for each promise: as in dynamic mode for each branch, and
for 0, 1 and many rounds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static

from . import random_programs as another_file

PROMISES: dict[str, Callable[[Any], Any]] = {}


def promise(text: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Name a function after what it promises."""

    def add(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        assert text not in PROMISES
        PROMISES[text] = function
        return function

    return add


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


@promise("an f-string")
def _(x: Any) -> Any:
    return x * len(f"{x.shape[0]}-{len(x)}")


@promise("int, float and bool of a tensor, item and numpy")
def _(x: Any) -> Any:
    y = x * int(x.sum()) + float(x.max()) + x.min().item()
    if bool(x.sum() > 0):
        y = y + int(x.sum().numpy())
    return y


@promise("indexing, writing to an index, a starred target")
def _(x: Any) -> Any:
    y = x.clone()
    y[0] = 5
    first, *rest = [y[0], y[-1], y[y.argmax()]]
    if x.sum() > 0:
        y[1:] = x[:1]
    return y, first, rest


@promise("paddle.grad")
def _(x: Any) -> Any:
    x = x * 1
    x.stop_gradient = False
    return paddle.grad((x**3).sum(), x)[0]


@promise("a chained comparison")
def _(x: Any) -> Any:
    if 0 < x.sum() < 5 <= 6:
        x = x * 10
    return x + (x.max() > x.min() >= 0).astype("float32")


@promise("return in an if without an else gives None where it is not taken")
def _(x: Any) -> Any:
    if x.sum() > 0:
        return x + 1


@promise("a name that only one branch defines, used under the same condition")
def _(x: Any) -> Any:
    if x.sum() > 0:
        extra = x * 2
    y = x
    if x.sum() > 0:
        y = y + extra
    return y


@promise("writes in place on a clone, and isinstance of paddle.Tensor")
def _(x: Any) -> Any:
    y = x.clone()
    y.add_(x)
    return y if isinstance(y, paddle.Tensor) else None


SCALE = 3


def with_closure(factor: int) -> Callable[[Any], Any]:
    def inner(x: Any) -> Any:
        return x * factor if x.sum() > 0 else x * SCALE

    return inner


PROMISES["closure variables and globals"] = with_closure(7)


@promise("branches of an int and a float, and of text")
def _(x: Any) -> Any:
    if x.sum() > 0:
        scale, name = 2, "long name"
    else:
        scale, name = 0.5, "short"
    return x * scale, x + len(name)


@promise("branches that return different structures")
def _(x: Any) -> Any:
    if x.sum() > 4:
        return x, [x, x * 2]
    if x.sum() > 0:
        return {"a": x}
    return x


@promise("the walrus")
def _(x: Any) -> Any:
    if (s := x.sum()) > 0 and (m := x.max()) > 2:
        x = x * m
    return x + s


@promise("match on a tensor and on Python values")
def _(x: Any) -> Any:
    match x.sum():
        case 0.0 | 3.0:
            y = x + 1
        case s if s > 3:
            y = x * s
        case _:
            y = x - 1
    match ("add", 2):
        case ("add", n):
            y = y + n
    return y


def positive(x: Any) -> Iterator[Any]:
    for i in range(3):
        if x.sum() > i:
            yield x * i


@promise("a generator function, in a loop and in a list")
def _(x: Any) -> Any:
    total = x
    for y in positive(x):
        total = total + y
    return total, len(list(positive(x)))


@promise("nonlocal and global in branches and loops")
def _(x: Any) -> Any:
    number = 0

    def more() -> None:
        nonlocal number
        number = number + 1

    for _i in range(count(x)):
        more()
    if x.sum() > 0:
        more()
    return x * number


class Base:
    limit = 1.0

    def clipped(self, x: Any) -> Any:
        return x.clip(-self.limit, self.limit)


class Derived(Base):
    limit = 2.0

    @property
    def double(self) -> float:
        return self.limit * 2

    def clipped(self, x: Any) -> Any:
        y = super().clipped(x)
        return y * self.double if y.sum() > 0 else y

    @classmethod
    def make(cls, x: Any) -> Any:
        return cls() if x is not None else None

    @staticmethod
    def sign(x: Any) -> Any:
        return 1 if x.sum() > 0 else -1


@promise("super, properties, class attributes, class methods and static methods")
def _(x: Any) -> Any:
    return Derived.make(x).clipped(x) * Derived.sign(x)


def repeated(times: int) -> Callable[[Any], Any]:
    def around(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            for _ in range(times):
                x = function(x)
            return x

        return call

    return around


@promise("a further decorator with arguments")
@repeated(2)
def _(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x - 1


@promise("calls of functions in another file")
def _(x: Any) -> Any:
    return x * len(another_file.__name__)


@promise("len and the shape of a tensor")
def _(x: Any) -> Any:
    return x.reshape([x.shape[0], 1]) * len(x) + paddle.shape(x)[0].astype("float32")


@promise("a default argument and a Python value among the arguments")
def _(x: Any, power: int = 2) -> Any:
    return x**power if power > 1 else x


@promise("paddle.to_tensor inside of the function")
def _(x: Any) -> Any:
    return (
        x + paddle.to_tensor([1.0, 2.0])
        if x.sum() > 0
        else x + paddle.to_tensor(np.ones(2, "float32"))
    )


@promise("lists of lists of tensors, and tensors of several dtypes")
def _(x: Any) -> Any:
    table = [[x, x + 1], [x + 2, x + 3]]
    if x.sum() > 0:
        table[0][1] = table[1][0]
    return table, x.astype("int64") + 1


@promise("a loop's variable that changes from a bool to a tensor, and from a number to a tensor")
def _(x: Any) -> Any:
    going, i = True, 0
    while going:
        i = i + x.max().abs() + 1
        going = i < 5
    return i


@promise("a loop's variable that is None before the loop")
def _(x: Any) -> Any:
    last = None
    for i in range(count(x)):
        last = x * i
    return x if last is None else last


VALUES = ([1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [5.0, 4.0], [1.0, 0.0], [-4.0, 3.0])


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def outcome(function: Callable[[Any], Any], values: Any) -> Any:
    """The result, or the kind of error that Python gives."""
    try:
        return plain(function(paddle.to_tensor(values)))
    except (IndexError, UnboundLocalError) as error:
        return type(error).__name__


@pytest.mark.parametrize("text", PROMISES)
def test_promise(text: str) -> None:
    static = to_static(PROMISES[text])
    for values in VALUES:
        assert outcome(static, values) == outcome(PROMISES[text], values), values
