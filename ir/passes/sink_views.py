"""sink_views: a reshape between pointwise ops moves behind them, so that they can be one loop.

y = tanh(x); v = reshape(y, [B, S, D]); out = v + bias[D]
y = tanh(x); t = y + bias[D]; out = reshape(t, [B, S, D])          the elements lie where they lay
"""

from __future__ import annotations

from ..dims import product
from ..emit import BlockEmitter
from ..infer import Shape
from ..opdef import get_op
from ..program import OpDesc, Program, Variable
from .base import each_block, rewrite, rule_attrs
from .fusion import VIEWS, is_fusible

# Whose results, like those of pointwise ops, may meet the ops behind the view in one kernel.
_HEADS = frozenset({"matmul_v2", "conv2d"})


class SinkViews:
    """Applies where the other operands broadcast alike in both shapes, or are views as well."""

    name = "sink_views"

    def run(self, program: Program) -> bool:
        return each_block(program, lambda block: rewrite(block, _sink))


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
