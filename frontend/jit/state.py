"""What a branch or a loop may change, and how it is read, restored and merged.

A `Place` is a variable of the user's function (a closure cell or a global), an attribute, the
contents of a list or dict, a tensor written in place, or a buffer. Writes outside of local
variables are noted in `Journal`s, so that a branch that was traced can be undone before the other
one is.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeGuard

from wherry.dispatch import tracer
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..location import user_location
from ..traced import Traced
from .either import is_either, parts, refuse, resolved
from .lists import TracedDict, TracedList
from .structure import Held, flatten, is_list_or_dict, unflatten

if TYPE_CHECKING:
    from .tracer import Frame, ProgramTracer


class _Unset:
    """A variable without a value."""

    def __repr__(self) -> str:
        return "unset"


UNSET = _Unset()


class Poison:
    """What a variable holds after a branch or loop that left it in no single state; any use raises.

    The message says what happened; the use says where.
    """

    def __init__(self, message: str) -> None:
        object.__getattribute__(self, "__dict__")["message"] = message

    def refuse(self) -> NoReturn:
        raise ConversionError(poison_text(self) + at_line())

    def refuse_result(self) -> NoReturn:
        """Refuse it as the function's result, which has no line of its own."""
        raise ConversionError(poison_text(self))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # isinstance asks for it, of whatever is no instance: a use like any other.
        _refusing(self)


def _refusing(self: Poison, *_: Any, **__: Any) -> NoReturn:
    Poison.refuse(self)


_USES = """
    getattr setattr call bool int float index len iter contains getitem setitem delitem str repr
    format add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul
    rmatmul and rand or ror xor rxor lshift rshift neg pos abs invert lt le gt ge eq ne enter exit
"""
for _use in _USES.split():
    setattr(Poison, f"__{_use}__", _refusing)
Poison.__hash__ = object.__hash__  # type: ignore[method-assign]


def is_poison(value: Any) -> bool:
    return type(value) is Poison


def is_tensor(value: Any) -> TypeGuard[Tensor]:
    """isinstance(value, Tensor), for values that may be a Poison."""
    return type(value) is not Poison and isinstance(value, Tensor)


def is_traced(value: Any) -> TypeGuard[Traced]:
    """isinstance(value, Traced), for values that may be a Poison."""
    return type(value) is not Poison and isinstance(value, Traced)


def refuse_keys(keys: Sequence[Any]) -> NoReturn:
    """Say of which keys of a dict a tensor decides whether they are there."""
    text = ", ".join("(a tensor)" if is_tensor(key) else repr(key) for key in keys)
    raise ConversionError(
        f"a tensor decides whether this dict has the key {text}, and this needs to know its keys, "
        "or their order; `d[key]`, `d.get(key)`, `key in d` and `len(d)` do not. Else give it that "
        f"key in every branch, or before the branch or loop{at_line()}"
    )


def need_one(value: Any, what: str) -> None:
    """Refuse what is no single value."""
    if is_poison(value):
        value.refuse()
    if is_either(value):
        refuse(value, what)


def poison_text(value: Poison) -> str:
    """Why the value cannot be used."""
    return str(object.__getattribute__(value, "__dict__")["message"])


def at_line() -> str:
    """The end of a message that names the user's line."""
    loc = user_location()
    return f"\n  at {loc}" if loc else ""


class Place(Protocol):
    """Somewhere a value is kept."""

    label: str

    @property
    def key(self) -> Any:
        """Equal for two Places that are the same."""

    def get(self) -> Any:
        """The value, or UNSET."""

    def set(self, value: Any) -> None:
        """Let it hold this value; UNSET takes it away."""


class CellPlace:
    """A local variable that nested functions share."""

    def __init__(self, cell: types.CellType, label: str) -> None:
        self.cell, self.label = cell, label

    @property
    def key(self) -> Any:
        return "cell", id(self.cell)

    def get(self) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:
            return UNSET

    def set(self, value: Any) -> None:
        if value is not UNSET:
            self.cell.cell_contents = value
        elif self.get() is not UNSET:
            del self.cell.cell_contents


class GlobalPlace:
    """A global variable that the function declares `global`."""

    def __init__(self, names: dict[str, Any], label: str) -> None:
        self.names, self.label = names, label

    @property
    def key(self) -> Any:
        return "global", id(self.names), self.label

    def get(self) -> Any:
        return self.names.get(self.label, UNSET)

    def set(self, value: Any) -> None:
        if value is UNSET:
            self.names.pop(self.label, None)
        else:
            self.names[self.label] = value


def is_container(value: Any) -> bool:
    """Whether its contents are a place."""
    return type(value) in (list, dict, set) or isinstance(value, (TracedList, TracedDict))


class ContentsPlace:
    """What a list or a dict holds; its identity stays."""

    def __init__(self, owner: Any) -> None:
        kind = "list" if isinstance(owner, list) else type(owner).__name__
        self.owner, self.label = owner, f"the contents of a {kind}"

    @property
    def key(self) -> Any:
        return "contents", id(self.owner)

    def get(self) -> Any:
        return type(self.owner)(self.owner) if is_container(self.owner) else UNSET

    def set(self, value: Any) -> None:
        # The length and the truth of such a list would tell a lie that nothing can refuse later.
        if is_either(value):
            _refuse_contents(value, self.owner, self.label)
        need_one(value, self.label)
        if isinstance(self.owner, (TracedList, TracedDict)):
            self.owner.replace(value)
            return
        if isinstance(value, TracedDict) and (open_keys := value.open_keys()):
            refuse_keys(open_keys)
        self.owner.clear()
        if isinstance(self.owner, list):
            self.owner.extend(value)
        else:
            self.owner.update(value)


