"""Names of Variables in static mode, as Paddle gives them: `relu_0.tmp_0`, `elementwise_add_0`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from wherry.ir.opdef import OpDef
from wherry.ir.program import Program

from ..unique_name import generate

# What Paddle calls the functions that make these ops.
_LAYERS = {
    "transpose2": "transpose", "squeeze2": "squeeze", "expand_v2": "expand",
    "flatten_contiguous_range": "flatten", "arg_max": "argmax", "arg_min": "argmin",
    "reduce_mean": "mean", "reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min",
    "reduce_prod": "prod", "reduce_all": "all", "reduce_any": "any",
    "uniform_random": "uniform", "gaussian_random": "gaussian", "fill_any_like": "full_like",
    "lookup_table_v2": "embedding", "assign_value": "assign",
}  # fmt: skip
# The slots of these ops in the order in which Paddle names them; "" is one that is not here. With
# True it is a layer function's op, whose slots have another order.
_ORDER = {
    ("batch_norm", True): ("SavedMean", "SavedVariance", "", "Y"),
    ("batch_norm", False): ("SavedMean", "SavedVariance", "Y", ""),
    ("layer_norm", True): ("Mean", "Variance", "Y"),
    ("layer_norm", False): ("Mean", "Variance", "Y"),
}
# `x[0]` is called after x: `x_slice_0`.
_INDEXING = ("slice", "strided_slice")
# What has the name of a persistable in Paddle, because it is written there.
_STORED = ("MeanOut", "VarianceOut")


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


def output_names(
    program: Program, opdef: OpDef, layer: str | None, indexed: str | None = None
) -> dict[str, OutputNames]:
    """Names by output slot. `layer` is the prefix that a layer function or an operator chose;
    `indexed` the name of the Variable that is indexed.
    """
    if indexed is not None and opdef.type in _INDEXING:
        layer = f"{indexed}_{opdef.type}"
    key = layer or _key_of(opdef.type)
    found = {
        slot.name: OutputNames(program, "running_statistic" if slot.name in _STORED else key)
        for slot in opdef.outputs
    }
    for slot in _ORDER.get((opdef.type, layer is not None), ()):
        if slot:
            _ = found[slot][0]
        else:
            generate(key)
    return found


def _key_of(op_type: str) -> str:
    if op_type.startswith("elementwise_"):
        return op_type
    prefix = generate(_LAYERS.get(op_type, op_type))
    if op_type == "fill_constant":
        # Paddle makes two names for each constant and uses the second.
        prefix = generate(op_type)
    return f"{prefix}.tmp"
