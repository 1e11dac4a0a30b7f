"""fold_batch_norm: for inference, a batch norm behind a convolution or linear layer is free.

    batch_norm(conv2d(x, W) + b)  ->  conv2d(x, W * f) + ((b - mean) * f + bias)
    where f = scale / sqrt(variance + epsilon)

The result changes by rounding only. What is multiplied and added is computed in float64. Constants
are folded by fold_constants then; weights that change now and then are computed once for many calls
(see hoist.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wherry.schema.dtypes import float64

from ..emit import BlockEmitter
from ..ops.build import Term
from ..ops.norm import uses_given_stats
from ..program import Block, OpDesc, Program, Variable
from .base import rewrite, rule_attrs
from .dce import Dce
from .fusion import VIEWS
from .hoist import steady


class FoldBatchNorm:
    """Folds where weights and statistics are steady and nothing else reads what lies between."""

    name = "fold_batch_norm"

    def run(self, program: Program) -> bool:
        # Persistables are of block 0, and sub-blocks do not see them.
        changed = _Folder(program, program.global_block).run()
        if changed:
            Dce().run(program)  # the product with the old weights
        return changed


@dataclass
class _Product:
    """A convolution or a matmul, the biases that are added to it, and views of the result.

    The views keep the channels' axis where it is, as a squeeze behind a convolution of one axis.
    """

    op: OpDesc
    weight: Variable
    channel_axis: int
    biases: list[Variable] = field(default_factory=list)
    views: list[OpDesc] = field(default_factory=list)


class _Folder:
    def __init__(self, program: Program, block: Block) -> None:
        self.program, self.block = program, block
        self.steady = steady(program)
        self.users = block.users()

    def run(self) -> bool:
        return rewrite(self.block, self.fold)

    def fold(self, F: BlockEmitter, op: OpDesc) -> list[Variable | None] | None:
        if op.type != "batch_norm" or not self.is_foldable(op):
            return None
        x = op.inputs["X"][0]
        axis = x.ndim - 1 if rule_attrs(op)["data_layout"][-1] == "C" else 1
        found = self.product(x, axis)
        if found is None:
            return None
        out = _emit(F, op, found, axis)
        return [out if slot == "Y" else None for slot, vars_ in op.outputs.items() for _ in vars_]

    def is_foldable(self, op: OpDesc) -> bool:
        """It uses its running statistics, which are steady, and only Y is read."""
        others = [v for slot, vars_ in op.outputs.items() if slot != "Y" for v in vars_]
        given = [op.input(slot) for slot in ("Scale", "Bias", "Mean", "Variance")]
        return (
            uses_given_stats(rule_attrs(op))
            and all(var is None or var in self.steady for var in given)
            and not any(self.users.get(v) or v in self.block.results for v in others)
        )

    def product(self, var: Variable, axis: int) -> _Product | None:
        """The product that gives `var`, maybe through the addition of a bias along `axis`."""
        op = var.op
        if op is None or not self.is_only_read_once(var):
            return None
        if op.type == "elementwise_add":
            found = self.product(op.inputs["X"][0], axis)
            if found is None or not self.is_channel_bias(op, axis):
                return None
            found.biases.append(op.inputs["Y"][0])
            return found
        if op.type in VIEWS:
            source = op.in_vars[0]
            kept = source.shape[: axis + 1] == var.shape[: axis + 1]
            found = self.product(source, axis) if kept else None
            if found is not None:
                found.views.append(op)
            return found
        return self.weighted(op, var, axis)

    def is_only_read_once(self, var: Variable) -> bool:
        return len(self.users.get(var, [])) == 1 and var not in self.block.results

    def is_channel_bias(self, add: OpDesc, axis: int) -> bool:
        """Whether the op adds a steady vector along the axis."""
        x, y = add.inputs["X"][0], add.inputs["Y"][0]
        if y not in self.steady or x.type != add.output().type:
            return False
        start = add.attrs.get("axis", -1)
        start = x.ndim - y.ndim if start == -1 else start % x.ndim
        dims = [1] * start + list(y.shape)
        dims += [1] * (x.ndim - len(dims))
        return len(dims) == x.ndim and all(dim == 1 for at, dim in enumerate(dims) if at != axis)

    def weighted(self, op: OpDesc, out: Variable, axis: int) -> _Product | None:
        """conv2d with its filters along the axis, or matmul with a matrix whose columns are."""
        if op.type in ("conv2d", "depthwise_conv2d") and op.inputs["Filter"][0] in self.steady:
            channels_last = op.attrs.get("data_format", "NCHW") == "NHWC"
            fits = axis == (out.ndim - 1 if channels_last else 1)
            return _Product(op, op.inputs["Filter"][0], 0) if fits else None
        if op.type == "matmul_v2" and op.inputs["Y"][0] in self.steady:
            y = op.inputs["Y"][0]
            along = 0 if op.attrs.get("trans_y") else 1
            return _Product(op, y, along) if y.ndim == 2 and axis == out.ndim - 1 else None
        return None


def _emit(F: BlockEmitter, norm: OpDesc, found: _Product, axis: int) -> Variable:
    """The product with other weights, and the addition of another bias."""
    factor, shift = _factor_and_shift(F, norm, found.biases)
    weight, dtype = found.weight, found.weight.dtype
    along = [1] * weight.ndim
    along[found.channel_axis] = -1
    factors = F.reshape2(F.cast(factor.value, out_dtype=dtype), shape=along)
    scaled = F.elementwise_mul(weight, factors)
    inputs = [scaled if var is weight else var for var in found.op.in_vars]
    product = getattr(F, found.op.type)(*inputs, **rule_attrs(found.op))
    out: Variable = F.elementwise_add(product, F.cast(shift.value, out_dtype=dtype), axis=axis)
    for view in found.views:
        out = F.reshape2(out, shape=list(view.out_vars[0].shape))
    return out


def _factor_and_shift(F: BlockEmitter, norm: OpDesc, biases: list[Variable]) -> tuple[Term, Term]:
    """The norm as x * factor + shift, for an x to which the biases are still to be added."""

    def wide(var: Variable) -> Term:
        vector = var if var.ndim == 1 else F.reshape2(var, shape=[-1])
        return Term(F, F.cast(vector, out_dtype=float64))

    scale, bias = norm.input("Scale"), norm.input("Bias")
    deviation = (wide(norm.inputs["Variance"][0]) + rule_attrs(norm)["epsilon"]).op("sqrt")
    factor = 1.0 / deviation if scale is None else wide(scale) / deviation
    shift = -wide(norm.inputs["Mean"][0])
    for one in biases:
        shift = shift + wide(one)
    shift = shift * factor
    return factor, shift if bias is None else shift + wide(bias)
