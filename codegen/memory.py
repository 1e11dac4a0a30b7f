"""The memory plan: where each value of a Program lies during a call.

Values share a `Buffer` where they are the same bytes: views, a loop's carries, results that are
written where they are wanted, outputs that take the memory of a dying input. Buffers live over an
interval of positions (the ops counted depth first, so that a loop's interval covers its body);
those that no caller provides lie in the arena. Sizes are Dims, and what shares a buffer does so for
all values of the symbols (for a size that the run finds, its bound is planned). Where the buffers
lie in the arena is decided here if all sizes are known, else by compiled code (see arena.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wherry.ir.dims import Dim, evaluate, symbols_of
from wherry.ir.found import Found
from wherry.ir.ops.window import as_ints
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.ir.work import byte_size
from wherry.runtime.abi import ARENA_ALIGNMENT
from wherry.schema.dtypes import int64

from . import packing
from .inplace import Uses, in_step, origin
from .kernels.registry import find_lowering
from .kernels.views import EFFECTS, VIEWS


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
    offset: int = 0  # in the arena, where all sizes are known
    align: int = 1  # the least, in bytes
    merged: Buffer | None = None
    carried: bool = False  # from round to round of a loop, or to an output that overwrites it

    @property
    def alignment(self) -> int:
        """What its offset is a multiple of: a vector or cache line, less where it is smaller."""
        if not isinstance(self.size, int):
            return ARENA_ALIGNMENT
        fitting = 1 << max(self.size - 1, 0).bit_length()
        return max(min(fitting, ARENA_ALIGNMENT), self.align)

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are live at some position."""
        return self.start <= other.end and other.start <= self.end


@dataclass
class MemoryPlan:
    """The result: a Buffer per Variable, scratch memory per op, the arena's buffers.

    `at_home` are the outputs, by number, that are computed in the input that they overwrite.
    """

    buffers: dict[Variable, Buffer] = field(default_factory=dict)
    scratch: dict[OpDesc, Buffer] = field(default_factory=dict)
    carried: dict[OpDesc, list[Buffer]] = field(default_factory=dict)
    arena: list[Buffer] = field(default_factory=list)
    arena_size: int = 0  # where all sizes are known
    at_home: set[int] = field(default_factory=set)

    def of(self, var: Variable) -> Buffer:
        """Where the Variable lies."""
        return resolve(self.buffers[var])

    @cached_property
    def symbols(self) -> list[str]:
        """Those that sizes in the arena depend on."""
        return sorted({name for buffer in self.arena for name in symbols_of(buffer.size)})

    @property
    def table_bytes(self) -> int:
        """What the table of offsets takes at the arena's beginning; 0 where all sizes are known."""
        words = 2 + len(self.symbols) + len(self.arena)
        return packing.round_up(words * int64.itemsize, ARENA_ALIGNMENT) if self.symbols else 0

    def laid_out(self, symbols: Mapping[str, int]) -> tuple[dict[Buffer, int], int]:
        """(the buffers' offsets, the arena's bytes), where the symbols are these."""
        if not self.symbols:
            return {buffer: buffer.offset for buffer in self.arena}, self.arena_size
        blocks = [
            packing.Block(evaluate(packing.aligned(b.size), symbols), b.start, b.end)
            for b in self.arena
        ]
        offsets, total = packing.pack(blocks)
        places = (self.table_bytes + offset for offset in offsets)
        return dict(zip(self.arena, places, strict=True)), self.table_bytes + total

    def largest_live_set(self, symbols: Mapping[str, int]) -> int:
        """The most bytes of the arena that are needed at once, where the symbols are these."""
        blocks = [packing.Block(evaluate(b.size, symbols), b.start, b.end) for b in self.arena]
        return packing.largest_live_set(blocks)


def resolve(buffer: Buffer) -> Buffer:
    """The buffer that this one was merged into."""
    while buffer.merged is not None:
        buffer = buffer.merged
    return buffer


