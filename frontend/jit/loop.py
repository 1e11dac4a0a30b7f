"""`while` and `for` at run time: Python's own for Python values, a `while` op for tensors.

A loop whose condition becomes a tensor only after some rounds (`while True` with a tensor-dependent
break) runs these rounds in Python first: they are part of the Program, unrolled.

The types of what a loop carries are found by tracing the body until nothing changes
(`loop_slot.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from operator import length_hint
from typing import Any, Final

from wherry.ir.program import Variable
from wherry.schema.errors import ConversionError

from ..traced import Traced
from .branch import active_tracer, decides
from .ends import ending
from .explain import record
from .generators import run_loop
from .iterate import Indexed, Pushed, indexed, opened
from .leaves import as_tensor_of, original
from .logic import logical_and, logical_not
from .loop_aliases import Carried, Leaf, LoopAliases
from .loop_ends import HeldPlace, LoopEnds
from .loop_sizes import LoopSizes
from .loop_slot import LoopSlot
from .sides import trace_branch
from .state import (
    BufferPlace,
    Journal,
    Place,
    Poison,
    TensorPlace,
    at_line,
    cells_of,
    outlives,
    seen,
)
from .structure import flatten
from .tracer import Frame, ProgramTracer

Body = Callable[[], Any]

# Where a name has been given so many kinds of value, one more by each round, there is no end to it.
MOST_KINDS: Final = 8


def convert_while(test: Body, body: Body, names: Sequence[str], inner: Sequence[str]) -> None:
    """Run the loop, or record it from the round on in which its condition is a tensor.

    `names` are what the loop binds, `inner` those of them that nobody reads outside of it.
    """
    for rounds in count():
        going = decides(test())
        if isinstance(going, Traced):
            record("while", "while" + f", after {rounds} rounds" * (rounds > 0), recorded=True)
            _record(going, test, body, cells_of((test, body), names), inner)
            return
        if not going:
            record("while", f"unrolled, {rounds} rounds")
            return
        body()


def convert_for(
    iterable: Any, body: Callable[[Any], Any], names: Sequence[str], inner: Sequence[str],
    stop: Body | None,
) -> None:  # fmt: skip
    """Run the body for each item; `stop` reads the flag that a `break` sets."""
    places = cells_of((body,) if stop is None else (body, stop), names)
    iterable = opened(iterable)
    if isinstance(iterable, Pushed):
        run_loop(iterable, body, places, stop)
        return
    sequence = indexed(iterable)
    if sequence is None or isinstance(sequence.length, int):
        items = iterable if sequence is None else map(sequence.item, range(sequence.length))
        rounds = _unrolled(items, body, places, stop)
        record("for", f"unrolled, {rounds} rounds")
    else:
        record("for", "while", recorded=True)
        _recorded(sequence, body, places, inner, stop)


def _unrolled(items: Any, body: Callable[[Any], Any], places: list[Place],
              stop: Body | None) -> int:  # fmt: skip
    """Run the body for each item; returns the number of rounds."""
    rounds = 0
    for item in items:
        stopped = decides(stop()) if stop is not None else False
        if isinstance(stopped, Traced):
            if length_hint(items, -1) < 0 and not isinstance(items, (map, zip, enumerate)):
                _need_length(items)
            going = logical_not(stopped)
            trace_branch(going, lambda item=item: body(item), lambda: None, places)  # type: ignore[misc]
        elif stopped:
            return rounds
        else:
            body(item)
        rounds += 1
    return rounds


def _need_length(items: Any) -> None:
    raise ConversionError(
        f"a `break` that depends on a tensor needs a loop of known length, got a "
        f"{type(items).__name__}; "
        f"loop over a list or a range{at_line()}"
    )


def _recorded(sequence: Indexed, body: Callable[[Any], Any], places: list[Place],
              inner: Sequence[str], stop: Body | None) -> None:  # fmt: skip
    """A loop over a length that is known at the call only, as a while over its index."""
    build = active_tracer()
    assert build is not None
    index = HeldPlace(build.as_traced(0).note_number(), "the index of the loop")
    length = build.as_traced(sequence.length)

    def test() -> Any:
        more = build.emit("less_than", index.get(), length)
        return more if stop is None else logical_and(logical_not(stop()), lambda: more)

    def round_() -> None:
        body(sequence.item(index.get()))
        one = build.as_traced(1)
        index.set(build.emit("elementwise_add", index.get(), one).note_number())

    going = decides(test())
    if isinstance(going, Traced):
        _record(going, test, round_, [index, *places], inner)


def _record(going: Traced, test: Body, body: Body, places: Sequence[Place],
            inner: Sequence[str]) -> None:  # fmt: skip
    ends = LoopEnds(going.tracer, test, body, places)
    Loop(going.tracer, ends.test, ends.body, places, inner).record(going)
    ends.throw()


class Loop:
    """One tensor-dependent loop being recorded."""

    def __init__(
        self, build: ProgramTracer, test: Body, body: Body, places: Sequence[Place],
        inner: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.build, self.test, self.body = build, test, body
        self.sizes = LoopSizes(build)
        self.aliases = LoopAliases(build)
        self.slots = {place.key: LoopSlot(place, self.sizes) for place in places}
        # The names that nobody reads outside of the loop.
        self.inner = set(inner)
        # What the last round left in another form than it began with.
        self.unsettled: list[str] = []
        # Which lists and dicts may be one object when a round ends.
        self.shared: Any = frozenset()
        # What a round ends the call with, where no round comes to its end.
        self.error: BaseException | None = None

    def record(self, going: Traced) -> None:
        """Find the carries' types, append the `while` op and set the places to its results."""
        try:
            self._record(going)
        finally:
            for slot in self.slots.values():
                self.build.references.disown(slot)

    def _record(self, going: Traced) -> None:
        for number in range(8 + 4 * len(self.slots)):
            mark = self.build.mark()
            frame, settled = self._trace()
            if self.error is not None:
                self.build.discard(mark)
                self._record_end(going, self.error, is_first=not number)
                return
            if settled:
                self._emit(going, frame)
                return
            self.build.discard(mark)
            if any(slot.restarts > MOST_KINDS for slot in self.slots.values()):
                break
        names = ", ".join(self.unsettled) or "what a round changes"
        raise ConversionError(
            f"the kinds of {names} in a loop on a tensor do not settle: each round gives them "
            f"other values of Python{at_line()}"
        )

    def _trace(self) -> tuple[Frame, bool]:
        """One round in a new block, undone again; True if the next round can start as this one."""
        with self.build.journal() as journal:
            try:
                self.build.loops += 1
                with self.build.sub_block() as frame:
                    settled = self._round(frame)
            finally:
                self.build.loops -= 1
                journal.undo()
                for slot in self.slots.values():
                    slot.place.set(slot.before)
        shares_anew = self._shares_anew()
        settled = settled and not self._discover(journal)
        settled = settled and not self.aliases.settle(frame, self._leaves())
        settled = settled and not shares_anew
        if settled:
            with self.build.reenter(frame):
                frame.block.results += self.aliases.ends(self._leaves())
        return frame, settled

    def _shares_anew(self) -> bool:
        """Whether other lists and dicts may be one object than when the last round ended."""
        ends = {
            (key, path): nodes
            for key, slot in self.slots.items() for path, nodes in slot.ends.items()
        }  # fmt: skip
        before, self.shared = self.shared, self.build.references.shared(ends)
        return before != self.shared and any(slot.made for slot in self.slots.values())

    def _round(self, frame: Frame) -> bool:
        """Trace the body and the next condition; True if what is carried is settled."""
        for slot in self.slots.values():
            slot.place.set(slot.round_start(self.build, frame))
        self.aliases.begin(
            frame,
            {
                (slot.place.key, number): arg
                for slot in self._naming()
                for number, arg in slot.args.items()
            },
        )
        going: list[Traced] = []
        self.error = ending(self.build, lambda: going.append(self._next()))
        if self.error is not None:
            return False
        inner = self.inner - self.build.unset_reads
        ends = [seen(slot.place) for slot in self.slots.values()]
        # What this round has come to know says nothing of how the next one starts.
        with self.build.facts.ignored():
            changes = [
                slot.settle(end, slot.place.label in inner)
                for slot, end in zip(self.slots.values(), ends, strict=True)
            ]
            rows = zip(self.slots.values(), changes, strict=True)
            self.unsettled = [slot.place.label for slot, changed in rows if changed]
            changes.append(self.sizes.settle())
            if not any(changes):
                frame.block.results = [self.build.variable(going[0]), *self._carried()]
        return not any(changes)

    def _next(self) -> Traced:
        """Run the body; returns whether another round follows."""
        self.body()
        return self.build.as_traced(decides(self.test()))

    def _record_end(self, going: Traced, error: BaseException, is_first: bool) -> None:
        """The first round is the last one: the loop is an `if` around it."""
        if not is_first:
            raise error
        places = [slot.place for slot in self.slots.values()]
        trace_branch(going, self._next, lambda: None, places)

    def _discover(self, journal: Journal) -> bool:
        """Take up places that existed before the loop and were written in it."""
        found = False
        while journal.first:
            key, (place, before) = journal.first.popitem()
            if key not in self.slots and outlives(place, before):
                self.slots[key] = LoopSlot(place, self.sizes)
                found = True
        return found

    def _carried(self) -> list[Variable]:
        """The Variables that a round leaves for the next, in the order of the block's args."""
        results = []
        for slot in self._carrying():
            for leaf, type_ in zip(flatten(slot.end)[1], slot.types, strict=True):
                if type_ is not None:
                    made = as_tensor_of(self.build, leaf, type_.dtype)
                    results.append(self.build.variable(made))
        return results

    def _emit(self, going: Traced, frame: Frame) -> None:
        starts = []
        for slot in self._carrying():
            for leaf, type_ in zip(slot.leaves, slot.types, strict=True):
                if type_ is not None:
                    starts.append(as_tensor_of(self.build, leaf, type_.dtype))
        leaves = self._leaves()
        starts += self.aliases.starts(leaves)
        extra = [self.build.traced(var) for var in frame.captured]
        sizes = self.sizes.carried([slot.place.key for slot in self._carrying()])
        outs = iter(self.build.emit("while", going, starts, extra, block=frame.block, sizes=sizes))
        tensors: dict[Leaf, Traced] = {}
        for slot in self.slots.values():
            if slot.message:
                self._set(slot, Poison(slot.message))
            elif slot.carries:
                made = [
                    leaf if type_ is None else slot.carried(number, next(outs))
                    for number, (leaf, type_) in enumerate(
                        zip(slot.leaves, slot.types, strict=True)
                    )
                ]
                for number in slot.args:
                    leaf = slot.place.key, number
                    if leaf in leaves and leaves[leaf].is_kept:
                        made[number] = leaves[leaf].start
                    else:
                        tensors[leaf] = made[number]
                self._set(slot, slot.value_of(made))
            elif slot.start is not slot.before:
                self._set(slot, slot.contents())
        objects = {leaf: tensors[leaf] for leaf in leaves if leaf in tensors}
        self.aliases.note(going, leaves, objects, outs)

    def _leaves(self) -> dict[Leaf, Carried]:
        """The tensors that names and objects hold and rounds carry."""
        found: dict[Leaf, Carried] = {}
        for slot in self._naming():
            ends = flatten(slot.end)[1]
            for number, arg in slot.args.items():
                start, end = slot.leaves[number], ends[number]
                found[slot.place.key, number] = Carried(arg, original(start), original(end))
        return found

    def _carrying(self) -> list[LoopSlot]:
        return [slot for slot in self.slots.values() if slot.carries]

    def _naming(self) -> list[LoopSlot]:
        """The carried slots whose tensors are objects, not what an object has become."""
        values = (HeldPlace, TensorPlace, BufferPlace)
        return [slot for slot in self._carrying() if not isinstance(slot.place, values)]

    def _set(self, slot: LoopSlot, value: Any) -> None:
        if not isinstance(slot.place, HeldPlace):
            self.build.note(slot.place)
        slot.place.set(value)
