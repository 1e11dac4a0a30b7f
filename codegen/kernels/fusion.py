"""Fusions: pointwise ops in one loop, alone or around reductions or a contraction."""

from __future__ import annotations

from collections.abc import Collection

from wherry.ir.dims import Dim
from wherry.ir.program import Block, OpDesc, Variable

from ..builder import KernelBuilder
from ..epilogue import Result, head_of, read_by_ops_alone
from ..stages import RowPlan
from .pointwise import fused_ops, pointwise_loop
from .reduce import emit_reduction
from .registry import find_lowering, lowers
from .row import emit_rows


def _inplace(op: OpDesc) -> Collection[Variable]:
    kind = op.attrs["kind"]
    if kind == "contract":
        return read_by_ops_alone(op)
    if kind == "row":
        block: Block = op.attrs["block"]
        free = set(RowPlan(block.args, block.ops, block.results).overwritable())
        return [var for arg, var in zip(block.args, op.in_vars, strict=True) if arg in free]
    return op.in_vars if kind == "loop" else ()


def _scratch(op: OpDesc) -> Dim | None:
    block: Block = op.attrs["block"]
    if op.attrs["kind"] == "row":
        return RowPlan(block.args, block.ops, block.results).scratch_bytes()
    if op.attrs["kind"] != "contract":
        return None
    head = head_of(op)
    return find_lowering(head).scratch(head)


@lowers("fusion", inplace=_inplace, scratch=_scratch)
def fusion(kb: KernelBuilder) -> None:
    """A contraction with its epilogue, a loop, a reduction of what a loop computes, or rows."""
    block: Block = kb.attrs["block"]
    if kb.attrs["kind"] == "contract":
        emit = find_lowering(block.ops[0]).head
        assert emit is not None, block.ops[0].type
        emit(kb, Result.fused(kb))
        return
    if kb.attrs["kind"] == "loop":
        values = [*block.args, *(op.output() for op in block.ops)]
        compute = fused_ops(block.args, block.ops, block.results)
        pointwise_loop(kb, kb.inputs, kb.outputs, compute, values)
    elif kb.attrs["kind"] == "row":
        emit_rows(kb, block.args, block.ops, block.results, kb.inputs, kb.outputs)
    else:
        emit_reduction(kb, block.args, block.ops, kb.inputs, kb.outputs[0])
