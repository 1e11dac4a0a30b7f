"""Activation functions: elementwise, except those that normalize or split an axis."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from wherry.schema.dtypes import as_dtype

from ...dispatch import run_op, write
from ...ops.convert import cast_to, need_tensor
from ...ops.math import sigmoid, tanh
from ...ops.random import uniform
from ...signatures import signature
from ...tensor import Tensor

_DOC = """{text}

    x: a float Tensor. Returns its shape and dtype.

    >>> import wherry as paddle
    >>> paddle.nn.functional.{name}(paddle.to_tensor([0.0])).tolist()
    {zero}
    """


def _plain(
    name: str, text: str, op_type: str | None = None, zero: str = "[0.0]"
) -> Callable[..., Tensor]:
    """An activation without parameters."""
    op_name = op_type or name

    def function(x: Tensor, name: str | None = None) -> Tensor:
        out: Tensor = run_op(op_name, need_tensor(x, function.__name__))
        return out

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(name=name, text=text, zero=zero)
    return function


relu = _plain("relu", "max(x, 0); NaN stays NaN.")
relu6 = _plain("relu6", "x limited to [0, 6].")
silu = _plain("silu", "x * sigmoid(x).")
swish = _plain("swish", "x * sigmoid(x).")
mish = _plain("mish", "x * tanh(softplus(x)).")
softsign = _plain("softsign", "x / (1 + |x|).")
tanhshrink = _plain("tanhshrink", "x - tanh(x).", "tanh_shrink")
hardswish = _plain("hardswish", "x * relu6(x + 3) / 6.", "hard_swish")
log_sigmoid = _plain("log_sigmoid", "log(sigmoid(x)).", "logsigmoid", "[-0.6931471824645996]")


def _one_parameter(name: str, text: str, op_type: str, attribute: str, argument: str,
                   default: float) -> Callable[..., Tensor]:  # fmt: skip
    """An activation with one number."""

    def function(x: Tensor, *args: float, name: str | None = None, **kwargs: float) -> Tensor:
        if len(args) + len(kwargs) > 1 or (kwargs and argument not in kwargs):
            raise TypeError(f"{function.__name__}() takes x and {argument}, got {args} {kwargs}")
        value = args[0] if args else kwargs.get(argument, default)
        out: Tensor = run_op(
            op_type, need_tensor(x, function.__name__), **{attribute: float(value)}
        )
        return out

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature(  # type: ignore[attr-defined]
        ["x"], {argument: default, "name": None}
    )
    function.__doc__ = _DOC.format(name=name, text=f"{text} {argument} is {default} by default.",
                                   zero="[0.0]")  # fmt: skip
    return function


leaky_relu = _one_parameter("leaky_relu", "x where x > 0, else negative_slope * x.", "leaky_relu",
                            "alpha", "negative_slope", 0.01)  # fmt: skip
elu = _one_parameter(
    "elu", "x where x > 0, else alpha * (exp(x) - 1).", "elu", "alpha", "alpha", 1.0
)
celu = _one_parameter("celu", "x where x > 0, else alpha * (exp(x / alpha) - 1).", "celu", "alpha",
                      "alpha", 1.0)  # fmt: skip
hardshrink = _one_parameter("hardshrink", "x where |x| > threshold, else 0.", "hard_shrink",
                            "threshold", "threshold", 0.5)  # fmt: skip
softshrink = _one_parameter("softshrink", "x moved to 0 by threshold, 0 within.", "softshrink",
                            "lambda", "threshold", 0.5)  # fmt: skip
thresholded_relu = _one_parameter("thresholded_relu", "x where x > threshold, else 0.",
                                  "thresholded_relu", "threshold", "threshold", 1.0)  # fmt: skip


def gelu(x: Tensor, approximate: bool = False, name: str | None = None) -> Tensor:
    """x times the normal distribution function of x; `approximate` by tanh.

    >>> import wherry as paddle
    >>> paddle.nn.functional.gelu(paddle.to_tensor([0.0])).tolist()
    [0.0]
    """
    out: Tensor = run_op("gelu", need_tensor(x, "gelu"), approximate=approximate)
    return out


def selu(
    x: Tensor, scale: float = 1.0507009873554805, alpha: float = 1.6732632423543772,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """scale * (x where x > 0, else alpha * (exp(x) - 1)).

    >>> import wherry as paddle
    >>> paddle.nn.functional.selu(paddle.to_tensor([0.0])).tolist()
    [0.0]
    """
    out: Tensor = run_op("selu", x, scale=scale, alpha=alpha)
    return out


def softplus(x: Tensor, beta: float = 1, threshold: float = 20, name: str | None = None) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.

    >>> import wherry as paddle
    >>> round(paddle.nn.functional.softplus(paddle.to_tensor([0.0])).item(), 4)
    0.6931
    """
    out: Tensor = run_op("softplus", x, beta=float(beta), threshold=float(threshold))
    return out


def hardsigmoid(
    x: Tensor, slope: float = 0.1666667, offset: float = 0.5, name: str | None = None
) -> Tensor:
    """slope * x + offset limited to [0, 1].

    >>> import wherry as paddle
    >>> paddle.nn.functional.hardsigmoid(paddle.to_tensor([0.0])).tolist()
    [0.5]
    """
    out: Tensor = run_op("hard_sigmoid", x, slope=slope, offset=offset)
    return out


