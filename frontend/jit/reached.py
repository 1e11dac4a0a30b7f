"""Which parameters a call really used: those of a branch that was not taken have no gradient, as in
dynamic mode.

A gradient of zeros would not be the same: Adam and momentum move a parameter whose gradient is
zero, and leave one alone that has none.
"""

from __future__ import annotations

from functools import reduce

from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.schema.dtypes import bool_

Reached = bool | Variable


def add_reached(program: Program, names: list[str]) -> dict[str, int]:
    """Append a bool output for each of these inputs and persistables that is read in branches only.

    Returns the output's index by name.
    """
    block = program.global_block
    places: dict[str, int] = {}
    for name in names:
        found = _reached(block, block.vars[name])
        if isinstance(found, Variable):
            places[name] = len(block.results)
            block.results.append(found)
    return places


def _reached(block: Block, var: Variable) -> Reached:
    """Whether the block reads `var`, as far as that is known before it runs."""
    if var in block.results:
        return True
    found: list[Variable] = []
    for op in list(block.ops):
        if var not in op.in_vars:
            continue
        if op.type != "cond" or var is op.input("Cond"):
            return True
        reached = _reached_by_branch(block, op, var)
        if reached is True:
            return True
        if isinstance(reached, Variable):
            found.append(reached)
    if not found:
        return False
    emitter = BlockEmitter(block)
    return reduce(lambda a, b: emitter.emit(get_op("logical_or"), [a, b], {}), found)


def _reached_by_branch(block: Block, op: OpDesc, var: Variable) -> Reached:
    """What the branches of a cond say, as one more output of it."""
    places = [i for i, one in enumerate(op.inputs["X"]) if one is var]
    branches: list[Block] = [op.attrs["true_block"], op.attrs["false_block"]]
    sides = [
        _any(branch, [_reached(branch, branch.args[i]) for i in places]) for branch in branches
    ]
    if sides[0] is sides[1] and isinstance(sides[0], bool):
        return sides[0]
    for branch, side in zip(branches, sides, strict=True):
        branch.results.append(_as_variable(branch, side))
    out = block.create_var(block.program.unique("reached"), (), bool_)
    op.outputs["Out"].append(out)
    out.op = op
    return out


def _any(block: Block, found: list[Reached]) -> Reached:
    if True in [one for one in found if isinstance(one, bool)]:
        return True
    variables = [one for one in found if isinstance(one, Variable)]
    emitter = BlockEmitter(block)
    return (
        reduce(lambda a, b: emitter.emit(get_op("logical_or"), [a, b], {}), variables)
        if variables
        else False
    )


def _as_variable(block: Block, side: Reached) -> Variable:
    if isinstance(side, Variable):
        return side
    fill = get_op("fill_constant")
    made: Variable = BlockEmitter(block).emit(
        fill, [], {"shape": [], "value": bool(side), "dtype": bool_}
    )
    return made
