"""Fusions: a sub-block of pointwise ops in one loop, alone or as the prologue of a reduction."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.ir.program import Block, OpDesc, Variable
from wherry.ir.scalar import Scalar

from ..builder import KernelBuilder
from .pointwise import formula, pointwise_loop
from .reduce import Reduction, emit_reduction
from .registry import lowers


@lowers("fusion", inplace=lambda op: op.attrs["kind"] == "loop")
def fusion(kb: KernelBuilder) -> None:
    """A loop that stores all results, or one that reduces what the pointwise ops give."""
    block: Block = kb.attrs["block"]
    if kb.attrs["kind"] == "loop":
        pointwise_loop(
            kb,
            kb.inputs,
            kb.outputs,
            lambda loaded: _evaluate(kb, block, block.ops, loaded, block.results),
        )
        return
    *prologue, last = block.ops
    reduced = last.in_vars[0]
    reduction = Reduction.of(last, reduced.type, kb.outputs[0])
    emit_reduction(
        kb,
        reduction,
        kb.inputs,
        lambda loaded: _evaluate(kb, block, prologue, loaded, [reduced])[0],
    )


def _evaluate(
    kb: KernelBuilder,
    block: Block,
    ops: Sequence[OpDesc],
    loaded: Sequence[Scalar],
    wanted: Sequence[Variable],
) -> list[Scalar]:
    """The values that pointwise ops of a block give for one element of each argument."""
    values: dict[Variable, Scalar] = dict(zip(block.args, loaded, strict=True))
    for op in ops:
        results = formula(kb, op, [values[var] for var in op.in_vars])
        values.update(zip(op.out_vars, results, strict=True))
    return [values[var] for var in wanted]
