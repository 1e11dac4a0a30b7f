# ruff: noqa: SIM108  (the statements are what is tested)
"""Converted functions equal the originals, on inputs for each branch and 0 to many rounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static


def if_else(x: Any) -> Any:
    if x.sum() > 0:
        y = x + 1
    else:
        y = x - 1
    return y


def elif_chain(x: Any) -> Any:
    s = x.sum()
    if s > 5:
        y = x * 2
    elif s > 0:
        y = x * 3
    elif s > -5:
        y = x * 4
    else:
        y = x * 5
    return y


def early_return(x: Any) -> Any:
    if x.sum() > 0:
        return x + 1
    x = x * 2
    if x.sum() < -6:
        return x - 5
    return x


def return_tuple(x: Any) -> Any:
    if x.sum() > 0:
        return x, x + 1
    return x - 1, x


def ternary(x: Any) -> Any:
    return x + 1 if x.sum() > 0 else x - 1


def logic(x: Any) -> Any:
    a, b = x.sum() > 0, x.max() > 3
    if a and b:
        y = x + 1
    elif a or not b:
        y = x + 2
    else:
        y = x + 3
    return y


def chained(x: Any) -> Any:
    if 0 < x.sum() < 5:
        return x * 10
    return x


def chained_both(x: Any) -> Any:
    return x + 1 if -1 <= x.min() <= x.max() < 4 else x - 1


def python_flag_and_tensor(x: Any, flag: bool = True) -> Any:
    if flag and x.sum() > 0:
        x = x + 1
    if x.sum() > 100 or flag:
        x = x * 2
    return x


def while_loop(x: Any) -> Any:
    i = paddle.zeros([], "int64")
    n = x.sum().astype("int64")
    while i < n:
        x = x + 1
        i = i + 1
    return x, i


def while_number(x: Any) -> Any:
    i = 0
    while i < x.sum():
        i += 2
    return x + i


def while_break(x: Any) -> Any:
    i = 0
    while i < 10:
        x = x + 1
        if x.sum() > 20:
            break
        i += 1
    return x * i


def while_true(x: Any) -> Any:
    while True:
        x = x.abs() * 2 + 1
        if x.sum() > 50:
            break
    return x


def while_continue(x: Any) -> Any:
    i = paddle.zeros([], "int64")
    total = paddle.zeros([])
    while i < x.sum():
        i = i + 1
        if i % 2 == 0:
            continue
        total = total + i.astype("float32")
    return total


def while_return(x: Any) -> Any:
    i = paddle.zeros([], "int64")
    while i < 5:
        if x.sum() + i.astype("float32") > 4:
            return x + i.astype("float32")
        i = i + 1
    return x - 100


def while_else(x: Any) -> Any:
    i = 0
    while i < 4:
        x = x + 1
        if x.sum() > 12:
            break
        i += 1
    else:
        x = x - 50
    return x


def for_range(x: Any) -> Any:
    n = x.sum().astype("int64")
    y = paddle.zeros([])
    for i in range(n):
        y = y + i.astype("float32") if isinstance(i, paddle.Tensor) else y + i
    return y


def for_range_step(x: Any) -> Any:
    n = x.sum().astype("int64")
    total = 0
    for i in range(1, n, 2):
        total = total + i
    return x + total


def for_constant_break(x: Any) -> Any:
    for i in range(6):
        x = x + i
        if x.sum() > 12:
            break
    return x, i


def for_return(x: Any) -> Any:
    for i in range(4):
        if x.sum() > 3 * i:
            return x * i
        x = x + 2
    return x


def for_continue_nested(x: Any) -> Any:
    for i in range(3):
        for j in range(3):
            if x.sum() > 10 + j:
                continue
            x = x + i * j
        if x.sum() > 6:
            break
    return x


def for_tensor(x: Any) -> Any:
    y = paddle.zeros([])
    for row in x:
        if row > 0:
            y = y + row
    return y


def for_enumerate(x: Any) -> Any:
    y = paddle.zeros([])
    for i, v in enumerate(x):
        y = y + i * v
    return y


def for_zip(x: Any) -> Any:
    y = paddle.zeros([])
    for a, b in zip(x, x * 2, strict=True):
        y = y + a * b
    return y


def for_else(x: Any) -> Any:
    for i in range(3):
        x = x + i
        if x.sum() > 8:
            break
    else:
        x = x * 100
    return x


def list_in_branch(x: Any) -> Any:
    found = [x]
    if x.sum() > 0:
        found[0] = x + 1
    else:
        found[0] = x - 1
    return found[0]


def append_in_both(x: Any) -> Any:
    found = []
    if x.sum() > 0:
        found.append(x + 1)
    else:
        found.append(x - 1)
    return found[0] * 2


def dict_in_while(x: Any) -> Any:
    state = {"i": paddle.zeros([], "int64"), "x": x}
    while state["i"] < x.sum():
        state["x"] = state["x"] + 1
        state["i"] = state["i"] + 1
    return state["x"]


def fresh_list_in_loop(x: Any) -> Any:
    i = paddle.zeros([])
    while i < x.sum():
        parts = []
        parts.append(i)
        parts.append(x.max())
        i = i + parts[0] * 0 + 1
    return i


def nested_function(x: Any) -> Any:
    def double(v: Any) -> Any:
        if v.sum() > 0:
            return v * 2
        return v

    return double(x) + double(-x)


def closure_counter(x: Any) -> Any:
    count = x * 0

    def bump() -> None:
        nonlocal count
        count = count + 1

    if x.sum() > 0:
        bump()
    return count


def lambda_ternary(x: Any) -> Any:
    pick = lambda v: v + 1 if v.sum() > 0 else v - 1  # noqa: E731
    return pick(x)


def comprehension(x: Any) -> Any:
    return sum([v if v > 0 else -v for v in x])


def setitem(x: Any) -> Any:
    y = x * 1
    if x.sum() > 0:
        y[0] = 100.0
    else:
        y[-1] = -100.0
    return y


def inplace_in_branch(x: Any) -> Any:
    y = x.clone()
    view = y.reshape([-1])
    if x.sum() > 0:
        y.add_(x)
    return y + view


def cast(x: Any) -> Any:
    n = int(x.sum())
    return x + float(n) * 0.5


def walrus(x: Any) -> Any:
    if (s := x.sum()) > 0:
        return s + x
    return s - x


def only_one_branch_temp(x: Any) -> Any:
    if x.sum() > 0:
        temporary = x * 3
        y = temporary + 1
    else:
        y = x
    return y


def assertion(x: Any) -> Any:
    assert x.sum() > -1000, "too small"
    return x


def try_with(x: Any) -> Any:
    try:
        with paddle.no_grad():
            if x.sum() > 0:
                x = x + 1
    finally:
        x = x * 2
    return x


def item_and_numpy(x: Any) -> Any:
    if x.sum().item() > 0:
        return x + x.max().item()
    return x - float(x.min().numpy())


def match_statement(x: Any, kind: str = "a") -> Any:
    match kind:
        case "a":
            if x.sum() > 0:
                x = x + 1
        case _:
            x = x - 1
    return x


FUNCTIONS: list[Callable[..., Any]] = [
    if_else, elif_chain, early_return, return_tuple, ternary, logic, chained, chained_both,
    python_flag_and_tensor, while_loop, while_number, while_break, while_true, while_continue,
    while_return, while_else, for_range, for_range_step, for_constant_break, for_return,
    for_continue_nested, for_tensor, for_enumerate, for_zip, for_else, list_in_branch,
    append_in_both, dict_in_while, fresh_list_in_loop, nested_function, closure_counter,
    lambda_ternary, comprehension, setitem, inplace_in_branch, cast, walrus, only_one_branch_temp,
    assertion, try_with, item_and_numpy, match_statement,
]  # fmt: skip
INPUTS = [
    [1.0, 2.0, 0.5], [-1.0, -2.0, 0.5], [4.0, 5.0, 6.0], [-9.0, -1.0, -1.0], [0.0, 0.0, 0.0], [1.0,
    0.0, 0.0],
    [0.25, 0.25, 0.5],
]  # fmt: skip


def values(result: Any) -> list[np.ndarray]:
    if isinstance(result, (list, tuple)):
        return [one for part in result for one in values(part)]
    return [np.asarray(result.numpy() if isinstance(result, paddle.Tensor) else result)]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for data in INPUTS:
        x = paddle.to_tensor(np.array(data, np.float32))
        want, got = values(function(x)), values(static(x))
        assert len(want) == len(got)
        for a, b in zip(want, got, strict=True):
            assert a.shape == b.shape, data
            assert np.allclose(a, b, rtol=1e-6), (data, a, b)
    assert len(static.program_cache) == 1, "all inputs have one signature"


def test_math_is_left_alone() -> None:
    assert to_static(lambda x: x * math.sqrt(4))(paddle.ones([2])).tolist() == [2.0, 2.0]
