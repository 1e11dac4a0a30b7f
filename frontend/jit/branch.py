"""`if` at run time: Python's own, or for a tensor a `cond` op with two sub-blocks."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from wherry.dispatch import tracer
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Variable
from wherry.schema.dtypes import bool_
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..traced import Traced
from .choices import is_known
from .classes import own_method
from .either import Either, Missing, lift
from .ends import BranchEnds, emit_error, ending
from .explain import record
from .lists import is_stored
from .merge import Merger
from .sizes import Size
from .state import (
    UNSET,
    CellPlace,
    ContentsPlace,
    Place,
    Seen,
    at_line,
    cells_of,
    is_poison,
    is_traced,
    outlives,
    seen,
)
from .structure import Held, flatten
from .tracer import Frame, ProgramTracer

Body = Callable[[], Any]


def active_tracer() -> ProgramTracer | None:
    """The tracer of the running trace, None outside of one."""
    found: Any = tracer.get()
    return found if isinstance(found, ProgramTracer) else None


def decides(value: Any) -> Any:
    """A condition as Python's bool where it has a value now, else as a 0-d bool Traced."""
    if is_poison(value):
        value.refuse()
    if type(value) is Either or type(value) is Missing:
        return lift(value, decides)
    if is_stored(value):
        value = value.known_length() > 0
    if isinstance(value, Size):
        value = value != 0
    active = active_tracer()
    if isinstance(value, Tensor) and not isinstance(value, Traced) and active is not None:
        value = active.as_traced(value)
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
    result = CellPlace(types.CellType(), "the conditional expression")
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


def trace_branch(chosen: Traced, true_fn: Body, false_fn: Body, places: Sequence[Place]) -> None:
    """Record a `cond` of the two bodies and merge what they changed."""
    build = chosen.tracer
    yes = _Side(build, true_fn, places, chosen, True)
    no = _Side(build, false_fn, places, chosen, False)
    merger = Merger(build, chosen)
    known = list({place.key: place for place in places}.values())
    plans = [
        (place, merger.merge(place.label, yes.after(place), no.after(place))) for place in known
    ]
    one_goes_on = (yes.error is None) != (no.error is None)
    made = {**yes.made(), **no.made()} if one_goes_on else {}
    written = {**made, **yes.forget(known), **no.forget(known)}
    while written:
        _, (place, before) = written.popitem()
        # What only the branch itself knew of is gone with it, unless it is the branch that goes on.
        if one_goes_on or outlives(place, before):
            plan = merger.merge(place.label, yes.after(place), no.after(place))
            plans.append((place, plan))
    for number, side in enumerate((yes, no)):
        with build.reenter(side.frame):
            side.frame.block.results = merger.results(number)
    outs: list[Traced] = []
    if merger.pairs or _has_effects(yes.frame.block) or _has_effects(no.frame.block):
        inputs = _share_arguments(build, yes.frame, no.frame)
        outs = build.emit(
            "cond",
            chosen,
            inputs,
            true_block=yes.frame.block,
            false_block=no.frame.block,
            sizes=merger.sizes(yes.frame.block, no.frame.block),
        )
    if yes.error is not None and no.error is not None:
        raise BranchEnds(yes.error)
    for place, plan in plans:
        value = plan(outs)
        if place not in places:
            build.note(place)
        place.set(value)
    merger.note_new(outs)
    if yes.error is not None or no.error is not None:
        build.facts.learn(chosen, yes.error is None)


class _Side:
    """One branch, traced into its block and undone again. `error` is what it ends the call with."""

    def __init__(self, build: ProgramTracer, body: Body, places: Sequence[Place],
                 chosen: Traced, taken: bool) -> None:  # fmt: skip
        before = [(place, place.get()) for place in places]
        self.values: dict[Any, Seen] = {}
        self.error: BaseException | None = None
        with build.journal() as journal:
            try:
                with build.sub_block() as self.frame:
                    build.facts.learn(chosen, taken)
                    self.error = ending(build, body)
                    if self.error is not None:
                        emit_error(build, build.as_traced(False), self.error)
                    self.written = {} if self.error else dict(journal.first)
                    self.values.update({place.key: seen(place) for place in places})
                    self.values.update(
                        {key: seen(place) for key, (place, _) in journal.first.items()}
                    )
            finally:
                journal.undo()
                for place, value in before:
                    place.set(value)

    def made(self) -> dict[Any, tuple[Place, Any]]:
        """The contents of lists and dicts with tensors of this branch, which go on with it."""
        found: dict[Any, tuple[Place, Any]] = {}
        pending = [leaf for value in self.values.values() for leaf in flatten(value.copy)[1]]
        while pending:
            held = pending.pop()
            if type(held) is Held:
                leaves = flatten(held.copy)[1]
                pending += leaves
                if any(is_traced(leaf) and not is_known(leaf) for leaf in leaves):
                    place = ContentsPlace(held.origin)
                    found[place.key] = place, UNSET
        return found

    def forget(self, known: Sequence[Place]) -> dict[Any, tuple[Place, Any]]:
        """Let go of the objects in these places; returns the other places that were written, with
        what they held before.
        """
        keys = {place.key for place in known}
        for key in keys & self.values.keys():
            self.values[key] = Seen(None, None)
        return {key: one for key, one in self.written.items() if key not in keys}

    def after(self, place: Place) -> Seen | None:
        """What the place holds at the end of this branch; None if the branch ends the call."""
        if self.error is not None:
            return None
        return self.values[place.key] if place.key in self.values else seen(place)


def has_effect(op: OpDesc) -> bool:
    """Whether an op, or one inside of it, does more than to compute a value."""
    return get_op(op.type).side_effect or any(map(_has_effects, op.blocks))


def _has_effects(block: Block) -> bool:
    return any(map(has_effect, block.ops))


def _share_arguments(build: ProgramTracer, yes: Frame, no: Frame) -> list[Traced]:
    """Give both blocks one list of arguments; returns the values for them."""
    wanted: list[Variable] = list(dict.fromkeys([*yes.captured, *no.captured]))
    for frame in (yes, no):
        with build.reenter(frame):
            frame.block.args = [build.seen_here(var) for var in wanted]
    return [build.traced(var) for var in wanted]
