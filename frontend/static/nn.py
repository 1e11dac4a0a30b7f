"""Layers as functions, for static mode: `paddle.static.nn`. They make their own parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wherry.ir.dims import SymDim
from wherry.schema.errors import OpError

from ..location import user_location
from ..nn import functional
from ..unique_name import generate
from .mode import building
from .parameters import make_parameter
from .program import StaticTracer
from .variable import Variable


def fc(
    x: Variable | Sequence[Variable],
    size: int,
    num_flatten_dims: int = 1,
    weight_attr: Any = None,
    bias_attr: Any = None,
    activation: str | None = None,
    name: str | None = None,
) -> Variable:
    """x as a matrix whose rows are the first `num_flatten_dims` axes, times a weight, plus a bias.

    Of several inputs each has its own weight, and the products are added. Raises OpError where a
    size that the weight needs is not known, TypeError for what is no Variable.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     paddle.static.nn.fc(paddle.static.data("x", [None, 4]), 3).shape
    [-1, 3]
    >>> paddle.disable_static()
    """
    active = building("paddle.static.nn.fc")
    layer = name or generate("fc")
    inputs = [x] if isinstance(x, Variable) else list(x)
    with active.naming(f"{layer}.tmp"):
        products = [_product(active, layer, one, size, num_flatten_dims, weight_attr)
                    for one in inputs]  # fmt: skip
        out = products[0] if len(products) == 1 else active.emit("sum", products)
        axis = len(out.shape) - 1
        bias = make_parameter(active, layer, [size], out.dtype, bias_attr, is_bias=True)
        if bias is not None:
            out = active.emit("elementwise_add", out, bias, axis=axis)
        return getattr(functional, activation)(out) if activation else out


def _product(active: StaticTracer, layer: str, x: Any, size: int, columns: int,
             attr: Any) -> Variable:  # fmt: skip
    if not isinstance(x, Variable):
        raise TypeError(f"The type of 'x' in fc must be Variable, but received {type(x).__name__}.")
    columns = len(x.variable.shape) + columns if columns < 0 else columns
    inner = x.variable.shape[columns:]
    if any(isinstance(dim, SymDim) for dim in inner) or not 0 < columns < len(x.variable.shape):
        raise OpError(
            f"needs an input whose axes from {columns} on are known, got {x!r}; give these sizes "
            "to paddle.static.data, or another num_flatten_dims", "fc", user_location(),
        )  # fmt: skip
    weight = make_parameter(active, layer, [math.prod(map(int, inner)), size], x.dtype, attr)
    if weight is None:
        raise ValueError("weight_attr of fc cannot be False: there is no fc without a weight")
    return active.emit("mul", x, weight, x_num_col_dims=columns)  # type: ignore[no-any-return]
