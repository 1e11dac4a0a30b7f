"""Attributes of which a tensor decides whether an object has them.

One that only one side of a branch sets, or deletes, has an Either as its value, of which one is
Missing. Until the trace ends its class has an `OpenAttribute` of this name, so that whoever reads
it gets the AttributeError of dynamic mode in the calls in which it is not there; `hasattr` and
`getattr` with a default ask the tensor.
"""

from __future__ import annotations

import types
from typing import Any

from wherry.schema.errors import ConversionError

from .classes import OPEN_ATTRIBUTES, open_attribute, own_method
from .either import Missing, is_there, may_miss, or_default, present
from .state import UNSET, at_line


class AttributePlace:
    """An attribute of an object."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.label = f"{type(owner).__name__}.{name}"

    @property
    def key(self) -> Any:
        return "attribute", id(self.owner), self.name

    def get(self) -> Any:
        # What a `__getattr__` of the user's makes up is kept nowhere; that of Layer finds parts.
        has_more = own_method(self.owner, "__getattr__") is not None
        is_open = _open_attribute(self.owner, self.name) is not None
        if is_open or not has_more or "_parameters" in vars(self.owner):
            return _stored(self.owner, self.name)
        try:
            return object.__getattribute__(self.owner, self.name)
        except AttributeError:
            return UNSET

    def set(self, value: Any) -> None:
        if may_miss(value):
            _watch(self.owner, self.name)
        member = _open_attribute(self.owner, self.name)
        if value is not UNSET:
            setattr(self.owner, self.name, value)
        elif member is not None:
            member.forget(self.owner)
        elif hasattr(self.owner, self.name):
            delattr(self.owner, self.name)

    def missing(self) -> Missing:
        """What it holds in the calls in which the object does not have it."""
        return Missing(_no_attribute(self.owner, self.name), AttributeError)


class OpenAttribute:
    """In a class: an attribute that some of its objects may not have.

    It lies where it did, in the object's `__dict__` or in a slot.
    """

    def __init__(self, name: str, slot: Any) -> None:
        self.name, self.slot = name, slot

    def stored(self, owner: Any) -> Any:
        """What the object keeps, which may be an Either; UNSET if nothing."""
        if self.slot is None:
            return owner.__dict__.get(self.name, UNSET)
        try:
            return self.slot.__get__(owner, type(owner))
        except AttributeError:
            return UNSET

    def forget(self, owner: Any) -> None:
        """Take it away, if it is there."""
        if self.stored(owner) is UNSET:
            return
        if self.slot is None:
            del owner.__dict__[self.name]
        else:
            self.slot.__delete__(owner)

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None and self.slot is not None:
            return self.slot
        value = UNSET if owner is None else self.stored(owner)
        if value is UNSET:
            raise AttributeError(_no_attribute(kind if owner is None else owner, self.name))
        return present(value)

    def __set__(self, owner: Any, value: Any) -> None:
        if self.slot is None:
            owner.__dict__[self.name] = value
        else:
            self.slot.__set__(owner, value)

    def __delete__(self, owner: Any) -> None:
        self.__get__(owner, type(owner))
        self.forget(owner)


def has_attribute(owner: Any, name: str) -> Any:
    """`hasattr`: a bool, or a tensor."""
    value = _open_value(owner, name)
    return hasattr(owner, name) if value is UNSET else is_there(value)


def get_attribute(owner: Any, name: str, *default: Any) -> Any:
    """`getattr`."""
    value = _open_value(owner, name) if default else UNSET
    return getattr(owner, name, *default) if value is UNSET else or_default(value, *default)


def all_attributes(owner: Any) -> Any:
    """`vars` of an object; refused where a tensor decides what is in it."""
    _need_all(owner)
    return vars(owner)


def names_of_attributes(owner: Any) -> Any:
    """`dir` of an object; refused where a tensor decides what is in it."""
    _need_all(owner)
    return dir(owner)


def _need_all(owner: Any) -> None:
    kinds = type(owner).__mro__ if OPEN_ATTRIBUTES else ()
    open_names = [name for kind, name in OPEN_ATTRIBUTES if kind in kinds]
    if names := [name for name in open_names if may_miss(_stored(owner, name))]:
        raise ConversionError(
            f"a tensor decides whether this {type(owner).__name__} has the attribute "
            f"{', '.join(map(repr, names))}, and this needs to know them all; `hasattr` and "
            f"`getattr` do not. Else give it that attribute in every branch{at_line()}"
        )


def _open_value(owner: Any, name: str) -> Any:
    """What may be Missing; UNSET for an attribute of which no tensor decides."""
    if _open_attribute(owner, name) is None and not isinstance(owner, type):
        return UNSET
    value = _stored(owner, name)
    return value if may_miss(value) else UNSET


def _stored(owner: Any, name: str) -> Any:
    member = _open_attribute(owner, name)
    return getattr(owner, name, UNSET) if member is None else member.stored(owner)


def _open_attribute(owner: Any, name: str) -> OpenAttribute | None:
    if not OPEN_ATTRIBUTES:
        return None
    classes = type(owner).__mro__
    return next((OPEN_ATTRIBUTES[c, name] for c in classes if (c, name) in OPEN_ATTRIBUTES), None)


def _watch(owner: Any, name: str) -> None:
    """Let reads of the attribute, which is about to get a value that may be Missing, tell."""
    kind = type(owner)
    member = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)
    if member is None or isinstance(member, types.MemberDescriptorType):
        open_attribute(kind, name, OpenAttribute(name, member))


def _no_attribute(owner: Any, name: str) -> str:
    """Python's words for it."""
    if isinstance(owner, type):
        return f"type object {owner.__name__!r} has no attribute {name!r}"
    return f"{type(owner).__name__!r} object has no attribute {name!r}"
