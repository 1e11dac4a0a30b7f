"""Writes in place while tracing: a tensor stands for a new Variable, and so do all that share its
memory.

A view writes back through its base: what made it is undone (a slice by a write to that slice), and
the base's other views are made again. So does a tensor that is one of two, as a branch or a loop
on a tensor decided: each of them becomes what was written where it is the one.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from wherry.schema.errors import ConversionError, OpError
from wherry.tensor import Tensor

from ..location import user_location
from ..traced import Choice, Traced, ViewOf
from .leaves import type_of
from .sizes import plain
from .state import BufferPlace, at_line, is_tensor

if TYPE_CHECKING:
    from .tracer import ProgramTracer


def write_through(tracer: ProgramTracer, target: Traced, value: Traced) -> None:
    """Let `target`, its base and the other views of it stand for what they are after the write."""
    if (target.variable.shape, target.variable.dtype) != (
        value.variable.shape,
        value.variable.dtype,
    ):
        raise OpError(
            f"in-place write needs {target.variable.type}, got {value.variable.type}",
            loc=user_location(),
        )
    root, new = _root(tracer, target, value)
    if root is not target:
        tracer.note_tensor(target)
        target.variable = value.variable
    _set(tracer, root, new)
    _write_chosen(tracer, root, new)
    _refresh(tracer, root, except_for=target)


def note_choice(chosen: Traced, flag: Traced, wanted: bool, source: Any) -> None:
    """Let `chosen` be `source` where the flag is as wanted: a write to one is one to both."""
    tracer = flag.tracer
    if not is_tensor(source):
        return
    if isinstance(source, Traced) and not tracer.sees(source.variable):
        note_unclear(chosen, [] if source.base is None else [source.base.source])
        note_unclear(chosen, [one.source() for one in source.choices if one.flag is None])
    elif chosen.variable.type == type_of(source):
        _add_choice(chosen, Choice(flag, wanted, weakref.ref(source)), source)
        for inner in source.choices if isinstance(source, Traced) else ():
            _note_inner(chosen, Choice(flag, wanted, inner.source), inner)


def _note_inner(chosen: Traced, outer: Choice, inner: Choice) -> None:
    """A choice of a choice: the tensor between the two may be gone when it is needed."""
    source = inner.source()
    if not _known(source):
        return
    if inner.flag is None:
        note_unclear(chosen, [source])
        return
    both: Traced = chosen.tracer.emit("logical_and", _holds(outer), _holds(inner))
    _add_choice(chosen, Choice(both, True, inner.source), source)


def _add_choice(chosen: Traced, choice: Choice, source: Tensor) -> None:
    """One choice for each source: what is on the way to it by two ways is one where either holds.

    Else the choices would double with every branch.
    """
    for place, known in enumerate(chosen.choices):
        if known.source() is source:
            if known.flag is not None and choice.flag is not None:
                either = chosen.tracer.emit("logical_or", _holds(known), _holds(choice))
                choice = Choice(either, True, choice.source)
            else:
                choice = Choice(None, True, choice.source)
            chosen.choices[place] = choice
            return
    chosen.choices.append(choice)
    chosen.tracer.views_of(source).append(weakref.ref(chosen))


def _holds(choice: Choice) -> Traced:
    """Whether it is this one."""
    flag = _flag(choice)
    found: Traced = flag if choice.wanted else flag.tracer.emit("logical_not", flag)
    return found


def choices_of(source: Any) -> list[Choice]:
    """Which tensors a tensor is that was made in a block, which is closed now: those of outside."""
    if not isinstance(source, Traced) or source.tracer.sees(source.variable):
        return []
    return [one for one in source.choices if one.flag is not None and _known(one.source())]


def _known(source: Any) -> TypeGuard[Tensor]:
    """Whether it is a tensor of a block that is open."""
    if isinstance(source, Traced):
        return source.tracer.sees(source.variable)
    return is_tensor(source)


def note_unclear(chosen: Traced, sources: Sequence[Any]) -> None:
    """Let `chosen` share its memory with one of these, it is not known when."""
    for source in sources:
        if isinstance(source, Traced) and not chosen.tracer.sees(source.variable):
            note_unclear(chosen, [] if source.base is None else [source.base.source])
        elif is_tensor(source):
            _add_choice(chosen, Choice(None, True, weakref.ref(source)), source)
            inner = source.choices if isinstance(source, Traced) else []
            for one in inner:
                if _known(found := one.source()):
                    _add_choice(chosen, Choice(None, True, one.source), found)


def is_same(left: Any, right: Any) -> Any:
    """`left is right`: a tensor, where one of them is one of several as tensors decide."""
    if left is right:
        return True
    found = False
    for one, other in ((left, right), (right, left)):
        if is_tensor(other) and _is_carried(one):
            _refuse()
        for choice in one.choices if isinstance(one, Traced) and is_tensor(other) else ():
            if choice.source() is other:
                found = _or(found, _holds(choice))
    return found


def _or(left: Any, right: Any) -> Any:
    if left is False or right is False:
        return left if right is False else right
    return left.tracer.emit("logical_or", left, right)


def _is_carried(value: Any) -> bool:
    """Whether it is what a round of a loop starts with: what was there before, in the first one."""
    return isinstance(value, Traced) and any(
        value.variable in frame.starts for frame in value.tracer.frames
    )


def _flag(choice: Choice) -> Traced:
    """What says that it is this one; refused where only a branch knew it."""
    return _refuse() if choice.flag is None else choice.flag


def _refuse() -> NoReturn:
    raise ConversionError(
        "this tensor may share its memory with another one, as a branch or loop that depends on a "
        "tensor decided, so neither can be written in place or be asked for with `is` here; use a "
        f"copy: `y = y.clone()`{at_line()}"
    )


def _write_chosen(tracer: ProgramTracer, chosen: Tensor, value: Traced) -> None:
    """Write to the tensors of which this is one."""
    for choice in chosen.choices if isinstance(chosen, Traced) else ():
        source = choice.source()
        if not _known(source):
            continue
        written = _selected(tracer, choice, value, tracer.as_traced(source))
        if isinstance(source, Traced) and source.base is not None:
            write_through(tracer, source, written)
        else:
            # What the source itself may be is among the choices already.
            write_captured(tracer, source, written)


def _selected(tracer: ProgramTracer, choice: Choice, value: Traced, other: Traced) -> Traced:
    """The value where the choice is its source, else the other."""
    one, two = (value, other) if choice.wanted else (other, value)
    found: Traced = tracer.emit("where", _flag(choice), one, two)
    return found


def write_captured(tracer: ProgramTracer, target: Tensor, value: Traced) -> None:
    """`write_through` for a tensor that is no view, as an eager one that the traced code reads."""
    _set(tracer, target, value)
    _refresh(tracer, target, except_for=None)


def _set(tracer: ProgramTracer, target: Tensor, value: Traced) -> None:
    if isinstance(target, Traced):
        tracer.note_tensor(target)
        target.variable = value.variable
        return
    tracer.capture(target)
    tracer.note(BufferPlace(tracer, target))
    tracer.current[id(target)] = value


def _root(tracer: ProgramTracer, target: Traced, value: Traced) -> tuple[Tensor, Traced]:
    """The tensor whose memory it is, and its value after the write."""
    here: Tensor = target
    while isinstance(here, Traced) and here.base is not None:
        value = _undone(tracer, here.base, value)
        here = here.base.source
    return here, value


def _undone(tracer: ProgramTracer, view: ViewOf, value: Traced) -> Traced:
    """The source of a view with this value in the view's place."""
    source = tracer.as_traced(view.source)
    return _UNDO[view.op_type](tracer, source, value, view.attrs)


