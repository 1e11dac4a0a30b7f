"""Announced writes: inside a branch that depends on a tensor the old value is noted first."""

from __future__ import annotations

from typing import Any

from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from .attributes import AttributePlace
from .branch import active_tracer
from .classes import announces_its_writes, own_method
from .either import is_either
from .state import ContentsPlace, at_line, cells_of, is_container


def will_write(owner: Any, attribute: str | None = None) -> None:
    """`owner.attribute`, or an item of `owner`, is about to be written."""
    build = active_tracer()
    if build is None or is_either(owner):
        # Each of two objects is announced where it is the one.
        return
    if attribute is not None:
        if not announces_its_writes(owner, attribute):
            build.note(AttributePlace(owner, attribute))
    elif is_container(owner):
        build.references.will_write(owner)
        build.note(ContentsPlace(owner))
    elif (
        build.in_branch
        and not isinstance(owner, Tensor)
        # Python itself raises the error of what has no items.
        and hasattr(type(owner), "__setitem__")
        and own_method(owner, "__setitem__") is None
    ):
        raise ConversionError(
            f"writing an item of a {type(owner).__name__} inside a branch or loop that depends on "
            f"a tensor is not converted; use a list, a dict or a tensor{at_line()}"
        )


def will_write_unknown() -> None:
    """Something is about to be written whose owner is the result of a call."""
    build = active_tracer()
    if build is not None and build.in_branch:
        raise ConversionError(
            "writing to the result of a call inside a branch or loop that depends on a tensor is "
            f"not converted; give the object a name first{at_line()}"
        )


def will_bind(names: Any) -> None:
    """The variables of other scopes that this function of them reads are about to be bound."""
    build = active_tracer()
    if build is not None:
        for place in cells_of((names,), (*names.__code__.co_freevars, *names.__code__.co_names)):
            build.note(place)