def plan_memory(
    program: Program, outputs: Sequence[Variable], inputs: Sequence[Variable],
    constants: Iterable[Variable], overwrites: Mapping[int, int] | None = None,
) -> MemoryPlan:  # fmt: skip
    """Plan a call: `inputs` and `constants` are given, the caller has memory for `outputs`.

    `overwrites` are the outputs, by number, whose memory is that of an input.
    """
    planner = _Planner()
    for place, group in (("input", inputs), ("constant", constants)):
        for index, var in enumerate(group):
            planner.plan.buffers[var] = Buffer(byte_size(var), 0, 0, place, index)
    planner.block(program.global_block)
    planner.place_outputs(outputs, {o: inputs[i] for o, i in (overwrites or {}).items()})
    planner.share_with_inputs()
    planner.assign_offsets(Found(program))
    return planner.plan


class _Planner:
    """Walks the Program once; then decides what shares memory."""

    def __init__(self) -> None:
        self.plan = MemoryPlan()
        self.position = 1
        self.buffers: list[Buffer] = []
        self.inplace: list[tuple[OpDesc, int]] = []
        self.uses = Uses(self.plan.of)

    def new(self, size: Dim) -> Buffer:
        """A buffer in the arena that is live from here on."""
        buffer = Buffer(size, self.position, self.position)
        self.buffers.append(buffer)
        return buffer

    def touch(self, vars: Iterable[Variable], op: OpDesc | None = None) -> None:
        """The Variables are read at this position, by the op or as results of a block."""
        for var in vars:
            buffer = self.plan.of(var)
            buffer.end = max(buffer.end, self.position)
            self.uses.read(buffer, self.position, op)

    def alias(self, var: Variable, like: Variable) -> None:
        self.plan.buffers[var] = self.plan.buffers[like]

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.position += 1
            first = self.position
            if op.type == "cond":
                self.cond(op)
            elif op.type == "while":
                self.while_(op)
            else:
                self.kernel(op)
            self.uses.ops[op] = first, self.position

    def kernel(self, op: OpDesc) -> None:
        """An op that is a kernel, a view or an effect."""
        self.touch(op.in_vars, op)
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
            self.plan.scratch[op].align = ARENA_ALIGNMENT
        if lowering.inplace(op):
            self.inplace.append((op, self.position))

    def cond(self, op: OpDesc) -> None:
        """The branches read the inputs where they are and write their results into the outputs."""
        self.touch(op.in_vars, op)
        for out in op.out_vars:
            self.plan.buffers[out] = self.new(byte_size(out))
        for block in (op.attrs["true_block"], op.attrs["false_block"]):
            first = self.position
            for arg, outer in zip(block.args, op.inputs.get("X", []), strict=True):
                self.alias(arg, outer)
            self.block(block)
            self.position += 1
            self.touch(block.results)
            self.uses.blocks[block] = first + 1, self.position
            for result, out in zip(block.results, op.out_vars, strict=True):
                self.place_in(self.plan.of(result), self.plan.of(out), first)
        self.touch(op.in_vars, op)
        self.touch(op.out_vars)

    def place_in(self, found: Buffer, wanted: Buffer, first: int) -> None:
        """Let a branch's result be computed where it is wanted, if it is the branch's own."""
        if found.place == "arena" and found.start > first and found.size == wanted.size:
            merge(found, wanted)

    def while_(self, op: OpDesc) -> None:
        """Carries lie in the outputs' memory; each round's results are computed or copied there."""
        block: Block = op.attrs["block"]
        carries, extras = op.inputs.get("X", []), op.inputs.get("Extra", [])
        self.touch(op.in_vars, op)
        condition, first = self.new(1), self.position
        for out, arg in zip(op.out_vars, block.args, strict=False):
            self.plan.buffers[out] = self.plan.buffers[arg] = self.new(byte_size(out))
            self.plan.of(out).carried = True
        for arg, outer in zip(block.args[len(carries) :], extras, strict=True):
            self.alias(arg, outer)
        self.block(block)
        self.position += 1
        self.touch([*block.results, *extras])
        for out, result in zip(op.out_vars, block.results[1:], strict=True):
            self.bring_home(self.plan.of(out), result, (first, self.position))
        self.touch(op.out_vars, op)
        condition.end = self.position
        self.plan.carried[op] = [condition, *self._spare(op, block.results[1:])]

    def bring_home(self, home: Buffer, result: Variable, span: tuple[int, int]) -> None:
        """Let a round's result, and what becomes it in place, be computed where the carry lies."""
        following: Variable | None = result
        while following is not None:
            var = origin(following)
            buffer = self.plan.of(var)
            own = buffer.place == "arena" and buffer.start > span[0] and buffer.size == home.size
            if not own or buffer is home or not self.uses.may_replace(var, home, span):
                return
            merge(buffer, home)
            following = self._becoming(var, home, span)

    def _becoming(self, var: Variable, home: Buffer, span: tuple[int, int]) -> Variable | None:
        """A value of the round that dies where `var` can be computed in its place."""
        assert var.op is not None
        for one in var.op.in_vars:
            buffer = self.plan.of(one)
            if buffer is not home and buffer.start > span[0] and buffer.size == home.size:
                reads = self.uses.reads.get(buffer, [])
                if reads and self.uses.may_replace(var, buffer, span):
                    return one
        return None

    def _spare(self, op: OpDesc, results: Sequence[Variable]) -> list[Buffer]:
        """The results; where a carry becomes what another one was, room for a copy of it."""
        homes = [self.plan.of(out) for out in op.out_vars]
        spare = []
        for home, result in zip(homes, results, strict=True):
            source = self.plan.of(result)
            exchanged = source in homes and source is not home
            spare.append(self.new(byte_size(result)) if exchanged else source)
        return spare

    def place_outputs(
        self, outputs: Sequence[Variable], overwritten: Mapping[int, Variable]
    ) -> None:
        """Let an output be computed in the caller's memory where nobody else wants it there.

        One that overwrites an input is computed in it where that is still what the input was, else
        in the arena: it is copied when all else is done.
        """
        self.position += 1
        self.touch(outputs)
        for index, var in enumerate(outputs):
            buffer = self.plan.of(var)
            if buffer.place != "arena":
                own = overwritten.get(index) is origin(var)
                assert own or not overwritten, "who copies into inputs needs them as they are"
                self.plan.at_home |= {index} if own else set()
                continue
            if index not in overwritten:
                buffer.place, buffer.index = "output", index
                continue
            home = self.plan.of(overwritten[index])
            if self.uses.may_replace(origin(var), home, (0, self.position)):
                merge(buffer, home)
                home.carried = True
                self.plan.at_home.add(index)

    def share_with_inputs(self) -> None:
        """Let outputs take the memory of an equally large input that dies where they are born."""
        for op, position in self.inplace:
            for out in op.out_vars:
                self._share(op, out, position)

    def _share(self, op: OpDesc, out: Variable, position: int) -> None:
        buffer = self.plan.of(out)
        if buffer.carried:
            return  # what lay there before may be needed longer than this input
        for var in op.in_vars:
            source = self.plan.of(var)
            dies = source.place == "arena" and source.end == position and source is not buffer
            readers = [one for one in op.in_vars if self.plan.of(one) is source]
            if dies and source.size == buffer.size and in_step(op, out, readers):
                merge(source, buffer)
                return

    def assign_offsets(self, found: Found) -> None:
        """Name the buffers of the arena, by their beginning; pack them if their sizes are known."""
        for buffer in self.buffers:
            buffer.size = found.ceiling(buffer.size)
        used = {resolve(b): None for b in self.buffers if resolve(b).place == "arena"}
        arena = self.plan.arena = sorted(used, key=lambda b: b.start)
        if self.plan.symbols:
            return
        sizes = as_ints([buffer.size for buffer in arena])
        blocks = [
            packing.Block(size, b.start, b.end, b.alignment)
            for size, b in zip(sizes, arena, strict=True)
        ]
        offsets, self.plan.arena_size = packing.pack(blocks)
        for buffer, offset in zip(arena, offsets, strict=True):
            buffer.offset = offset


def merge(buffer: Buffer, into: Buffer) -> None:
    """Make one buffer of two; it lives as long as both, where the second one lies."""
    assert buffer is not into
    buffer.merged, into.carried = into, into.carried or buffer.carried
    into.start, into.end = min(buffer.start, into.start), max(buffer.end, into.end)
    into.align = max(into.align, buffer.align)
