"""Choices: which of several tensors a traced tensor is, as tensors decide at the call.

A tensor that a branch or a loop on a tensor chose is the same object as one of those around it: a
write to either is one to both (`views.py`), and `is` asks which one it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeGuard

from wherry.dispatch import tracer
from wherry.schema.errors import ConversionError, Loc
from wherry.tensor import Tensor

from ..traced import Choice, Traced
from .either import Deferred, Flag, both, emitted, negated
from .leaves import type_of
from .signals import Signal
from .state import at_line, is_tensor

# The op_type of a view that is an element of a list in buffers: it is one of what was put into it.
ELEMENT: Final = "element"

# A tensor that may be one of more is not known to be the same as another one by way of them: code
# of hundreds of branches would take its time.
MOST_CHOICES: Final = 16

if TYPE_CHECKING:
    from .tracer import Frame, ProgramTracer


def note_choice(chosen: Traced, flag: Traced, wanted: bool, source: Any) -> None:
    """Let `chosen` be `source` where the flag is as wanted: a write to one is one to both."""
    tracer = flag.tracer
    if isinstance(source, Deferred):
        note_unclear(chosen, [one.source() for one in targets(source, parts=True)])
    if not is_tensor(source):
        return
    if isinstance(source, Traced) and not tracer.sees(source.variable):
        note_unclear(chosen, [] if source.base is None else [source.base.source])
        note_unclear(chosen, [one.source() for one in source.choices if one.flag is None])
    elif chosen.variable.type == type_of(source):
        add_choice(chosen, Choice(flag, wanted, weakref.ref(source)), source)
        for inner in source.choices if isinstance(source, Traced) else ():
            _note_inner(chosen, Choice(flag, wanted, inner.source), inner)


def _note_inner(chosen: Traced, outer: Choice, inner: Choice) -> None:
    """A choice of a choice: the tensor between the two may be gone when it is needed."""
    source = inner.source()
    if not is_known(source):
        return
    if inner.flag is None:
        note_unclear(chosen, [source])
        return
    add_choice(chosen, Choice(both(_holds(outer), _holds(inner)), True, inner.source), source)


def add_choice(chosen: Traced, choice: Choice, source: Tensor) -> None:
    """One choice for each source: what is on the way to it by two ways is one where either holds.

    Else the choices would double with every branch.
    """
    for place, known in enumerate(chosen.choices):
        if known.source() is source:
            if known.flag is not None and choice.flag is not None:
                choice = Choice(_or(_holds(known), _holds(choice)), True, choice.source)
            else:
                choice = Choice(None, True, choice.source)
            chosen.choices[place] = choice
            return
    chosen.choices.append(choice)
    views = chosen.tracer.views_of(source)
    if _is_itself(source) and any(_chooses(view(), source) for view in views):
        # The two are one by way of the source, which has to be there for that.
        chosen.sources.append(source)
    views.append(weakref.ref(chosen))


def _is_itself(source: Tensor) -> bool:
    """Whether it may be another tensor than those that are known, of which there are not many."""
    if not isinstance(source, Traced):
        return True
    return not source.is_chosen and len(source.choices) <= MOST_CHOICES


def _chooses(view: Traced | None, source: Tensor) -> bool:
    return view is not None and any(choice.source() is source for choice in view.choices)


def note_new(flag: Traced, wanted: bool, results: Sequence[tuple[Any, Traced]]) -> None:
    """Let results of a block be one tensor, where the flag is as wanted, that the block made as
    one: each with what it was in the block, which is closed now.
    """
    found: dict[int, list[tuple[Traced, Choice]]] = {}
    for value, out in results:
        for choice in targets(value, parts=True):
            if (source := choice.source()) is not None and not is_known(source):
                found.setdefault(id(source), []).append((out, choice))
    pairs = [pair for group in found.values() for pair in combinations(group, 2)]
    certain = {(id(one), id(two)) for (one, a), (two, b) in pairs if a.flag is b.flag is True}
    for ids, (one, two) in {(id(one), id(two)): (one, two) for (one, _), (two, _) in pairs}.items():
        known = flag if ids in certain else None
        add_choice(two, Choice(known, wanted, weakref.ref(one)), one)


def choices_of(source: Any) -> list[Choice]:
    """Which tensors a tensor is that was made in a block, which is closed now: those of outside."""
    if not isinstance(source, Traced) or source.tracer.sees(source.variable):
        return []
    return [one for one in source.choices if one.flag is not None and is_known(one.source())]


def is_known(source: Any) -> TypeGuard[Tensor]:
    """Whether it is a tensor of a block that is open."""
    if isinstance(source, Traced):
        return source.tracer.sees(source.variable)
    return is_tensor(source)


def note_unclear(chosen: Traced, sources: Sequence[Any]) -> None:
    """Let `chosen` share its memory with one of these, it is not known when."""
    pending, seen = list(sources), dict[int, Any]()
    while pending:
        source = pending.pop()
        if id(source) in seen:
            continue
        seen[id(source)] = source
        inner = [one.source() for one in source.choices] if isinstance(source, Traced) else []
        if is_known(source):
            add_choice(chosen, Choice(None, True, weakref.ref(source)), source)
            pending += filter(is_known, inner)
        elif isinstance(source, Traced):
            pending += inner if source.base is None else [*inner, source.base.source]


def targets(value: Any, parts: bool = False) -> list[Choice]:
    """The tensors that a tensor may be: itself, and its choices. With `parts` also those, with no
    flag, of which it is a view.
    """
    if isinstance(value, Deferred):
        return [one._replace(flag=None) for held in value.held for one in targets(held, parts)]
    if not is_tensor(value):
        return []
    found = [Choice(True, True, weakref.ref(value))]
    if isinstance(value, Traced):
        found += value.choices
        if value.base is not None and (parts or value.base.op_type == ELEMENT):
            found += [one._replace(flag=None) for one in targets(value.base.source, parts)]
    return found


def common(left: Any, right: Any, parts: bool = False) -> list[tuple[Choice, Choice]]:
    """By which choices of theirs two tensors may be one."""
    others = targets(right, parts)
    pairs = ((one, two) for one in targets(left, parts) for two in others)
    return [pair for pair in pairs if _source(pair[0]) is _source(pair[1])]


def _source(choice: Choice) -> Any:
    """The tensor; for one that is gone the choice, which is no other's tensor."""
    return choice.source() if choice.source() is not None else choice


