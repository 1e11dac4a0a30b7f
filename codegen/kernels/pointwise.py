"""Pointwise ops: one loop nest over the broadcast shape, a load per input, the formula, a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wherry.ir.opdef import get_op
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar

from ..builder import KernelBuilder
from ..operand import Operand
from ..space import Space, joint_shape
from .registry import lowers


@lowers("map", inplace=True)
def pointwise(kb: KernelBuilder) -> None:
    """Any op with a scalar formula."""
    pointwise_loop(kb, kb.inputs, kb.outputs, lambda loaded: formula(kb, kb.op, loaded))


def formula(kb: KernelBuilder, op: OpDesc, inputs: Sequence[Scalar]) -> list[Scalar]:
    """The results of a pointwise op's scalar formula, in the order of its outputs."""
    opdef = get_op(op.type)
    assert opdef.scalar is not None, op.type
    ordered = iter(inputs)
    slots = {name: [next(ordered) for _ in vars_] for name, vars_ in op.inputs.items()}
    result = opdef.scalar(kb.scalars, *opdef.pack(slots), **opdef.bind(op.attrs))
    return [value for values in opdef.result_slots(result).values() for value in values]


def pointwise_loop(
    kb: KernelBuilder,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    compute: Callable[[list[Scalar]], list[Scalar]],
) -> None:
    """Store `compute(elements of the inputs)` for each index of the outputs' joint shape.

    Where sizes decide at the call what broadcasts, there is a fast version for the case that
    nothing does.
    """
    shape = joint_shape([out.shape for out in outputs])
    operands = [*inputs, *outputs]
    space = Space(shape, [operand.shape for operand in operands])

    def nest(chosen: Space) -> Callable[[], None]:
        return lambda: _emit_nest(kb, chosen, operands, len(inputs), compute)

    if space.uncertain:
        kb.either(space.nothing_broadcasts(kb), nest(space.expanded()), nest(space))
    else:
        nest(space)()


def _emit_nest(
    kb: KernelBuilder,
    space: Space,
    operands: Sequence[Operand],
    inputs: int,
    compute: Callable[[list[Scalar]], list[Scalar]],
) -> None:
    strides = [space.strides(kb, i) for i in range(len(operands))]
    with kb.nest(space.sizes) as index:
        offsets = [kb.offset(index, stride) for stride in strides]
        pairs = list(zip(operands, offsets, strict=True))
        loaded = [operand.load_at(offset) for operand, offset in pairs[:inputs]]
        results = compute(loaded)
        for value, (out, offset) in zip(results, pairs[inputs:], strict=True):
            out.store_at(value, offset)
