"""What the state of a trace knows of lists and dicts that grow under a tensor's control (see
`growing` and `dicts`).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from wherry.dispatch import tracer

# What the hidden input is called whose size is the room for elements.
CAPACITY: Final = "capacity"


@dataclass(frozen=True)
class Kind:
    """What all elements of a list in buffers are: one structure; the types are the buffers'."""

    structure: Any

    def __call__(self, length: Any, *buffers: Any) -> TracedList:
        from .growing import GrowingList

        found = GrowingList()
        found.stored = Stored(self, length, list(buffers))
        return found


@dataclass
class Stored:
    """Elements in buffers: the leaves of element i stand at index i of each."""

    kind: Kind
    length: Any
    buffers: list[Any]


class TracedList(list):  # type: ignore[type-arg]
    """A list that code made while it was traced; `stored` is set where its length is a tensor."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        active: Any = tracer.get()
        # The frame of the block in whose code it was made.
        self.made_in = None if active is None else weakref.ref(active.frames[-1])
        self.stored: Stored | None = getattr(items, "stored", None)
        super().__init__(() if self.stored is not None else items)

    def replace(self, other: Any) -> None:
        """Take over the contents of another list."""
        self.stored = getattr(other, "stored", None)
        list.clear(self)
        if self.stored is None:
            list.extend(self, other)


class TracedDict(dict):  # type: ignore[type-arg]
    """A dict that code made while it was traced: a value may be one that is missing."""

    def __init__(self, items: dict[Any, Any]) -> None:
        super().__init__()
        active: Any = tracer.get()
        # The frame of the block in whose code it was made.
        self.made_in = None if active is None else weakref.ref(active.frames[-1])
        self.replace(items)

    def open_keys(self) -> list[Any]:
        """The keys that may not be there."""
        raise NotImplementedError

    def known_length(self) -> Any:
        """An int, or the tensor that the length is."""
        raise NotImplementedError

    def replace(self, other: dict[Any, Any]) -> None:
        """Take over the contents of another dict, whatever is missing."""
        dict.clear(self)
        for key, value in dict.items(other):
            dict.__setitem__(self, key, value)


def is_stored(value: Any) -> bool:
    """Whether it is a list whose elements are in buffers."""
    return isinstance(value, TracedList) and value.stored is not None
