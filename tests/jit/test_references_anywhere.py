"""A list or dict that is one of two, as a tensor decided, in all places where one may be."""

from __future__ import annotations

import collections
import functools
import heapq
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle

sys.path.insert(0, str(Path(__file__).parent))

from same_as_dynamic import Box, check


def before_an_early_return(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left
    if x.sum() > 0:
        one = right
        if x.max() > 2:
            return left, right
    one.append(x)
    return left, right, one


def by_a_try(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left
    try:
        if x.sum() > 0:
            raise ValueError("e")
        one = right
    except ValueError:
        pass
    one.append(x)
    return left, right


def in_a_tuple(x: Any) -> Any:
    left, right = [x], [x + 1]
    pair = (left, 1) if x.sum() > 0 else (right, 2)
    pair[0].append(x)
    return left, right, pair


def in_a_namedtuple(x: Any) -> Any:
    P = collections.namedtuple("P", "a b")
    left, right = [x], [x + 1]
    p = P(left, 1) if x.sum() > 0 else P(right, 2)
    p.a.append(x)
    return left, right, p.b


def of_other_lengths(x: Any) -> Any:
    left, right = [x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one.append(x * 2)
    return left, right, len(one)


def grown_by_a_loop(x: Any) -> Any:
    left, right = [x], [x + 1, x]
    one = left if x.sum() > 0 else right
    while len(one) < 4:
        one.append(x)
    return left, right


def an_operand(x: Any) -> Any:
    a, b = [], [x + 1]
    one = (x.sum() > 0 and a) or b
    one.append(x)
    return a, b


def by_a_closure(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right

    def put():
        one.append(x)

    put()
    put()
    return left, right


def matched(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one[1] = x * 2
    match one:
        case [a, b]:
            t = a + b
        case _:
            t = x
    return left, right, t


def unpacked(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one[1] = x * 2
    a, *b = one
    return left, right, a, b, paddle.stack([*one])


def written_while_iterated_over(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    for i, v in enumerate(one):
        one[i] = v + 1
    return left, right


def a_dict_written_while_iterated_over(x: Any) -> Any:
    left, right = {"v": x}, {"v": x + 1}
    one = left if x.sum() > 0 else right
    for k, v in one.items():
        one[k] = v + 1
    return left, right


def kept_in_an_object(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    one[0] = x * 2
    b = Box(one)
    b.v.append(x)
    return left, right


def given_to_a_layer(x: Any) -> Any:
    class L(paddle.nn.Layer):
        def forward(self, rows, v):
            rows.append(v)
            return v * 2

    net = L()
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    y = net(one, x)
    return left, right, y


def given_to_partial(x: Any) -> Any:
    def put(rows, v):
        rows.append(v)

    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    one[0] = x
    f = functools.partial(put, one)
    f(x)
    return left, right


def given_to_the_library(x: Any) -> Any:
    left, right = [5, 6], [1, 7]
    one = left if x.sum() > 0 else right
    heapq.heappush(one, 0)
    return left, right


def lists_that_a_side_left_alone(x: Any) -> Any:
    left, right = [x], [x * 2]
    box = [left, right]
    if x.sum() > 0:
        box[0], box[1] = box[1], box[0]
    else:
        for r in box:
            r[0] = r[0] + 1
    return box


def read_after_it_grew(x: Any) -> Any:
    left, right = [x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one.append(x)
    s = x
    for v in one:
        s = s + v
    return left, right, s, len(one), one[-1]


def elements_under_two_names(x: Any) -> Any:
    inner = [x]
    rows = [inner, inner]
    if x.sum() > 0:
        rows[0] = [x + 1]
    rows[0].append(x)
    rows[1].append(x * 2)
    return rows, inner


CASES = [
    before_an_early_return, by_a_try, in_a_tuple, in_a_namedtuple, of_other_lengths,
    grown_by_a_loop, an_operand, by_a_closure, matched, unpacked, written_while_iterated_over,
    a_dict_written_while_iterated_over, kept_in_an_object, given_to_a_layer, given_to_partial,
    given_to_the_library, lists_that_a_side_left_alone, read_after_it_grew,
    elements_under_two_names,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    check(function)
