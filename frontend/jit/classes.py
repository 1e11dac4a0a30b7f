"""What Python itself calls of the user's classes, converted while a trace runs.

An operator, an attribute that is a property, `with`, `for`, `len` and their like call methods that
no call in the source names. While a function is traced, such methods of the user's classes are
replaced by ones that call the converted twin where converted code calls them, and the original
elsewhere (libraries, other threads). Where Python insists on a result of its own type (`len`,
`bool`, `in`, `int`, `float`), `own_method` lets the converter ask the method itself.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .source import is_converted_code

# What a function that stands for a method in a trace keeps it as.
ORIGINAL: Final = "_wherry_original"
# Where a method keeps that function for the next trace.
_TWIN: Final = "_wherry_twin"
# These run outside of anything that a tensor decides.
_LEFT_ALONE: Final = frozenset({"__del__", "__init_subclass__", "__class_getitem__"})
# Collecting garbage may run a `__del__` that traces.
_lock = threading.RLock()
_running = 0
_replaced: list[tuple[type, str, Any]] = []
_ABSENT: Final = object()
# Of which attributes of a class's objects a tensor decides whether they are there.
OPEN_ATTRIBUTES: Final[dict[tuple[type, str], Any]] = {}
# Classes in which there is nothing to replace.
_plain: weakref.WeakSet[type] = weakref.WeakSet()


@contextmanager
def classes_converted() -> Iterator[None]:
    """Within the block, what Python calls of the user's classes is converted."""
    global _running
    with _lock:
        _running += 1
        _convert_all()
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                _restore()


def convert_class(owner: type) -> None:
    """Convert a class that was made since the trace began."""
    with _lock:
        for base in owner.__mro__ if _running else ():
            _convert(base)


def open_attribute(owner: type, name: str, member: Any) -> None:
    """Give a class a member until the trace ends; a class of an extension module keeps its own."""
    with _lock:
        before = vars(owner).get(name, _ABSENT)
        try:
            type.__setattr__(owner, name, member)
        except TypeError:
            return
        _replaced.append((owner, name, before))
        OPEN_ATTRIBUTES[owner, name] = member


def own_method(value: Any, name: str) -> Callable[..., Any] | None:
    """The method of this name if the value's class is converted and has one."""
    found: Any = getattr(type(value), name, None)
    return types.MethodType(found, value) if hasattr(found, ORIGINAL) else None


def announces_its_writes(owner: Any, attribute: str) -> bool:
    """Whether a write to the attribute calls a converted method: a property's or descriptor's."""
    member = next((vars(c)[attribute] for c in type(owner).__mro__ if attribute in vars(c)), None)
    setter = member.fset if isinstance(member, property) else getattr(type(member), "__set__", None)
    return hasattr(setter, ORIGINAL)


def _convert_all() -> None:
    seen: set[type] = set()
    stack: list[type] = [object]
    while stack:
        subclasses: list[type] = type.__subclasses__(stack.pop())
        for owner in subclasses:
            if owner not in seen:
                seen.add(owner)
                stack.append(owner)
                _convert(owner)


def _convert(owner: type) -> None:
    if owner in _plain:
        return
    found = {} if _is_library_class(owner) else _implicit(owner)
    if not found or not all(_replace(owner, *member) for member in found.items()):
        _plain.add(owner)


def _replace(owner: type, name: str, member: Any) -> bool:
    """Give the class its twin of a member; False if it lets nothing be set."""
    twin = _twin(member)
    if twin is None:
        return True
    try:
        # A metaclass may have a say in setattr(owner, ...).
        type.__setattr__(owner, name, twin)
    except TypeError:
        return False  # an extension module's type
    _replaced.append((owner, name, member))
    return True


def _restore() -> None:
    while _replaced:
        owner, name, member = _replaced.pop()
        if member is _ABSENT:
            type.__delattr__(owner, name)
        else:
            type.__setattr__(owner, name, member)
    OPEN_ATTRIBUTES.clear()


def _is_library_class(owner: type) -> bool:
    from .convert_call import is_library

    return is_library(str(getattr(owner, "__module__", "builtins")))


def _implicit(owner: type) -> dict[str, Any]:
    """The members that Python calls by itself."""
    return {
        name: member for name, member in vars(owner).items()
        if (isinstance(member, (property, functools.cached_property)) and not _of_type(owner, name))
        or (name.startswith("__") and name.endswith("__") and name not in _LEFT_ALONE
            and isinstance(member, (types.FunctionType, staticmethod)))
    }  # fmt: skip


def _of_type(owner: type, name: str) -> bool:
    """Whether setting it would ask the metaclass's descriptor: `__name__` and the like."""
    kind: type = type(owner)
    member = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)
    return hasattr(member, "__set__")


def _twin(member: Any) -> Any:
    """The member with what calls the converted function; None if that is done already."""
    if any(hasattr(part, ORIGINAL) for part in _parts(member)):
        return None
    first, *rest = map(_calling_converted, _parts(member))
    if isinstance(member, property):
        return property(first, rest[0], rest[1], member.__doc__)
    if isinstance(member, functools.cached_property):
        twin = functools.cached_property(first)
        twin.attrname = member.attrname
        return twin
    return staticmethod(first) if isinstance(member, staticmethod) else first


def _parts(member: Any) -> list[Any]:
    """The functions that a member consists of."""
    if isinstance(member, property):
        return [member.fget, member.fset, member.fdel]
    if isinstance(member, functools.cached_property):
        return [member.func]
    return [member.__func__ if isinstance(member, staticmethod) else member]


def _is_traced(caller: types.FrameType | None) -> bool:
    """Whether a call comes from converted code, or from the converter in its place."""
    while caller is not None and caller.f_globals.get("__name__") == "functools":
        caller = caller.f_back
    if caller is None or is_converted_code(caller.f_code):
        return caller is not None
    return str(caller.f_globals.get("__name__")).startswith("wherry.")


def _calling_converted(function: Any) -> Any:
    if not isinstance(function, types.FunctionType):
        return function
    known = function.__dict__.get(_TWIN)
    # functools.wraps gives a user's wrapper what the function that it wraps has.
    if known is None or getattr(known, ORIGINAL) is not function:
        known = _made_twin(function)
        setattr(function, _TWIN, known)
    return known


def _made_twin(function: types.FunctionType) -> Any:
    from .branch import active_tracer
    from .convert_call import convert_call

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        traced = active_tracer() is not None and _is_traced(sys._getframe(1))
        return (convert_call(function) if traced else function)(*args, **kwargs)

    setattr(call, ORIGINAL, function)
    return call
