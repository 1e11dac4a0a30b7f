"""Calls of functions that know no Either, with arguments that are one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .either import is_either, lift
from .reading import alternatives, given
from .state import is_container


def call_lifted(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call what knows no Either: with each of the two in its branch. Lists are given as one that is
    made of both.
    """
    kwargs = {name: given(value) for name, value in kwargs.items()}
    return _lifted_call(is_either, function, *map(given, args), **kwargs)


def call_with_objects(function: Any, *args: Any, **kwargs: Any) -> Any:
    """`call_lifted` for the user's classes and Layers, which may change the list that they get."""
    return _lifted_call(_is_of_values, function, *args, **kwargs)


def _is_of_values(value: Any) -> bool:
    """Whether it is an Either, but not of lists, dicts or sets."""
    return is_either(value) and not any(map(is_container, alternatives(value)))


def _lifted_call(is_lifted: Callable[[Any], bool], function: Any, *args: Any, **kwargs: Any) -> Any:
    again = partial(_lifted_call, is_lifted, function)
    place = next((i for i, value in enumerate(args) if is_lifted(value)), None)
    if place is not None:
        before, after = args[:place], args[place + 1 :]
        return lift(args[place], lambda one: again(*before, one, *after, **kwargs))
    name = next((name for name, value in kwargs.items() if is_lifted(value)), None)
    if name is not None:
        return lift(kwargs[name], lambda one: again(*args, **{**kwargs, name: one}))
    return function(*args, **kwargs)
