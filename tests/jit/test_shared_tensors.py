"""A tensor that is held in several places stays one, where branches and loops write it in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

EQUAL: dict[str, Callable[[Any, Any], Any]] = {}


def equal(text: str) -> Callable[[Any], Any]:
    def note(function: Any) -> Any:
        EQUAL[text] = function
        return function

    return note


@equal("one side writes a tensor in a list, the other side makes the list longer")
def _(x: Any, buffer: Any) -> Any:
    held = x + 1
    rows = [held, x]
    if x.sum() > 0:
        rows.append(x * 2)
    else:
        held.add_(x)
    return rows


@equal("one side writes a tensor in a list in a list, the other side makes the outer one longer")
def _(x: Any, buffer: Any) -> Any:
    rows = [[x + 1, x]]
    held = rows[0][0]
    if x.sum() > 0:
        rows.append([x, x])
    else:
        held.add_(x)
    return rows


@equal("one side writes a tensor in a list, the other side replaces it there")
def _(x: Any, buffer: Any) -> Any:
    held = x + 1
    rows = [held, x]
    if x.sum() > 0:
        rows[0] = x * 5
    else:
        held.add_(x)
    return rows


@equal("a branch gives a name to a captured tensor that it wrote")
def _(x: Any, buffer: Any) -> Any:
    chosen = x
    if x.sum() > 0:
        buffer.add_(x)
        chosen = buffer
    return chosen + 0


@equal("one side writes a captured tensor in a list, the other side makes the list longer")
def _(x: Any, buffer: Any) -> Any:
    rows = [buffer]
    if x.sum() > 0:
        rows.append(x)
    else:
        buffer.add_(x)
    return rows


@equal("a captured tensor that rounds wrote and gave a name to is written by that name")
def _(x: Any, buffer: Any) -> Any:
    chosen = x
    for _ in range(x.max().astype("int64")):
        buffer.add_(x)
        chosen = buffer
    chosen.add_(x)
    return chosen + 0


@equal("what a captured tensor was set to is written later")
def _(x: Any, buffer: Any) -> Any:
    value = x + 1
    buffer.set_value(value)
    value.add_(x)
    return value, buffer + 0


@equal("a stack of a list whose length a tensor decides is a copy")
def _(x: Any, buffer: Any) -> Any:
    rows = [x + 1]
    if x.sum() > 0:
        rows.append(x * 3)
    table = paddle.stack(rows)
    table[0] = 5
    return rows, table


@equal("a tensor is written in place before it is put into such a list, and not after")
def _(x: Any, buffer: Any) -> Any:
    rows, kept = [x + 1], x * 2
    for i in range((x > 0).sum()):
        kept[0] += i
        rows.append(kept + 0)
        rows.append(x)
    kept[1] = 9
    return rows, kept, rows[-1] is buffer


@equal("one side writes a list in a list, the other side replaces it there")
def _(x: Any, buffer: Any) -> Any:
    inner = [x, 3]
    nest, table = [inner], {"a": {"b": x}}
    if x.sum() > 0:
        inner[0] = x * 2
        table["a"]["b"] = x * 4
    else:
        nest[0] = [x * 3, 4]
        table["a"] = {"b": x * 5}
    return nest, inner, table


@equal("one side sets an attribute by its name")
def _(x: Any, buffer: Any) -> Any:
    box = type("Box", (), {"v": x})()
    if x.sum() > 0:
        setattr(box, "v", x + 1)  # noqa: B010
        box.w = x
    for name in "ab":
        setattr(box, name, x)
        delattr(box, name)
    return box.v, hasattr(box, "a")


@equal("an element of a list whose length a tensor decides is written in place")
def _(x: Any, buffer: Any) -> Any:
    rows = [x + 1, x * 2]
    if x.sum() > 0:
        rows.append(x * 3)
    last = rows[-1]
    rows[0][0] = 7
    rows[-1].add_(x)
    return rows, last


@pytest.mark.parametrize("text", EQUAL)
def test_as_in_dynamic_mode(text: str) -> None:
    function = EQUAL[text]
    buffer, same = paddle.zeros([2]), paddle.zeros([2])
    static = to_static(lambda x: function(x, buffer))
    for values in ([1.0, 2.0], [-2.0, 1.0], [0.0, -3.0]):
        args = paddle.to_tensor(values), paddle.to_tensor(values)
        assert plain(static(args[0])) == plain(function(args[1], same)), values
        assert plain([args[0], buffer]) == plain([args[1], same]), values


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def put_in_before_it_is_written(x: Any) -> Any:
    kept = x + 1
    rows = [kept]
    if x.sum() > 0:
        rows.append(x)
    kept.add_(x)
    return rows


def put_in_by_each_round(x: Any) -> Any:
    kept, rows = x + 1, []
    for _ in range((x > 0).sum()):
        kept.add_(x)
        rows.append(kept)
    return rows


def written_behind_the_loop(x: Any) -> Any:
    kept, rows = x + 1, []
    for _ in range((x > 0).sum()):
        kept = kept + 1
        rows.append(kept)
    kept.add_(x)
    return rows


def a_part_of_it_is_put_in(x: Any) -> Any:
    table = paddle.zeros([4, 2])
    rows = [table[0]]
    if x.sum() > 0:
        rows.append(x)
    table[0] = x
    return rows


def written_as_an_element(x: Any) -> Any:
    kept = x + 1
    rows = [kept]
    if x.sum() > 0:
        rows.append(x)
    rows[0].add_(x)
    return kept


def asked_for(x: Any) -> Any:
    rows = [x]
    if x.sum() > 0:
        rows.append(x + 1)
    return 1 if rows[0] is x else 2


@pytest.mark.parametrize(
    "function",
    [
        put_in_before_it_is_written, put_in_by_each_round, written_behind_the_loop,
        a_part_of_it_is_put_in, written_as_an_element, asked_for,
    ],
)  # fmt: skip
def test_a_tensor_in_a_list_whose_length_a_tensor_decides_is_refused(function: Any) -> None:
    with pytest.raises(ConversionError, match="may share its memory"):
        to_static(function)(paddle.ones([2]))


def test_the_refusal_names_the_write() -> None:
    with pytest.raises(ConversionError, match=r"written at .*: kept.add_\(x\)\); use a copy"):
        to_static(put_in_before_it_is_written)(paddle.ones([2]))
