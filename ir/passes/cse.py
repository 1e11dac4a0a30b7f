"""cse: of two ops that compute the same from the same, the second one goes."""

from __future__ import annotations

from typing import Any

from ..program import Block, OpDesc, Program, Variable
from ..text import attr_key
from .base import each_block, is_pure, rule_attrs


class Cse:
    """x + y, x + y  ->  x + y once. Ops with effects stay."""

    name = "cse"

    def run(self, program: Program) -> bool:
        return each_block(program, _cse)


def _cse(block: Block) -> bool:
    seen: dict[Any, OpDesc] = {}
    mapping: dict[Variable, Variable] = {}
    kept: list[OpDesc] = []
    results = set(block.results)
    for op in block.ops:
        op.replace_inputs(mapping)
        if op.blocks or not is_pure(op):
            kept.append(op)
            continue
        first = seen.setdefault(_key(op), op)
        # A result keeps its name, which callers know it by: two results stay two ops.
        if first is op or results.intersection(op.out_vars):
            kept.append(op)
            continue
        mapping.update(zip(op.out_vars, first.out_vars, strict=True))
        for var in op.out_vars:
            block.drop_var(var)
    changed = len(kept) < len(block.ops)
    block.ops[:] = kept
    return changed


def _key(op: OpDesc) -> Any:
    attrs = tuple((name, attr_key(value)) for name, value in sorted(rule_attrs(op).items()))
    inputs = tuple((slot, tuple(map(id, vars_))) for slot, vars_ in sorted(op.inputs.items()))
    outputs = tuple((slot, len(vars_)) for slot, vars_ in sorted(op.outputs.items()))
    return op.type, inputs, outputs, attrs
