"""bilinear_tensor_product, row_conv, spectral_norm: less common functions with parameters."""

from __future__ import annotations

import math
from typing import Any

from ...dispatch import run_op
from ...nn import functional
from ...nn.initializer import Normal
from ...param_attr import ParamAttr
from ...unique_name import generate
from ..mode import building
from ..parameters import make_parameter
from ..variable import Variable
from .common import activated, known_size, named, need_variable


def bilinear_tensor_product(
    x: Variable, y: Variable, size: int, act: str | None = None, name: str | None = None,
    param_attr: Any = None, bias_attr: Any = None,
) -> Any:  # fmt: skip
    """out[n, o] = sum over i, j of x[n, i] * weight[o, i, j] * y[n, j], plus a bias [1, size].

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     x, y = paddle.static.data("x", [None, 3]), paddle.static.data("y", [None, 4])
    ...     paddle.static.nn.bilinear_tensor_product(x, y, size=5).shape
    (-1, 5)
    >>> paddle.disable_static()
    """
    function = "bilinear_tensor_product"
    active = building(f"paddle.static.nn.{function}")
    x, y = need_variable(x, function, "x"), need_variable(y, function, "y")
    layer = name or generate(function)
    shape = [size, known_size(x, 1, function), known_size(y, 1, function)]
    weight = make_parameter(active, layer, shape, x.dtype, param_attr)
    bias = make_parameter(active, layer, [1, size], x.dtype, bias_attr, is_bias=True)
    with active.naming(f"{layer}.tmp"):
        with active.part(f"{layer}.products"):
            out = functional.bilinear(x, y, weight)
        return activated(out if bias is None else out + bias, act)


def row_conv(
    input: Variable, future_context_size: int, param_attr: Any = None, act: str | None = None
) -> Any:
    """out[n, t, d] = sum over k of input[n, t + k, d] * weight[k, d], for k from 0 to the size of
    the future context; what lies behind the end counts as 0.
    """
    active = building("paddle.static.nn.row_conv")
    x = need_variable(input, "row_conv")
    if x.ndim != 3:
        raise ValueError(f"row_conv needs sequences of one length, input [N, T, D], got {x!r}")
    layer, ahead = generate("row_conv"), future_context_size
    shape = [ahead + 1, known_size(x, 2, "row_conv")]
    weight = make_parameter(active, layer, shape, x.dtype, param_attr)
    with active.naming(f"{layer}.tmp"):
        with active.part(f"{layer}.products"):
            padded = run_op("pad", x, paddings=[0, 0, 0, ahead, 0, 0])
            length = x.shape[1]
            parts = [padded[:, k : length + k] * weight[k] for k in range(ahead + 1)]
        return activated(run_op("sum", parts), act)


def spectral_norm(
    weight: Variable, dim: int = 0, power_iters: int = 1, eps: float = 1e-12,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The weight divided by its largest singular value as a matrix whose rows are the axis `dim`.

    The value is what so many rounds of power iteration find, which start anew in each run.
    """
    active = building("paddle.static.nn.spectral_norm")
    weight = need_variable(weight, "spectral_norm", "weight")
    sizes = [known_size(weight, axis, "spectral_norm") for axis in range(weight.ndim)]
    rest = [axis for axis in range(weight.ndim) if axis != dim]
    layer = name or generate("spectral_norm")
    attr = ParamAttr(initializer=Normal(0.0, 1.0), trainable=False)
    columns = math.prod(sizes) // sizes[dim]
    u = make_parameter(active, layer, [sizes[dim]], weight.dtype, attr)
    v = make_parameter(active, layer, [columns], weight.dtype, attr)
    with active.naming(f"{layer}.part"):
        matrix = run_op("transpose2", weight, axis=[dim, *rest]).reshape([sizes[dim], columns])
        fixed = matrix.detach()
        for _ in range(power_iters):
            v = _unit(run_op("matmul_v2", fixed, u, trans_x=True), eps)
            u = _unit(run_op("matmul_v2", fixed, v), eps)
        sigma = (u * run_op("matmul_v2", matrix, v)).sum()
        out = weight / sigma
    return named(active, "_generated_var", out)


def _unit(x: Any, eps: float) -> Any:
    """The vector with length 1."""
    return x / ((x * x).sum().sqrt() + eps)
