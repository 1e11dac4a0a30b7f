"""Small nets of rows and pointwise chains for the tests of their kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wherry.ir.dims import Dim
from wherry.ir.emit import BlockEmitter
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype

Array = np.ndarray[Any, Any]
Spec = tuple[Sequence[Dim], str]


def program_of(fn: Callable[..., Any], *specs: Spec) -> Program:
    """What `fn(F, *inputs)` records."""
    program = Program()
    block = program.global_block
    inputs = [block.add_arg(f"x{i}", s, as_dtype(d)) for i, (s, d) in enumerate(specs)]
    made = fn(BlockEmitter(block), *inputs)
    block.results.extend(made if isinstance(made, list | tuple) else [made])
    return program


def attention(F: BlockEmitter, scores: Any, mask: Any) -> Any:
    """softmax of scaled scores with a mask."""
    return F.softmax(F.elementwise_add(F.scale(scores, scale=0.125, bias=0.0), mask))


def norms(F: BlockEmitter, x: Any, scale: Any, bias: Any) -> list[Any]:
    """layer_norm of a chain that is read elsewhere too, and log_softmax."""
    h = F.elementwise_add(F.gelu(x), x)
    y, mean, variance = F.layer_norm(h, scale, bias, begin_norm_axis=1, epsilon=1e-5)
    return [h, y, mean, variance, F.log_softmax(x)]


def two_kept(F: BlockEmitter, x: Any) -> list[Any]:
    """Two costly values that later passes need, and results of other dtypes."""
    a, b = F.tanh(x), F.exp(F.scale(x, scale=-1.0, bias=0.5))
    total = F.reduce_sum(F.elementwise_mul(a, b), dim=[-1], keep_dim=True)
    top = F.reduce_max(F.elementwise_sub(b, total), dim=[-1], keep_dim=True)
    both = F.elementwise_add(F.elementwise_mul(a, total), F.elementwise_sub(b, top))
    return [F.greater_than(both, top), F.cast(both, out_dtype=as_dtype("float64"))]


def batch_statistics(F: BlockEmitter, x: Any, s: Any, b: Any, mean: Any, var: Any) -> list[Any]:
    """A batch_norm that trains."""
    return list(F.batch_norm(x, s, b, mean, var, data_layout="NCHW"))


def chain(F: BlockEmitter, x: Any, a: Any, b: Any, c: Any) -> Any:
    """gelu(x * a + b) * tanh(c)."""
    gelu = F.gelu(F.elementwise_add(F.elementwise_mul(x, a), b))
    return F.elementwise_mul(gelu, F.tanh(c))


def chosen(F: BlockEmitter, x: Any, y: Any, column: Any) -> list[Any]:
    """Comparisons, a select, casts, and a column that broadcasts."""
    wins = F.greater_than(x, y)
    picked = F.where(wins, F.elementwise_mul(x, column), F.cast(wins, out_dtype=x.dtype))
    return [picked, F.logical_and(wins, F.less_than(x, column))]
