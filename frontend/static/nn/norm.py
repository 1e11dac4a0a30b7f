"""Normalizations with parameters of their own."""

from __future__ import annotations

import math
from typing import Any

from ...nn import functional
from ...nn.initializer import Constant
from ...param_attr import ParamAttr
from ...unique_name import generate
from ..mode import building
from ..parameters import make_parameter
from ..tracer import StaticTracer
from ..variable import Variable
from .common import activated, channel_axis, known_size, named, need_variable


def batch_norm(
    input: Variable,
    act: str | None = None,
    is_test: bool = False,
    momentum: float = 0.9,
    epsilon: float = 1e-05,
    param_attr: Any = None,
    bias_attr: Any = None,
    data_layout: str = "NCHW",
    in_place: bool = False,
    name: str | None = None,
    moving_mean_name: str | None = None,
    moving_variance_name: str | None = None,
    do_model_average_for_mean_and_var: bool = True,
    use_global_stats: bool = False,
) -> Any:
    """Each channel with mean 0 and variance 1 over the batch, then times a scale, plus a bias.

    The running statistics are persistables `batch_norm_0.w_1` and `batch_norm_0.w_2`; each run of
    the Program moves them, and `clone(for_test=True)` uses them.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     x = paddle.static.data("x", [None, 3, 8, 8])
    ...     paddle.static.nn.batch_norm(x, act="relu").shape
    (-1, 3, 8, 8)
    >>> paddle.disable_static()
    """
    active = building("paddle.static.nn.batch_norm")
    x = need_variable(input, "batch_norm")
    channels = [known_size(x, channel_axis(x, data_layout), "batch_norm")]
    layer = name or generate("batch_norm")
    scale, bias = _affine(active, layer, channels, x, param_attr, bias_attr)
    mean = _statistic(active, layer, channels, x, moving_mean_name, 0.0)
    variance = _statistic(active, layer, channels, x, moving_variance_name, 1.0)
    with active.naming(f"{layer}.tmp"):
        out = functional.batch_norm(
            x, mean, variance, scale, bias, not is_test, momentum, epsilon, data_layout,
            use_global_stats or None,
        )  # fmt: skip
        return activated(out, act)


def _affine(active: StaticTracer, layer: str, shape: list[int], x: Variable, scale: Any,
            bias: Any) -> tuple[Any, Any]:  # fmt: skip
    """A scale of ones and a bias of zeros; None for an attr that is False."""
    return (
        make_parameter(active, layer, shape, x.dtype, scale, default=Constant(1.0)),
        make_parameter(active, layer, shape, x.dtype, bias, is_bias=True),
    )


def _statistic(active: StaticTracer, layer: str, shape: list[int], x: Variable, name: str | None,
               value: float) -> Any:  # fmt: skip
    attr = ParamAttr(name=name, initializer=Constant(value), trainable=False)
    return make_parameter(active, layer, shape, x.dtype, attr)


def layer_norm(
    input: Variable,
    scale: bool = True,
    shift: bool = True,
    begin_norm_axis: int = 1,
    epsilon: float = 1e-05,
    param_attr: Any = None,
    bias_attr: Any = None,
    act: str | None = None,
    name: str | None = None,
) -> Any:
    """The axes from `begin_norm_axis` on with mean 0 and variance 1, then scaled and shifted."""
    active = building("paddle.static.nn.layer_norm")
    x = need_variable(input, "layer_norm")
    sizes = [known_size(x, axis, "layer_norm") for axis in range(begin_norm_axis, x.ndim)]
    layer = name or generate("layer_norm")
    weight, bias = _affine(
        active, layer, [math.prod(sizes)], x, param_attr if scale else False,
        bias_attr if shift else False,
    )  # fmt: skip
    with active.naming(f"{layer}.tmp"):
        out = functional.layer_norm(x, sizes, weight, bias, epsilon)
        return activated(out, act)


def group_norm(
    input: Variable,
    groups: int,
    epsilon: float = 1e-05,
    param_attr: Any = None,
    bias_attr: Any = None,
    act: str | None = None,
    data_layout: str = "NCHW",
    name: str | None = None,
) -> Any:
    """Each group of channels with mean 0 and variance 1, then scaled by channel where `param_attr`
    is given, and shifted where `bias_attr` is.
    """
    active = building("paddle.static.nn.group_norm")
    x = need_variable(input, "group_norm")
    channels = [known_size(x, channel_axis(x, data_layout), "group_norm")]
    layer = name or generate("group_norm")
    # As in Paddle, attrs that are not given leave scale and bias out.
    weight, bias = _affine(active, layer, channels, x, param_attr or False, bias_attr or False)
    with active.naming(f"{layer}.part"):
        out = functional.group_norm(x, groups, epsilon, weight, bias, data_layout)
    out = named(active, "_generated_var", out, behind=2)
    with active.naming(f"{layer}.tmp"):
        return activated(out, act)


def instance_norm(
    input: Variable, epsilon: float = 1e-05, param_attr: Any = None, bias_attr: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Each channel of each sample with mean 0 and variance 1, then scaled and shifted where both
    attrs are given.
    """
    active = building("paddle.static.nn.instance_norm")
    x = need_variable(input, "instance_norm")
    layer = name or generate("instance_norm")
    channels = [known_size(x, 1, "instance_norm")]
    both = param_attr and bias_attr
    weight, bias = _affine(
        active, layer, channels, x, param_attr if both else False, bias_attr if both else False
    )
    with active.naming(f"{layer}.part"):
        out = functional.instance_norm(x, weight=weight, bias=bias, eps=epsilon)
    return named(active, f"{layer}.tmp", out, behind=2)
