"""Fusions: a sub-block of pointwise ops in one loop, alone or as the prologue of a reduction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wherry.ir.dims import Dim
from wherry.ir.program import Block, OpDesc, Variable
from wherry.ir.scalar import Scalar

from ..builder import KernelBuilder
from ..epilogue import Result, head_of, read_by_ops_alone
from .pointwise import formula, pointwise_loop
from .reduce import Reduction, emit_reduction
from .registry import find_lowering, lowers


def _inplace(op: OpDesc) -> Collection[Variable]:
    kind = op.attrs["kind"]
    if kind == "contract":
        return read_by_ops_alone(op)
    return op.in_vars if kind == "loop" else ()


def _scratch(op: OpDesc) -> Dim | None:
    if op.attrs["kind"] != "contract":
        return None
    head = head_of(op)
    return find_lowering(head).scratch(head)


@lowers("fusion", inplace=_inplace, scratch=_scratch)
def fusion(kb: KernelBuilder) -> None:
    """A contraction with its epilogue, a loop that stores all results, or one that reduces them."""
    block: Block = kb.attrs["block"]
    if kb.attrs["kind"] == "contract":
        emit = find_lowering(block.ops[0]).head
        assert emit is not None, block.ops[0].type
        emit(kb, Result.fused(kb))
        return
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
