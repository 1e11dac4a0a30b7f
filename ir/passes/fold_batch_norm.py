"""fold_batch_norm: for inference, a batch norm behind a convolution or linear layer is free.

    batch_norm(conv2d(x, W) + b)  ->  conv2d(x, W * f) + ((b - mean) * f + bias)
    where f = scale / sqrt(variance + epsilon)

The result changes by rounding only. Weights are computed in float64 and become new constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..emit import BlockEmitter
from ..ops.norm import uses_given_stats
from ..program import Block, OpDesc, Program, Variable
from .base import rewrite, rule_attrs
from .dce import Dce
from .fold_constants import constants

Array = np.ndarray[Any, Any]


class FoldBatchNorm:
    """Folds where weights and statistics are known and nothing else reads what lies between."""

    name = "fold_batch_norm"

    def run(self, program: Program) -> bool:
        # Constants are of block 0, and sub-blocks do not see them.
        changed = _Folder(program, program.global_block).run()
        if changed:
            Dce().run(program)  # the product with the old weights
        return changed


@dataclass
class _Product:
    """A convolution or a matmul, and the bias that is added to it (0 where there is none)."""

    op: OpDesc
    weight: Variable
    channel_axis: int
    bias: Array


class _Folder:
    def __init__(self, program: Program, block: Block) -> None:
        self.program, self.block = program, block
        self.known = constants(program)
        self.users = block.users()

    def run(self) -> bool:
        return rewrite(self.block, self.fold)

    def fold(self, F: BlockEmitter, op: OpDesc) -> list[Variable | None] | None:
        if op.type != "batch_norm" or not self.is_foldable(op):
            return None
        attrs = rule_attrs(op)
        axis = op.inputs["X"][0].ndim - 1 if attrs["data_layout"][-1] == "C" else 1
        found = self.product(op.inputs["X"][0], axis)
        if found is None:
            return None
        factor = self.given(op, "Scale", 1.0) / np.sqrt(
            self.given(op, "Variance", 1.0) + attrs["epsilon"]
        )
        shift = (found.bias - self.given(op, "Mean", 0.0)) * factor + self.given(op, "Bias", 0.0)
        out = self.emit(F, found, factor, shift, axis)
        return [out if slot == "Y" else None for slot, vars_ in op.outputs.items() for _ in vars_]

    def given(self, op: OpDesc, slot: str, default: float) -> Array:
        """The known vector in a slot, in float64; `default` where the slot is empty."""
        var = op.input(slot)
        return np.asarray(default if var is None else self.known[var], np.float64)

    def is_foldable(self, op: OpDesc) -> bool:
        """It uses its running statistics, which are known, and only Y is read."""
        attrs = rule_attrs(op)
        others = [v for slot, vars_ in op.outputs.items() if slot != "Y" for v in vars_]
        given = [op.input(slot) for slot in ("Scale", "Bias", "Mean", "Variance")]
        return (
            uses_given_stats(attrs)
            and all(var is None or var in self.known for var in given)
            and not any(self.users.get(v) or v in self.block.results for v in others)
        )

    def product(self, var: Variable, axis: int) -> _Product | None:
        """The product that gives `var`, maybe through the addition of a bias along `axis`."""
        op = var.op
        if op is None or not self.is_only_read_once(var):
            return None
        if op.type == "elementwise_add":
            found = self.product(op.inputs["X"][0], axis)
            bias = self.channel_bias(op, axis)
            if found is None or bias is None:
                return None
            found.bias = found.bias + bias
            return found
        return self.weighted(op, var, axis)

    def is_only_read_once(self, var: Variable) -> bool:
        return len(self.users.get(var, [])) == 1 and var not in self.block.results

    def channel_bias(self, add: OpDesc, axis: int) -> Array | None:
        """The known vector that the op adds along the axis."""
        x, y = add.inputs["X"][0], add.inputs["Y"][0]
        if y not in self.known or x.type != add.output().type:
            return None
        start = add.attrs.get("axis", -1)
        start = x.ndim - y.ndim if start == -1 else start % x.ndim
        dims = [1] * start + [int(dim) for dim in self.known[y].shape]
        dims += [1] * (x.ndim - len(dims))
        if len(dims) != x.ndim or any(dim != 1 for at, dim in enumerate(dims) if at != axis):
            return None
        return self.known[y].reshape(-1).astype(np.float64)

    def weighted(self, op: OpDesc, out: Variable, axis: int) -> _Product | None:
        """conv2d with its filters along the axis, or matmul with a matrix whose columns are."""
        nothing = np.zeros(())
        if op.type in ("conv2d", "depthwise_conv2d") and op.inputs["Filter"][0] in self.known:
            channels_last = op.attrs.get("data_format", "NCHW") == "NHWC"
            fits = axis == (out.ndim - 1 if channels_last else 1)
            return _Product(op, op.inputs["Filter"][0], 0, nothing) if fits else None
        if op.type == "matmul_v2" and op.inputs["Y"][0] in self.known:
            y = op.inputs["Y"][0]
            along = 0 if op.attrs.get("trans_y") else 1
            return _Product(op, y, along, nothing) if y.ndim == 2 and axis == out.ndim - 1 else None
        return None

    def emit(
        self, F: BlockEmitter, found: _Product, factor: Array, shift: Array, axis: int
    ) -> Variable:
        weight = self.known[found.weight]
        along = [1] * weight.ndim
        along[found.channel_axis] = -1
        scaled = (weight * factor.reshape(along)).astype(weight.dtype)
        shift = shift.astype(weight.dtype)
        new_weight = self.constant(f"{found.weight.name}.folded", scaled, found.weight)
        new_bias = self.constant(f"{found.weight.name}.shift", shift, found.weight)
        inputs = [new_weight if v is found.weight else v for v in found.op.in_vars]
        product = getattr(F, found.op.type)(*inputs, **rule_attrs(found.op))
        out: Variable = F.elementwise_add(product, new_bias, axis=axis)
        return out

    def constant(self, name: str, value: Array, like: Variable) -> Variable:
        new = self.program.add_constant(name, np.ascontiguousarray(value), like.dtype)
        self.known[new] = value
        return new
