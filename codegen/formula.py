"""Pointwise ops on values in registers: the formula of one op, and of a block of them."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.ir.opdef import get_op
from wherry.ir.ops.creation import scalar_array
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, bool_, float16

from .math import LLVMScalars

# What takes this op's place in a fusion is its number itself.
CONSTANT = "fill_constant"


def formula(scalars: LLVMScalars, op: OpDesc, inputs: Sequence[Scalar]) -> list[Scalar]:
    """The results of a pointwise op's scalar formula, in the order of its outputs."""
    opdef = get_op(op.type)
    assert opdef.scalar is not None, op.type
    ordered = iter(inputs)
    slots = {name: [next(ordered) for _ in vars_] for name, vars_ in op.inputs.items()}
    result = opdef.scalar(scalars, *opdef.pack(slots), **opdef.bind(op.attrs))
    return [value for values in opdef.result_slots(result).values() for value in values]


def fused(scalars: LLVMScalars, op: OpDesc, inputs: Sequence[Scalar]) -> list[Scalar]:
    """What an op inside a fusion gives: the same bits as if it stood alone.

    A float16 is a float in registers, so that it is rounded here, as memory would round it.
    """
    if op.type == CONSTANT:
        return [constant(scalars, op)]
    return [rounded(scalars, value) for value in formula(scalars, op, inputs)]


def constant(scalars: LLVMScalars, op: OpDesc) -> Scalar:
    """The number that a `fill_constant` of static value gives."""
    dtype = op.output().dtype
    return scalars.const(scalar_array(op.attrs["value"], dtype).item(), dtype)


def rounded(scalars: LLVMScalars, value: Scalar) -> Scalar:
    """The value as memory would give it back."""
    if value.dtype is not float16:
        return value
    return scalars.from_storage(scalars.to_storage(value), float16)


def register_bytes(*dtypes: DType) -> int:
    """The size of the largest of these in a register."""
    sizes = (4 if dtype is float16 else 1 if dtype is bool_ else dtype.itemsize for dtype in dtypes)
    return max(sizes)
