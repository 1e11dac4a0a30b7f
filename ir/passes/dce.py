"""dce: ops and persistables that nothing needs go; so do unused outputs of sub-blocks."""

from __future__ import annotations

from ..program import Block, OpDesc, Program, Variable
from .base import is_pure, live_blocks

# Ops whose outputs are the results of their sub-blocks and whose `X` are the sub-blocks' arguments.
_TRIMMED = ("cond", "fusion")


class Dce:
    """Keeps what the results need, and ops with effects (print, assert, assign_persistable)."""

    name = "dce"

    def run(self, program: Program) -> bool:
        changed = _dce(program.global_block)
        changed |= _drop_blocks(program)
        return _drop_persistables(program) or changed


def _dce(block: Block) -> bool:
    needed = set(block.results)
    kept: list[OpDesc] = []
    changed = False
    for op in reversed(block.ops):
        if is_pure(op) and not needed.intersection(op.out_vars):
            for var in op.out_vars:
                block.drop_var(var)
            changed = True
            continue
        if op.type in _TRIMMED:
            changed |= _trim_outputs(op, block, needed)
        for sub in op.blocks:
            changed |= _dce(sub)
        if op.type in _TRIMMED:
            changed |= _trim_inputs(op)
        needed.update(op.in_vars)
        kept.append(op)
    block.ops[:] = reversed(kept)
    return changed


def _trim_outputs(op: OpDesc, block: Block, needed: set[Variable]) -> bool:
    """Let the sub-blocks yield only what is needed outside."""
    outputs = op.outputs.get("Out", [])
    keep = [var in needed for var in outputs]
    if all(keep):
        return False
    for var, used in zip(outputs, keep, strict=True):
        if not used:
            block.drop_var(var)
    op.outputs["Out"] = _selected(outputs, keep)
    for sub in op.blocks:
        sub.results[:] = _selected(sub.results, keep)
    return True


def _trim_inputs(op: OpDesc) -> bool:
    """Pass only what a sub-block reads."""
    blocks = op.blocks
    read = [{*sub.results, *(v for one in sub.ops for v in one.in_vars)} for sub in blocks]
    keep = [
        any(sub.args[i] in used for sub, used in zip(blocks, read, strict=True))
        for i in range(len(op.inputs.get("X", [])))
    ]
    if all(keep):
        return False
    op.inputs["X"] = _selected(op.inputs["X"], keep)
    for sub in blocks:
        for arg, used in zip(sub.args, keep, strict=True):
            if not used:
                sub.drop_var(arg)
        sub.args[:] = _selected(sub.args, keep)
    return True


def _selected(items: list[Variable], keep: list[bool]) -> list[Variable]:
    return [item for item, kept in zip(items, keep, strict=True) if kept]


def _drop_blocks(program: Program) -> bool:
    """Forget the sub-blocks of ops that are gone; the others are numbered anew."""
    live = live_blocks(program)
    dead = [block for block in program.blocks if block not in live]
    for block in dead:
        for var in list(block.vars.values()):
            block.drop_var(var)
    program.blocks[:] = [block for block in program.blocks if block in live]
    for index, block in enumerate(program.blocks):
        block.idx = index
    return bool(dead)


def _drop_persistables(program: Program) -> bool:
    block = program.global_block
    used = {*block.results, *(var for op in block.ops for var in op.in_vars)}
    dead = [var for var in program.persistables if var.op is None and var not in used]
    for var in dead:
        block.drop_var(var)
        program.values.pop(var.name, None)
    return bool(dead)
