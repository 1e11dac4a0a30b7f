"""Writes in place while tracing: a tensor stands for a new Variable, and so do all that share its
memory.

A view writes back through its base: what made it is undone (a slice by a write to that slice), and
the base's other views are made again. So does a tensor that is one of two, as a branch or a loop
on a tensor decided: each of them becomes what was written where it is the one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir.program import Variable
from wherry.schema.errors import OpError
from wherry.tensor import Tensor

from ..location import user_location
from ..traced import Choice, Traced, ViewOf
from .choices import ELEMENT, flag_of, is_known, note_asked
from .sizes import plain
from .state import BufferPlace

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


def _write_chosen(tracer: ProgramTracer, chosen: Tensor, value: Traced) -> None:
    """Write to the tensors of which this is one."""
    for choice in chosen.choices if isinstance(chosen, Traced) else ():
        source = choice.source()
        if not is_known(source):
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
    found: Traced = tracer.emit("where", flag_of(choice), one, two)
    return found


def write_captured(tracer: ProgramTracer, target: Tensor, value: Traced) -> None:
    """`write_through` for a tensor that is no view, as an eager one that the traced code reads."""
    _set(tracer, target, value)
    _refresh(tracer, target, except_for=None)


def _set(tracer: ProgramTracer, target: Tensor, value: Traced) -> None:
    note_asked(tracer, target)
    if isinstance(target, Traced):
        tracer.note_tensor(target)
        target.variable = value.variable
        return
    tracer.capture(target)
    tracer.note(BufferPlace(tracer, target))
    tracer.set_current(target, value)


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
    return _reshaped_to(tracer, value, source.variable.shape)


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


def read_element(tracer: ProgramTracer, buffer: Tensor, place: Traced) -> Traced:
    """The element of a list that stands at this place of its buffer: an object that may be read
    several times.
    """
    row: Traced = tracer.emit("index_select", buffer, _reshaped_to(tracer, place, (1,)), dim=0)
    found = _reshaped_to(tracer, row, row.variable.shape[1:])
    tracer.note_view(buffer, found, ELEMENT, {"place": place})
    return found


def written_element(tracer: ProgramTracer, buffer: Traced, place: Traced, value: Traced) -> Traced:
    """The buffer with this value at the place."""
    row = _reshaped_to(tracer, value, (1, *value.variable.shape))
    at = _reshaped_to(tracer, place, (1,))
    found: Traced = tracer.emit("scatter", buffer, at, row, overwrite=True)
    return found


def _into_element(tracer: ProgramTracer, source: Traced, value: Traced, attrs: Any) -> Traced:
    return written_element(tracer, source, attrs["place"], value)


def _reshaped_to(tracer: ProgramTracer, value: Traced, shape: Sequence[Any]) -> Traced:
    out = tracer.emit("reshape2", value, shape=list(shape))
    found: Traced = out[0] if isinstance(out, tuple) else out
    return found


_UNDO: dict[str, Callable[[ProgramTracer, Traced, Traced, Any], Traced]] = {
    "reshape2": _reshaped, "flatten_contiguous_range": _reshaped, "squeeze2": _reshaped,
    "unsqueeze2": _reshaped, "transpose2": _transposed, "slice": _into_slice,
    "strided_slice": _into_slice, "unbind": _into_row, "getitem": _into_item,
    ELEMENT: _into_element,
}  # fmt: skip


def _again(tracer: ProgramTracer, view: ViewOf, like: Variable) -> Traced:
    """The view, made again of what its source is now."""
    if isinstance(view.source, Traced) and view.source.variable in tracer.unclear:
        return _unclear(tracer, like)
    if view.op_type == ELEMENT:
        return read_element(tracer, tracer.as_traced(view.source), view.attrs["place"])
    if view.op_type == "getitem":
        return tracer.as_traced(tracer.as_traced(view.source)[view.attrs["index"]])
    attrs: dict[str, Any] = {k: v for k, v in view.attrs.items() if k != "_index"}
    out = tracer.emit(view.op_type, tracer.as_traced(view.source), **attrs)
    found: Traced = out[view.attrs["_index"]] if isinstance(out, (list, tuple)) else out
    return found


def _made_again(tracer: ProgramTracer, view: Traced, source: Tensor) -> Traced:
    if view.base is None:
        return _chosen_again(tracer, view, source)
    return _again(tracer, view.base, view.variable)


def _chosen_again(tracer: ProgramTracer, chosen: Traced, source: Tensor) -> Traced:
    """The tensor that may be the source, which was written; nobody may read it if it is not known
    when it is.
    """
    for choice in chosen.choices:
        if choice.source() is source:
            if choice.flag is None:
                return _unclear(tracer, chosen.variable)
            chosen = _selected(tracer, choice, tracer.as_traced(source), tracer.as_traced(chosen))
    return chosen


def _unclear(tracer: ProgramTracer, like: Variable) -> Traced:
    var = Variable("unclear", like.shape, like.dtype, stop_gradient=like.stop_gradient)
    tracer.unclear[var] = user_location()
    return tracer.traced(var)


def _refresh(
    tracer: ProgramTracer, source: Tensor, except_for: Traced | None,
    done: set[tuple[int, int]] | None = None, above: Tensor | None = None,
) -> None:  # fmt: skip
    """Make again what depends on a tensor: the views of it, and those that may be it.

    What may be the source may be what the source itself may be, `above`, too: then it was made
    again for that one, or will be.
    """
    done = set() if done is None else done
    views = tracer.views_of(source)
    kept = list(views)
    for reference in kept:
        view = reference()
        # One that was made in a branch or loop that is closed is known there only.
        if view is None or not tracer.sees(view.variable) or (id(source), id(view)) in done:
            continue
        if above is not None and any(choice.source() is above for choice in view.choices):
            continue
        done.add((id(source), id(view)))
        if view is not except_for:
            made = _made_again(tracer, view, source)
            tracer.note_tensor(view)
            view.variable = made.variable
        _refresh(tracer, view, except_for, done, None if view.base else source)
    views[:] = kept