def is_clear(pair: tuple[Choice, Choice]) -> bool:
    """Whether it is known when the two are one."""
    return all(choice.flag is not None for choice in pair)


def is_one(pairs: Sequence[tuple[Choice, Choice]]) -> Any:
    """Whether one of these holds: a bool, or a 0-d bool tensor."""
    found: Any = False
    for one, two in pairs:
        found = _or(found, both(_holds(one), _holds(two)))
    return emitted(found)


def is_same(left: Any, right: Any) -> Any:
    """`left is right`: a tensor, where one of them is one of several as tensors decide.

    Ints and bools are the same where they are equal, as small ones are in CPython.
    """
    from .numbers import are_one_kind

    if left is not right and are_one_kind(left, right):
        return left == right
    if left is right or not (is_tensor(left) and is_tensor(right)):
        build: Any = tracer.get()
        if left is not right and build is not None:
            build.references.will_compare(left, right)
        return left is right
    for one in (left, right):
        if isinstance(one, Traced):
            note_asked(one.tracer, left)
            note_asked(one.tracer, right)
    return is_one(common(left, right))


def note_asked(tracer: ProgramTracer, value: Tensor) -> None:
    """Tell the loops around that it matters which tensor this is."""
    for frame in tracer.frames:
        frame.asked[id(value)] = weakref.ref(value)


def was_asked(frame: Frame, value: Tensor) -> bool:
    """Whether it mattered while the block was built which tensor this is."""
    found = frame.asked.get(id(value))
    return found is not None and found() is value


def _holds(choice: Choice) -> Any:
    """Whether it is this one. The ops that say so are emitted where somebody asks: most never do,
    and there are as many as there are pairs of branches.
    """
    if choice.flag is None:
        refuse_unclear()
    return choice.flag if choice.wanted else negated(choice.flag)


def _or(left: Any, right: Any) -> Any:
    if isinstance(left, bool):
        return left or right
    if isinstance(right, bool):
        return right or left
    return Flag("logical_or", left, right)


def flag_of(choice: Choice) -> Traced | bool:
    """What says that it is this one; refused where only a branch knew it."""
    found: Traced | bool = refuse_unclear() if choice.flag is None else emitted(choice.flag)
    return found


class NeedsChoices(Signal):
    """The trace needs to know when tensors are one that branches inside of branches chose."""


def refuse_unclear(written_at: Loc | None = None) -> NoReturn:
    """Say that nobody knows here which tensor it is.

    A trace follows choices out of the branches that made them only if it has to: there are many,
    and most code asks for none of them.
    """
    build: Any = tracer.get()
    if not build.follows_choices:
        raise NeedsChoices
    written = "" if written_at is None else f" (one of them is written at {written_at})"
    raise ConversionError(
        "this tensor may share its memory with another one, as a branch or loop that depends on a "
        "tensor decided, so neither can be written in place or be asked for with `is` here"
        f"{written}; use a copy: `y = y.clone()`{at_line()}"
    )
