"""Reading one of two lists, or dicts, as a tensor decides: it is read as one that is made of both.

Where there are references to keep (`references.py`), a variable holds an Either of the objects.
Each write goes to one of them in its branch. A loop reads the elements one by one, when it comes to
them; a function of a library wants a whole list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wherry.dispatch import tracer

from .either import Either, parts, resolved
from .lists import TracedDict, TracedList, is_stored


def readable(value: Any) -> Any:
    """An Either of lists, or of dicts, as one for use at once; other values themselves."""
    value = resolved(value)
    if type(value) is not Either:
        return value
    flag, yes, no = parts(value)
    one, two = readable(yes), readable(no)
    return merged(flag, one, two) if fit(one, two) else value


def given(value: Any) -> Any:
    """`readable`, for a function that may keep it: it is a copy, which nobody must change."""
    found = readable(value)
    if type(value) is Either and type(found) is not Either:
        active: Any = tracer.get()
        nodes = {active.references.node(one) for one in alternatives(value)}
        active.references.note_copies(found, {(): nodes}, None)
    return found


def alternatives(value: Any) -> Iterator[Any]:
    """The values that an Either may be."""
    value = resolved(value)
    if type(value) is Either:
        for part in parts(value)[1:]:
            yield from alternatives(part)
    else:
        yield value


def all_readable(value: Any) -> Any:
    """The value with all that is readable in it, as the result of a function."""
    from .dicts import new_dict

    value = readable(value)
    if is_stored(value):
        return value
    if type(value) in (list, tuple) or isinstance(value, TracedList):
        items = list(map(all_readable, value))
        kept = all(one is two for one, two in zip(value, items, strict=True))
        return value if kept else type(value)(items)
    if type(value) is dict or isinstance(value, TracedDict):
        found = {key: all_readable(one) for key, one in dict.items(value)}
        kept = all(found[key] is one for key, one in dict.items(value))
        return value if kept else new_dict(found)
    return value


class View:
    """What `keys`, `values` or `items` of one of two dicts gives: it is read when it is asked."""

    def __init__(self, keys: list[Any], item: Callable[[Any], Any]) -> None:
        self._keys, self._item = keys, item

    def __iter__(self) -> Iterator[Any]:
        return map(self._item, self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, value: Any) -> bool:
        return value in list(self)


def method(owner: Any, name: str) -> Any:
    """A method that reads an Either of lists or dicts; None for what is no such Either."""
    found = readable(owner)
    if isinstance(found, dict) and name in ("keys", "values", "items"):
        item = {"keys": lambda key: key, "values": lambda key: owner[key],
                "items": lambda key: (key, owner[key])}[name]  # fmt: skip
        keys = list(found)
        return lambda: View(keys, item)
    return None if type(found) is Either else getattr(found, name)


def elements(owner: Any) -> Any:
    """(length, item by its index) of an Either of lists; None for what is no such Either."""
    from .growing import GrowingList

    found = readable(owner)
    if not isinstance(found, list):
        return None
    length = found.known_length() if isinstance(found, GrowingList) else len(found)
    return length, owner.__getitem__


def fit(one: Any, two: Any) -> bool:
    """Whether two values are lists, or dicts, that can be read as one."""
    from .state import copied
    from .structure import is_list_or_dict
    from .together import together

    kind = list if isinstance(one, list) else dict
    if not all(is_list_or_dict(value) and isinstance(value, kind) for value in (one, two)):
        return False
    found = together(copied(one), copied(two), keeps=True)
    return all(type(value) is not Either for value in found)


def merged(flag: Any, one: Any, two: Any) -> Any:
    """A list or dict that holds what one of the two holds."""
    from .dicts import OpenDict
    from .growing import GrowingList
    from .sides import trace_branch
    from .state import ContentsPlace

    found: Any = OpenDict({}) if isinstance(one, dict) else GrowingList()
    place = ContentsPlace(found)
    trace_branch(flag, lambda: place.set(one), lambda: place.set(two), [place])
    return found
