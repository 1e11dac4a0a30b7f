"""Dicts of which a tensor decides whether they have a key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import plain, same
from same_as_dynamic import Box, check


def a_key_of_one_branch(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    y = d["k"] * 2 if "k" in d else x
    return y, len(d), d.get("k"), d.get("k", x * 3), d


def an_error_where_it_is_not(x: Any) -> Any:
    d = {"a": x}
    if x.sum() > 0:
        d["k"] = x
    return d["k"]


def an_error_that_is_caught(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    try:
        y = d["k"]
    except KeyError:
        y = x * 9
    return y


def set_by_default(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    d.setdefault("k", x * 5)
    return d


def taken_out(x: Any) -> Any:
    d = {"a": x}
    if x.sum() > 0:
        d["k"] = x
    y = d.pop("k", x * 4)
    return y, d, len(d)


def taken_out_or_an_error(x: Any) -> Any:
    d = {"a": x}
    if x.sum() > 0:
        d["k"] = x
    y = d.pop("k")
    return y, d


def deleted_in_a_branch(x: Any) -> Any:
    d = {"a": x, "b": x + 1}
    if x.sum() > 0:
        del d["a"]
    return d, len(d), "a" in d


def set_in_any_case_later(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    d["k"] = x * 2
    for v in d.values():
        x = x + v
    return x, d


def set_by_rounds(x: Any) -> Any:
    d, i = {}, paddle.to_tensor(0)
    n = (x > 0).sum()
    while i < n:
        d["i"] = i
        i = i + 1
    return len(d), d.get("i", -1), d


def in_many_branches(x: Any) -> Any:
    d = {"n": 0}
    for i in range(3):
        if x.sum() > i:
            d["n"] = d["n"] + 1
        if x.max() > i:
            d[i] = x * i
    return d, len(d)


def a_memo(x: Any) -> Any:
    memo = {}

    def get(k):
        if k not in memo:
            memo[k] = x * k
        return memo[k]

    if x.sum() > 0:
        get(2)
    y = get(2) + get(2)
    return y, memo


def whether_there_is_a_key(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    y = x
    if d:
        y = x * 7
    return y, not d


def updated(x: Any) -> Any:
    d = {"a": x}
    if x.sum() > 0:
        d.update(b=x, c=x * 2)
    d["a"] = x * 5
    return d, "b" in d and "c" in d


def one_key_in_each_branch(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["p"] = x
    else:
        d["q"] = x * 2
    return d, len(d), "p" in d, d.get("q", 0)


def in_a_dict_in_a_dict(x: Any) -> Any:
    d = {"in": {}}
    if x.sum() > 0:
        d["in"]["k"] = x
    if x.max() > 2:
        d["in"]["k"] = x * 2
    return d, len(d["in"])


def set_and_deleted(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    if x.max() > 2:
        d["k"] = x * 2
    if x.min() > 2:
        del d["k"]
    return d, len(d)


def copied(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    e = d.copy()
    e["z"] = x
    return e, len(e), d


def made_by_a_call(x: Any) -> Any:
    d = dict({"a": x}, b=x)
    if x.sum() > 0:
        d["k"] = x
    return d, len(d), dict(d, z=1)


def of_an_object(x: Any) -> Any:
    b = Box({})
    b.v = {}
    if x.sum() > 0:
        b.v["k"] = x
    return b.v.get("k", x * 2), len(b.v)


def a_list_under_it(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = []
    if "k" in d:
        d["k"].append(x)
    return d


def a_list_by_default(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d.setdefault("k", []).append(x)
    d.setdefault("k", []).append(x * 2)
    return d


def of_one_of_two_dicts(x: Any) -> Any:
    p, q = {"a": x}, {"a": x + 1}
    one = p if x.sum() > 0 else q
    one["b"] = x * 3
    return p, q, one, "b" in p, len(q)


def by_a_comprehension(x: Any) -> Any:
    d = {k: x * k for k in range(3)}
    if x.sum() > 0:
        d[7] = x
    return d.get(7, x), d


def behind_an_early_return(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
        if x.max() > 2:
            return d
    d["z"] = x
    return d


CASES = [
    a_key_of_one_branch, an_error_where_it_is_not, an_error_that_is_caught, set_by_default,
    taken_out, taken_out_or_an_error, deleted_in_a_branch, set_in_any_case_later, set_by_rounds,
    in_many_branches, a_memo, whether_there_is_a_key, updated, one_key_in_each_branch,
    in_a_dict_in_a_dict, set_and_deleted, copied, made_by_a_call, of_an_object, a_list_under_it,
    a_list_by_default, of_one_of_two_dicts, by_a_comprehension, behind_an_early_return,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    check(function)


def iterated_over(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    s = x
    for k in d:
        s = s + d[k]
    return s


def spread(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    return {**d, "z": x}


def set_again_behind_another(x: Any) -> Any:
    d = {}
    if x.sum() > 0:
        d["k"] = x
    d["z"] = x
    d["k"] = x * 2
    return d


def the_last_item(x: Any) -> Any:
    d = {"a": x}
    d["b"] = x
    if x.sum() > 0:
        d["c"] = x
    return d.popitem()


@pytest.mark.parametrize(
    "function", [iterated_over, spread, set_again_behind_another, the_last_item]
)
def test_what_needs_all_keys_is_refused(function: Callable[..., Any]) -> None:
    message = r"whether this dict has the key '[kc]', .* `len\(d\)` do not. Else give it that key"
    with pytest.raises(ConversionError, match=message):
        to_static(function)(paddle.to_tensor([1.0, 2.0]))


def test_a_dict_from_outside_keeps_its_keys() -> None:
    @to_static
    def function(x: Any, d: dict[str, Any]) -> Any:
        if x.sum() > 0:
            d["k"] = x
        return d["k"]

    with pytest.raises(ConversionError, match="whether this dict has the key 'k'"):
        function(paddle.to_tensor([1.0, 2.0]), {"a": 1})


def test_what_may_not_be_there_is_saved_and_loaded(tmp_path: Path) -> None:
    def keyed(x: Any) -> Any:
        found = {"a": x}
        if x.sum() > 0:
            found["b"] = x + 1
        return found

    def unassigned(x: Any) -> Any:
        if x.sum() > -1:
            y = x
        return [y, x]

    for function in (keyed, unassigned):
        path = str(tmp_path / function.__name__)
        paddle.jit.save(to_static(function, [InputSpec([2])]), path)
        loaded = paddle.jit.load(path)
        for values in ([1.0, 2.0], [-0.5, 0.0]):
            x = paddle.to_tensor(values)
            assert same(plain(function(x)), plain(loaded(x))), values
    with pytest.raises(UnboundLocalError, match="'y'"):
        loaded(paddle.to_tensor([-3.0, 0.0]))
