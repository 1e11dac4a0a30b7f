"""What LLVM's text says of registers: which loops there are, and how many values live at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from llvmlite import ir

Block = Any  # llvmlite.ir.Block
Line = Any  # llvmlite.ir.Instruction


def reads_of(line: Line) -> list[Any]:
    """What an instruction reads."""
    if isinstance(line, ir.PhiInstr):
        return [value for value, _ in line.incomings]
    return list(line.operands)


def name_of(line: Any) -> str:
    """An instruction, or an intrinsic without its type; nothing for other values."""
    if isinstance(line, ir.CallInstr) and isinstance(line.operands[0], ir.Function):
        return ".".join(line.operands[0].name.split(".")[:2])
    return str(getattr(line, "opname", ""))


def reads_memory(line: Line) -> bool:
    """Whether it loads what is no cell."""
    return isinstance(line, ir.LoadInstr) and not isinstance(line.operands[0], ir.AllocaInstr)


def bytes_of(kind: Any) -> int:
    """The size of a vector type."""
    bits = {"half": 16, "float": 32, "double": 64}.get(str(kind.element)) or kind.element.width
    return int(kind.count * bits // 8)


def most_live(lines: Sequence[Line], arguments: Iterable[Any], room: Mapping[int, int]) -> int:
    """The most registers that values take at one place of straight code.

    `room` says by a value's id how many it takes; the arguments are there from the beginning on.
    """
    last: dict[int, int] = {}
    for place, line in enumerate(lines):
        for value in reads_of(line):
            last[id(value)] = place
    live = {id(argument) for argument in arguments}
    most = sum(room.get(value, 0) for value in live)
    for place, line in enumerate(lines):
        live = {value for value in live if last.get(value, -1) > place}
        if id(line) in last:
            live.add(id(line))
        most = max(most, sum(room.get(value, 0) for value in live))
    return most


def innermost_loops(function: Any) -> list[list[Block]]:
    """The blocks of each loop that holds no other one, its head first."""
    bodies: dict[Block, set[Block]] = {}
    before = _predecessors(function)
    for tail, head in _back_edges(function):
        body = bodies.setdefault(head, {head})
        waiting = [tail]
        while waiting:
            block = waiting.pop()
            if block not in body:
                body.add(block)
                waiting += before[block]
    inner = (
        (head, body)
        for head, body in bodies.items()
        if not any(other in body for other in bodies if other is not head)
    )
    return [
        [head, *(b for b in function.blocks if b in body and b is not head)] for head, body in inner
    ]


def always_run(blocks: Sequence[Block]) -> set[Block]:
    """The blocks of a loop that no round can leave out."""
    head = blocks[0]

    def comes_round_without(left_out: Block) -> bool:
        seen, waiting = {head}, [head]
        while waiting:
            for then in _successors(waiting.pop()):
                if then is head:
                    return True
                if then in blocks and then is not left_out and then not in seen:
                    seen.add(then)
                    waiting.append(then)
        return False

    return {head, *(block for block in blocks[1:] if not comes_round_without(block))}


def invariant_in(lines: Sequence[Line]) -> Collection[int]:
    """The ids of those instructions of a loop that give the same in every round."""
    inside = {id(line) for line in lines}
    found: set[int] = set()
    for line in lines:
        if _is_pure(line) and all(
            id(value) not in inside or id(value) in found for value in reads_of(line)
        ):
            found.add(id(line))
    return found


def _is_pure(line: Line) -> bool:
    """Whether LLVM may take it out of a loop, as far as its kind says."""
    if isinstance(line, ir.LoadInstr):
        return reads_memory(line)
    return not isinstance(line, ir.PhiInstr | ir.StoreInstr | ir.CallInstr | ir.Terminator)


def _successors(block: Block) -> list[Block]:
    end = block.terminator
    return [] if end is None else [one for one in end.operands if isinstance(one, ir.Block)]


def _predecessors(function: Any) -> dict[Block, list[Block]]:
    found: dict[Block, list[Block]] = {block: [] for block in function.blocks}
    for block in function.blocks:
        for then in _successors(block):
            found[then].append(block)
    return found


def _back_edges(function: Any) -> Iterator[tuple[Block, Block]]:
    """(tail, head) of each loop, by a walk in depth."""
    first = function.blocks[0]
    open_, done = {first}, set[Block]()
    stack = [(first, iter(_successors(first)))]
    while stack:
        block, rest = stack[-1]
        then = next(rest, None)
        if then is None:
            done.add(stack.pop()[0])
            open_.discard(block)
        elif then in open_:
            yield block, then
        elif then not in done:
            open_.add(then)
            stack.append((then, iter(_successors(then))))
