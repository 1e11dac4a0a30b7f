"""Sets that change their size under a tensor's control are refused; dicts and lists that do not."""

from __future__ import annotations

from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError


def a_set_in_a_loop(x: Any) -> Any:
    found, i = set(), paddle.to_tensor(0)
    while i < 3:
        found.add(1)
        i = i + 1
    return x * len(found)


def test_a_set_that_depends_on_a_tensor_is_refused() -> None:
    with pytest.raises(ConversionError, match="what this set holds; use a list"):
        to_static(a_set_in_a_loop)(paddle.ones([2]))


def test_both_branches_may_append_as_much() -> None:
    @to_static
    def f(x: Any) -> Any:
        found = []
        if x.sum() > 0:
            found.append(x)
        else:
            found.append(x * 2)
        return found[0] * len(found)

    assert f(paddle.ones([2])).tolist() == [1.0, 1.0]
    assert f(-paddle.ones([2])).tolist() == [-2.0, -2.0]


def key_among_numbers(x: Any) -> Any:
    number = 2 if x.sum() > 0 else 1
    table = {1: x, 3: x * 2}
    return (number in table, number not in {2, 5}, 7 in table, number in [1, x.max()])


def test_a_number_that_a_tensor_decides_is_compared_with_keys() -> None:
    static = to_static(key_among_numbers)
    for value in (1.0, 2.0, -1.0):
        x = paddle.full([2], value)
        found, wanted = static(x), key_among_numbers(x)
        assert list(map(bool, found)) == list(map(bool, wanted)), value


def test_a_key_that_a_tensor_decides_is_refused() -> None:
    @to_static
    def number(x: Any) -> Any:
        return {1: x, 2: x * 2}[2 if x.sum() > 0 else 1]

    @to_static
    def text(x: Any) -> Any:
        return {"up": x, "down": -x}["up" if x.sum() > 0 else "down"]

    with pytest.raises(ConversionError, match=r"cannot be a key of a dict.*or index a list"):
        number(paddle.ones([2]))
    with pytest.raises(ConversionError, match="cannot be used as a key of a dict"):
        text(paddle.ones([2]))