def hardtanh(x: Tensor, min: float = -1.0, max: float = 1.0, name: str | None = None) -> Tensor:
    """x limited to [min, max].

    >>> import wherry as paddle
    >>> paddle.nn.functional.hardtanh(paddle.to_tensor([2.0])).tolist()
    [1.0]
    """
    out: Tensor = run_op("brelu", x, t_min=float(min), t_max=float(max))
    return out


def prelu(x: Tensor, weight: Tensor, data_format: str = "NCHW", name: str | None = None) -> Tensor:
    """x where x > 0, else weight * x; the weight holds one number, or one per channel.

    >>> import wherry as paddle
    >>> paddle.nn.functional.prelu(paddle.to_tensor([-2.0]), paddle.to_tensor([0.5])).tolist()
    [-1.0]
    """
    mode = "all" if weight.size == 1 else "channel"
    layout = "NHWC" if data_format.endswith("C") and data_format != "NC" else "NCHW"
    out: Tensor = run_op("prelu", x, weight, mode=mode, data_format=layout)
    return out


def _in_dtype(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None else cast_to(x, as_dtype(dtype))


def softmax(x: Tensor, axis: int = -1, dtype: Any = None, name: str | None = None) -> Tensor:
    """exp(x) divided by its sum along an axis, without overflow.

    >>> import wherry as paddle
    >>> paddle.nn.functional.softmax(paddle.zeros([2])).tolist()
    [0.5, 0.5]
    """
    out: Tensor = run_op("softmax", _in_dtype(need_tensor(x, "softmax"), dtype), axis=axis)
    return out


def log_softmax(x: Tensor, axis: int = -1, dtype: Any = None, name: str | None = None) -> Tensor:
    """log(softmax(x)) along an axis, without overflow.

    >>> import wherry as paddle
    >>> paddle.nn.functional.log_softmax(paddle.zeros([1])).tolist()
    [0.0]
    """
    out: Tensor = run_op("log_softmax", _in_dtype(need_tensor(x, "log_softmax"), dtype), axis=axis)
    return out


def glu(x: Tensor, axis: int = -1, name: str | None = None) -> Tensor:
    """The first half along an axis times the sigmoid of the second half.

    >>> import wherry as paddle
    >>> paddle.nn.functional.glu(paddle.to_tensor([2.0, 0.0])).tolist()
    [1.0]
    """
    first, second = run_op("split", x, num=2, sections=[], axis=axis)
    return first * sigmoid(second)  # type: ignore[no-any-return]


def maxout(x: Tensor, groups: int, axis: int = 1, name: str | None = None) -> Tensor:
    """The maximum over each group of channels that follow one another; [C] becomes [C / groups].

    >>> import wherry as paddle
    >>> paddle.nn.functional.maxout(paddle.to_tensor([[1.0, 2.0]]), 2).tolist()
    [[2.0]]
    """
    at = axis % x.ndim
    shape = [*x.shape[:at], x.shape[at] // groups, groups, *x.shape[at + 1 :]]
    out: Tensor = run_op("reduce_max", run_op("reshape2", x, shape=shape), dim=[at + 1])
    return out


def rrelu(
    x: Tensor,
    lower: float = 0.125,
    upper: float = 1.0 / 3,
    training: bool = True,
    name: str | None = None,
) -> Tensor:
    """leaky_relu with a random slope for each element in training, their mean otherwise."""
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    slope = uniform(x.shape, x.dtype, lower, upper)
    out: Tensor = run_op("where", x >= 0, x, x * slope)
    return out


def gumbel_softmax(
    x: Tensor, temperature: float = 1.0, hard: bool = False, axis: int = -1, name: str | None = None
) -> Tensor:
    """softmax of x plus Gumbel noise; `hard` gives a one-hot value with the soft one's gradient."""
    noise = uniform(x.shape, x.dtype, 1e-10, 1.0)
    gumbel = -run_op("log", -run_op("log", noise))
    soft = softmax((x + gumbel) / temperature, axis)
    if not hard:
        return soft
    best = run_op("reduce_max", soft, dim=[axis], keep_dim=True)
    one = cast_to(soft >= best, soft.dtype)
    return (one - soft).detach() + soft  # type: ignore[no-any-return]


def _inplace(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return write(x, function(x, *args, **kwargs))

    method.__name__ = method.__qualname__ = function.__name__ + "_"
    method.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    method.__doc__ = f"`{function.__name__}` in place: writes into x and returns it."
    return method


relu_, elu_, softmax_, tanh_ = _inplace(relu), _inplace(elu), _inplace(softmax), _inplace(tanh)
leaky_relu_, hardtanh_ = _inplace(leaky_relu), _inplace(hardtanh)
thresholded_relu_ = _inplace(thresholded_relu)

__all__ = [
    "celu", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_sigmoid", "log_softmax",
    "maxout", "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "selu", "sigmoid", "silu",
    "softmax", "softmax_", "softplus", "softshrink", "softsign", "swish", "tanh", "tanh_",
    "tanhshrink", "thresholded_relu", "thresholded_relu_",
]  # fmt: skip
