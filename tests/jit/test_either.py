# ruff: noqa: SIM108  (the statements are what is tested)
"""Values that a tensor decides the kind of: unassigned, None, of another structure or shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.static import InputSpec


def one_return(x: Any) -> Any:
    if x.sum() > 0:
        return x + 1


def none_that_is_tested(x: Any) -> Any:
    y = None
    if x.sum() > 0:
        y = x
    if y is None:
        return x * 2
    return y


def two_structures(x: Any) -> Any:
    if x.sum() > 0:
        return x, [x + 1, "two"]
    return x


def texts(x: Any) -> Any:
    mode = "up" if x.sum() > 0 else "down"
    if mode == "up":
        x = x + 1
    return x, mode


def two_shapes(x: Any) -> Any:
    y = x.reshape([2, 1]) if x.sum() > 0 else paddle.concat([x, x])
    return y, (y * 2).sum(), paddle.abs(y).max()


def used_under_the_same_condition(x: Any) -> Any:
    positive = x.sum() > 0
    if positive:
        scale = x.max()
    y = x
    if positive:
        y = y * scale
    if not positive:
        y = y - 1
    return y


def last_of_a_loop(x: Any) -> Any:
    i, last = 0, None
    while i < x.sum():
        last = x * i
        i += 1
    return x if last is None else last


def first_round_is_special(x: Any) -> Any:
    for i in range((x > -9).sum()):
        if i == 0:
            total = x
        else:
            total = total + x * i
    return total


def int_or_bool(x: Any) -> Any:
    return 5 if x.sum() > 0 else True


def one_of_four_kinds_in_nested_loops(x: Any) -> Any:
    found = None
    for i in range((x > -9).sum()):
        for j in range((x > -8).sum()):
            if x[0] > i + j:
                found = "positive"
            if x[1] > i:
                found = [x, i]
                continue
            found = (lambda y: y + 1) if x[0] > -1 else (lambda y: y * 2)
        if x[0] < i:
            found = None if found is None else found
    return found(x) if callable(found) else found


def index_of(x: Any) -> Any:
    def first(v: Any, limit: int) -> Any:
        for i in range(2):
            if v[i] > limit:
                return i
        return None

    found = first(x, 1)
    if found is None:
        return x, -1
    return x[found], found


def ends_of_slices(x: Any) -> Any:
    start = 1 if x.sum() > 2 else None
    part = slice(0, 1) if x[0] > 0 else 1
    grid = paddle.stack([x, x + 1])
    y = x + 0
    y[part] = 7
    if start is not None:
        y[start] = x[0]
    return x[start:], grid[0, :start], grid[part], grid[:, part], y


CASES = [
    one_return, none_that_is_tested, two_structures, texts, two_shapes,
    used_under_the_same_condition, last_of_a_loop, first_round_is_special, int_or_bool,
    one_of_four_kinds_in_nested_loops, index_of, ends_of_slices,
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for value in (1.0, 3.0, -1.0):
        x = paddle.full([2], value)
        assert plain(static(x)) == plain(function(x)), value


def test_reading_a_variable_without_a_value_is_pythons_error_at_the_call() -> None:
    def in_a_branch(x: Any) -> Any:
        if x.sum() > 0:
            y = x + 1
        return y * 2

    def in_a_loop(x: Any) -> Any:
        i = 0
        while i < x.sum():
            last = x * i
            i += 1
        return last

    for function in (in_a_branch, in_a_loop):
        static = to_static(function)
        assert plain(static(paddle.ones([2]))) == plain(function(paddle.ones([2])))
        with pytest.raises(UnboundLocalError, match=r"'(y|last)' where it is not associated"):
            static(-paddle.ones([2]))


def test_none_used_as_a_tensor_is_pythons_error_at_the_call() -> None:
    @to_static
    def f(x: Any) -> Any:
        y = x if x.sum() > 0 else None
        return y + 1

    assert plain(f(paddle.ones([2]))) == [2, 2]
    with pytest.raises(TypeError, match="NoneType"):
        f(-paddle.ones([2]))


def test_gradients_flow_into_the_side_that_was_taken() -> None:
    @to_static
    def f(x: Any) -> Any:
        y = x.reshape([2, 1]) * 2 if x.sum() > 0 else paddle.concat([x, x]) * 3
        return y.sum()

    for value, grad in ((1.0, 2.0), (-1.0, 6.0)):
        x = paddle.full([2], value)
        x.stop_gradient = False
        f(x).backward()
        np.testing.assert_array_equal(x.grad.numpy(), [grad, grad])


def test_saved_and_loaded(tmp_path: Path) -> None:
    class Net(paddle.nn.Layer):
        @to_static(input_spec=[InputSpec([2])])
        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                return {"y": x}, "up"
            return None

    paddle.jit.save(Net(), str(tmp_path / "net"))
    net = paddle.jit.load(str(tmp_path / "net"))
    found, text = net(paddle.ones([2]))
    assert plain(found["y"]) == [1, 1]
    assert text == "up"
    assert net(-paddle.ones([2])) is None


def test_a_raise_in_a_branch_is_raised_by_the_call() -> None:
    class Strange(Exception):
        pass

    @to_static
    def f(x: Any) -> Any:
        if x.sum() < -100:
            raise Strange("very negative")
        if x.sum() < 0:
            raise ValueError(f"negative, of shape {x.shape}")
        i = paddle.to_tensor(0)
        while i < 3:
            if x[0] + i > 8:
                raise KeyError("large")
            i = i + 1
        return x * i

    assert plain(f(paddle.ones([2]))) == [3, 3]
    with pytest.raises(ValueError, match=r"(?s)raise ValueError.*negative, of shape \[2\]"):
        f(-paddle.ones([2]))
    with pytest.raises(KeyError, match="large"):
        f(paddle.full([2], 7.0))
    with pytest.raises(RuntimeError, match="very negative"):
        f(paddle.full([2], -99.0))
