# ruff: noqa: PERF401, PERF402, RUF005  (the statements are what is tested)
"""Lists whose length a tensor decides: equal to dynamic mode, in native loops, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec


def appended(x: Any) -> Any:
    found, i = [], paddle.to_tensor(0)
    while i < x.sum():
        found.append(x * i)
        i = i + 1
    return found, len(found), i


def stacked_and_joined(x: Any) -> Any:
    found = [x]
    for i in range((x > 0).sum() * 3):
        found.append(x * i)
    return paddle.stack(found), paddle.stack(found, axis=1), paddle.concat(found)


def appended_in_branches(x: Any) -> Any:
    found = [x.sum()]
    for i in range(x.shape[0]):
        if x[i] > 0:
            found.append(x[i])
        elif x[i] < -1:
            found += [x[i], x[i] * 2]
    return paddle.stack(found), found[-1], found[0]


def written_and_popped(x: Any) -> Any:
    found = [x, x + 1]
    i = paddle.to_tensor(0)
    while i < x.sum():
        found.append(x * i)
        found[0] = found[i] + found[-1]
        i = i + 1
    last = found.pop()
    found[0] = last * 2
    return found, last


def iterated(x: Any) -> Any:
    found = [(x, 1)]
    for i in range((x > 0).sum()):
        found.append((x * i, i))
    total = x * 0
    for vector, number in found:
        total = total + vector * number
    for i, (vector, _) in enumerate(found):
        total = total + vector * i
    return total


def truth(x: Any) -> Any:
    found = []
    if x.sum() > 1:
        found.append(x)
    if found:
        return found[0] * 2
    return x


def until_a_break(x: Any) -> Any:
    found = []
    for i in range(30):
        found.append(x * i)
        if (x * i).sum() > 20:
            break
    return found, len(found)


def by_another_name(x: Any) -> Any:
    class Box:
        items: Any

    box = Box()
    box.items = []
    alias = box.items
    for i in range((x > 0).sum()):
        alias.append(x + i)
    return box.items + [x]


def joined_anew(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found = found + [found[-1] * 2]
    return found[0:1], found


def numbers(x: Any) -> Any:
    found, i = [0], 0
    while i < x.sum():
        i += 1
        found.append(i)
    return found[-1], len(found)


def only_in_the_branch(x: Any) -> Any:
    y = x
    if x.sum() > 0:
        found = []
        found.append(x)
        found.append(x * 2)
        y = found[1] + len(found)
    return y


CASES = [
    appended, stacked_and_joined, appended_in_branches, written_and_popped, iterated, truth,
    until_a_break, by_another_name, joined_anew, numbers, only_in_the_branch,
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in ([1.0, 2.0], [-2.0, -1.0], [0.0, 1.0], [9.0, 8.0], [0.0, 30.0]):
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(function(x)), values


def test_gradients() -> None:
    def loss(x: Any, n: Any) -> Any:
        found = [x]
        for _ in range(n):
            found.append(found[-1] * x)
        return paddle.stack(found).sum()

    static = to_static(loss)
    for count in (0, 1, 3):
        grads = []
        for function in (loss, static):
            x = paddle.to_tensor([1.5, -0.5])
            x.stop_gradient = False
            function(x, paddle.to_tensor(count)).backward()
            grads.append(x.grad.numpy())
        np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5)


def test_what_is_printed_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    @to_static
    def f(x: Any) -> Any:
        print("sum:", x.sum())
        found, i = [], 0
        while i < x.sum():
            found.append(x)
            i += 1
        return len(found)

    assert int(f(paddle.full([2], 40.0))) == 80
    assert capsys.readouterr().out.count("sum:") == 1


def test_an_index_out_of_range_is_pythons_error() -> None:
    @to_static
    def f(x: Any) -> Any:
        found = [x]
        for _ in range((x > 0).sum()):
            found.append(x)
        return found[2]

    assert plain(f(paddle.ones([2]))) == [1, 1]
    with pytest.raises(IndexError, match="list index out of range"):
        f(-paddle.ones([2]))


def other_shapes(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found.append(paddle.concat([x, x]))
    return found


def stacked_in_the_loop(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found.append(x)
        x = paddle.stack(found).sum(0)
    return x


def sorted_after(x: Any) -> Any:
    found = [1]
    for i in range((x > 0).sum()):
        found.append(i)
    found.sort()
    return found


@pytest.mark.parametrize("function", [other_shapes, stacked_in_the_loop, sorted_after])
def test_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=r"test_growing_lists|contents of a"):
        to_static(function)(paddle.ones([2]))


def test_saving_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="numbers has a list whose length depends"):
        paddle.jit.save(to_static(numbers, [InputSpec([2])]), str(tmp_path / "f"))
