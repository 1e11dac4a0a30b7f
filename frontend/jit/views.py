"""Writes in place while tracing: a tensor stands for a new Variable, and so do all that share its
memory.

A view writes back through its base: reshapes, squeezes and transposes are undone, and the base's
other views are made again. A write through a slice is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.schema.errors import ConversionError, OpError

from ..location import user_location
from ..traced import Traced, ViewOf
from .sizes import plain
from .state import at_line

if TYPE_CHECKING:
    from .tracer import ProgramTracer

_RESHAPES = frozenset({"reshape2", "flatten_contiguous_range", "squeeze2", "unsqueeze2"})


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
    tracer.note_tensor(root)
    root.variable = new.variable
    if root is not target:
        tracer.note_tensor(target)
        target.variable = value.variable
    _refresh(tracer, root, except_for=target)


def _root(tracer: ProgramTracer, target: Traced, value: Traced) -> tuple[Traced, Traced]:
    """The tensor whose memory it is, and its value after the write."""
    while target.base is not None:
        value = _undone(tracer, target.base, value)
        target = target.base.source
    return target, value


def _undone(tracer: ProgramTracer, view: ViewOf, value: Traced) -> Traced:
    source = view.source.variable
    if view.op_type in _RESHAPES:
        out = tracer.emit("reshape2", value, shape=list(source.shape))
    elif view.op_type == "transpose2":
        order = [int(axis) for axis in plain(view.attrs["axis"])]
        out = tracer.emit("transpose2", value, axis=[order.index(i) for i in range(len(order))])
    else:
        raise ConversionError(
            "a write in place through a slice of a tensor is not converted by to_static; write "
            f"`x[index] = value` on the tensor itself{at_line()}"
        )
    found: Traced = out[0] if isinstance(out, tuple) else out
    return found


def _refresh(tracer: ProgramTracer, source: Traced, except_for: Traced) -> None:
    kept = list(source.views)
    for reference in kept:
        view = reference()
        if view is None or view.base is None:
            continue
        if view is not except_for:
            attrs: dict[str, Any] = {k: v for k, v in view.base.attrs.items() if k != "_index"}
            out = tracer.emit(view.base.op_type, source, **attrs)
            made = out[view.base.attrs["_index"]] if isinstance(out, (list, tuple)) else out
            tracer.note_tensor(view)
            view.variable = made.variable
        _refresh(tracer, view, except_for)
    source.views[:] = kept
