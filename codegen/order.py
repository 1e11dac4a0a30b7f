"""In which order a block of pointwise ops is computed: so that few values wait in registers.

Of the operands of an op, the one whose computation takes most registers comes first (Sethi and
Ullman): while the others are computed, only its result waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir

from wherry.ir.program import OpDesc, Variable

from .formula import CONSTANT, fused
from .liveness import most_live
from .math import LLVMScalars, value_type

# As many registers as no machine has.
_ALL = 64
_known: dict[tuple[Any, ...], int] = {}


def in_order(ops: Sequence[OpDesc], wanted: Sequence[Variable]) -> Sequence[OpDesc]:
    """The ops that compute what is wanted."""
    made = {var: op for op in ops for var in op.out_vars}
    if not any(sum(var in made for var in op.in_vars) > 1 for op in ops):
        return ops
    needs = needs_of(ops)
    ordered: dict[int, OpDesc] = {}
    stack = [made[var] for var in reversed(wanted) if var in made]
    while stack:
        op = stack[-1]
        inputs = (made[var] for var in by_need(op, needs) if var in made)
        waiting = [one for one in inputs if id(one) not in ordered]
        if waiting:
            stack += reversed(waiting)
        else:
            ordered[id(stack.pop())] = op
    return list(ordered.values())


def by_need(op: OpDesc, needs: Mapping[Variable, int]) -> list[Variable]:
    """The operands of an op in the order in which they are best computed."""
    return sorted(op.in_vars, key=lambda var: needs.get(var, 1), reverse=True)


def needs_of(ops: Sequence[OpDesc]) -> dict[Variable, int]:
    """How many registers it takes to compute each value."""
    needs: dict[Variable, int] = {}
    for op in ops:
        inputs = (needs.get(var, 1) + held for held, var in enumerate(by_need(op, needs)))
        needs |= dict.fromkeys(op.out_vars, max(_own_need(op), *inputs, 0))
    return needs


def _own_need(op: OpDesc) -> int:
    """How many values an op's formula has at a time, as it is written."""
    if op.type == CONSTANT:
        return 0
    dtypes = tuple(var.dtype.name for var in op.in_vars)
    key = (op.type, str(op.attrs), dtypes)
    if key not in _known:
        width = 4
        kinds = [value_type(var.dtype, width) for var in op.in_vars]
        function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), kinds), "f")
        scalars = LLVMScalars(ir.IRBuilder(function.append_basic_block()), width)
        pairs = zip(function.args, op.in_vars, strict=True)
        fused(scalars, op, [scalars.wrap(value, var.dtype) for value, var in pairs])
        lines = [line for block in function.blocks for line in block.instructions]
        held = {id(value): 1 for value in (*function.args, *lines)}
        _known[key] = _ALL if any(map(_is_call, lines)) else most_live(lines, function.args, held)
    return _known[key]


def _is_call(line: Any) -> bool:
    """Whether it calls a function, which leaves no vector in its register."""
    return isinstance(line, ir.CallInstr) and not line.operands[0].name.startswith("llvm.")
