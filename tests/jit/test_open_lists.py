# ruff: noqa: RUF005, RUF007, C417, C419, PERF401  (the expressions are what is tested)
"""What Python does with a whole list, of lists whose length a tensor decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec


def made(x: Any) -> Any:
    rows = [x + 1]
    for i in range((x > 0).sum()):
        rows.append(x * (i + 1) - 1)
    return rows


def counted(x: Any) -> Any:
    numbers = [1]
    for i in range((x > 0).sum()):
        numbers.append(i + 2)
    return numbers


def until_all_are_small(x: Any) -> Any:
    rows, rounds = made(x), 0
    while any(row.sum() > -5 for row in rows):
        rounds += 1
        for i in range(len(rows)):
            rows[i] = rows[i] - 1
    return rows, rounds


def weighted(x: Any) -> Any:
    total = x * 0
    for i, (row, number) in enumerate(zip(made(x), counted(x), strict=True)):
        total = total + row * number + i
    return total


def of_neighbours(x: Any) -> Any:
    rows, total = made(x), x * 0
    for one, other in zip(rows, rows[1:], strict=False):
        total = total + one * other
    return total


def beside_a_list_of_known_length(x: Any) -> Any:
    return [row * n for row, n in zip(made(x), [2, 3], strict=False)]


def cut_where_a_tensor_says(x: Any) -> Any:
    rows, count = [x, x + 1, x + 2], (x > 0).sum()
    return rows[:count], rows[count:], rows[-1:count:-1]


def doubled_in_place(x: Any) -> Any:
    rows = made(x)
    rows += rows
    rows *= 1
    return rows


def filled_in_a_branch(x: Any) -> Any:
    rows = [x]
    if x.sum() > 0:
        rows.extend(made(x))
    return rows


CASES: dict[str, Callable[[Any], Any]] = {
    "all and any of a generator": lambda x: (
        all(q.sum() > 0 for q in made(x)), any(q.sum() > 2 for q in made(x)), x
    ),
    "all and any of a list": lambda x: (
        all([q.sum() > 0 for q in made(x)]), any([q.sum() > 2 for q in made(x)]), x
    ),
    "max and min": lambda x: (
        max(q.sum() for q in made(x)), min([q.sum() for q in made(x)]), max(counted(x))
    ),
    "bool": lambda x: (bool(made(x)), not made(x), x),
    "list, map and filter": lambda x: (
        list(made(x)), list(map(lambda q: q * 2, made(x))),
        list(filter(lambda q: q.sum() > 0, made(x))),
        list(map(lambda q, n: q * n, made(x), counted(x))),
    ),
    "reversed and slices": lambda x: (
        list(reversed(made(x))), made(x)[1:], made(x)[:-1], made(x)[::-1], made(x)[1:9:2],
        made(x)[0:1], made(x)[-2:], made(x)[5:], made(x)[-1:-9:-1],
    ),
    "added and multiplied": lambda x: ([x] + made(x), made(x) + [x], made(x) * 2, made(x) * 0),
    "zip of two, with enumerate": weighted,
    "zip with a part of itself": of_neighbours,
    "zip with a list of known length": beside_a_list_of_known_length,
    "any as the condition of a loop": until_all_are_small,
    "a slice with ends that are tensors": cut_where_a_tensor_says,
    "extended by itself": doubled_in_place,
    "extended in a branch": filled_in_a_branch,
}  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


@pytest.mark.parametrize("name", CASES)
def test_as_in_dynamic_mode(name: str) -> None:
    function = CASES[name]
    static = to_static(function, input_spec=[InputSpec([2], name="x")])
    for values in ([1.0, 2.0], [-2.0, 1.0], [-1.0, -3.0]):
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(function(x)), values


def test_the_max_of_nothing_is_an_error() -> None:
    @to_static
    def f(x: Any) -> Any:
        return max([row for row in x if row > 0])

    assert f(paddle.to_tensor([1.0, 2.0])).item() == 2
    with pytest.raises(ValueError, match=r"max\(\) iterable argument is empty"):
        f(paddle.to_tensor([-1.0, -2.0]))


def test_zip_is_strict_at_the_call() -> None:
    @to_static
    def f(x: Any) -> Any:
        kept = [row for row in x if row > 0]
        return [a * b for a, b in zip(kept, [1.0, 2.0], strict=True)]

    assert plain(f(paddle.to_tensor([1.0, 2.0]))) == [1, 4]
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter or longer"):
        f(paddle.to_tensor([1.0, -2.0]))


def test_what_needs_the_length_while_tracing_is_refused() -> None:
    def endless(x: Any) -> Any:
        return [row * n for row, n in zip(made(x), itertools.count(), strict=False)]

    def assigned(x: Any) -> Any:
        rows = made(x)
        rows[0:1] = [x]
        return rows

    for function, text in ((endless, "it has no value yet"), (assigned, "an assignment to a part")):
        with pytest.raises(ConversionError, match=text):
            to_static(function)(paddle.ones([2]))
