"""A list or dict that is one of two, as a tensor decided, is the object: a write to it is one to
that of the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle

sys.path.insert(0, str(Path(__file__).parent))

from same_as_dynamic import check


def appended(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left
    if x.sum() > 0:
        one = right
    one.append(x * 2)
    return left, right


def an_item_written(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    one[0] = x * 3
    return left, right, one


def asked_with_is(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    if one is right:
        one.append(x)
    return left, right, one is not left


def the_original_written(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    left[0] = x * 5
    return one, left, right


def or_none(x: Any) -> Any:
    left = [x]
    one = left if x.sum() > 0 else None
    if one is not None:
        one.append(x + 1)
    return left


def in_another_list(x: Any) -> Any:
    left, right = [x], [x + 1]
    box = [left]
    if x.sum() > 0:
        box[0] = right
    box[0].append(x)
    return left, right, box


def out_of_a_function(x: Any) -> Any:
    left, right = [x], [x + 1]

    def pick(a: Any, b: Any) -> Any:
        if x.sum() > 0:
            return a
        return b

    pick(left, right).append(x)
    return left, right


def of_a_dict(x: Any) -> Any:
    left, right = {"v": x}, {"v": x + 1}
    one = left if x.sum() > 0 else right
    one.update(v=x * 7)
    one.setdefault("v", x)
    return left, right, one


def popped(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    t = one.pop()
    return left, right, t


def added_to_in_place(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    one += [x]
    return left, right


def extended(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    one.extend([x, x])
    return left, right


def items_deleted(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    del one[0]
    return left, right


def items_added_to(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one[0] += 1
    one[1] = one[0] * 2
    return left, right, one


def sorted_in_place(x: Any) -> Any:
    left, right = [2, 1], [4, 3]
    one = left if x.sum() > 0 else right
    one.sort()
    one.reverse()
    one.insert(0, 7)
    return left, right


def made_in_a_branch(x: Any) -> Any:
    if x.sum() > 0:
        one = two = [x]
    else:
        one = [x]
        two = [x + 1]
    one.append(x)
    return one, two


def made_in_one_branch_only(x: Any) -> Any:
    left = [x]
    one = left
    if x.sum() > 0:
        one = [x + 2]
    one.append(x)
    return left, one


def lists_in_lists(x: Any) -> Any:
    left, right = [[x]], [[x + 1]]
    one = left if x.sum() > 0 else right
    one[0].append(x)
    return left, right


def an_inner_list(x: Any) -> Any:
    left, right = [[x]], [[x + 1]]
    one = left if x.sum() > 0 else right
    inner = one[0]
    inner[0] = x * 8
    return left, right, inner


def read_in_all_ways(x: Any) -> Any:
    left, right = [x, x], [x + 1, x]
    one = left if x.sum() > 0 else right
    one[0] = x * 2
    a, b = one
    tot = a + b
    for v in one:
        tot = tot + v
    for i, v in enumerate(one):
        tot = tot + v * i
    tot = tot + sum(one) + one[-1] + paddle.concat(one).sum()
    tot = tot + paddle.stack(one).sum() + max([len(one), 1])
    tot = tot + sum([v * 2 for v in one])
    for u, v in zip(one, left, strict=True):
        tot = tot + u * v
    return left, right, tot, [*one], one[1:], (one + one)[:1], len(one), list(one), tuple(one)


def dicts_read_in_all_ways(x: Any) -> Any:
    left, right = {"v": x, "w": x}, {"v": x + 1, "w": x}
    one = left if x.sum() > 0 else right
    one["v"] = x * 2
    tot = x
    for k in one:
        tot = tot + one[k]
    for k, v in one.items():
        tot = tot + v * (k == "v")
    for v in one.values():
        tot = tot + v
    return left, right, tot, {**one}, one.get("v"), one.get("z", 1), "v" in one, len(one), dict(one)


def one_of_three(x: Any) -> Any:
    a, b, c = [x], [x + 1], [x + 2]
    if x.sum() > 0:
        one, two = a, b
    elif x.max() > 0.5:
        one, two = b, c
    else:
        one, two = c, a
    one.append(x)
    two[0] = x * 7
    return a, b, c, one, two, one is two


def written_in_a_branch(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    if x.max() > 2:
        one.append(x)
    return left, right, one


def under_two_names(x: Any) -> Any:
    left, right = [x], [x + 1]
    one = left if x.sum() > 0 else right
    two = one
    two.append(x)
    return left, right, one is two, one


def swapped(x: Any) -> Any:
    left, right = [x], [x + 1]
    keep = left
    if x.sum() > 0:
        left, right = right, left
    left.append(x * 3)
    return left, right, keep


def chosen_again_by_the_same_condition(x: Any) -> Any:
    known = x.sum() > 0
    left, right = [x], {"v": x}
    one = left if known else right
    if one is left:
        one = left if known else right
    return one is left, one is right, len(one)


CASES = [
    appended, an_item_written, asked_with_is, the_original_written, or_none, in_another_list,
    out_of_a_function, of_a_dict, popped, added_to_in_place, extended, items_deleted,
    items_added_to, sorted_in_place, made_in_a_branch, made_in_one_branch_only, lists_in_lists,
    an_inner_list, read_in_all_ways, dicts_read_in_all_ways, one_of_three, written_in_a_branch,
    under_two_names, swapped, chosen_again_by_the_same_condition,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    check(function)
