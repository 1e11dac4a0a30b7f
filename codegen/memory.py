"""The memory plan: where each value of a Program lies during a call.

Values share a `Buffer` where they are the same bytes: views, a loop's carries, results that are
written where they are wanted, outputs that take the memory of a dying input. Buffers live over an
interval of positions (the ops counted depth first, so that a loop's interval covers its body);
those that no caller provides lie in the arena, in slots that disjoint intervals share. Sizes are
Dims: the plan holds for all values of the symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wherry.ir.dims import Dim, SymDim, always_le, evaluate, symbols_of
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.ir.work import byte_size
from wherry.runtime.abi import ARENA_ALIGNMENT

from .kernels.registry import find_lowering
from .kernels.views import EFFECTS, VIEWS

# What a symbol is taken to be when two ways of sharing memory are compared.
_TYPICAL = 64


@dataclass(eq=False)
class Buffer:
    """Bytes that are live from position `start` to position `end`, both included.

    `place` is "arena", or "input", "output", "constant" with the number in `index`.
    """

    size: Dim
    start: int
    end: int
    place: str = "arena"
    index: int = 0
    slot: Slot | None = None
    merged: Buffer | None = None

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are live at some position."""
        return self.start <= other.end and other.start <= self.end


@dataclass(eq=False)
class Slot:
    """A piece of the arena that buffers use one after the other."""

    size: Dim
    free_after: int
    offset: Dim = 0


@dataclass
class MemoryPlan:
    """The result: a Buffer per Variable, scratch memory per op, the arena's size in bytes."""

    buffers: dict[Variable, Buffer] = field(default_factory=dict)
    scratch: dict[OpDesc, Buffer] = field(default_factory=dict)
    carried: dict[OpDesc, list[Buffer]] = field(default_factory=dict)
    arena: list[Buffer] = field(default_factory=list)
    arena_size: Dim = 0

    def of(self, var: Variable) -> Buffer:
        """Where the Variable lies."""
        return resolve(self.buffers[var])


def resolve(buffer: Buffer) -> Buffer:
    """The buffer that this one was merged into."""
    while buffer.merged is not None:
        buffer = buffer.merged
    return buffer


def plan_memory(
    program: Program, outputs: Sequence[Variable], inputs: Iterable[Variable],
    constants: Iterable[Variable],
) -> MemoryPlan:  # fmt: skip
    """Plan a call: `inputs` and `constants` are given, the caller has memory for `outputs`."""
    planner = _Planner()
    for place, group in (("input", inputs), ("constant", constants)):
        for index, var in enumerate(group):
            planner.plan.buffers[var] = Buffer(byte_size(var), 0, 0, place, index)
    planner.block(program.global_block)
    planner.place_outputs(outputs)
    planner.share_with_inputs()
    planner.assign_slots()
    return planner.plan


