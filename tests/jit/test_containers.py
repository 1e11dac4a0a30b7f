"""Dicts and sets that change their size under a tensor's control: refused, never wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError


def a_key_in_a_branch(x: Any) -> Any:
    found = {}
    if x.sum() > 0:
        found["x"] = x
    return x * len(found)


def a_key_in_a_loop(x: Any) -> Any:
    found, i = {}, paddle.to_tensor(0)
    while i < 3:
        found["i"] = i
        i = i + 1
    return x * len(found)


def a_set_in_a_loop(x: Any) -> Any:
    found, i = set(), paddle.to_tensor(0)
    while i < 3:
        found.add(1)
        i = i + 1
    return x * len(found)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (a_key_in_a_branch, r"whether this dict has the key .*; give it that key in every branch"),
        (a_key_in_a_loop, r"whether this dict has the key 'i'; .* or before the branch or loop"),
        (a_set_in_a_loop, "what this set holds; use a list"),
    ],
)
def test_keys_that_depend_on_a_tensor_are_refused(
    function: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        to_static(function)(paddle.ones([2]))


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
