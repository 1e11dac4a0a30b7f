# ruff: noqa: F821, F841  (the programs are as they were found)
"""Small programs that random ones were reduced to: equal in both modes, errors included."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import INPUTS, agree, outcome


def unset_name_in_a_loop(x: Any) -> Any:
    if x is None:
        d = x
    i, n = 0, 0
    while i < x.sum():
        i += 1
        n = d + 1
    return i


def unset_name_in_a_for(x: Any) -> Any:
    for _ in range((x > 2).sum()):
        x = x + d
        d = x
    return x


def both_branches_raise(x: Any) -> Any:
    if x.sum() > 1:
        raise ValueError("large")
    else:
        raise KeyError("small")


def one_of_two_by_opposite_flags(x: Any) -> Any:
    if x.sum() > 1:
        if x[0] > 2:
            pass
        else:
            y = x
    elif x[1] >= 0:
        y = x
    return y


def written_and_returned_in_one_branch(x: Any) -> Any:
    a = x + 0
    if x.sum() < 2:
        return x
    a[0], a[1] = 7, x[0]
    return a


def written_in_a_list_of_one_branch(x: Any) -> Any:
    a = x + 0
    if x.sum() < 2:
        pair = a, 1
    else:
        a[0] = 5
        pair = a, 2
    a[1] = 6
    return pair


def variables_of_a_helper_that_got_one_of_two(x: Any) -> Any:
    def helper(v: Any) -> Any:
        k = 0
        while v.sum() < 3:
            v, k = v + 1, k + 1
        return v, k

    def one_of_two(v: Any) -> Any:
        if v.sum() > 0:
            return 1
        return v

    if x[0] < 1:
        return helper(one_of_two(x))
    return x


def nonlocal_in_a_conditional_expression(x: Any) -> Any:
    n = 1

    def bump(v: Any) -> Any:
        nonlocal n
        n = n + 1
        return v

    a = x if x.sum() > 1 else bump(x)
    b = x.sum() > 0 and bump(x).sum() > 1
    return a, b, n


def an_int_becomes_a_float_in_a_loop(x: Any) -> Any:
    u, i = paddle.to_tensor(5), 0
    while i < x.sum():
        if x[0] > 2:
            u = x.max()
        i += 1
    return u * 2


def python_errors_of_a_branch(x: Any) -> Any:
    table, none, n = {"k": x}, None, 2
    if x.sum() > 6:
        return table["missing"]
    if x.sum() > 2:
        return none + 1
    while x[0] < -1:
        assert n < 2, "many"
    return table["k"]


def closures_read_what_is_unset(x: Any) -> Any:
    def inner() -> Any:
        return d

    if x.sum() > 2:
        return x[0] > 5 and d
    if x[0] is None:
        d = 1
    return inner()


def a_function_that_each_round_makes(x: Any) -> Any:
    near, i = x, 0
    while i < x.sum():
        near = lambda v: v * i + x  # noqa: E731, B023
        x, i = near(x).clip(-9, 9), i + 1
    return x if i == 0 else near(x)


FOUND = [
    unset_name_in_a_loop, unset_name_in_a_for, both_branches_raise, one_of_two_by_opposite_flags,
    written_and_returned_in_one_branch, written_in_a_list_of_one_branch,
    variables_of_a_helper_that_got_one_of_two, nonlocal_in_a_conditional_expression,
    an_int_becomes_a_float_in_a_loop, a_function_that_each_round_makes,
    python_errors_of_a_branch, closures_read_what_is_unset,
]  # fmt: skip


@pytest.mark.parametrize("function", FOUND, ids=[one.__name__ for one in FOUND])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in INPUTS:
        wanted, found = outcome(function, values), outcome(static, values)
        assert agree(wanted, found), f"{values}: {wanted} and {found}"
