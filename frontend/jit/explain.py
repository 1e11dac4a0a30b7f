"""What a trace decided: the Python values that it baked in, the branches and loops that it went
through, and those that it recorded. `StaticFunction.explain()` shows it.

The values are found in the source: the names in each expression that made an op, where they hold
plain Python data.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from wherry.dispatch import tracer
from wherry.schema.errors import Loc

from ..location import location_of, position_of, user_frame, user_location
from .lists import is_stored

if TYPE_CHECKING:
    from .concrete import ConcreteProgram

_PLAIN: Final = (bool, int, float, complex, str, np.generic)
_SHOWN_VALUES: Final = 4


class Decision(NamedTuple):
    """A statement (`if`, `while`, ...) on the user's line, and what became of it."""

    loc: Loc | None
    statement: str
    outcome: str
    recorded: bool

    def __str__(self) -> str:
        text = self.loc.text if self.loc and self.loc.text else self.statement
        return f"{_place(self.loc)}  {text}  ->  {self.outcome}"


class Constant(NamedTuple):
    """A Python value that ops were made with: its name on the user's line, and what it was."""

    loc: Loc
    name: str
    values: list[Any]

    def __str__(self) -> str:
        shown = ", ".join(_short(value) for value in self.values[:_SHOWN_VALUES])
        more = ", ..." if len(self.values) > _SHOWN_VALUES else ""
        return f"{_place(self.loc)}  {self.name} = {shown}{more}  in `{self.loc.text}`"


class Decisions:
    """The notes of one trace."""

    def __init__(self) -> None:
        self.made: dict[Decision, None] = {}
        self.constants: dict[tuple[Loc, str], Constant] = {}
        self._names: dict[tuple[CodeType, int], tuple[Loc, list[str]]] = {}

    def note_constants(self) -> None:
        """Note the plain values in the user's expression that an op is made of."""
        frame = user_frame()
        if frame is None:
            return
        key = frame.f_code, frame.f_lasti
        if key not in self._names:
            loc = location_of(frame.f_code.co_filename, frame.f_lineno)
            self._names[key] = loc, _names_at(frame)
        loc, names = self._names[key]
        for name in names:
            value = _value(frame, name)
            if isinstance(value, _PLAIN) or _is_plain_list(value):
                found = self.constants.setdefault((loc, name), Constant(loc, name, []))
                if all(value is not one and not _equal(value, one) for one in found.values):
                    found.values.append(value)


def record(statement: str, outcome: str, recorded: bool = False) -> None:
    """Note what became of a statement on the user's line, if a trace is running.

    `recorded` says that it is part of the Program, and is decided at each call.
    """
    decisions: Decisions | None = getattr(tracer.get(), "decisions", None)
    if decisions is not None:
        decisions.made[Decision(user_location(), statement, outcome, recorded)] = None


class Explanation:
    """What `explain()` returns: lists of it, and a text when it is printed."""

    def __init__(self, head: str, arguments: list[tuple[str, Any]], decisions: Decisions) -> None:
        self.head, self.arguments = head, arguments
        known = {(name, repr(value)) for name, value in arguments}
        self.constants = [
            one for one in decisions.constants.values()
            if not all((one.name, repr(value)) in known for value in one.values)
        ]  # fmt: skip
        made = sorted(decisions.made, key=_order)
        self.decided = [one for one in made if not one.recorded]
        self.recorded = [one for one in made if one.recorded]

    @classmethod
    def of(cls, concrete: ConcreteProgram) -> Explanation:
        """What the trace of this Program decided."""
        name = getattr(concrete.function, "__name__", "the function")
        inputs = [f"{var.base_name}: {var.type}" for var in concrete.inputs]
        head = f"{name}, traced for {', '.join(inputs) or 'no tensors'}"
        return cls(head, concrete.arguments.named_constants(), concrete.decisions)

    def __str__(self) -> str:
        return "\n".join([self.head, *self._sections()])

    __repr__ = __str__

    def _sections(self) -> Iterator[str]:
        arguments = [f"{name} = {_short(value)}" for name, value in self.arguments]
        for title, lines in (
            ("arguments that are constants (another value is another Program):", arguments),
            ("Python values baked in (a change is not seen):", self.constants),
            ("decided while tracing:", self.decided),
            ("decided at each call, in the Program:", self.recorded),
        ):
            yield title
            yield from [f"  {line}" for line in lines] or ["  none"]


def _names_at(frame: FrameType) -> list[str]:
    """The names (`scale`, `self.scale`) that the expression being evaluated reads, once each."""
    try:
        tree = ast.parse(_source_at(frame).strip())
    except SyntaxError:
        return []
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = [
        ast.unparse(node) for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)
        and id(node) not in called | inner and _is_chain(node)
    ]  # fmt: skip
    return list(dict.fromkeys(found))


def _is_chain(node: ast.expr) -> bool:
    """Whether it is `a`, `a.b`, `a.b.c`, ..."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _source_at(frame: FrameType) -> str:
    """The text of the expression that the frame evaluates; "" where it is not known."""
    code = frame.f_code
    first, last, start, end = position_of(code, frame.f_lasti)
    if first is None or last is None or start is None or end is None:
        return ""
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return b"".join(lines).decode(errors="replace")


def _value(frame: FrameType, name: str) -> Any:
    """What a dotted name holds, without running a property; None if that is not known."""
    first, *rest = name.split(".")
    scope = frame.f_locals if first in frame.f_locals else frame.f_globals
    value = scope.get(first)
    for attribute in rest:
        own = getattr(value, "__dict__", {})
        value = own[attribute] if attribute in own else vars(type(value)).get(attribute)
    return value


def _is_plain_list(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and not is_stored(value)
        and 0 < len(value) <= 16
        and all(isinstance(one, _PLAIN) for one in value)
    )


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _order(one: Decision) -> tuple[str, int]:
    return (one.loc.file, one.loc.line) if one.loc else ("", 0)


def _place(loc: Loc | None) -> str:
    return f"{loc.file}:{loc.line}" if loc else "?"
