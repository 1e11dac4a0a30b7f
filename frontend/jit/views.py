"""Writes in place while tracing: a tensor stands for a new Variable, and so do all that share its
memory.

A view writes back through its base: what made it is undone (a slice by a write to that slice), and
the base's other views are made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wherry.schema.errors import OpError
from wherry.tensor import Tensor

from ..location import user_location
from ..traced import Traced, ViewOf
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
    _refresh(tracer, root, except_for=target)


def write_captured(tracer: ProgramTracer, target: Tensor, value: Traced) -> None:
    """`write_through` for an eager tensor that the traced code reads."""
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


def _refresh(tracer: ProgramTracer, source: Tensor, except_for: Traced | None) -> None:
    views = tracer.views_of(source)
    kept = list(views)
    for reference in kept:
        view = reference()
        # One that was made in a branch or loop that is closed is known there only.
        if view is None or view.base is None or not tracer.sees(view.variable):
            continue
        if view is not except_for:
            made = _again(tracer, view.base)
            tracer.note_tensor(view)
            view.variable = made.variable
        _refresh(tracer, view, except_for)
    views[:] = kept
