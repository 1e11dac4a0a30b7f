"""Python syntax that needs care in a conversion equals dynamic mode for inputs of each branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static


def walrus_in_and(x: Any) -> Any:
    if (s := x.sum()) > 0 and (m := x.max()) > 2:
        return x * s * m
    return x - s


def walrus_in_a_chain(x: Any) -> Any:
    if 0 < (s := x.sum()) < 5:
        return x * s
    return x - s


def walrus_in_a_conditional(x: Any) -> Any:
    y = (t := x + 1) if x.sum() > 0 else (t := x - 1)
    return y + t


def walrus_in_while(x: Any) -> Any:
    i = paddle.to_tensor(0.0)
    while (y := x.sum() + i) < 5 and i < 9:
        i = i + 1
    return y


def generator(x: Any) -> Any:
    def parts(n: int) -> Iterator[Any]:
        for i in range(n):
            y = x * i
            if x.sum() > 0:
                y = y + 1
            yield y
            if i == 2:
                return

    return sum(parts(5))


def contained(x: Any) -> Any:
    if x.sum() in [2.0, -2.0] and 7.0 not in x:
        return x + 1
    return x


def other_dtypes(x: Any) -> Any:
    y = x if x.sum() > 0 else x.astype("int64")
    z = x if x.sum() > 0 else x.astype("float64")
    return y * 2, z / 2


def shape_as_text(x: Any) -> Any:
    return x * len(f"{x.shape}")


def nonlocal_in_branches(x: Any) -> Any:
    count = 0

    def more() -> None:
        nonlocal count
        count = count + 1

    if x.sum() > 0:
        more()
    i = paddle.to_tensor(0)
    while i < 3:
        more()
        i = i + 1
    return x * count


CASES = [
    walrus_in_and, walrus_in_a_chain, walrus_in_a_conditional, walrus_in_while, generator,
    contained, other_dtypes, shape_as_text, nonlocal_in_branches,
]  # fmt: skip


def plain(value: Any) -> Any:
    return [plain(one) for one in value] if isinstance(value, tuple) else value.tolist()


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for value in (1.0, 3.0, -1.0):
        x = paddle.full([2], value)
        assert plain(static(x)) == plain(function(x)), value
