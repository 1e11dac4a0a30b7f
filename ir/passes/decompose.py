"""decompose: composite ops become primitives, by the expansion that each declares."""

from __future__ import annotations

from ..emit import BlockEmitter
from ..opdef import get_op
from ..ops.grads import aligned
from ..program import OpDesc, Program, Variable
from .base import each_block, packed_inputs, rewrite, rule_attrs


class Decompose:
    """softmax(x) -> max, sub, exp, sum, div. What comes out keeps the user's line of the op.

    Paddle's `axis` of the elementwise ops goes too: Y gets trailing dims of 1, so that all that
    remains broadcasts as in numpy.
    """

    name = "decompose"

    def run(self, program: Program) -> bool:
        return each_block(program, lambda block: rewrite(block, _expand))


def _expand(F: BlockEmitter, op: OpDesc) -> list[Variable | None] | None:
    opdef = get_op(op.type)
    if opdef.expand is not None:
        result = opdef.expand(F, *packed_inputs(op), **rule_attrs(op))
        slots = opdef.result_slots(result)
        found = [
            v for slot, vars_ in op.outputs.items() for v in slots.get(slot, [None] * len(vars_))
        ]
        return [_as_declared(F, v, var) for v, var in zip(found, op.out_vars, strict=True)]
    if opdef.is_map and op.attrs.get("axis", -1) != -1 and "Y" in op.inputs:
        return _align(F, op)
    return None


def _as_declared(F: BlockEmitter, found: Variable | None, wanted: Variable) -> Variable | None:
    """The value under the shape that the op declared: sizes may be equal without being one form."""
    if found is None or found.shape == wanted.shape or found.ndim != wanted.ndim:
        return found
    new: Variable = F.reshape2(found, shape=list(wanted.shape))
    return new


def _align(F: BlockEmitter, op: OpDesc) -> list[Variable | None]:
    """elementwise_add(x[B, C, H, W], y[C], axis=1) -> elementwise_add(x, reshape(y, [C, 1, 1]))."""
    x = op.inputs["X"][0]
    y: Variable = aligned(F, op.inputs["Y"][0], x.ndim, op.attrs["axis"] % max(x.ndim, 1))
    return [F.emit(get_op(op.type), [x, y], {**rule_attrs(op), "axis": -1})]
