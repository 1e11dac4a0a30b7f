"""Lambdas are converted wherever they stand: on one line, or in brackets over several lines."""

from __future__ import annotations

from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static

TABLE = {
    "parted": lambda x: (
        x + 1 if x.sum() > 0
        else x - 1
    ), "beside": lambda x: x * 2 if x.sum() > 0 else x * 3,
    "nested": lambda x: (lambda x: -x if x.sum() > 0 else x)(x),
}  # fmt: skip

# Of which Python makes nested functions.
CELLS = (lambda x: [x * i for i in range(3)][-1], lambda x: (lambda y: x + y)(x))

# Of one line, with the same arguments.
PAIR = lambda x: x * 4 if x.max() > 1 else x, lambda x: x * 5 if x.max() > 1 else x


@pytest.mark.parametrize("function", [*TABLE.values(), *CELLS, *PAIR])
def test_a_lambda_is_converted(function: Any) -> None:
    static = to_static(function)
    for values in ([1.0, 2.0], [-2.0, 1.0]):
        x = paddle.to_tensor(values)
        assert static(x).tolist() == function(x).tolist(), values
    assert len(static.program_cache) == 1
