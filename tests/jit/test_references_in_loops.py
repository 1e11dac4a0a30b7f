"""Objects that are one of two, as a tensor decided, lists that rounds of a loop change, and what is
refused.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

sys.path.insert(0, str(Path(__file__).parent))

from same_as_dynamic import Box, check


def an_attribute(x: Any) -> Any:
    p = Box(x)
    left, right = [x], [x + 1]
    p.v = left
    if x.sum() > 0:
        p.v = right
    p.v.append(x)
    return left, right


def an_object(x: Any) -> Any:
    p, q = Box(x), Box(x + 1)
    o = p if x.sum() > 0 else q
    o.v = x * 9
    o.k += 1
    return p.v, q.v, p.k, q.k, o.v


def a_method(x: Any) -> Any:
    p, q = Box(x), Box(x + 1)
    o = p if x.sum() > 0 else q
    y = o.grown(x + 5)
    return p.v, q.v, p.k, q.k, o.v, y


def equal_objects(x: Any) -> Any:
    class P:
        def __init__(self, v):
            self.v = v

        def __eq__(self, o):
            return True

    p, q = P(x), P(x + 1)
    o = p if x.sum() > 0 else q
    o.v = x * 3
    return p.v, q.v


def an_attribute_deleted(x: Any) -> Any:
    p, q = Box(x), Box(x + 1)
    o = p if x.sum() > 0 else q
    del o.v
    o.v = x
    return p.v, q.v


def by_setattr(x: Any) -> Any:
    p, q = Box(x), Box(x + 1)
    o = p if x.sum() > 0 else q
    o.v = x * 9
    if x.max() > 2:
        p.k = 3
    return p.v, q.v, p.k, q.k, o.v


def an_object_or_none(x: Any) -> Any:
    p = Box(x)
    o = p if x.sum() > 0 else None
    if o is not None:
        o.v = x * 3
        o.k += 1
    return p.v, p.k


def an_object_made_in_a_branch(x: Any) -> Any:
    p = Box(x)
    o = p
    if x.sum() > 0:
        o = Box(x + 5)
    o.v = o.v * 2
    return p.v, o.v


def of_a_list(x: Any) -> Any:
    objs = [Box(x), Box(x + 1), Box(x * 2)]
    best = objs[0]
    for o in objs:
        if o.v.sum() > best.v.sum():
            best = o
    best.v = best.v * 0
    best.k = 7
    return [o.v for o in objs], [o.k for o in objs]


def rebound_in_rounds(x: Any) -> Any:
    left, right = [x], [x + 1]
    cur = left
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        cur[0] = cur[0] + 1
        cur = right if x.sum() + i > 2 else left
    return left, right, cur


def grown_in_rounds(x: Any) -> Any:
    left, right = [x], [x + 1]
    cur = left
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        cur.append(x * 2)
        cur = right if x.sum() + i > 2 else left
    return left, right, cur


def made_anew_by_rounds(x: Any) -> Any:
    left = [x]
    cur = left
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        cur.append(x)
        cur = [x * 2]
    return left, cur


def made_anew_by_some_rounds(x: Any) -> Any:
    left = [x]
    cur = left
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        cur[0] = cur[0] + 1
        if x.sum() > i:
            cur = [x * 2]
    return left, cur


def swapped_by_rounds(x: Any) -> Any:
    left, right = [x], [x * 3]
    keep = left
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        left[0] = left[0] + i
        left, right = right, left
    keep[0] = keep[0] * 2
    return left, right, keep


def chosen_in_rounds(x: Any) -> Any:
    left, right = [x], [x + 1]
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        one = left if x.sum() > i else right
        one.append(x * i)
    return left, right


def the_best_of_rounds(x: Any) -> Any:
    beams = [[x], [x + 1]]
    best = beams[0]
    i = paddle.to_tensor(0)
    while i < 2:
        i = i + 1
        for b in beams:
            if b[-1].sum() > best[-1].sum():
                best = b
        best.append(x * i)
    return beams, best


def the_state_of_rounds(x: Any) -> Any:
    state = {"h": x, "c": x * 2}
    keep = state
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        state["h"] = state["h"] + 1
        state = {"h": state["c"], "c": state["h"]}
    return state, keep


def an_object_of_rounds(x: Any) -> Any:
    p, q = Box(x), Box(x + 1)
    cur = p
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        cur.v = cur.v + i
        cur.k += 1
        cur = q if cur.v.sum() > 3 else p
    return p.v, q.v, p.k, q.k


def the_best_or_none(x: Any) -> Any:
    best = None
    rows = [[x], [x + 1], [x - 1]]
    for r in rows:
        if best is None or r[0].sum() > best[0].sum():
            best = r
    best.append(x)
    return rows


CASES = [
    an_attribute, an_object, a_method, equal_objects, an_attribute_deleted, by_setattr,
    an_object_or_none, an_object_made_in_a_branch, of_a_list, rebound_in_rounds,
    grown_in_rounds, made_anew_by_rounds, made_anew_by_some_rounds, swapped_by_rounds,
    chosen_in_rounds, the_best_of_rounds, the_state_of_rounds, an_object_of_rounds,
    the_best_or_none,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    check(function)


def a_set(x: Any) -> Any:
    left, right = set(), set()
    one = left if x.sum() > 0 else right
    one.add(3)
    return 3 in left, 3 in right


def a_class_that_is_a_list(x: Any) -> Any:
    class R(list):
        pass

    p, q = R(), R()
    one = p if x.sum() > 0 else q
    one.append(x)
    return len(p), len(q)


def a_deque(x: Any) -> Any:
    p, q = collections.deque(), collections.deque()
    one = p if x.sum() > 0 else q
    one.append(x)
    return len(p), len(q)


def an_element_read(x: Any) -> Any:
    rows = [[x, x]]
    if x.sum() > 0:
        rows.append([x + 1, x])
    for r in rows:
        r[0] = x * 3
    return rows


def an_element_put_in(x: Any) -> Any:
    rows = []
    item = [x, x]
    i = paddle.to_tensor(0)
    while i < 2:
        i = i + 1
        rows.append(item)
    item[0] = x * 3
    return rows


def two_names_in_rounds(x: Any) -> Any:
    one = two = [x]
    i = paddle.to_tensor(0)
    while i < 3:
        i = i + 1
        one[0] = one[0] + 1
        one = two = [two[0] * 2]
    return one, two


def an_iterator_kept(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    it = iter(one)
    left[0] = x * 5
    return next(it)


def a_slice(x: Any) -> Any:
    left, right = [x, x + 1], [x + 2, x + 3]
    one = left if x.sum() > 0 else right
    one[:1] = [x, x]
    one[1:] = []
    return left, right


REFUSED = [
    (a_set, "what this set holds; use a list"),
    (a_class_that_is_a_list, "an item of a R inside a branch"),
    (a_deque, "an item of a deque inside a branch"),
    (an_element_read, "put a new one in its place \\(`rows\\[i\\] = "),
    (an_element_put_in, "put a new one in its place"),
    (two_names_in_rounds, "is meant before it gets a second name, or make a copy"),
    (an_iterator_kept, "or is being iterated over"),
    (a_slice, "does not have an assignment to a part of it"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED, ids=[one.__name__ for one, _ in REFUSED])
def test_what_cannot_be_followed_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        to_static(function)(paddle.to_tensor([1.0, 2.0]))
