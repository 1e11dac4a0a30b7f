"""The two sides of a branch on a tensor: each is traced into a block, and what they changed is
merged behind the `cond`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Variable

from ..traced import Traced
from .attributes import AttributePlace
from .choices import is_known
from .ends import emit_error, end_of, end_unless, ending
from .merge import Merger
from .regions import Operand, Region, Rest, Thrown, inside, is_awaited
from .signals import BranchEnds
from .state import (
    UNSET,
    BufferPlace,
    CellPlace,
    ContentsPlace,
    GlobalPlace,
    Place,
    Seen,
    TensorPlace,
    is_traced,
    outlives,
    seen,
)
from .structure import Held, flatten
from .tracer import Frame, ProgramTracer

Body = Callable[[], Any]
# Gives a place's value behind the `cond`, from its results.
Plan = Callable[[list[Traced]], Any]


class Side:
    """One side, traced into its block and undone again.

    `error` is what it ends the call with; `thrown` are the errors in it that a `try` around
    catches.
    """

    def __init__(self, build: ProgramTracer, places: Sequence[Place], chosen: Traced,
                 taken: bool) -> None:  # fmt: skip
        self.build, self.places = build, places
        self.before = [(place, place.get()) for place in places]
        build.references.before[id(self)] = self.before
        self.values: dict[Any, Seen] = {}
        self.error: BaseException | None = None
        self.thrown: list[Thrown] = []
        self.open = ExitStack()
        self.journal = self.open.enter_context(build.journal())
        self.open.callback(self._undo)
        self.frame = self.open.enter_context(build.sub_block())
        build.facts.learn(chosen, taken)

    def run(self, body: Body) -> Side:
        """Trace all of it."""
        with self.open:
            thrown: list[Thrown] = []
            region = Region(self.places)
            error = ending(self.build, lambda: thrown.extend(within(self.build, region, body)))
            self._finish(error, thrown)
        return self

    def expect_writes(self) -> None:
        """Note what was announced before this side was opened: it may be written only now, as
        `self.x` is in `self.x = f(x)` where f opens it.
        """
        for journal in self.build.journals[:-1]:
            for place, _ in journal.first.values():
                if isinstance(place, (AttributePlace, ContentsPlace, CellPlace, GlobalPlace)):
                    self.journal.note(place)

    def end(self, error: BaseException | None, thrown: Iterable[Thrown]) -> None:
        """Close a side that was traced piece by piece."""
        with self.open:
            self._finish(error, thrown)

    def _finish(self, error: BaseException | None, thrown: Iterable[Thrown]) -> None:
        build = self.build
        self.thrown += thrown
        if error is not None and is_awaited(build, error):
            self.thrown.append(Thrown(True, error))
        elif error is not None:
            self.error = error
            emit_error(build, build.as_traced(False), error)
        first = self.journal.first
        self.written = {} if self.error else dict(first)
        self.values.update({place.key: seen(place) for place in self.places})
        self.values.update({key: seen(place) for key, (place, _) in first.items()})

    def _undo(self) -> None:
        self.journal.undo()
        for place, value in self.before:
            place.set(value)
        del self.build.references.before[id(self)]

    def forget(self, known: Sequence[Place]) -> dict[Any, tuple[Place, Any]]:
        """Let go of the objects in these places; returns the other places that were written, with
        what they held before.
        """
        keys = {place.key for place in known}
        for key in keys & self.values.keys():
            self.values[key] = Seen(None, None)
        return {key: one for key, one in self.written.items() if key not in keys}

    def made(self) -> dict[Any, tuple[Place, Any]]:
        """The contents of lists and dicts with tensors of this side, which go on with it."""
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

    def after(self, place: Place) -> Seen | None:
        """What the place holds at the end of this side; None if it ends the call."""
        if self.error is not None:
            return None
        if place.key in self.values:
            return self.values[place.key]
        with self._as_at_the_end():
            return seen(place)

    @contextmanager
    def _as_at_the_end(self) -> Iterator[None]:
        """What the side left alone may hold lists, dicts and tensors that it wrote."""
        with self.build.journal() as journal:
            for key, (place, _) in self.written.items():
                if isinstance(place, (TensorPlace, BufferPlace, ContentsPlace)):
                    journal.note(place)
                    place.set(self.values[key].value)
            yield
        journal.undo()


def trace_branch(chosen: Traced, true_fn: Body, false_fn: Body, places: Sequence[Place]) -> None:
    """Record a `cond` of the two bodies and merge what they changed; what follows runs where no
    error was raised.
    """
    build = chosen.tracer
    yes = Side(build, places, chosen, True).run(true_fn)
    no = Side(build, places, chosen, False).run(false_fn)
    throw(build, join(chosen, yes, no, places))


def throw(build: ProgramTracer, thrown: Iterable[Thrown]) -> None:
    """Let what follows run where none of these errors was raised.

    Raises BranchEnds where one was raised in any case.
    """
    for one in thrown:
        known = True if one.flag is True else build.facts.get(one.flag)
        if known is False:
            continue
        if not is_awaited(build, one.error):
            _end_call(build, one)
            continue
        region = build.regions[-1]
        if known or isinstance(region, Operand):
            raise BranchEnds(one.error)
        handler = region.handler(one.error)
        rest = Side(build, region.places, one.flag, False)
        rest.expect_writes()
        region.rests.append(Rest(rest, one, handler))


def _end_call(build: ProgramTracer, thrown: Thrown) -> None:
    """Nothing is left that waits for the error."""
    if thrown.flag is not True:
        end_unless(thrown.flag, False, thrown.error)
        return
    emit_error(build, build.as_traced(False), thrown.error)
    raise BranchEnds(thrown.error)


def within(build: ProgramTracer, region: Region, body: Body) -> list[Thrown]:
    """Run the body of a region; the errors that leave it where a tensor says so."""
    with inside(build, region):
        try:
            end = _end(build, region, body)
            return _closed(build, region, end)
        finally:
            # Only a refusal leaves some open.
            while region.rests:
                region.rests.pop().side.open.close()


def _end(build: ProgramTracer, region: Region, body: Body) -> BaseException | None:
    """Run the body; the error that its last rest ends with."""
    try:
        body()
    except BaseException as error:
        if not region.rests:
            raise
        return end_of(build, error)
    return None


def _closed(build: ProgramTracer, region: Region, end: BaseException | None) -> list[Thrown]:
    """Close the rests, from the inner ones outwards: each is one side of a branch, and what its
    error comes to is the other one.
    """
    thrown: list[Thrown] = []
    while region.rests:
        side, (flag, error), handler = region.rests.pop()
        side.end(end, thrown)
        other = Side(build, region.places, flag, True)
        other.run(_raising(error) if handler is None else handler)
        try:
            thrown, end = join(flag, other, side, region.places), None
        except BranchEnds as both:
            thrown, end = [], both.error
    if end is not None:
        raise BranchEnds(end)
    return thrown


def _raising(error: BaseException) -> Body:
    def body() -> None:
        raise BranchEnds(error)

    return body


def join(chosen: Traced, yes: Side, no: Side, places: Sequence[Place]) -> list[Thrown]:
    """Append the `cond` of the two sides and set the places to what it gives; the errors that were
    raised in them.

    Raises BranchEnds if both end the call.
    """
    build = chosen.tracer
    merger = Merger(build, chosen)
    plans = _plans(merger, yes, no, places)
    flags = [*_flags(merger, yes, no, True), *_flags(merger, no, yes, False)]
    outs = _emitted(chosen, merger, yes, no)
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
    return [Thrown(plan(outs), error) for plan, error in flags]


def _plans(merger: Merger, yes: Side, no: Side,
           places: Sequence[Place]) -> list[tuple[Place, Plan]]:  # fmt: skip
    """What becomes of the places, and of what else the sides wrote."""
    known = list({place.key: place for place in places}.values())
    plans = [(place, merger.merge(place, yes.after(place), no.after(place))) for place in known]
    done: set[Any] = set()
    one_goes_on = (yes.error is None) != (no.error is None)
    made = (yes if yes.error is None else no).made() if one_goes_on else {}
    written = {**made, **yes.forget(known), **no.forget(known)}
    while written or merger.kept:
        if merger.kept:
            plans += _contents(merger, yes, no, done)
            continue
        key, (place, before) = written.popitem()
        if key in done:
            continue
        # What only the side itself knew of is gone with it, unless it is the side that goes on.
        if one_goes_on or outlives(place, before):
            plan = merger.merge(place, yes.after(place), no.after(place))
            plans.append((place, plan))
    return plans


def _contents(merger: Merger, yes: Side, no: Side, done: set[Any]) -> list[tuple[Place, Plan]]:
    """What lists and dicts hold that one side has made: the other one does not know them."""
    plans: list[tuple[Place, Plan]] = []
    kept, merger.kept = merger.kept, []
    for value, is_yes in kept:
        place = ContentsPlace(value)
        if place.key not in done:
            done.add(place.key)
            after = (yes if is_yes else no).after(place)
            sides = (after, None) if is_yes else (None, after)
            plans.append((place, merger.merge(place, *sides)))
    return plans


def _flags(merger: Merger, side: Side, other: Side, is_yes: bool) -> list[tuple[Plan, Any]]:
    """How it is told behind the branch which errors of one side were raised."""
    nothing = None if other.error is not None else Seen(False, False)
    return [
        (merger.merge("an error", *_on_one_side(Seen(flag, flag), nothing, is_yes)), error)
        for flag, error in side.thrown
    ]


def _on_one_side(one: Seen, other: Seen | None, is_yes: bool) -> tuple[Seen | None, Seen | None]:
    return (one, other) if is_yes else (other, one)


def _emitted(chosen: Traced, merger: Merger, yes: Side, no: Side) -> list[Traced]:
    """The results of the `cond`, which is left out where nobody needs it."""
    build = chosen.tracer
    for number, side in enumerate((yes, no)):
        with build.reenter(side.frame):
            side.frame.block.results = merger.results(number)
    if not (merger.pairs or _has_effects(yes.frame.block) or _has_effects(no.frame.block)):
        return []
    inputs = _share_arguments(build, yes.frame, no.frame)
    found: list[Traced] = build.emit(
        "cond",
        chosen,
        inputs,
        true_block=yes.frame.block,
        false_block=no.frame.block,
        sizes=merger.sizes(yes.frame.block, no.frame.block),
    )
    return found


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