class _Planner:
    """Walks the Program once; then decides what shares memory."""

    def __init__(self) -> None:
        self.plan = MemoryPlan()
        self.position = 1
        self.buffers: list[Buffer] = []
        self.inplace: list[tuple[OpDesc, int]] = []

    def new(self, size: Dim) -> Buffer:
        """A buffer in the arena that is live from here on."""
        buffer = Buffer(size, self.position, self.position)
        self.buffers.append(buffer)
        return buffer

    def touch(self, vars: Iterable[Variable]) -> None:
        """The Variables are read at this position."""
        for var in vars:
            buffer = self.plan.of(var)
            buffer.end = max(buffer.end, self.position)

    def alias(self, var: Variable, like: Variable) -> None:
        self.plan.buffers[var] = self.plan.buffers[like]

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.position += 1
            if op.type == "cond":
                self.cond(op)
            elif op.type == "while":
                self.while_(op)
            else:
                self.kernel(op)

    def kernel(self, op: OpDesc) -> None:
        """An op that is a kernel, a view or an effect."""
        self.touch(op.in_vars)
        if op.type in VIEWS:
            for var in op.out_vars:
                self.alias(var, op.in_vars[0])
        if op.type in VIEWS or op.type in EFFECTS:
            return
        for var in op.out_vars:
            self.plan.buffers[var] = self.new(byte_size(var))
        lowering = find_lowering(op)
        scratch = lowering.scratch(op)
        if scratch is not None:
            self.plan.scratch[op] = self.new(scratch)
        if lowering.inplace(op):
            self.inplace.append((op, self.position))

    def cond(self, op: OpDesc) -> None:
        """The branches read the inputs where they are and write their results into the outputs."""
        self.touch(op.in_vars)
        for out in op.out_vars:
            self.plan.buffers[out] = self.new(byte_size(out))
        for block in (op.attrs["true_block"], op.attrs["false_block"]):
            first = self.position
            for arg, outer in zip(block.args, op.inputs.get("X", []), strict=True):
                self.alias(arg, outer)
            self.block(block)
            self.position += 1
            self.touch(block.results)
            for result, out in zip(block.results, op.out_vars, strict=True):
                self.place_in(self.plan.of(result), self.plan.of(out), first)
        self.touch(op.in_vars)
        self.touch(op.out_vars)

    def place_in(self, found: Buffer, wanted: Buffer, first: int) -> None:
        """Let a branch's result be computed where it is wanted, if it is the branch's own."""
        if found.place == "arena" and found.start > first and found.size == wanted.size:
            merge(found, wanted)

    def while_(self, op: OpDesc) -> None:
        """Carries lie in the outputs' memory, into which each round's results are copied."""
        block: Block = op.attrs["block"]
        carries, extras = op.inputs.get("X", []), op.inputs.get("Extra", [])
        self.touch(op.in_vars)
        condition = self.new(1)
        for out, arg in zip(op.out_vars, block.args, strict=False):
            self.plan.buffers[out] = self.plan.buffers[arg] = self.new(byte_size(out))
        for arg, outer in zip(block.args[len(carries) :], extras, strict=True):
            self.alias(arg, outer)
        self.block(block)
        self.position += 1
        self.touch([*block.results, *extras, *op.out_vars])
        condition.end = self.position
        self.plan.carried[op] = [condition, *self._spare(op, block.results[1:])]

    def _spare(self, op: OpDesc, results: Sequence[Variable]) -> list[Buffer]:
        """The results; where a carry becomes what another one was, room for a copy of it."""
        homes = [self.plan.of(out) for out in op.out_vars]
        spare = []
        for home, result in zip(homes, results, strict=True):
            source = self.plan.of(result)
            exchanged = source in homes and source is not home
            spare.append(self.new(byte_size(result)) if exchanged else source)
        return spare

    def place_outputs(self, outputs: Sequence[Variable]) -> None:
        """Let an output be computed in the caller's memory where nobody else wants it there."""
        self.position += 1
        self.touch(outputs)
        for index, var in enumerate(outputs):
            buffer = self.plan.of(var)
            if buffer.place == "arena":
                buffer.place, buffer.index = "output", index

    def share_with_inputs(self) -> None:
        """Let outputs take the memory of an equally large input that dies where they are born."""
        for op, position in self.inplace:
            for out in op.out_vars:
                self._share(op, out, position)

    def _share(self, op: OpDesc, out: Variable, position: int) -> None:
        buffer = self.plan.of(out)
        for var in op.in_vars:
            source = self.plan.of(var)
            dies = source.place == "arena" and source.end == position and source is not buffer
            alike = var.dtype.itemsize == out.dtype.itemsize and source.size == buffer.size
            if dies and alike and self._same_index(op, source, out):
                merge(source, buffer)
                return

    def _same_index(self, op: OpDesc, source: Buffer, out: Variable) -> bool:
        """Whether the op reads these bytes only at the index at which it writes."""
        in_step = set(find_lowering(op).inplace(op))
        readers = [var for var in op.in_vars if self.plan.of(var) is source]
        return all(var in in_step and var.shape == out.shape for var in readers)

    def assign_slots(self) -> None:
        """Give each buffer of the arena a slot; disjoint lives share one."""
        found = {resolve(b): None for b in self.buffers if resolve(b).place == "arena"}
        self.plan.arena = sorted(found, key=lambda b: b.start)
        slots: list[Slot] = []
        for buffer in self.plan.arena:
            buffer.slot = _take_slot(slots, buffer)
        for slot in slots:
            slot.offset = self.plan.arena_size
            rounded = (slot.size + ARENA_ALIGNMENT - 1) // ARENA_ALIGNMENT * ARENA_ALIGNMENT
            self.plan.arena_size = self.plan.arena_size + rounded


def merge(buffer: Buffer, into: Buffer) -> None:
    """Make one buffer of two; it lives as long as both, where the second one lies."""
    assert buffer is not into
    buffer.merged = into
    into.start, into.end = min(buffer.start, into.start), max(buffer.end, into.end)


def _take_slot(slots: list[Slot], buffer: Buffer) -> Slot:
    """The free slot that grows least (the tightest among those that need not), or a new one.

    A slot is shared by sizes of which one is certainly the larger: the maximum of others would be
    a formula that grows with every buffer.
    """
    comparable = [
        slot
        for slot in slots
        if slot.free_after < buffer.start
        and (always_le(buffer.size, slot.size) or always_le(slot.size, buffer.size))
    ]
    if not comparable:
        slots.append(Slot(buffer.size, buffer.end))
        return slots[-1]
    need = _typical(buffer.size)
    slot = min(comparable, key=lambda s: (max(need - _typical(s.size), 0), _typical(s.size)))
    if not always_le(buffer.size, slot.size):
        slot.size = buffer.size
    slot.free_after = buffer.end
    return slot


def _typical(size: Dim) -> int:
    if not isinstance(size, SymDim):
        return size
    return evaluate(size, dict.fromkeys(symbols_of(size), _TYPICAL))
