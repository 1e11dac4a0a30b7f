"""What the tests of promised syntax share: a table of promises, and how one is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import wherry as paddle
from wherry.jit import to_static

Function = Callable[[Any], Any]


class Promises(dict[str, Function]):
    """Functions by what they promise."""

    def __call__(self, text: str) -> Callable[[Function], Function]:
        """Name a function after what it promises."""

        def add(function: Function) -> Function:
            assert text not in self
            self[text] = function
            return function

        return add


VALUES = ([1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [5.0, 4.0], [1.0, 0.0], [-4.0, 3.0])


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, paddle.Tensor) else value


def outcome(function: Function, values: Any) -> Any:
    """The result, or the kind of error that Python gives."""
    try:
        return plain(function(paddle.to_tensor(values)))
    except (IndexError, UnboundLocalError) as error:
        return type(error).__name__


def keep(function: Function) -> None:
    """The function gives under to_static what it gives in dynamic mode, for all values."""
    static = to_static(function)
    for values in VALUES:
        assert outcome(static, values) == outcome(function, values), values
