"""drop_broadcasts: a pointwise op reads a small tensor itself, not its expansion.

expand_v2(row, [B, 3]) * x[B, 3]  ->  row * x          the loop broadcasts, nothing is stored
fill_constant([B, 3]) + x[B, 3]   ->  fill_constant([]) + x
"""

from __future__ import annotations

from ..emit import BlockEmitter
from ..infer import Shape
from ..opdef import get_op
from ..program import OpDesc, Program, Variable
from .base import each_block, rewrite, rule_attrs


class DropBroadcasts:
    """Applies where another operand has the op's full shape, so that the result keeps its own."""

    name = "drop_broadcasts"

    def run(self, program: Program) -> bool:
        return each_block(program, lambda block: rewrite(block, _narrow))


def _narrow(F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
    opdef = get_op(op.type)
    if not opdef.is_map or len(op.out_vars) != 1 or op.attrs.get("axis", -1) != -1:
        return None
    shape = op.output().shape
    wide = [var for var in op.in_vars if var.shape == shape]
    narrow = {var: source for var in wide if (source := _source(F, var, shape)) is not None}
    if not narrow or len(narrow) == len(set(wide)):
        return None
    slots = {slot: [narrow.get(v, v) for v in vars_] for slot, vars_ in op.inputs.items()}
    return [F.emit(opdef, opdef.pack(slots), rule_attrs(op))]


def _source(F: BlockEmitter, var: Variable, shape: Shape) -> Variable | None:
    """The smaller tensor that broadcasts to `var`, where there is one."""
    op = var.op
    if op is None or not shape:
        return None
    if op.type == "fill_constant" and not op.in_vars:
        new: Variable = F.full((), op.attrs["value"], var.dtype)
        return new
    if op.type != "expand_v2" or len(op.in_vars) != 1:
        return None
    source = op.in_vars[0]
    fits = zip(reversed(source.shape), reversed(shape), strict=False)
    return source if source.shape != shape and all(a in (1, b) for a, b in fits) else None
