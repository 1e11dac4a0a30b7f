"""Which of the tensors that a loop on a tensor carries are one object, from round to round.

What a name holds when a round starts may be a tensor from around the loop, or what another name
holds. Where a round writes to one of these in place, or asks for it with `is`, the loop carries a
bool for each two that may be one, and the round starts with their `Choice`s.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.ir.program import Variable
from wherry.schema.dtypes import bool_
from wherry.tensor import Tensor

from ..traced import Choice, Traced
from .choices import (
    add_choice,
    common,
    is_clear,
    is_known,
    is_one,
    note_choice,
    note_new,
    note_unclear,
    targets,
    was_asked,
)
from .leaves import type_of
from .state import is_tensor

if TYPE_CHECKING:
    from .tracer import Frame, ProgramTracer

Leaf = tuple[Any, int]  # the slot's key, the number of the leaf in it
FALSE, BOOL, UNCLEAR = "never", "as a bool says", "it is not known when"


class Carried(NamedTuple):
    """A leaf that rounds carry: its tensor when a round starts, before the loop, after a round."""

    arg: Traced
    start: Any
    end: Any

    @property
    def is_kept(self) -> bool:
        """Whether rounds leave the name with the tensor that it has before the loop."""
        if self.end is not self.arg or not is_tensor(self.start):
            return False
        return type_of(self.start) == type_of(self.arg)


class Alias:
    """A leaf, and what it may be when a round starts: another leaf, or a tensor from outside."""

    def __init__(self, leaf: Leaf, other: Leaf | Tensor) -> None:
        self.leaf, self.other = leaf, other
        self.kind = BOOL
        self.flag: Traced | None = None

    def link(self, build: ProgramTracer, frame: Frame, args: Mapping[Leaf, Traced]) -> None:
        """Let the tensors that a round starts with be one where the loop's bool says so."""
        self.flag = None
        if self.kind is BOOL:
            self.flag = build.traced(frame.block.add_arg(build.program.unique("is_one"), (), bool_))
        one = args.get(self.leaf)
        other = args.get(self.other) if isinstance(self.other, tuple) else self.other
        if self.kind is not FALSE and one is not None and other is not None:
            add_choice(one, Choice(self.flag, True, weakref.ref(other)), other)

    def settle(self, leaves: Mapping[Leaf, Carried]) -> bool:
        """Find out what the loop has to know of the two; True if that is something else now."""
        before = self.kind
        found = [*self._common(leaves, "start"), *self._common(leaves, "end")]
        if not all(map(is_clear, found)) or before is UNCLEAR:
            self.kind = UNCLEAR
        else:
            self.kind = BOOL if found else FALSE
        return self.kind is not before

    def value(self, leaves: Mapping[Leaf, Carried], when: str) -> Any:
        """Whether they are one before the loop or after a round: a bool or a 0-d bool tensor."""
        return is_one(self._common(leaves, when))

    def _common(self, leaves: Mapping[Leaf, Carried], when: str) -> list[tuple[Choice, Choice]]:
        one, other = (
            getattr(leaves.get(value), when, None) if isinstance(value, tuple) else value
            for value in (self.leaf, self.other)
        )
        return common(one, other, parts=True)


