"""What is promised of values, names, classes and calls: as in dynamic mode for each branch, and for
0, 1 and many rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle

from . import random_programs as another_file

sys.path.insert(0, str(Path(__file__).parent))

from promises import Promises, keep

promise = Promises()


def count(x: Any) -> Any:
    """0 and more, as the input says."""
    return x.max().astype("int64").clip(0, 6)


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


promise["closure variables and globals"] = with_closure(7)


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


@pytest.mark.parametrize("text", promise)
def test_promise(text: str) -> None:
    keep(promise[text])
