"""fold_constants: what depends on known values only is computed now."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.errors import WherryError

from ..dims import SymDim
from ..emit import BlockEmitter, run_reference
from ..opdef import get_op
from ..program import Block, OpDesc, Program, Variable
from .base import each_block, is_pure, packed_inputs, rewrite, rule_attrs

Array = np.ndarray[Any, Any]

# A result larger than this and much larger than what it is computed from stays an op: code is
# smaller than data. (A filter that is packed into blocks may grow by half.)
_LIMIT_BYTES, _GROWTH = 1 << 20, 2


class FoldConstants:
    """fill_constant(2) + fill_constant(3)  ->  fill_constant(5); else a new persistable.

    With `inference`, `program.values` are constants too, save those that are assigned. Without, a
    parameter may change between calls, and only what the ops themselves state is known.
    """

    name = "fold_constants"

    def __init__(self, *, inference: bool = False) -> None:
        self.inference = inference

    def run(self, program: Program) -> bool:
        known = constants(program) if self.inference else {}
        folder = _Folder(program, known)
        return each_block(program, folder.run)


def constants(program: Program) -> dict[Variable, Array]:
    """The persistables whose value is known and that no op assigns."""
    return {
        var: program.values[var.name] for var in unassigned(program) if var.name in program.values
    }


def unassigned(program: Program) -> list[Variable]:
    """The persistables that the Program leaves as they are."""
    assigned = {
        op.input("Target") for op in program.global_block.ops if op.type == "assign_persistable"
    }
    return [var for var in program.persistables if var.op is None and var not in assigned]


def worth_keeping(made: int, read: int) -> bool:
    """Whether a result of so many bytes is kept, rather than computed from so many each time."""
    return made <= max(_LIMIT_BYTES, _GROWTH * read)


def known_value(program: Program, var: Variable) -> Array | None:
    """The value of a Variable that ops make of nothing but numbers; None for any other."""
    folder = _Folder(program, {})

    def known(one: Variable) -> bool:
        if one in folder.known or one.op is None or not all(map(known, one.op.in_vars)):
            return one in folder.known
        arrays = folder.evaluate(one.op)
        if arrays is not None:
            folder.known.update(zip(one.op.out_vars, arrays, strict=True))
        return arrays is not None

    return folder.known[var] if known(var) else None


class _Folder:
    def __init__(self, program: Program, known: dict[Variable, Array]) -> None:
        self.program, self.known = program, known

    def run(self, block: Block) -> bool:
        return rewrite(block, self.fold)

    def fold(self, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
        arrays = self.evaluate(op)
        if arrays is None:
            return None
        stays = op.type == "fill_constant" or not (
            all(map(_is_uniform, arrays)) or self.may_be_persistable(F.block, op)
        )
        if stays:
            self.known.update(zip(op.out_vars, arrays, strict=True))
            return None
        return [self.constant(F, v, a) for v, a in zip(op.out_vars, arrays, strict=True)]

    def evaluate(self, op: OpDesc) -> list[Array] | None:
        """The op's outputs, if all that it depends on is known."""
        opdef = get_op(op.type)
        known = all(var in self.known for var in op.in_vars)
        if not known or opdef.reference is None or op.blocks or not is_pure(op):
            return None
        attrs = rule_attrs(op)
        if any(map(_is_symbolic, attrs.values())) or not self.worth(op):
            return None
        slots = [_map(value, self.known) for value in packed_inputs(op)]
        try:
            found = opdef.result_slots(run_reference(opdef, slots, attrs))
        except (WherryError, ArithmeticError, LookupError):
            return None  # an error in the data belongs to the run, with the user's line
        return [np.asarray(a) for slot in op.outputs for a in found[slot]]

    def may_be_persistable(self, block: Block, op: OpDesc) -> bool:
        """A persistable is of block 0: a sub-block cannot see it. An output keeps its own name."""
        outputs = {var.name for var in self.program.outputs}
        return block is self.program.global_block and outputs.isdisjoint(
            v.name for v in op.out_vars
        )

    def worth(self, op: OpDesc) -> bool:
        if not all(var.type.is_static for var in op.out_vars):
            return False
        read = sum(self.known[var].nbytes for var in op.in_vars)
        made = sum(int(v.type.size) * v.dtype.itemsize for v in op.out_vars)
        return worth_keeping(made, read)

    def constant(self, F: BlockEmitter, var: Variable, array: Array) -> Variable:
        if _is_uniform(array):
            new: Variable = F.full(array.shape, array.flat[0].item(), var.dtype)
        else:
            new = self.program.add_constant(f"{var.name}.folded", array, var.dtype)
        self.known[new] = array
        return new


def _is_uniform(array: Array) -> bool:
    """Whether all elements are the same bits."""
    if array.size == 0:
        return False
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat[:1].tobytes() * array.size == flat.tobytes()


def _is_symbolic(value: Any) -> bool:
    return any(map(_is_symbolic, value)) if isinstance(value, list) else isinstance(value, SymDim)


def _map(value: Any, known: dict[Variable, Array]) -> Any:
    if isinstance(value, list):
        return [known[var] for var in value]
    return None if value is None else known[value]
