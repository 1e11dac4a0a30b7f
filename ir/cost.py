"""What a pointwise op costs per element: its formula, run on a builder that counts."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import DType

from .opdef import get_op
from .program import OpDesc
from .scalar import TRANSCENDENTAL, Scalar, ScalarBuilder

# In multiplications, roughly; what is not named costs 1.
_COSTS = {"div": 4, "sqrt": 6, "rsqrt": 6, "floordiv": 20, "mod": 20, "fmod": 20, "pow": 40}
_TRANSCENDENTAL = 20


class CostScalars(ScalarBuilder):
    """Scalars without values: `cost` sums up what the formula calls."""

    def __init__(self) -> None:
        self.cost = 0

    def emit(self, name: str, operands: list[Scalar], dtype: DType) -> Any:
        self.cost += _TRANSCENDENTAL if name in TRANSCENDENTAL else _COSTS.get(name, 1)
        return None

    def constant(self, value: bool | int | float, dtype: DType) -> Any:
        return None

    def convert(self, operand: Scalar, dtype: DType) -> Any:
        self.cost += 1
        return None


def cost_of(op: OpDesc) -> int:
    """The cost of a pointwise op per element; a constant in a fusion costs nothing."""
    if op.type == "fill_constant":
        return 0
    opdef = get_op(op.type)
    assert opdef.scalar is not None, f"{op.type} is not pointwise"
    builder = CostScalars()
    inputs = opdef.pack(op.inputs)
    operands = [None if v is None else Scalar(builder, None, v.dtype) for v in inputs]
    opdef.scalar(builder, *operands, **opdef.bind(op.attrs))
    return builder.cost
