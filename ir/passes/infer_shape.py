"""infer_shape: recompute the type of every op's outputs, and the guards, from the inputs' types."""

from __future__ import annotations

from ..emit import infer_types
from ..infer import Guard, inferring
from ..opdef import get_op
from ..program import Block, OpDesc, Program
from .base import packed_inputs


class InferShape:
    """Types of block arguments and persistables are given; everything else follows.

    The arguments of a sub-block take the types of what the op passes in. Raises the OpError of a
    shape rule that refuses. Guards that no rule needs any more are dropped; those of equal dims of
    inputs stay as the rules restate them.
    """

    name = "infer_shape"

    def run(self, program: Program) -> bool:
        guards: list[Guard] = []
        changed = self._block(program.global_block, guards)
        changed |= guards != program.guards
        program.guards[:] = guards
        return changed

    def _block(self, block: Block, guards: list[Guard]) -> bool:
        changed = [self._op(op, guards) for op in block.ops]
        return any(changed)

    def _op(self, op: OpDesc, guards: list[Guard]) -> bool:
        opdef = get_op(op.type)
        changed = False
        for sub in op.blocks:
            changed |= _retype_args(op, sub)
            changed |= self._block(sub, guards)
        types = [
            [v.type for v in found] if isinstance(found, list) else found and found.type
            for found in packed_inputs(op)
        ]
        with inferring(op.type, op.loc, guards):
            result = infer_types(opdef, types, op.attrs)
        for slot, found in opdef.result_slots(result).items():
            for var, new in zip(op.outputs.get(slot, []), found, strict=True):
                changed |= var.type != new
                var.shape, var.dtype = new
        return changed


def _retype_args(op: OpDesc, block: Block) -> bool:
    """Control flow passes its inputs, all but a leading condition, to the block's arguments."""
    passed = [v for slot, vars_ in op.inputs.items() if slot in ("X", "Extra") for v in vars_]
    changed = False
    for arg, given in zip(block.args, passed, strict=True):
        changed |= arg.type != given.type
        arg.shape, arg.dtype = given.shape, given.dtype
    return changed
