"""sink_views: a reshape between pointwise ops moves behind them, so that they can be one loop.

y = tanh(x); v = reshape(y, [B, S, D]); out = v + bias[D]
y = tanh(x); t = y + bias[D]; out = reshape(t, [B, S, D])          the elements lie where they lay

A transpose moves behind an op without other operands, where what it moves is computed: a scale of
heads joins the product before it.
"""

from __future__ import annotations

from functools import partial

from ..dims import product
from ..emit import BlockEmitter
from ..infer import Shape
from ..opdef import get_op
from ..program import Block, OpDesc, Program, Variable
from .base import each_block, rewrite, rule_attrs
from .fusion import VIEWS, Readers, is_fusible

# Whose results, like those of pointwise ops, may meet the ops behind the view in one kernel.
_HEADS = frozenset({"matmul_v2", "conv2d"})


class SinkViews:
    """Applies where the other operands broadcast alike in both shapes, or are views as well."""

    name = "sink_views"

    def run(self, program: Program) -> bool:
        return each_block(program, _run)


def _run(block: Block) -> bool:
    changed = False
    while rewrite(block, partial(_behind_op, Readers(block))):
        changed = True
    return rewrite(block, _sink) or changed


def _behind_op(readers: Readers, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
    """op(transpose(x)) as transpose(op(x)), where nothing else reads x or the transpose."""
    if not is_fusible(op):
        return None
    moved = [var for var in op.in_vars if var.shape != ()]
    if len(moved) != 1 or moved[0].op is None or moved[0].op.type != "transpose2":
        return None
    (var,), transpose = moved, moved[0].op
    source = transpose.inputs["X"][0]
    alone = readers.all_among(var, {op}) and readers.all_among(source, {transpose})
    if not alone or not _is_computed(_behind_views(source)):
        return None
    slots = {slot: [source if one is var else one for one in vars_]
             for slot, vars_ in op.inputs.items()}  # fmt: skip
    opdef = get_op(op.type)
    result = F.emit(opdef, opdef.pack(slots), rule_attrs(op))
    return [F.transpose2(result, **rule_attrs(transpose))]


def _behind_views(var: Variable) -> Variable:
    while var.op is not None and var.op.type in VIEWS and var is var.op.out_vars[0]:
        var = var.op.in_vars[0]
    return var


def _sink(F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
    if not is_fusible(op):
        return None
    shape = op.output().shape
    sources = [source for var in op.in_vars if (source := _source(var, shape)) is not None]
    own = next((source.shape for source in sources if _is_computed(source)), None)
    if own is None or own == shape or product(own) != product(shape):
        return None
    if not all(_fits(var, shape, own) for var in op.in_vars):
        return None
    moved = {var: _moved(F, var, shape, own) for var in dict.fromkeys(op.in_vars)}
    slots = {slot: [moved[var] for var in vars_] for slot, vars_ in op.inputs.items()}
    opdef = get_op(op.type)
    result = F.emit(opdef, opdef.pack(slots), rule_attrs(op))
    return [F.reshape2(result, shape=list(shape))]


def _source(var: Variable, shape: Shape) -> Variable | None:
    """What a view of this shape is a view of."""
    seen = var.op is not None and var.op.type in VIEWS and var is var.op.out_vars[0]
    return var.op.in_vars[0] if seen and var.op is not None and var.shape == shape else None


def _is_computed(var: Variable) -> bool:
    return var.op is not None and (is_fusible(var.op) or var.op.type in _HEADS)


def _fits(var: Variable, shape: Shape, own: Shape) -> bool:
    """Whether an operand can be read in the other shape without moving elements.

    What another op computes in the shape of the result stays: the view would part that instead.
    """
    if var.shape == shape:
        source = _source(var, shape)
        return var.op is None if source is None else source.shape == own
    tail = len(var.shape)
    return (
        tail < min(len(shape), len(own))
        and var.shape == shape[len(shape) - tail :] == (own[len(own) - tail :])
    )


def _moved(F: BlockEmitter, var: Variable, shape: Shape, own: Shape) -> Variable:
    if var.shape != shape:
        return var
    source = _source(var, shape)
    if source is not None:
        return source
    new: Variable = F.reshape2(var, shape=list(own))
    return new
