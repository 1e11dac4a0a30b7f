"""Grouping of pointwise ops of one shape into loops, in nearly linear time.

Each op gets a level: not below those it reads, and above them where they cannot be in its group. So
groups whose members have one level never wait for each other in a circle. A group all of whose
readers are in one other group joins that one, whatever their levels: nothing stands between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from ..dims import product
from ..found import CHECK, Found, mentioned
from ..infer import Shape
from ..program import Block, OpDesc, Variable
from .base import is_pure
from .fusion import (
    MAX_INPUTS,
    MAX_OPS,
    Readers,
    is_constant,
    is_fusible,
    make_fusion,
    may_fail,
)

# Loops of so few elements are joined, each with so many of the last ones.
SMALL, NEIGHBOURS = 1024, 4


def fuse_loops(block: Block) -> bool:
    """Turn groups of pointwise ops, and single ones that read constants, into loops."""
    grouping = _Grouping(block)
    groups = grouping.ordered()
    if not any(map(_is_worth_it, groups)):
        return False
    readers = Readers(block)
    block.ops[:] = [op for group in groups for op in _as_ops(block, group, readers)]
    return True


def _is_worth_it(group: _Group) -> bool:
    return group.space is not None and (len(group.ops) > 1 or any(map(is_constant, group.inputs)))


def _as_ops(block: Block, group: _Group, readers: Readers) -> list[OpDesc]:
    if not _is_worth_it(group):
        return group.ops
    members = sorted(group.ops, key=readers.position.__getitem__)
    inside = set(members)
    made = [var for op in members for var in op.out_vars]
    outputs = [var for var in made if not readers.all_among(var, inside)]
    if not outputs:
        return group.ops
    fusion = make_fusion(block, members, "loop", outputs)
    for var in (var for var in made if var not in outputs):
        block.drop_var(var)
    return [fusion]


@dataclass(eq=False)
class _Group:
    """Ops that run together. `space` is None for an op that stays alone."""

    ops: list[OpDesc]
    place: int
    level: int = 0
    space: Shape | None = None
    inputs: set[Variable] = field(default_factory=set)
    behind: set[_Group] = field(default_factory=set)
    merged: _Group | None = None

    def outputs(self) -> Iterator[Variable]:
        return (var for op in self.ops for var in op.out_vars)

    def takes(self, others: Sequence[_Group]) -> bool:
        """Whether the group and the others together are small enough for one loop."""
        groups = [self, *others]
        made = {var for group in groups for var in group.outputs()}
        inputs = set[Variable]().union(*(group.inputs for group in groups)) - made
        return sum(len(g.ops) for g in groups) <= MAX_OPS and len(inputs) <= MAX_INPUTS

    def absorb(self, other: _Group) -> None:
        other.merged = self
        self.ops += other.ops
        self.inputs = (self.inputs | other.inputs) - set(self.outputs())
        self.behind |= other.behind
        self.place = max(self.place, other.place)


class _Grouping:
    """The groups of a block; `of` gives the group that a Variable's op was put into."""

    def __init__(self, block: Block) -> None:
        self.groups: list[_Group] = []
        self.found = Found(block.program)
        self.of: dict[Variable, _Group] = {}
        self.small: dict[tuple[Shape, int], list[_Group]] = {}
        self.effects: list[_Group] = []
        self.sizes: dict[str, set[_Group]] = {}
        for place, op in enumerate(block.ops):
            self.add(place, op)
        self.groups = [group for group in self.groups if group.merged is None]
        self.join_readers()
        self.groups = [group for group in self.groups if group.merged is None]

    def find(self, group: _Group) -> _Group:
        while group.merged is not None:
            if group.merged.merged is not None:
                group.merged = group.merged.merged
            group = group.merged
        return group

    def add(self, place: int, op: OpDesc) -> None:
        """Put an op into a group with those it reads, where they may be one."""
        group = _Group([op], place, inputs=set(op.in_vars))
        if is_fusible(op):
            group.space = op.output().shape
        self.note_sizes(op, group)
        if may_fail(op):
            # An `assert` before it may be what keeps it from failing.
            group.behind.update(self.effects[-1:])
        before = self.before(group)
        if not is_pure(op):
            before += self.effects[-1:]
            self.effects.append(group)
        mates = [one for one in before if self.are_mates(one, group)]
        above = [one.level + (one not in mates) for one in before]
        group.level = max(above, default=0)
        mates = [one for one in mates if one.level == group.level]
        if mates and not group.takes(mates):
            group.level, mates = group.level + 1, []
        for mate in mates:
            group.absorb(mate)
        self.join_small(group)
        self.groups.append(group)
        for var in op.out_vars:
            self.of[var] = group

    def note_sizes(self, op: OpDesc, group: _Group) -> None:
        """Let an op run behind those that find or check the sizes that it mentions."""
        if not self.found:
            return
        for name in self.found.uses(op):
            group.behind |= self.sizes.get(name, set())
        for name in mentioned(op) if op.type == CHECK else self.found.finds(op):
            self.sizes.setdefault(name, set()).add(group)

    def before(self, group: _Group) -> list[_Group]:
        """The groups that this one runs behind."""
        found = [self.find(self.of[var]) for var in group.inputs if var in self.of]
        found += [self.find(one) for one in sorted(group.behind, key=lambda one: one.place)]
        return list(dict.fromkeys(found))

    def are_mates(self, one: _Group, other: _Group) -> bool:
        return one.space is not None and one.space == other.space

    def join_small(self, group: _Group) -> None:
        """Loops over a few elements run together even if they share nothing: a call costs more."""
        if group.space is None or not _is_small(group.space):
            return
        recent = self.small.setdefault((group.space, group.level), [])
        recent[:] = [one for one in recent if one.merged is None][-NEIGHBOURS:]
        for other in list(recent):
            if group.takes([other]):
                group.absorb(other)
                recent.remove(other)
        recent.append(group)

    def join_readers(self) -> None:
        """Let a group join its only reader; the last groups first, so that chains join."""
        readers: dict[_Group, set[_Group]] = {group: set() for group in self.groups}
        for group in self.groups:
            for early in self.before(group):
                readers[early].add(group)
        for group in sorted(self.groups, key=lambda one: one.level, reverse=True):
            found = {self.find(one) for one in readers[group]}
            if len(found) == 1 and self.are_mates(group, *found):
                (reader,) = found
                if reader.takes([group]):
                    reader.absorb(group)

    def ordered(self) -> list[_Group]:
        """The groups so that each runs after what it waits for; else in the order of the block."""
        after: dict[_Group, list[_Group]] = {group: [] for group in self.groups}
        waits = dict.fromkeys(self.groups, 0)
        pairs = [(early, group) for group in self.groups for early in self.before(group)]
        pairs += zip(self.effects, self.effects[1:], strict=False)
        for early, group in pairs:
            after[early].append(group)
            waits[group] += 1
        ready = [(group.place, group) for group in self.groups if not waits[group]]
        heapify(ready)
        done = []
        while ready:
            _, group = heappop(ready)
            done.append(group)
            for late in after[group]:
                waits[late] -= 1
                if not waits[late]:
                    heappush(ready, (late.place, late))
        return done


def _is_small(shape: Shape) -> bool:
    size = product(shape)
    return isinstance(size, int) and size <= SMALL
