"""Dicts of which a tensor decides whether they have a key.

A key that only one side of a branch, or a round of a loop, puts in has an Either as its value: of
that value and of a Missing one. Who reads it gets the KeyError of dynamic mode in the calls in
which it is not there; `in`, `get` and `len` ask the tensor. What needs to know all keys while
tracing, as a loop over them, is refused.
"""

from __future__ import annotations

from typing import Any

from .branch import active_tracer, convert_ternary
from .either import Missing, is_there, may_miss, or_default, present, resolved
from .lists import TracedDict
from .state import refuse_keys
from .writes import will_write


class OpenDict(TracedDict):
    """A dict of the user's code, some of whose keys may not be there."""

    def __getitem__(self, key: Any) -> Any:
        return present(super().__getitem__(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        will_write(self)
        self._need_order(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def get(self, key: Any, default: Any = None) -> Any:
        return or_default(super().get(key, default), default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        found = self.get(key, default)
        self[key] = found
        return found

    def pop(self, key: Any, *default: Any) -> Any:
        will_write(self)
        found = self.get(key, *default) if default else self[key]
        super().pop(key, *default)
        return found

    def update(self, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def copy(self) -> Any:
        return OpenDict(self)

    def clear(self) -> None:
        will_write(self)
        super().clear()

    def __contains__(self, key: object) -> bool:
        found = self.has(key)
        if not isinstance(found, bool):
            refuse_keys([key])
        return found

    def __repr__(self) -> str:
        return "a dict whose keys depend on a tensor" if self.open_keys() else super().__repr__()

    def has(self, key: Any) -> Any:
        """Whether the key is there: a bool, or a tensor."""
        return is_there(super().get(key, Missing("")))

    def known_length(self) -> Any:
        """An int, or the tensor that the length is."""
        if not self.open_keys():
            return dict.__len__(self)
        found: Any = 0
        for value in dict.values(self):
            found = found + convert_ternary(is_there(value), lambda: 1, lambda: 0)
        return found

    def open_keys(self) -> list[Any]:
        """The keys that may not be there."""
        return [key for key, value in dict.items(self) if may_miss(resolved(value))]

    def _need_order(self, key: Any) -> None:
        """A key that may not be there comes last in the calls in which it is not."""
        open_keys = self.open_keys()
        if key in open_keys and key != next(dict.__reversed__(self)):
            refuse_keys(open_keys)


def _python_only(name: str) -> Any:
    """A method that is Python's own while the keys are known, and else refused."""
    own = getattr(dict, name)

    def method(self: OpenDict, *args: Any) -> Any:
        if open_keys := self.open_keys():
            refuse_keys(open_keys)
        if name == "popitem":
            will_write(self)
        return own(self, *args)

    return method


for _name in ("__len__", "__iter__", "__reversed__", "keys", "values", "items", "popitem", "__or__",
              "__ror__", "__eq__", "__ne__"):  # fmt: skip
    setattr(OpenDict, _name, _python_only(_name))


def new_dict(items: Any) -> Any:
    """A dict that the code of a trace makes and may give keys in some calls only."""
    return OpenDict(items) if active_tracer() is not None else items
