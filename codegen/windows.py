"""The order of a crowded loop: LLVM may mix only what stands close together.

LLVM computes side by side what does not depend on each other, and behind a branch what is needed
there only. Both lets more values wait at a time. Where registers are few the order in which a loop
is written is the better one. `llvm.fake.use` reads a value without an instruction; nothing is
scheduled across it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llvmlite import ir

from .liveness import Block, Line, bytes_of, name_of, reads_memory, reads_of
from .machine import Machine

# So many instructions may be mixed: with 8, 16 or 32 loops are equally long.
_WINDOW = 16
# Instructions that stay one by themselves; others are part of what reads them.
_COMPUTED = {"fadd", "fsub", "fmul", "fdiv", "llvm.fmuladd", "add", "sub"}


def keep_order(blocks: Sequence[Block], machine: Machine) -> None:
    """Let what the blocks of a loop compute stay about where it is written."""
    later = {
        id(value)
        for block in blocks
        for line in block.instructions
        for value in reads_of(line)
        if isinstance(value, ir.Instruction) and value.parent is not block
    }
    for block in blocks:
        computed = [line for line in block.instructions if _is_whole(line, machine)]
        for line in _ends_of_windows(computed):
            builder = ir.IRBuilder(block)
            builder.position_after(line)
            _use(builder, line)
        builder = ir.IRBuilder(block)
        builder.position_before(block.terminator)
        for line in computed:
            if id(line) in later and name_of(line) != "bitcast" and not reads_memory(line):
                _use(builder, line)


def _is_whole(line: Line, machine: Machine) -> bool:
    """Whether it computes a whole vector."""
    is_vector = isinstance(line.type, ir.VectorType) and not isinstance(line, ir.PhiInstr)
    return is_vector and bytes_of(line.type) == machine.vector_bytes


def _ends_of_windows(lines: Sequence[Line]) -> Iterator[Line]:
    count = 0
    for line in lines:
        count += 1
        if count >= _WINDOW and name_of(line) in _COMPUTED:
            yield line
            count = 0


def _use(builder: Any, value: Line) -> None:
    """Of several operands LLVM would look at the first one only."""
    name, module = "llvm.fake.use", builder.module
    kind = ir.FunctionType(ir.VoidType(), [], var_arg=True)
    builder.call(module.globals.get(name) or ir.Function(module, kind, name), [value])
