"""fuse: pointwise ops of one iteration space become one `fusion`: no intermediate is stored.

Two kinds. "loop": all ops have outputs of one shape; each value that is read outside is an output.
"reduce": a reduction with the pointwise ops that compute its input; its result is the only output.
A pointwise op whose value is read elsewhere too is computed again there where that is cheap (an
addition, not an exp), else it stays outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..cost import cost_of
from ..dims import product
from ..infer import Shape
from ..opdef import get_op
from ..program import Block, OpDesc, Program, Variable
from .base import is_pure, live_blocks, rule_attrs

MAX_OPS = 48
MAX_INPUTS = 24
# What a reduction may compute again, in multiplications per element: less than a load and a store.
MAX_COPIED_COST = 8
# Loops of so few elements are joined, each with so many of the last ones.
SMALL, NEIGHBOURS = 1024, 4
REDUCTIONS = frozenset(
    f"reduce_{name}" for name in ("sum", "max", "min", "prod", "any", "all")
)  # fmt: skip


class Fuse:
    """Reductions first: they take their prologue; what remains is grouped into loops."""

    name = "fuse"

    def run(self, program: Program) -> bool:
        blocks = [b for b in live_blocks(program) if not _is_fused(b, program)]
        changed = [_fuse_reductions(block) | _fuse_loops(block) for block in blocks]
        return any(changed)


def _is_fused(block: Block, program: Program) -> bool:
    return any(block in op.blocks for op in program.all_ops() if op.type == "fusion")


def is_fusible(op: OpDesc) -> bool:
    """Pointwise, with one output; `axis` is aligned already."""
    return get_op(op.type).is_map and len(op.out_vars) == 1 and op.attrs.get("axis", -1) == -1


# Reductions with their prologue.


def _fuse_reductions(block: Block) -> bool:
    readers = _Readers(block)
    changed = False
    for index, op in enumerate(block.ops):
        if op.type in REDUCTIONS and len(op.in_vars) == 1:
            prologue = _prologue(op, readers)
            if prologue:
                block.ops[index] = make_fusion(block, [*prologue, op], "reduce", op.out_vars)
                changed = True
    if changed:
        _drop_unread(block)
    return changed


class _Readers:
    """Who reads what in a block, and where each op stands."""

    def __init__(self, block: Block) -> None:
        self.users, self.results = block.users(), set(block.results)
        self.position = {op: index for index, op in enumerate(block.ops)}

    def all_among(self, var: Variable, ops: set[OpDesc]) -> bool:
        """Whether nothing but these ops reads the Variable."""
        return var not in self.results and ops.issuperset(self.users.get(var, []))


def _prologue(reduction: OpDesc, readers: _Readers) -> list[OpDesc]:
    """The pointwise ops to compute inside the reduction's loop, in order.

    Those that nothing else reads, and copies of some others, as far as they are worth it.
    """
    space = reduction.in_vars[0].shape
    own, copies, budget = {reduction}, set[OpDesc](), MAX_COPIED_COST
    pending = {reduction.in_vars[0].op}
    while pending and len(own) + len(copies) <= MAX_OPS:
        # The last one first: then all its readers have been looked at.
        op = max(pending, key=lambda one: readers.position.get(one, -1) if one else -1)
        pending.discard(op)
        if op is None or op not in readers.position:
            continue
        if not is_fusible(op) or op.output().shape != space:
            continue
        if readers.all_among(op.output(), own):
            own.add(op)
        elif _saves_loads(op) and (budget := budget - cost_of(op)) >= 0:
            copies.add(op)
        else:
            continue
        pending.update(var.op for var in op.in_vars)
    return sorted((own | copies) - {reduction}, key=readers.position.__getitem__)


def _saves_loads(op: OpDesc) -> bool:
    """Whether the op reads at most one tensor as large as its output: a copy loads no more."""
    return sum(var.shape == op.output().shape for var in op.in_vars) <= 1


def _drop_unread(block: Block) -> None:
    """Remove pointwise ops that were copied into all that read them."""
    needed = set(block.results)
    for op in reversed(list(block.ops)):
        if is_fusible(op) and not needed.intersection(op.out_vars):
            block.remove(op)
        else:
            needed.update(op.in_vars)


# Loops.


@dataclass(eq=False)
class _Group:
    """Ops that run together, at the place of the last one.

    Bits stand for places of ops in the block: `bits` for the ops of this group, `deps` for those of
    all groups that must run before it.
    """

    ops: list[OpDesc]
    first: int
    last: int
    bits: int
    space: Shape | None = None
    deps: int = 0
    inputs: set[Variable] = field(default_factory=set)


class _Grouping:
    """Merges groups of one iteration space where no path through a third group forbids it."""

    def __init__(self, block: Block) -> None:
        self.groups: dict[int, _Group] = {}
        self.of: dict[Variable, _Group] = {}
        self.small: dict[Shape, list[_Group]] = {}
        last_effect: _Group | None = None
        for place, op in enumerate(block.ops):
            group = self.add(place, op)
            if not is_pure(op):
                if last_effect is not None:
                    group.deps |= last_effect.bits | last_effect.deps
                last_effect = group
            for var in op.in_vars:
                if var in self.of:
                    self.merge(group, self.of[var])
            self.join_small(group)

    def join_small(self, group: _Group) -> None:
        """Loops over a few elements run together even if they share nothing: a call costs more."""
        if group.space is None or not _is_small(group.space):
            return
        recent = self.small.setdefault(group.space, [])
        recent[:] = [one for one in recent if self.groups.get(one.last) is one][-NEIGHBOURS:]
        for other in recent:
            self.merge(group, other)
        recent.append(group)

    def add(self, place: int, op: OpDesc) -> _Group:
        group = _Group([op], place, place, 1 << place, inputs=set(op.in_vars))
        if is_fusible(op):
            group.space = op.output().shape
        for early in self.readable(group):
            group.deps |= early.bits | early.deps
        self.groups[place] = group
        for var in op.out_vars:
            self.of[var] = group
        return group

    def readable(self, group: _Group) -> list[_Group]:
        """The groups whose outputs this one reads."""
        return [self.of[var] for var in group.inputs if var in self.of]

    def merge(self, late: _Group, early: _Group) -> None:
        """Let `early` join `late`, the group of the newest op.

        Both must have one space, and no third group may have to run after one and before the other.
        """
        if late is early or late.space is None or late.space != early.space:
            return
        if early.deps & late.bits:
            return
        if any(one is not early and one.deps & early.bits for one in self.readable(late)):
            return
        made = {v for op in (*early.ops, *late.ops) for v in op.out_vars}
        inputs = (early.inputs | late.inputs) - made
        if len(early.ops) + len(late.ops) > MAX_OPS or len(inputs) > MAX_INPUTS:
            return
        late.ops = [*early.ops, *late.ops]
        late.inputs, late.first = inputs, min(early.first, late.first)
        late.bits |= early.bits
        late.deps = (late.deps | early.deps) & ~late.bits
        for var in (v for op in early.ops for v in op.out_vars):
            self.of[var] = late
        del self.groups[early.last]
        self.update(late, early)

    def update(self, late: _Group, early: _Group) -> None:
        """Who ran after `early` runs after all of `late` now, and after all that it waits for."""
        for group in reversed(self.groups.values()):
            if group.last < early.first:
                return
            if group is not late and group.deps & early.bits:
                group.deps |= late.bits | late.deps

    def ordered(self) -> list[_Group]:
        """The groups so that each runs after what it waits for; else in the order of the block."""
        waiting = list(self.groups.values())
        done, bits = [], 0
        while waiting:
            ready = next(group for group in waiting if not group.deps & ~bits)
            waiting.remove(ready)
            done.append(ready)
            bits |= ready.bits
        return done


def _is_small(shape: Shape) -> bool:
    size = product(shape)
    return isinstance(size, int) and size <= SMALL


def _fuse_loops(block: Block) -> bool:
    grouping = _Grouping(block)
    groups = grouping.ordered()
    if all(len(group.ops) == 1 for group in groups):
        return False
    readers = _Readers(block)
    ops: list[OpDesc] = []
    for group in groups:
        if len(group.ops) == 1:
            ops.extend(group.ops)
            continue
        members = sorted(group.ops, key=readers.position.__getitem__)
        inside = set(members)
        outputs = [v for op in members for v in op.out_vars if not readers.all_among(v, inside)]
        ops.append(make_fusion(block, members, "loop", outputs))
        for var in (v for op in members for v in op.out_vars if v not in outputs):
            block.drop_var(var)
    block.ops[:] = ops
    return True


def make_fusion(
    block: Block, members: Sequence[OpDesc], kind: str, outputs: Sequence[Variable]
) -> OpDesc:
    """A `fusion` op around copies of these ops; the caller puts it into the block."""
    program = block.program
    sub = program.create_block(block)
    inner: dict[Variable, Variable] = {}
    inputs: list[Variable] = []
    made = {var for op in members for var in op.out_vars}

    def copy_of(var: Variable) -> Variable:
        if var not in inner and var not in made:
            inputs.append(var)
            inner[var] = sub.add_arg(program.unique(f"{var.name}.in"), var.shape, var.dtype)
        return inner[var]

    for op in members:
        reads = {slot: [copy_of(v) for v in vars_] for slot, vars_ in op.inputs.items()}
        writes: dict[str, list[Variable]] = {}
        for slot, vars_ in op.outputs.items():
            writes[slot] = []
            for var in vars_:
                name = program.unique(f"{var.name}.of")
                inner[var] = sub.create_var(name, var.shape, var.dtype)
                writes[slot].append(inner[var])
        sub.append(OpDesc(op.type, reads, writes, rule_attrs(op), op.loc))
    sub.results.extend(inner[var] for var in outputs)
    fusion = OpDesc("fusion", {"X": inputs}, {"Out": list(outputs)}, {"kind": kind, "block": sub})
    fusion.loc = next((op.loc for op in reversed(members) if op.loc), None)
    for var in outputs:
        var.op = fusion
    return fusion
