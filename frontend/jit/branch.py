"""`if` at run time: Python's own, or for a tensor a `cond` op with two sub-blocks."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from wherry.dispatch import tracer
from wherry.schema.dtypes import bool_
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..traced import Traced
from .classes import own_method
from .either import Either, Missing, lift
from .explain import record
from .lists import TracedDict, is_stored
from .merge import RETURNED
from .sides import Body, trace_branch
from .sizes import Size
from .state import CellPlace, Place, at_line, cells_of, is_poison
from .tracer import ProgramTracer


def active_tracer() -> ProgramTracer | None:
    """The tracer of the running trace, None outside of one."""
    found: Any = tracer.get()
    return found if isinstance(found, ProgramTracer) else None


def of_program(value: Any) -> Any:
    """A tensor that the code reads as one of the Program that is traced; the rest unchanged."""
    active = active_tracer()
    if active is None or isinstance(value, Traced) or not isinstance(value, Tensor):
        return value
    return active.as_traced(value)


def decides(value: Any) -> Any:
    """A condition as Python's bool where it has a value now, else as a 0-d bool Traced."""
    if is_poison(value):
        value.refuse()
    if type(value) is Either or type(value) is Missing:
        return lift(value, decides)
    if is_stored(value) or isinstance(value, TracedDict):
        value = value.known_length() > 0
    if isinstance(value, Size):
        value = value != 0
    value = of_program(value)
    if not isinstance(value, Traced):
        own = own_method(value, "__bool__") or own_method(value, "__len__")
        return bool(value) if own is None else decides(own())
    found = condition(value)
    known = value.tracer.facts.get(found)
    return found if known is None else known


def condition(value: Traced) -> Traced:
    """A one-element tensor as a 0-d bool."""
    shape = value.variable.shape
    if any(dim != 1 for dim in shape):
        sizes = [dim if isinstance(dim, int) else -1 for dim in shape]
        raise ConversionError(
            f"a condition needs a tensor of one element, got shape {sizes}; reduce it with "
            f"paddle.any, paddle.all or a comparison of one element{at_line()}"
        )
    build = value.tracer
    if value.dtype is not bool_:
        value = build.emit("cast", value, in_dtype=value.dtype, out_dtype=bool_)
    if shape:
        out = build.emit("reshape2", value, shape=[])
        value = out[0] if isinstance(out, tuple) else out
    return value


def convert_ifelse(test: Any, true_fn: Body, false_fn: Body, names: Sequence[str]) -> None:
    """Run one of the two bodies, or record both; the names are what they may bind."""
    chosen = decides(test)
    if not isinstance(chosen, Traced):
        record("if", str(chosen))
        (true_fn if chosen else false_fn)()
        return
    record("if", "cond", recorded=True)
    trace_branch(chosen, true_fn, false_fn, cells_of((true_fn, false_fn), names))


def convert_ternary(test: Any, true_fn: Body, false_fn: Body) -> Any:
    """`a if test else b`."""
    chosen = decides(test)
    if not isinstance(chosen, Traced):
        record("a if b else c", str(chosen))
        return true_fn() if chosen else false_fn()
    record("a if b else c", "cond", recorded=True)
    # Where a side raises an error that is caught, nobody reads the result.
    result = CellPlace(types.CellType(), RETURNED)
    bound = [place for side in (true_fn, false_fn) for place in bound_by(side)]
    trace_branch(
        chosen, lambda: result.set(true_fn()), lambda: result.set(false_fn()), [result, *bound]
    )
    return result.get()


def bound_by(side: Body) -> list[Place]:
    """The variables that an expression may bind: one with a walrus is a function with a name."""
    code = getattr(side, "__code__", None)
    if code is None or code.co_name == "<lambda>":
        return []
    return [place for place in cells_of((side,), code.co_freevars) if place.label != "_jst"]
