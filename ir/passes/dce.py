"""dce: ops and persistables that nothing needs go; so does what sub-blocks take or give."""

from __future__ import annotations

from ..dims import symbols_of
from ..found import Found, own_sizes
from ..program import Block, OpDesc, Program
from .base import is_pure, live_blocks
from .trim import trim


class Dce:
    """Keeps what the results need, and ops with effects (print, assert, assign_persistable)."""

    name = "dce"

    def run(self, program: Program) -> bool:
        changed = _dce(program.global_block, Found(program), set())
        changed |= _drop_blocks(program)
        return _drop_persistables(program) or changed


def _dce(block: Block, found: Found, sizes: set[str]) -> bool:
    """Drop the dead ops of a block. `sizes` are those that later ops mention."""
    needed = set(block.results)
    kept: list[OpDesc] = []
    changed = False
    for op in reversed(block.ops):
        live = needed.intersection(op.out_vars) or sizes & found.finds(op)
        if is_pure(op) and not live:
            for var in op.out_vars:
                block.drop_var(var)
            changed = True
            continue
        if op.blocks:
            sizes.update(
                name for pair in own_sizes(op).values() for d in pair for name in symbols_of(d)
            )
            changed |= trim(op, block, needed, found, lambda inner: _dce(inner, found, sizes))
        needed.update(op.in_vars)
        sizes.update(found.uses(op))
        kept.append(op)
    block.ops[:] = reversed(kept)
    return changed


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
