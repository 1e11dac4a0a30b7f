"""fc, embedding, prelu: functions that make their own parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wherry.ir.dims import SymDim
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import OpError

from ...location import user_location
from ...nn import functional
from ...nn.initializer import Constant
from ...unique_name import generate
from ..mode import building
from ..parameters import make_parameter
from ..tracer import StaticTracer
from ..variable import Variable


def need_variable(x: Any, function: str, argument: str = "input") -> Variable:
    """x itself. TypeError for what is no Variable."""
    if isinstance(x, Variable):
        return x
    raise TypeError(
        f"The type of '{argument}' in {function} must be Variable, but received {type(x).__name__}."
    )


def named(active: StaticTracer, key: str, out: Any, behind: int = 0) -> Any:
    """A result of several ops with the name of Paddle's one: the next of this key, behind some."""
    for _ in range(behind):
        generate(key)
    with active.naming(key):
        return active.emit("assign", out)


def known_size(x: Variable, axis: int, function: str) -> int:
    """A size that a parameter needs. OpError where it is known at the call only."""
    size = x.variable.shape[axis]
    if not isinstance(size, int):
        raise OpError(
            f"needs an input whose axis {axis} is known, got {x!r}; give this size to "
            "paddle.static.data", function, user_location(),
        )  # fmt: skip
    return size


def channel_axis(x: Variable, data_format: str) -> int:
    """The axis of the channels: the last one in NHWC and its kin, else the second."""
    last = data_format.endswith("C") and data_format != "NC"
    return x.ndim - 1 if last else 1


def activated(out: Any, activation: str | None) -> Any:
    """The activation of this name applied, none where it is None. ValueError for an unknown one."""
    if activation is None:
        return out
    function = getattr(functional, activation, None)
    if function is None:
        raise ValueError(f"there is no activation {activation!r} in paddle.nn.functional")
    return function(out)


def fc(
    x: Variable | Sequence[Variable],
    size: int,
    num_flatten_dims: int = 1,
    weight_attr: Any = None,
    bias_attr: Any = None,
    activation: str | None = None,
    name: str | None = None,
) -> Any:
    """x as a matrix whose rows are the first `num_flatten_dims` axes, times a weight, plus a bias.

    Of several inputs each has its own weight, and the products are added. Raises OpError where a
    size that the weight needs is not known, TypeError for what is no Variable.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     paddle.static.nn.fc(paddle.static.data("x", [None, 4]), 3).shape
    (-1, 3)
    >>> paddle.disable_static()
    """
    active = building("paddle.static.nn.fc")
    layer = name or generate("fc")
    inputs = list(x) if isinstance(x, (list, tuple)) else [x]
    with active.naming(f"{layer}.tmp"):
        products = [_product(active, layer, one, size, num_flatten_dims, weight_attr)
                    for one in inputs]  # fmt: skip
        out = products[0] if len(products) == 1 else active.emit("sum", products)
        axis = len(out.shape) - 1
        bias = make_parameter(active, layer, [size], out.dtype, bias_attr, is_bias=True)
        if bias is not None:
            out = active.emit("elementwise_add", out, bias, axis=axis)
        return activated(out, activation)


def _product(active: StaticTracer, layer: str, x: Any, size: int, columns: int,
             attr: Any) -> Any:  # fmt: skip
    x = need_variable(x, "fc", "x")
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
    return active.emit("mul", x, weight, x_num_col_dims=columns)


def embedding(
    input: Variable,
    size: Sequence[int],
    is_sparse: bool = False,
    is_distributed: bool = False,
    padding_idx: int | None = None,
    param_attr: Any = None,
    dtype: Any = "float32",
) -> Any:
    """The rows of a weight of shape `size` = [ids, width] at integer ids of any shape.

    Rows of `padding_idx` are zeros and are not trained.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     ids = paddle.static.data("ids", [None, 6], "int64")
    ...     paddle.static.nn.embedding(ids, [100, 8]).shape
    (-1, 6, 8)
    >>> paddle.disable_static()
    """
    active = building("paddle.static.nn.embedding")
    ids = need_variable(input, "embedding")
    layer = generate("embedding")
    weight = make_parameter(active, layer, [int(n) for n in size], as_dtype(dtype), param_attr)
    if weight is None:
        raise ValueError("param_attr of embedding cannot be False: it is the table itself")
    with active.naming(f"{layer}.tmp"):
        return functional.embedding(ids, weight, padding_idx)


def _per_channel(channels: int, last: bool) -> list[int]:
    """Paddle's shape of a weight for each channel, whatever the rank of the input."""
    return [1, 1, 1, channels] if last else [1, channels, 1, 1]


def prelu(
    x: Variable, mode: str, param_attr: Any = None, data_format: str = "NCHW",
    name: str | None = None,
) -> Any:  # fmt: skip
    """x where it is positive, else x times a weight: one for "all", one for each "channel", or one
    for each "element" of a sample. Raises ValueError for another mode.
    """
    active = building("paddle.static.nn.prelu")
    x = need_variable(x, "prelu", "x")
    axis = channel_axis(x, data_format)
    shapes = {
        "all": lambda: [1],
        "channel": lambda: _per_channel(known_size(x, axis, "prelu"), axis != 1),
        "element": lambda: [1, *(known_size(x, i, "prelu") for i in range(1, x.ndim))],
    }  # fmt: skip
    if mode not in shapes:
        raise ValueError(f"mode should be one of all, channel, element, got {mode!r}")
    layer = name or generate("prelu")
    weight = make_parameter(
        active, layer, shapes[mode](), x.dtype, param_attr, default=Constant(0.25)
    )
    with active.naming(f"{layer}.tmp"):
        layout = "NHWC" if axis == x.ndim - 1 and axis != 1 else "NCHW"
        return active.emit("prelu", x, weight, mode=mode, data_format=layout)