def _reshaped(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    out = tracer.emit("reshape2", value, shape=list(source.variable.shape))
    found: Traced = out[0] if isinstance(out, tuple) else out
    return found


def _transposed(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    order = [int(axis) for axis in plain(attrs["axis"])]
    out = tracer.emit("transpose2", value, axis=[order.index(i) for i in range(len(order))])
    found: Traced = out[0] if isinstance(out, tuple) else out
    return found


def _into_slice(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    out: Traced = tracer.emit(
        "set_value", source, value, axes=attrs["axes"], starts=attrs["starts"], ends=attrs["ends"],
        steps=attrs.get("strides", [1] * len(attrs["axes"])),
        decrease_axes=attrs.get("decrease_axis", []),
    )  # fmt: skip
    return out


def _into_row(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    axis, index = attrs.get("axis", 0), attrs["_index"]
    out: Traced = tracer.emit(
        "set_value", source, value, axes=[axis], starts=[index], ends=[index + 1], steps=[1],
        decrease_axes=[axis],
    )  # fmt: skip
    return out


def _into_item(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    copy: Traced = tracer.emit("assign", source)
    copy[attrs["index"]] = value
    return copy


_UNDO: dict[str, Callable[[ProgramTracer, Traced, Traced, Any], Traced]] = {
    "reshape2": _reshaped, "flatten_contiguous_range": _reshaped, "squeeze2": _reshaped,
    "unsqueeze2": _reshaped, "transpose2": _transposed, "slice": _into_slice,
    "strided_slice": _into_slice, "unbind": _into_row, "getitem": _into_item,
}  # fmt: skip


def _again(tracer: ProgramTracer, view: ViewOf) -> Traced:
    """The view, made again of what its source is now."""
    if view.op_type == "getitem":
        return tracer.as_traced(tracer.as_traced(view.source)[view.attrs["index"]])
    attrs: dict[str, Any] = {k: v for k, v in view.attrs.items() if k != "_index"}
    out = tracer.emit(view.op_type, tracer.as_traced(view.source), **attrs)
    found: Traced = out[view.attrs["_index"]] if isinstance(out, (list, tuple)) else out
    return found


def _chosen_again(tracer: ProgramTracer, chosen: Traced, source: Tensor) -> Traced:
    """The tensor that may be the source, which was written."""
    for choice in chosen.choices:
        if choice.source() is source:
            chosen = _selected(tracer, choice, tracer.as_traced(source), tracer.as_traced(chosen))
    return chosen


def _refresh(tracer: ProgramTracer, source: Tensor, except_for: Traced | None,
             done: set[int] | None = None) -> None:  # fmt: skip
    """Make the views of a tensor again, each once."""
    done = set() if done is None else done
    views = tracer.views_of(source)
    kept = list(views)
    for reference in kept:
        view = reference()
        # One that was made in a branch or loop that is closed is known there only.
        if view is None or id(view) in done or not tracer.sees(view.variable):
            continue
        done.add(id(view))
        if view is not except_for:
            made = _again(tracer, view.base) if view.base else _chosen_again(tracer, view, source)
            tracer.note_tensor(view)
            view.variable = made.variable
        _refresh(tracer, view, except_for, done)
    views[:] = kept
