"""The numbers of a loop for which there are no registers: each is read where it is used.

LLVM loads all constants of a loop in front of it. Where these are more than registers it carries
them from one register to the next in every round, and puts values on the stack. So they are counted
here beside the loop's values. Those beyond the registers lie in a table of whole vectors, from
where most instructions take an operand for nothing.

LLVM must not take such a load out of the loop again, nor make one of two. So the address of each
depends on a value beside it, as far as LLVM can see: it goes through an empty assembly statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from .hidden import known_after
from .index import I1, I8, POINTER, i64
from .liveness import (
    Block,
    Line,
    always_run,
    bytes_of,
    innermost_loops,
    invariant_in,
    most_live,
    name_of,
    reads_of,
)
from .machine import Machine
from .windows import keep_order

# The part of the registers (1 / so many) that is left to how LLVM orders instructions.
_SPARE = 4
# So few numbers more than there are registers cost less than reading them.
_FEW = 3
# Instructions that take one of their operands from memory, and such as do not.
_FOLDING = {"fadd", "fsub", "fmul", "fdiv", "add", "sub", "and", "or", "xor", "llvm.fmuladd"}
_APART = {"fcmp", "icmp", "select", "llvm.minimum", "llvm.maximum"}
# What LLVM needs a mask for.
_MASKED = {"llvm.fabs": "magnitude", "llvm.copysign": "magnitude", "fneg": "sign"}


@dataclass(frozen=True)
class _Use:
    """A constant at a place among an instruction's operands."""

    line: Line
    place: int
    number: Any
    beside: Any  # a whole vector that the instruction waits for in any case

    @property
    def key(self) -> str:
        return f"{self.number.type} {self.number.get_reference()}"


def place_numbers(function: Any, machine: Machine) -> None:
    """Put into memory the constants of the innermost loops that registers have no room for."""
    table = _Table(function, machine)
    for blocks in innermost_loops(function):
        uses = _uses(blocks, machine)
        always = always_run(blocks)
        often = [use for use in uses if use.line.parent in always]
        values = _registers_of_values(blocks, machine)
        if not _is_crowded(values, len({use.key for use in often}), machine):
            continue
        room = machine.registers - machine.registers // _SPARE - values
        held = _most_used(often, room)
        beyond = [use for use in uses if use.key not in held]
        if beyond:
            keep_order(blocks, machine)
            table.read(beyond)
    table.finish()


def _is_crowded(values: int, numbers: int, machine: Machine) -> bool:
    """Whether there are so many that LLVM would put values on the stack, or lose time."""
    if machine.takes_numbers:
        return 2 * values > machine.registers
    return values + numbers > machine.registers + _FEW


def _uses(blocks: Sequence[Block], machine: Machine) -> list[_Use]:
    """The whole vectors of numbers that may as well be read from memory."""
    lines = [line for block in blocks for line in block.instructions]
    constant = invariant_in(lines)
    found = []
    for line in (line for line in lines if id(line) not in constant):
        beside = _vector_beside(line, machine, constant)
        if name_of(line) in _FOLDING | _APART and beside is not None:
            found += [
                _Use(line, place, operand, beside)
                for place, operand in enumerate(line.operands)
                if _is_number(operand, machine)
            ]
    return found


def _is_number(operand: Any, machine: Machine) -> bool:
    """Whether it is a constant that takes a register; zeros are made by one instruction."""
    if not isinstance(operand, ir.Constant) or not isinstance(operand.type, ir.VectorType):
        return False
    is_zero = operand.get_reference().endswith((" 0)", " 0x0)", "zeroinitializer", "poison"))
    return bytes_of(operand.type) == machine.vector_bytes and not is_zero


def _vector_beside(line: Line, machine: Machine, constant: Collection[int]) -> Any:
    """A whole vector that an instruction of a loop waits for; `constant` are none of its rounds.

    A negation is none: it is part of what reads it, unless something else reads it too.
    """
    values = (one.operands[0] if name_of(one) == "fneg" else one for one in line.operands)
    varying = (value for value in values if id(value) not in constant)
    found = next((value for value in varying if _is_whole(value, machine)), None)
    if found is not None or name_of(line) != "select":
        return found
    decides = line.operands[0]
    is_made = isinstance(decides, ir.Instruction)
    return _vector_beside(decides, machine, constant) if is_made else None


