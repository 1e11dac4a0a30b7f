"""How much work an op is: its floating point operations and the bytes that it moves, as Dims.

This is for showing, and for deciding what is worth a thread; it is no prediction of time. A
function such as exp counts as the arithmetic of its polynomial, a multiply-add as two; a view and
an op that only moves elements compute nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from .cost import cost_of
from .dims import Dim, product
from .opdef import get_op
from .program import Block, OpDesc, Variable


class Work(NamedTuple):
    """Floating point operations (of integers too), and bytes read and written."""

    flops: Dim
    bytes: Dim


def work_of(op: OpDesc) -> Work:
    """The work of one kernel: of a pointwise op, a primitive or a fusion."""
    return Work(flops_of(op), bytes_of(op))


def byte_size(var: Variable) -> Dim:
    """The bytes of a Variable's elements."""
    return var.type.size * var.dtype.itemsize


def flops_of(op: OpDesc) -> Dim:
    if get_op(op.type).is_map:
        return cost_of(op) * op.out_vars[0].type.size
    return FLOPS[op.type](op) if op.type in FLOPS else 0


def bytes_of(op: OpDesc) -> Dim:
    """What lies between a fusion's ops is in registers; a lookup reads as much as it gives."""
    written = _total(op.out_vars)
    if op.type in _LOOKUPS:
        table, *rest = op.in_vars
        return 2 * written + _total([var for var in rest if var is not table])
    return _total(op.in_vars) + written


def _total(vars: Sequence[Variable]) -> Dim:
    total: Dim = 0
    for var in dict.fromkeys(vars):
        total = total + byte_size(var)
    return total


def _inputs(op: OpDesc) -> Dim:
    """One operation per element of the first input: reductions, scans, scatters."""
    return op.in_vars[0].type.size


def _fusion(op: OpDesc) -> Dim:
    block: Block = op.attrs["block"]
    total: Dim = 0
    for part in block.ops:
        total = total + flops_of(part)
    return total


def _matmul(op: OpDesc) -> Dim:
    x = op.in_vars[0]
    transposed = op.attrs.get("trans_x", False) and x.ndim > 1
    depth = x.shape[-2 if transposed else -1]
    return 2 * depth * op.output().type.size


def _conv(op: OpDesc) -> Dim:
    """Each element of the output is a sum over a filter [out, in / groups, h, w]."""
    _, filters = op.in_vars
    return 2 * op.out_vars[0].type.size * product(filters.shape[1:])


def _conv_blocked(op: OpDesc) -> Dim:
    """A packed filter is [blocks of outputs, blocks, h, w, channels of a block, 16]."""
    _, filters = op.in_vars
    return 2 * op.out_vars[0].type.size * product(filters.shape[1:5])


def _conv_input_grad(op: OpDesc) -> Dim:
    filters, grad = op.in_vars
    return 2 * grad.type.size * product(filters.shape[1:])


def _conv_filter_grad(op: OpDesc) -> Dim:
    _, grad = op.in_vars
    return 2 * grad.type.size * product(op.out_vars[0].shape[1:])


def _filter_grad_blocked(op: OpDesc) -> Dim:
    """The result is a packed filter, too."""
    _, grad = op.in_vars
    return 2 * grad.type.size * product(op.out_vars[0].shape[1:5])


def _pool(op: OpDesc) -> Dim:
    """A comparison or sum per cell of each window; an adaptive pooling reads each cell once."""
    if op.attrs.get("adaptive", False):
        return _inputs(op)
    return op.out_vars[0].type.size * product(op.attrs["ksize"])


def _sort(op: OpDesc) -> Dim:
    """Some ten comparisons per element: the logarithm of usual lengths."""
    return 10 * _inputs(op)


def _factor(cubes: float) -> Callable[[OpDesc], Dim]:
    """So many operations per row, column and column again of each matrix."""
    return lambda op: _inputs(op) * op.in_vars[0].shape[-1] * int(6 * cubes) // 6


# By type; an op that is not here moves elements, and computes nothing.
FLOPS: Final[dict[str, Callable[[OpDesc], Dim]]] = {
    "fusion": _fusion, "matmul_v2": _matmul, "matmul_panels": _matmul,
    "conv2d": _conv, "conv2d_input_grad": _conv_input_grad, "conv2d_filter_grad": _conv_filter_grad,
    "conv2d_planes": _conv, "conv2d_blocked": _conv_blocked, "depthwise_blocked": _conv_blocked,
    "filter_grad_blocked": _filter_grad_blocked,
    "avg_pool2d": _pool, "max_pool2d_with_index": _pool,
    "max_pool2d": _pool, "pool2d_blocked": _pool,
    "avg_pool2d_grad": _inputs, "max_pool2d_grad": _inputs,
    "reduce_sum": _inputs, "reduce_max": _inputs, "reduce_min": _inputs, "reduce_prod": _inputs,
    "reduce_all": _inputs, "reduce_any": _inputs, "sum_to": _inputs,
    "arg_max": _inputs, "arg_min": _inputs, "argsort": _sort, "top_k_v2": _sort,
    "true_positions": _inputs,
    "cumsum": _inputs, "cumprod": _inputs, "linear_scan": lambda op: 2 * _inputs(op),
    "index_add": _inputs, "scatter_nd_add": _inputs, "embedding_grad": _inputs,
    "inverse": _factor(2), "determinant": _factor(2 / 3), "slogdeterminant": _factor(2 / 3),
    "solve": _factor(2), "cholesky": _factor(1 / 3), "lu": _factor(2 / 3), "qr": _factor(2),
    "svd": _factor(20), "eigh": _factor(9),
    "gcd": lambda op: 30 * op.out_vars[0].type.size,
    "lcm": lambda op: 30 * op.out_vars[0].type.size,
    "warpctc": lambda op: 100 * _inputs(op),
    "rng_bits": lambda op: 40 * op.out_vars[0].type.size,
}  # fmt: skip

# The first input is a table, of which only the named elements are read.
_LOOKUPS: Final = frozenset({
    "gather_nd", "index_select", "lookup_table_v2", "slice", "strided_slice", "take_along_axis",
})  # fmt: skip
