"""decompose: composite ops become primitives, by the expansion that each declares."""

from __future__ import annotations

from ..emit import BlockEmitter
from ..opdef import get_op
from ..ops.grads import aligned, reshape_to
from ..program import OpDesc, Program, Variable
from .base import each_block, packed_inputs, rewrite, rule_attrs


class Decompose:
    """softmax(x) -> max, sub, exp, sum, div. What comes out keeps the user's line of the op.

    Two forms of Paddle's go too: the `axis` of the elementwise ops, for which Y gets trailing dims
    of 1, so that all that remains broadcasts as in numpy; and `sum_to` where the shapes tell what
    is summed.
    """

    name = "decompose"

    def run(self, program: Program) -> bool:
        names = {var.name for var in program.outputs}
        return each_block(
            program, lambda block: rewrite(block, lambda F, op: _expand(F, op, names))
        )


def expansion(F: BlockEmitter, op: OpDesc) -> list[Variable | None]:
    """What a composite op's own `expand` gives, one Variable for each of its outputs."""
    opdef = get_op(op.type)
    assert opdef.expand is not None, f"{op.type} is no composite"
    slots = opdef.result_slots(opdef.expand(F, *packed_inputs(op), **rule_attrs(op)))
    found = [v for slot, vars_ in op.outputs.items() for v in slots.get(slot, [None] * len(vars_))]
    return [_as_declared(F, v, var) for v, var in zip(found, op.out_vars, strict=True)]


def _expand(F: BlockEmitter, op: OpDesc, names: set[str]) -> list[Variable | None] | None:
    opdef = get_op(op.type)
    if opdef.expand is not None:
        return _own_names(F, op, expansion(F, op), names)
    if opdef.is_map and op.attrs.get("axis", -1) != -1 and "Y" in op.inputs:
        return _align(F, op)
    if op.type == "sum_to":
        return _sum(F, op, names)
    return None


def _own_names(
    F: BlockEmitter, op: OpDesc, found: list[Variable | None], names: set[str]
) -> list[Variable | None]:
    """Where an output of the Program is just an input of the op, a copy that has its name."""
    others = set(op.in_vars)
    for i, (new, var) in enumerate(zip(found, op.out_vars, strict=True)):
        if new in others and var.name in names:
            found[i] = F.assign(new)
        others.update([new] if new is not None else [])
    return found


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


def _sum(F: BlockEmitter, op: OpDesc, names: set[str]) -> list[Variable | None] | None:
    """sum_to(x[B, 3, 4], like[3, 1]) -> reshape(reduce_sum(x, [0, 2]), [3, 1])."""
    x, like = op.inputs["X"][0], op.inputs["Like"][0]
    aligned_shape = (*[1] * (x.ndim - like.ndim), *like.shape)
    pairs = list(zip(x.shape, aligned_shape, strict=True))
    if any(size != wanted != 1 for size, wanted in pairs):
        return None  # which of the two is 1 is known at the call
    axes = [axis for axis, (size, wanted) in enumerate(pairs) if size != wanted]
    total = F.reduce_sum(x, dim=axes, keep_dim=True, out_dtype=x.dtype) if axes else x
    return _own_names(F, op, [reshape_to(F, total, like.shape)], names)
