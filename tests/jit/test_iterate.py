"""Where Python itself iterates: over tensors, and what enumerate, zip and range make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static


def _values(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _values(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(map(_values, found))
    return found.tolist() if isinstance(found, paddle.Tensor) else found


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [i * row for i, row in enumerate(x)],
        lambda x: {i: row + 1 for i, row in enumerate(x, 1)},
        lambda x: [a * b for a, b in zip(x, x * 2, strict=True)],
        lambda x: [x[i] for i in range(x.shape[0])],
        lambda x: list(enumerate(zip(x, x, strict=True))),
        lambda x: (next(iter(enumerate(x))), dict(enumerate(x)), list(reversed(x))),
        lambda x: sum(i * row for i, row in enumerate(x)),
        lambda x: [[a * b for a in x] for b in x],
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_python_iterates_as_in_dynamic_mode(function: Callable[[Any], Any], rows: int) -> None:
    x = paddle.arange(rows * 2, dtype="float32").reshape([rows, 2])
    assert _values(to_static(function)(x)) == _values(function(x))


def test_a_loop_carries_a_name_that_a_comprehension_binds_too() -> None:
    def count(x: Any) -> Any:
        table, count, i = {"y": x, 2: 1}, 0, paddle.to_tensor(0)
        while i < 3:
            i = i + 1
            if x.sum() > 2:
                table = {key: x for key in table}  # noqa: C420
            elif x.sum() > i:
                if x[0] > 1:
                    continue
                for key in table.items():
                    count = count + len(key)
        return count, i

    static = to_static(count)
    for values in ([2.0, 1.0], [1.5, 0.0], [0.5, 1.0], [0.0, 0.0]):
        x = paddle.to_tensor(values)
        assert str(static(x)[0].item()) == str(count(x)[0]), values


def test_a_break_that_a_tensor_decides_out_of_what_is_reversed() -> None:
    def last_below(x: Any) -> Any:
        found = x * 0
        for i in reversed(range(4)):
            if x.sum() > i:
                break
            found = x + i
        return found

    static = to_static(last_below)
    for values in ([2.0, 0.5], [0.0, 0.0], [4.0, 1.0]):
        x = paddle.to_tensor(values)
        assert _values(static(x)) == _values(last_below(x)), values