def _refuse_contents(value: Any, owner: Any, label: str) -> NoReturn:
    """Say what a list, dict or set has on one of two ways only."""
    _, yes, no = parts(value)
    if isinstance(yes, dict) and isinstance(no, dict):
        refuse_keys([*dict.keys(yes)])
    if isinstance(yes, list):
        found = "so all of them must be tensors or numbers of one kind and shape"
        if not isinstance(owner, TracedList):
            found = (
                "and it comes from outside of the function, or from a library: make one of it "
                "that may grow, `rows = list(rows)`"
            )
        raise ConversionError(
            f"a tensor decides how many elements this list has, {found}{at_line()}"
        )
    if isinstance(yes, set):
        raise ConversionError(
            "a tensor decides what this set holds; use a list, or a mask of what counts" + at_line()
        )
    refuse(value, label)


class TensorPlace:
    """The Variable that a Traced stands for: a write in place changes it."""

    def __init__(self, traced: Traced) -> None:
        self.traced, self.label = traced, f"the tensor {traced.variable.name}"

    @property
    def key(self) -> Any:
        return "tensor", id(self.traced)

    def get(self) -> Any:
        return self.traced.tracer.traced(self.traced.variable)

    def set(self, value: Any) -> None:
        need_one(value, self.label)
        self.traced.variable = self.traced.tracer.as_traced(value).variable


class BufferPlace:
    """What a captured tensor (a buffer, a random state) has become so far in the trace."""

    def __init__(self, tracer: ProgramTracer, tensor: Tensor) -> None:
        self.tracer, self.tensor, self.label = tracer, tensor, f"the buffer {tensor.name}"

    @property
    def key(self) -> Any:
        return "buffer", id(self.tensor)

    def get(self) -> Any:
        return self.tracer.current_value(self.tensor)

    def set(self, value: Any) -> None:
        need_one(value, self.label)
        self.tracer.set_current(self.tensor, value)


class Journal:
    """The places that were written since it was opened, with their first values. Of lists that code
    of the block `root` made it keeps nothing: they are gone with it.
    """

    def __init__(self, root: Frame | None = None) -> None:
        self.first: dict[Any, tuple[Place, Any]] = {}
        self.root = root

    def note(self, place: Place) -> Place:
        """Keep the first value; returns the Place that it is kept of."""
        owner = getattr(place, "owner", None)
        made_in = owner.made_in if isinstance(owner, (TracedList, TracedDict)) else None
        if self.root is not None and made_in is not None and made_in() is self.root:
            return place
        if place.key not in self.first:
            self.first[place.key] = place, place.get()
        return self.first[place.key][0]

    def undo(self) -> None:
        """Put the first values back."""
        for place, value in self.first.values():
            place.set(value)


def outlives(place: Place, before: Any) -> bool:
    """Whether a place that was written in a block, which is closed now, is one of the code around:
    it held `before` when the block was opened, and somebody else knows its object or cell.
    """
    holder = getattr(place, "owner", getattr(place, "cell", None))
    active: Any = tracer.get()
    held = 0 if active is None else active.references.held(holder)
    # Three know it in any case: the place, the variable here and the argument of getrefcount.
    if holder is not None and sys.getrefcount(holder) - held <= 3:
        return False
    if (
        active is not None
        and isinstance(holder, (TracedList, TracedDict))
        and active.references.is_new(holder)
    ):
        return False
    leaves = flatten(before)[1]
    return all(leaf.tracer.sees(leaf.variable) for leaf in leaves if is_traced(leaf))


class Seen(NamedTuple):
    """A place's value at the end of a branch: the object, and a copy that undoing keeps, in which
    lists and dicts are Held.
    """

    value: Any
    copy: Any


def seen(place: Place) -> Seen:
    value = place.get()
    return Seen(value, held(place, value))


def held(place: Place, value: Any) -> Any:
    """A copy of what a place holds, whose lists and dicts are Held. The contents of one, which are
    a place too, are no such object: the list or dict is.
    """
    # One of two lists is a list where a branch around says which.
    value = resolved(value)
    is_object = is_list_or_dict(value) and not isinstance(place, ContentsPlace)
    return _hold(value) if is_object else copied(value)


def _hold(value: Any) -> Held:
    return Held(value, copied(value))


def copied(value: Any) -> Any:
    structure, leaves = flatten(value, _hold)
    return unflatten(structure, map(_snapshot, leaves))


def _snapshot(leaf: Any) -> Any:
    """What a tensor is now, whatever is written to it later; of a captured one that was written
    what it has become.
    """
    if is_traced(leaf):
        return leaf.snapshot()
    active: Any = tracer.get()
    if active is None or not is_tensor(leaf):
        return leaf
    written: Traced | None = active.current.get(id(leaf))
    return leaf if written is None else written.snapshot(of=leaf)


def cells_of(functions: Sequence[Any], names: Sequence[str]) -> list[Place]:
    """The places of these names, which the functions share."""
    found: dict[str, Place] = {}
    for function in functions:
        closure = function.__closure__ or ()
        for name, cell in zip(function.__code__.co_freevars, closure, strict=True):
            found.setdefault(name, CellPlace(cell, name))
    names_ = functions[0].__globals__
    return [found.get(name) or GlobalPlace(names_, name) for name in names]
