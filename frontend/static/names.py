"""Names of Variables in static mode, as Paddle gives them: `relu_0.tmp_0`, `elementwise_add_0`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from wherry.ir.opdef import OpDef
from wherry.ir.program import Program

from ..unique_name import generate

# What Paddle calls the layers that make these ops.
_LAYERS = {"transpose2": "transpose", "reduce_mean": "mean", "reduce_sum": "sum"}


class OutputNames(Sequence[str]):
    """The names of one slot's outputs, made when they are asked for."""

    def __init__(self, program: Program, key: str) -> None:
        self.program, self.key = program, key
        self.given: dict[int, str] = {}

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return list(self.given.values())[index]
        if index not in self.given:
            self.given[index] = self.program.unique(generate(self.key))
        return self.given[index]

    def __len__(self) -> int:
        return len(self.given)


def output_names(program: Program, opdef: OpDef, layer: str | None) -> dict[str, OutputNames]:
    """Names by output slot. `layer` is the prefix that a layer function or an operator chose."""
    key = layer or _key_of(opdef.type)
    return {slot.name: OutputNames(program, key) for slot in opdef.outputs}


def _key_of(op_type: str) -> str:
    if op_type.startswith("elementwise_"):
        return op_type
    prefix = generate(_LAYERS.get(op_type, op_type))
    if op_type == "fill_constant":
        # Paddle makes two names for each constant and uses the second.
        prefix = generate(op_type)
    return f"{prefix}.tmp"