def _is_whole(value: Any, machine: Machine) -> bool:
    """Whether it is a computed vector that fills a register."""
    is_vector = isinstance(value, ir.Instruction | ir.Argument) and isinstance(
        value.type, ir.VectorType
    )
    return is_vector and bytes_of(value.type) == machine.vector_bytes


def _registers_of_values(blocks: Sequence[Block], machine: Machine) -> int:
    """How many registers a loop takes for what is no constant, with the masks that LLVM adds."""
    lines = [line for block in blocks for line in block.instructions]
    constant = invariant_in(lines)
    room = {id(line): _registers(line.type, machine) for line in lines if id(line) not in constant}
    varying = [line for line in lines if id(line) in room]
    outside = {id(v): v for line in varying for v in reads_of(line) if id(v) not in room}
    through = sum(_registers(_kind(value), machine) for value in outside.values())
    masks = {_MASKED[name_of(line)] for line in lines if name_of(line) in _MASKED}
    return most_live(varying, [], room) + through + len(masks)


def _kind(value: Any) -> Any:
    """The type of what is in registers all through a loop: a value from before it, or a cell."""
    if isinstance(value, ir.AllocaInstr):
        return value.allocated_type
    return value.type if isinstance(value, ir.Instruction | ir.Argument) else None


def _registers(kind: Any, machine: Machine) -> int:
    if not isinstance(kind, ir.VectorType):
        return 0
    if kind.element == I1:
        return 1
    return -(-bytes_of(kind) // machine.vector_bytes)


def _most_used(uses: Sequence[_Use], room: int) -> set[str]:
    """The numbers that are best in registers: those that no instruction takes from memory, then
    those that most do.
    """
    total, apart = Counter[str](), Counter[str]()
    for use in uses:
        total[use.key] += 1
        apart[use.key] += name_of(use.line) in _APART
    best = sorted(total, key=lambda key: (apart[key], total[key]), reverse=True)
    return set(best[: max(room, 0)])


class _Table:
    """The vectors in memory that a function's loops read."""

    def __init__(self, function: Any, machine: Machine) -> None:
        self.function, self.machine = function, machine
        self.name = f"{function.name}_numbers"
        self.places: dict[str, tuple[int, Any]] = {}

    def read(self, uses: Sequence[_Use]) -> None:
        """Let these be loads. A comparison and the choice by it share one, so that LLVM sees an
        extreme in them.
        """
        address: dict[Block, Any] = {}
        loaded: dict[tuple[int, str], Any] = {}
        for use in uses:
            line, block = use.line, use.line.parent
            decided_by = line.operands[0] if name_of(line) == "select" else line
            known = loaded.get((id(decided_by), use.key))
            if known is None:
                builder = ir.IRBuilder(block)
                builder.position_before(line)
                before = address.get(block, _Named(self.name))
                letter = self.machine.constraint
                address[block] = known_after(builder, before, use.beside, letter)
                known = loaded[id(line), use.key] = self._load(builder, address[block], use)
            line.operands = [*line.operands[: use.place], known, *line.operands[use.place + 1 :]]

    def _load(self, builder: Any, address: Any, use: _Use) -> Any:
        size = self.machine.vector_bytes
        number, _ = self.places.setdefault(use.key, (len(self.places), use.number))
        place = builder.gep(address, [i64(number * size)], True, source_etype=I8)
        return builder.load(place, typ=use.number.type, align=size)

    def finish(self) -> None:
        """Define it, where something is read of it."""
        if not self.places:
            return
        numbers = [number for _, number in self.places.values()]
        kind = ir.LiteralStructType([number.type for number in numbers])
        table = ir.GlobalVariable(self.function.module, kind, self.name)
        table.linkage, table.align, table.global_constant = "internal", 64, True
        table.initializer = ir.Constant(kind, numbers)


class _Named:
    """The address of a global that is defined later."""

    type = POINTER

    def __init__(self, name: str) -> None:
        self.name = name

    def get_reference(self) -> str:
        return f'@"{self.name}"'