class LoopAliases:
    """The aliases of one loop, found by tracing its rounds until there are no new ones."""

    def __init__(self, build: ProgramTracer) -> None:
        self.build = build
        self.pairs: dict[tuple[Leaf, Any], Alias] = {}

    def begin(self, frame: Frame, args: Mapping[Leaf, Traced]) -> None:
        """Link the tensors that a round starts with."""
        for alias in self.pairs.values():
            alias.link(self.build, frame, args)

    def settle(self, frame: Frame, leaves: Mapping[Leaf, Carried]) -> bool:
        """Add what a round that is closed and undone shows; True if there is something new."""
        before = len(self.pairs)
        for leaf, other in self._asked(frame, leaves):
            key = other if isinstance(other, tuple) else id(other)
            self.pairs.setdefault((leaf, key), Alias(leaf, other))
        changes = [alias.settle(leaves) for alias in self.pairs.values()]
        return len(self.pairs) != before or any(changes)

    def ends(self, leaves: Mapping[Leaf, Carried]) -> list[Variable]:
        """The bools that a round leaves for the next; call it while its block is open."""
        return [self.build.variable(one.value(leaves, "end")) for one in self._bools()]

    def starts(self, leaves: Mapping[Leaf, Carried]) -> list[Traced]:
        """The bools before the first round."""
        return [self.build.as_traced(one.value(leaves, "start")) for one in self._bools()]

    def note(self, going: Traced, leaves: Mapping[Leaf, Carried], outs: Mapping[Leaf, Traced],
             flags: Iterator[Traced]) -> None:  # fmt: skip
        """Let what comes out of the loop be the tensors that it is."""
        for alias in self.pairs.values():
            other = outs.get(alias.other) if isinstance(alias.other, tuple) else alias.other
            flag = next(flags) if alias.kind is BOOL else None
            if alias.kind is not FALSE and alias.leaf in outs and other is not None:
                add_choice(outs[alias.leaf], Choice(flag, True, weakref.ref(other)), other)
        reached = _reached(leaves)
        for leaf, out in outs.items():
            pairs = {key for one, key in self.pairs if one == leaf}
            self._note_outside(going, leaves[leaf], out, pairs)
            if leaves[leaf].end is not leaves[leaf].arg:
                passed = _passed(leaves[leaf], reached[leaf])
                note_unclear(out, [one for one in passed if id(one) not in pairs])
        # Of leaves that have pairs everything is known.
        paired = {leaf for pair in self.pairs for leaf in pair}
        new = [(leaves[leaf].end, out) for leaf, out in outs.items() if leaf not in paired]
        note_new(going, True, new)

    def _note_outside(self, going: Traced, carried: Carried, out: Traced, known: set[Any]) -> None:
        """What is behind the loop is the start where there was no round."""
        for wanted, value in ((False, carried.start), (True, carried.end)):
            if id(value) not in known:
                note_choice(out, going, wanted, value)
        parts = targets(carried.end, parts=True)[1:]
        sources = [choice.source() for choice in parts]
        note_unclear(out, [one for one in sources if is_known(one) and id(one) not in known])

    def _bools(self) -> list[Alias]:
        return [alias for alias in self.pairs.values() if alias.kind is BOOL]

    def _asked(self, frame: Frame, leaves: Mapping[Leaf, Carried]) -> Iterator[tuple[Leaf, Any]]:
        """The pairs that may be one, of the leaves that have to do with what a round asked for."""
        if not frame.asked:
            return
        reached = _reached(leaves)
        args = {id(carried.arg): leaf for leaf, carried in leaves.items()}
        for group in _groups(reached):
            objects = {key: one for leaf in group for key, one in reached[leaf].items()}
            asked = [leaves[leaf].arg for leaf in group] + list(objects.values())
            if not any(was_asked(frame, one) for one in asked):
                continue
            for leaf in group:
                outside = (one for one in reached[leaf].values() if is_known(one))
                yield from ((leaf, one) for one in outside)
            for one, two in combinations(group, 2):
                both = reached[one].keys() & reached[two].keys() - args.keys()
                if any(not is_known(objects[key]) for key in both):
                    yield one, two


def _reached(leaves: Mapping[Leaf, Carried]) -> dict[Leaf, dict[int, Tensor]]:
    """The tensors that each leaf may be, or be a part of, when some round starts, by their ids."""
    args = {id(carried.arg): leaf for leaf, carried in leaves.items()}
    found: dict[Leaf, dict[int, Tensor]] = {}
    for leaf, carried in leaves.items():
        both = [*targets(carried.start, parts=True), *targets(carried.end, parts=True)]
        found[leaf] = {
            id(one): one for one in (choice.source() for choice in both) if one is not None
        }
    grown = True
    while grown:
        grown = False
        for leaf, objects in found.items():
            more = [
                found[args[key]] for key in objects.keys() & args.keys() - {id(leaves[leaf].arg)}
            ]
            size = len(objects)
            for one in more:
                found[leaf] = objects = {**objects, **one}
            grown = grown or len(objects) != size
    return found


def _passed(carried: Carried, objects: Mapping[int, Tensor]) -> list[Tensor]:
    """The tensors from outside that come to a leaf by way of others, from round to round."""
    known = [one for one in objects.values() if is_known(one) and one is not carried.end]
    returns = id(carried.arg) in objects
    return [one for one in known if returns or one is not carried.start]


def _groups(reached: Mapping[Leaf, Mapping[int, Tensor]]) -> list[list[Leaf]]:
    """The leaves that have a tensor in common, directly or by way of others."""
    groups: list[tuple[set[int], list[Leaf]]] = []
    for leaf, objects in reached.items():
        keys, members = set(objects), [leaf]
        for group in [one for one in groups if one[0] & keys]:
            groups.remove(group)
            keys, members = keys | group[0], group[1] + members
        groups.append((keys, members))
    return [members for _, members in groups]
