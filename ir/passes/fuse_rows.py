"""Grouping of reductions over the same rows with the pointwise ops around them.

    m = reduce_max(x, dim=[1], keep_dim=true)
    e = exp(x - m)                                ->    out = fusion(x, kind="row", ...)
    out = e / reduce_sum(e, dim=[1], keep_dim=true)

A row is what one result of a reduction is made of. A group grows from a reduction to the ops that
read its values or give it some, and never so that an op outside has to run amid it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ..dims import product
from ..found import Found
from ..infer import Shape
from ..ops.reduce import reduced_axes
from ..program import Block, OpDesc, Variable
from ..rules import reduced_shape
from .fusion import (
    MAX_INPUTS,
    MAX_OPS,
    REDUCTIONS,
    VIEWS,
    is_constant,
    is_fusible,
    make_fusion,
)

# How many places of the block a group may span, which bounds the search for ops amid it.
MAX_SPAN = 256
# So many ops that read a tensor are looked at for another reduction of it.
MAX_READERS = 32
# A single row so long is better computed loop by loop, by several threads.
LONG_ROW = 32768


def fuse_rows(block: Block) -> bool:
    """Fuse what belongs to rows; True if there was something."""
    places = _Places(block)
    changed = False
    for op in list(block.ops):
        rows = _Rows.of(op) if op in places.position else None
        if rows is not None and _Group(rows, places).fuse(op):
            changed = True
    if changed:
        block.ops[:] = places.ops()
    return changed


@dataclass(frozen=True)
class _Rows:
    """The shape that is run over, the reduced axes, and the two shapes of one value per row."""

    shape: Shape
    axes: tuple[int, ...]
    kept: Shape
    squeezed: Shape

    @staticmethod
    def of(op: OpDesc) -> _Rows | None:
        """The rows of a reduction; None where the last axis is not one that it reduces."""
        if op.type not in REDUCTIONS or len(op.in_vars) != 1:
            return None
        shape = op.in_vars[0].shape
        axes = tuple(reduced_axes(op.attrs["dim"], op.attrs["reduce_all"], len(shape)))
        kept, squeezed = (reduced_shape(shape, axes, keep=keep) for keep in (True, False))
        longer = [axis for axis, size in enumerate(shape) if size != 1]
        if not longer or longer[-1] not in axes:
            return None
        count, size = product(kept), product([shape[axis] for axis in axes])
        short = isinstance(size, int) and size <= LONG_ROW
        if isinstance(count, int) and count == 1 and not short:
            return None
        return _Rows(shape, axes, kept, squeezed)

    def has(self, shape: Shape) -> bool:
        """Whether it is a shape of one value per row."""
        return shape in (self.kept, self.squeezed)


class _Places:
    """The ops of a block, each at a place; a fusion takes one of those of its members."""

    def __init__(self, block: Block) -> None:
        self.block, self.slots = block, list[OpDesc | None](block.ops)
        self.found = Found(block.program)
        self.position = {op: place for place, op in enumerate(block.ops)}
        self.results = set(block.results)
        self.users: dict[Variable, dict[OpDesc, None]] = {}
        for op in block.ops:
            for var in op.in_vars:
                self.users.setdefault(var, {})[op] = None

    def ops(self) -> list[OpDesc]:
        return [op for op in self.slots if op is not None]

    def readers(self, var: Variable) -> Collection[OpDesc]:
        return self.users.get(var, {})

    def amid(self, members: set[OpDesc]) -> list[OpDesc] | None:
        """The other ops between the first and the last member that must run after a member.

        None where a member in turn must run after one of them.
        """
        found = sorted(self.position[op] for op in members)
        made: set[Variable | str] = set()
        after: list[OpDesc] = []
        values: set[Variable | str] = set()
        if found[-1] - found[0] > MAX_SPAN:
            return None
        for op in self.slots[found[0] : found[-1] + 1]:
            if op is None:
                continue
            needs = self.found.needs(op)
            late = not values.isdisjoint(needs)
            if op in members:
                if late:
                    return None
                made.update(op.out_vars)
            elif late or not made.isdisjoint(needs):
                after.append(op)
                values.update(self.found.gives(op))
        return after

    def replace(self, members: set[OpDesc], fusion: OpDesc, after: list[OpDesc]) -> None:
        """Put the fusion into the place of its members, and behind it what must run after it."""
        places = [self.position[op] for op in members]
        first, last = min(places), max(places)
        late = set(after)
        window = [op for op in self.slots[first : last + 1] if op is not None]
        before = [op for op in window if op not in members and op not in late]
        ordered: list[OpDesc | None] = [*before, fusion, *after]
        ordered += [None] * (last + 1 - first - len(ordered))
        self.slots[first : last + 1] = ordered
        for op in members:
            del self.position[op]
        for place, one in enumerate(ordered, first):
            if one is not None:
                self.position[one] = place
        for op in members:
            for var in op.in_vars:
                self.users[var].pop(op, None)
        for var in fusion.in_vars:
            self.users.setdefault(var, {})[fusion] = None


@dataclass
class _Group:
    """The ops of a fusion that grows; `values` maps what they compute to their shapes."""

    rows: _Rows
    places: _Places
    members: set[OpDesc] = field(default_factory=set)
    inputs: set[Variable] = field(default_factory=set)

    def fuse(self, reduction: OpDesc) -> bool:
        """Grow from a reduction; False if nothing belongs to it."""
        self.add(reduction)
        self.grow()
        if len(self.members) == 1:
            return False
        after = self.places.amid(self.members)
        assert after is not None, "a group is kept free of ops amid it"
        ordered = sorted(self.members, key=self.places.position.__getitem__)
        made = [var for op in ordered for var in op.out_vars]
        outputs = [var for var in made if self.is_read_outside(var)]
        if not outputs:
            return False
        alone = outputs == list(ordered[-1].out_vars) and self.is_prologue(ordered)
        block = self.places.block
        fusion = make_fusion(block, ordered, "reduce" if alone else "row", outputs)
        self.places.replace(self.members, fusion, after)
        for var in made:
            if var not in outputs:
                block.drop_var(var)
        return True

    def is_prologue(self, ordered: list[OpDesc]) -> bool:
        """Whether only the last op is a reduction."""
        return [op.type in REDUCTIONS for op in ordered] == [False] * (len(ordered) - 1) + [True]

    def is_read_outside(self, var: Variable) -> bool:
        readers = self.places.readers(var)
        return var in self.places.results or any(op not in self.members for op in readers)

    def add(self, op: OpDesc) -> None:
        self.members.add(op)
        self.inputs.update(op.in_vars)

    def grow(self) -> None:
        """Add neighbours while some fit; those that come first in the block first.

        One that does not fit is tried once more when others have joined.
        """
        pending, refused = set[OpDesc](), set[OpDesc]()
        for member in self.members:
            pending.update(self.neighbours(member))
        joined = False
        while len(self.members) < MAX_OPS:
            if not pending:
                if not (joined and refused):
                    return
                pending, refused, joined = refused, set(), False
            chosen = min(pending, key=self.places.position.__getitem__)
            pending.discard(chosen)
            if self.fits(chosen):
                joined = True
                self.add(chosen)
                pending.update(one for one in self.neighbours(chosen) if one not in refused)
            else:
                refused.add(chosen)

    def neighbours(self, member: OpDesc) -> Iterator[OpDesc]:
        """Ops that give a member a value, read one of its, or reduce what it reads."""
        for var in member.in_vars:
            yield from self.known([var.op])
            readers = self.places.readers(var)
            if var.shape == self.rows.shape and len(readers) <= MAX_READERS:
                yield from self.known(op for op in readers if self.sums(op))
        for var in member.out_vars:
            yield from self.known(self.places.readers(var))

    def known(self, ops: Iterable[OpDesc | None]) -> Iterator[OpDesc]:
        """Those of the ops that are in the block and could join."""
        for op in ops:
            if op is not None and op in self.places.position and op not in self.members:
                yield op

    def sums(self, op: OpDesc) -> bool:
        """Whether the op is a reduction of these rows, or leads to nothing else."""
        if self.is_reduction(op):
            return True
        if not self.is_full(op) or op.output() in self.places.results:
            return False
        return all(map(self.is_reduction, self.places.readers(op.output())))

    def is_reduction(self, op: OpDesc) -> bool:
        return op.type in REDUCTIONS and _Rows.of(op) == self.rows

    def is_full(self, op: OpDesc) -> bool:
        return is_fusible(op) and op.output().shape == self.rows.shape != self.rows.kept

    def fits(self, op: OpDesc) -> bool:
        """Whether the op may join, by what it is, by its size, and by what runs amid the group."""
        if not self.is_alike(op):
            return False
        members = {*self.members, op}
        made = {var for one in members for var in one.out_vars}
        read = [v for v in {*self.inputs, *op.in_vars} if v not in made and not is_constant(v)]
        return len(read) <= MAX_INPUTS and self.places.amid(members) is not None

    def is_alike(self, op: OpDesc) -> bool:
        """Whether it is an op on rows, or on one value per row."""
        own = [var for var in op.in_vars if var.op in self.members]
        if self.is_reduction(op):
            return True
        if self.is_full(op):
            return all(self.is_spread(var) for var in own) and self.reads_rightly(op)
        if op.type in VIEWS:
            outs = [op.in_vars[0], *op.out_vars]
            return len(own) == 1 == len(op.in_vars) and all(self.rows.has(v.shape) for v in outs)
        if not is_fusible(op) or not self.rows.has(op.output().shape):
            return False
        return all(var.shape in (op.output().shape, ()) for var in own) and self.reads_rightly(op)

    def is_spread(self, var: Variable) -> bool:
        """Whether a member's value reaches each element of the rows where it belongs."""
        whole = var.shape == self.rows.shape != self.rows.kept
        return whole or len(var.shape) == len(self.rows.shape) or var.shape == ()

    def reads_rightly(self, op: OpDesc) -> bool:
        """Whether the members that read the op's value would find it where it belongs."""
        shape, full = op.output().shape, self.is_full(op)
        for reader in self.places.readers(op.output()):
            if reader not in self.members or reader.type in VIEWS or self.is_reduction(reader):
                continue
            if self.is_full(reader):
                if not self.is_spread(op.output()):
                    return False
            elif full or shape not in (reader.output().shape, ()):
                return False
        return True
