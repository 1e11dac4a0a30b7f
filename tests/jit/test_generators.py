"""Comprehensions, generators and `match` on tensors mean what they mean in dynamic mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec


def rows(x: Any) -> list[Any]:
    return [x, x - 1, x + 1, -x]


def filtered(x: Any) -> Any:
    kept = [y * 2 for y in rows(x) if y.sum() > 0]
    total = x * 0
    for y in kept:
        total = total + y
    return total * len(kept)


def filtered_by_both(x: Any) -> Any:
    kept = [(y, z) for i, y in enumerate(rows(x)) if i != 1 for z in (1, 2) if y.max() > z]
    return sum([y * z for y, z in kept], x)


def filtered_with_walrus(x: Any) -> Any:
    last = x.sum()
    kept = [y for y in rows(x) if (last := y.sum()) > 0]
    return last * len(kept)


def filtered_rows_of_a_tensor(x: Any) -> Any:
    return sum([row for row in x if row > 0], x.sum())


def generator_expression(x: Any) -> Any:
    return sum(y for y in rows(x) if y.sum() > 0) + sum((y for y in rows(x) if y.max() < 2), x)


def returned(x: Any) -> Any:
    return [y for y in rows(x) if y.sum() > 0]


def parts(x: Any, n: int) -> Iterator[Any]:
    x = x + 1
    for i in range(n):
        if x.sum() > i:
            yield x * i
        elif x.sum() < -4:
            return
        yield x


def loop_over_generator(x: Any) -> Any:
    total, seen = x, 0
    for part in parts(x, 3):
        total = total + part
        seen = seen + 1
    return total * seen


def list_of_generator(x: Any) -> Any:
    return list(parts(x, 2))


def break_out_of_generator(x: Any) -> Any:
    total = x
    for part in parts(x, 4):
        total = total + part
        if total.sum() > 6:
            break
    else:
        total = -total
    return total


def continue_and_enumerate(x: Any) -> Any:
    total = x
    for i, part in enumerate(parts(x, 4)):
        if part.sum() > 4:
            continue
        total = total + part * i
    return total


def halves(x: Any) -> Iterator[Any]:
    while x.sum() > 1:
        yield x
        x = x / 2


def generator_with_a_native_loop(x: Any) -> Any:
    count = 0
    for half in halves(x):
        x = x + half
        count += 1
    return x * count


def outer(x: Any) -> Iterator[Any]:
    yield x
    yield from halves(x)
    yield x * 2


def generator_of_a_generator(x: Any) -> Any:
    return sum(outer(x))


def nested_generator(x: Any) -> Any:
    scale = 1

    def positive(n: int) -> Iterator[Any]:
        nonlocal scale
        for i in range(n):
            if x.sum() > i:
                scale = scale + 1
                yield x * i

    found = list(positive(3))
    return x * scale * len(found)


class Rows:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __iter__(self) -> Iterator[Any]:
        for i in range(3):
            if self.x.sum() > i:
                yield self.x + i


def iteration_over_an_object(x: Any) -> Any:
    total = x * 0
    for row in Rows(x):
        total = total + row
    return total, list(Rows(x))


def literals(x: Any) -> Any:
    match x.sum():
        case 2.0:
            return x * 10
        case -2.0 | 6.0:
            y = x * 20
        case n if n > 8:
            y = x * n
        case _:
            y = x
    return y


def patterns(x: Any) -> Any:
    match (x.sum(), [x, 1]):
        case (0.0, _):
            return x + 1
        case (2.0 as s, [y, 1]):
            return y * s
        case (s, [_, *rest]) if s > 5:
            return x * rest[0] * s
    return x - 1


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


def classes(x: Any) -> Any:
    match Point(x.max(), 3):
        case Point(1.0, y):
            x = x * y
        case Point(x=paddle.Tensor() as top) if top > 2:
            x = x * top
        case Point():
            x = x - 1
    match {"kind": "sum", "of": x, "more": 1}:
        case {"kind": "max"}:
            x = x * 0
        case {"kind": "sum", "of": y, **rest} if y.min() > 0:
            x = y * len(rest)
    return x


def match_in_a_loop(x: Any) -> Any:
    i = paddle.to_tensor(0)
    while i < 5:
        match i % 3:
            case 0:
                x = x + 1
            case 1:
                i = i + 1
                continue
            case _:
                if x.sum() > 9:
                    break
        i = i + 1
    return x, i


def what_generators_return(x: Any) -> Any:
    def over(limit: int) -> Any:
        many = x.sum() * 0
        for row in x:
            if row > limit:
                yield row
                many = many + 1
        return many

    def plain_one() -> Any:
        yield x.sum()
        return x.max()

    def outer() -> Any:
        first = yield from over(0)
        second = yield from over(1)
        third = yield from plain_one()
        yield first * 10 + second
        yield third

    return list(outer())


CASES = [
    what_generators_return, filtered, filtered_by_both, filtered_with_walrus,
    filtered_rows_of_a_tensor,
    generator_expression, returned, loop_over_generator, list_of_generator, break_out_of_generator,
    continue_and_enumerate, generator_with_a_native_loop, generator_of_a_generator,
    nested_generator, iteration_over_an_object, literals, patterns, classes, match_in_a_loop,
]  # fmt: skip
VALUES = ([1.0, 1.0], [-1.0, -1.0], [0.0, 0.0], [3.0, 3.0], [5.0, 6.0], [2.0, -1.0], [-4.0, 1.0])


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist()


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in VALUES:
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(function(x)), values


@pytest.mark.parametrize("rows_given", [0, 1, 5])
def test_rows_of_a_size_that_nobody_knows_are_filtered(rows_given: int) -> None:
    @to_static(input_spec=[InputSpec([None, 2])])
    def f(x: Any) -> Any:
        return [row * 2 for row in x if row.sum() > 0]

    x = paddle.arange(rows_given * 2, dtype="float32").reshape([rows_given, 2]) - 3
    assert plain(f(x)) == [[2 * v for v in row] for row in x.tolist() if sum(row) > 0]


def test_gradients_flow_through_filters_and_generators() -> None:
    def f(x: Any) -> Any:
        kept = [y * y for y in rows(x) if y.sum() > 0]
        return sum(kept, x).sum() + sum(parts(x, 2)).sum()

    for values in VALUES:
        grads = []
        for function in (f, to_static(f)):
            x = paddle.to_tensor(values, stop_gradient=False)
            function(x).backward()
            grads.append(x.grad.tolist())
        assert grads[0] == grads[1], values


def endless(x: Any) -> Iterator[Any]:
    while True:
        x = x * 2
        if x.sum() > 3:
            yield x


def break_out_of_an_endless_one(x: Any) -> Any:
    for y in endless(x):
        if y.sum() > 100:
            break
    return y


def break_out_of_a_native_loop(x: Any) -> Any:
    for y in halves(x):
        if y.sum() < 10:
            break
    return x


def the_next_of_a_generator(x: Any) -> Any:
    return next(parts(x, 3))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (break_out_of_an_endless_one, "let the generator itself end"),
        (break_out_of_a_native_loop, "let the generator itself end"),
        (the_next_of_a_generator, r"next\(\) of a generator of which a tensor decides"),
    ],
)
def test_what_is_refused_says_what_to_do(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(ConversionError, match=text):
        to_static(function)(paddle.ones([2]))
