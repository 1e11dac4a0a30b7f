"""A list, dict or tensor under two names stays one, through branches and loops on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError


class Box:
    pass


def grown_inside_of_a_dict(x: Any, n: Any) -> Any:
    items: list[Any] = []
    table = {"items": items, "sum": paddle.to_tensor(0.0)}
    i = paddle.to_tensor(0)
    while i < n:
        items.append(x + i)
        table["sum"] = table["sum"] + 1
        i = i + 1
    table["items"].append(x * 100)
    return items, table


def written_in_a_branch(x: Any, n: Any) -> Any:
    table = {"items": [1], "sum": paddle.to_tensor(0.0)}
    items = table["items"]
    if n > 0:
        items.append(2)
        table["sum"] = table["sum"] + 1
    else:
        table["sum"] = table["sum"] - 1
    table["items"].append(3)
    return len(items), items[-1], table


def beside_one_that_is_replaced(x: Any, n: Any) -> Any:
    rows = [[x], [x, x]]
    first = rows[0]
    for i in range(n):
        rows[1] = [x * 2, x * 3]
        first.append(x + i)
    first.append(x)
    return rows, first


def in_a_branch_that_goes_on(x: Any, n: Any) -> Any:
    items = [x]
    table = {"items": items, "count": 0}
    if n > 3:
        raise ValueError("too many")
    else:
        made = [x]
        made.append(x + 1)
        table["made"] = made
        items.append(x * 2)
        table["count"] = n
    table["items"].append(x)
    made.append(x)
    return items, table, made


def held_by_an_object(x: Any, n: Any) -> Any:
    box = Box()
    box.items, box.total = [], x
    same = box.items
    while box.total.sum() < n:
        same.append(box.total)
        box.total = box.total + 1
    box.items.append(x)
    return same, len(box.items), box.total


def in_a_tuple(x: Any, n: Any) -> Any:
    items = [x]
    pair = (items, x)
    if n > 0:
        pair = (items, x + 1)
    items.append(x)
    return len(pair[0]), pair


def a_tensor_that_a_branch_chose(x: Any, n: Any) -> Any:
    y, z = x + 1, x * 2
    chosen = y if n > 0 else z
    chosen[0] = 7
    y.add_(x)
    return x, y, z, chosen


def one_of_many(x: Any, n: Any) -> Any:
    y, z = x + 1, x * 2
    if n > 3:
        chosen = x
    elif n > 0:
        chosen = y
    else:
        chosen = z
    view = chosen[0:1]
    view[0] = 7
    z[1] = 8
    return x, y, z, chosen, view


def the_start_of_a_loop(x: Any, n: Any) -> Any:
    y = x + 1
    h = y
    for _ in range(n):
        h = h * 2
    h[0] = 5
    return y, h


def put_in_by_each_round(x: Any, n: Any) -> Any:
    y, h = x + 1, x * 2
    for _ in range(n):
        h = y
    h[0] = 5
    y[1] = 6
    return y, h


def written_after_it_was_bound_anew(x: Any, n: Any) -> Any:
    a, b = x + 0, x * 2
    for _ in range(n):
        b[0] += 1
        b = a
    return a, b


def the_argument_in_the_first_round_only(x: Any, n: Any) -> Any:
    for _ in range(n):
        x[0] += 1
        x = x * 2
    return x


def swapped_by_each_round(x: Any, n: Any) -> Any:
    a, b = first, second = x + 1, x * 2
    for i in range(n):
        a[0] += i + 1
        a, b = b, a
        b[1] = 9
    b[0] = 4
    return a, b, first, second


def one_new_tensor_under_two_names(x: Any, n: Any) -> Any:
    a, b = x + 1, x * 2
    for _ in range(n):
        a[0] += 1
        b[1] += a[0]
        a = b = a + b
    a[1] = 8
    return a, b


def one_new_tensor_behind_a_loop(x: Any, n: Any) -> Any:
    a, b = x + 1, x * 2
    for _ in range(n):
        a = b = a + b
    a[1] = 8
    return a, b


def one_new_tensor_of_a_branch(x: Any, n: Any) -> Any:
    a, b, c = x + 1, x * 2, x * 3
    if n > 0:
        a = b = c = a + b
        c = c * 1
    a[1] = 8
    c[0] = 2
    return a, b, c


def bound_anew_in_some_rounds(x: Any, n: Any) -> Any:
    a, b = x + 1, x * 2
    c = b
    for i in range(n):
        if c.sum() > 5:
            c = a
        c[0] += 1
        if i % 2 == 0:
            c = c + 1
    c[1] = 0
    return a, b, c


def asked_for_with_is(x: Any, n: Any) -> Any:
    a, b, count = x + 1, x * 2, 0
    c = b
    for _ in range(n):
        if c is a:
            count += 1
        if c is b:
            count += 10
        c = a if count % 3 == 1 else b + 0 if count > 30 else a
    return count, c is a


def in_nested_loops(x: Any, n: Any) -> Any:
    a, b = x + 1, x * 2
    c = a
    for i in range(n):
        for _ in range(i):
            c[0] += 1
            c = b
        c[1] += 1
        if i % 2 == 1:
            c = a
    return a, b, c


def behind_one_another(x: Any, n: Any) -> Any:
    a = b = c = x
    for _ in range(n):
        c, b, a = b, a, a + 1
        c[0] = c[0] + 2
    return a, b, c


def a_view_that_is_read_before_the_write(x: Any, n: Any) -> Any:
    rows = paddle.zeros([8, 2])
    last = x
    for i in range(n):
        rows[i + 1] = last + 1
        last = rows[i + 1]
    return rows, last


def lists_of_the_branch_that_goes_on(x: Any, n: Any) -> Any:
    if n > 3:
        raise ValueError("too many")
    else:
        items = [x * 2]
        table = {"items": items, "pair": ([x + 1], x)}
    if n > 1:
        kept = [[x + 1], x]
    else:
        if n > 0:
            raise ValueError("one")
        kept = [[x], x * n]
    table["items"].append(x)
    items[0] = items[0] + 1
    table["pair"][0].append(items[0])
    return items, table, kept


def an_object_of_the_branch_that_goes_on(x: Any, n: Any) -> Any:
    if n > 3:
        raise ValueError("too many")
    else:
        box = Box()
        box.items, box.total = [x * 2], x + n
    same = box
    same.total = box.total + 1
    box.items.append(same.total)
    return box.items, box.total


def kept_after_it_was_chosen(x: Any, n: Any) -> Any:
    a, b = x + 0, x * 2
    c = b
    for i in range(4):
        a[1] += 1
        b[0] -= i
        c = c if n <= i else (a if i < 2 else b)
        b = b if n > i + 1 else a
    c[0] = 7
    return a, b, c


def bound_to_itself_by_each_round(x: Any, n: Any) -> Any:
    a, b = x, x * 2
    c = b
    for i in range(n):
        a = a
        if i > 1:
            c[1] += 1
        c = c
    x[1] = 1
    b[0] = 5
    return a, b, c


CASES = [
    bound_to_itself_by_each_round,
    kept_after_it_was_chosen,
    lists_of_the_branch_that_goes_on, an_object_of_the_branch_that_goes_on,
    written_after_it_was_bound_anew, the_argument_in_the_first_round_only, swapped_by_each_round,
    one_new_tensor_under_two_names, one_new_tensor_behind_a_loop, one_new_tensor_of_a_branch,
    bound_anew_in_some_rounds, asked_for_with_is, in_nested_loops, behind_one_another,
    a_view_that_is_read_before_the_write,
    grown_inside_of_a_dict, written_in_a_branch, beside_one_that_is_replaced,
    in_a_branch_that_goes_on, held_by_an_object, in_a_tuple,
    a_tensor_that_a_branch_chose, one_of_many, the_start_of_a_loop, put_in_by_each_round,
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return plain(function(*args))
    except ValueError as error:
        return str(error).splitlines()[-1]


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for count in (0, 1, 3, 5):
        args, same = ((paddle.to_tensor([1.0, 2.0]), paddle.to_tensor(count)) for _ in range(2))
        assert outcome(static, *args) == outcome(function, *same), count
        assert args[0].tolist() == same[0].tolist(), count


def test_a_view_that_a_branch_made_is_refused_where_it_is_written() -> None:
    @to_static
    def function(x: Any) -> Any:
        y = x + 1
        part = y[0:1] if x.sum() > 0 else x[0:1]
        part[0] = 7
        return y, part

    with pytest.raises(ConversionError, match=r"may share its memory .* `y = y.clone\(\)`"):
        function(paddle.to_tensor([1.0, 2.0]))


def swapped(times: int) -> Any:
    @to_static
    def function(x: Any) -> Any:
        y, z = x + 1, x + 2
        a, b = y, z
        for i in range(times):
            if x.sum() > i:
                a, b = b, a
        a[0] = 9
        return y, z, a

    for value in (-1.0, 3.0, 4.0, 20.0):
        x = paddle.to_tensor([value, 0.0])
        assert plain(function(x)) == plain(function.dynamic(x)), value
    return len(list(function.main_program.all_ops()))


def test_choices_of_choices_do_not_double() -> None:
    assert swapped(12) < 4 * swapped(4)


def nested(x: Any, rounds: int) -> Any:
    for _ in range(rounds):
        x = x * 2
        if x.sum() < 100:
            y = x
            if y.sum() > 3:
                z = y
                if z.sum() > 50:
                    x = z
    return x


def test_of_choices_that_nobody_asks_for_no_ops_tell() -> None:
    counts = []
    for rounds in (5, 10):
        static = to_static(nested)
        x = paddle.to_tensor([0.5, 0.25])
        assert static(x, rounds).tolist() == nested(x, rounds).tolist()
        counts.append(len(list(static.concrete_program.main_program.all_ops())))
    assert counts[1] <= 2 * counts[0]


def test_a_write_to_one_of_them_reaches_it() -> None:
    def f(x: Any) -> Any:
        first = x + 1
        found = nested(first, 3)
        found.add_(x)
        return first, found, found is first

    for values in ([0.5, 0.25], [50.0, 60.0], [-1.0, -2.0]):
        x = paddle.to_tensor(values)
        static, dynamic = to_static(f)(x), f(x)
        assert [one.tolist() for one in static[:2]] == [one.tolist() for one in dynamic[:2]]
        assert bool(static[2]) == dynamic[2]
