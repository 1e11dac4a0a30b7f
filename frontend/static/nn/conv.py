"""conv2d and conv2d_transpose with parameters of their own."""

from __future__ import annotations

import math
from typing import Any

from ...nn import functional
from ...nn.functional.conv import pair
from ...nn.initializer import Normal
from ...unique_name import generate
from ..mode import building
from ..parameters import make_parameter
from ..variable import Variable
from .common import activated, known_size, need_variable


def conv2d(
    input: Variable,
    num_filters: int,
    filter_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int | None = None,
    param_attr: Any = None,
    bias_attr: Any = None,
    use_cudnn: bool = True,
    act: str | None = None,
    name: str | None = None,
    data_format: str = "NCHW",
) -> Any:
    """The convolution of images [N, C, H, W] (or NHWC) with `num_filters` learned filters.

    `padding` is "SAME", "VALID", an int, [h, w] or [top, bottom, left, right]; a `bias_attr` of
    False leaves the bias out. Raises OpError where channels or sizes do not fit.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     x = paddle.static.data("x", [None, 3, 8, 8])
    ...     paddle.static.nn.conv2d(x, num_filters=4, filter_size=3, act="relu").shape
    (-1, 4, 6, 6)
    >>> paddle.disable_static()
    """
    active = building("paddle.static.nn.conv2d")
    x = need_variable(input, "conv2d")
    channels = known_size(x, 3 if data_format == "NHWC" else 1, "conv2d")
    groups = groups or 1
    if channels % groups or num_filters % groups:
        raise ValueError(
            "the channels of the input and the number of filters must be divisible by groups, got "
            f"{channels}, {num_filters} and {groups}"
        )
    layer = name or generate("conv2d")
    window = pair(filter_size, "filter_size")
    deviation = math.sqrt(2.0 / (math.prod(window) * channels))
    weight = make_parameter(
        active, layer, [num_filters, channels // groups, *window], x.dtype, param_attr,
        default=Normal(0.0, deviation),
    )  # fmt: skip
    bias = make_parameter(active, layer, [num_filters], x.dtype, bias_attr, is_bias=True)
    with active.naming(f"{layer}.tmp"):
        out = functional.conv2d(x, weight, bias, stride, padding, dilation, groups, data_format)
        return activated(out, act)


def conv2d_transpose(
    input: Variable,
    num_filters: int,
    output_size: Any = None,
    filter_size: Any = None,
    padding: Any = 0,
    stride: Any = 1,
    dilation: Any = 1,
    groups: int | None = None,
    param_attr: Any = None,
    bias_attr: Any = None,
    use_cudnn: bool = True,
    act: str | None = None,
    name: str | None = None,
    data_format: str = "NCHW",
) -> Any:
    """The transposed convolution, whose size is given by `filter_size`, or by `output_size`.

    With `output_size` alone the filter has the size that gives it. Raises ValueError where neither
    is given.
    """
    active = building("paddle.static.nn.conv2d_transpose")
    x = need_variable(input, "conv2d_transpose")
    channels = known_size(x, 3 if data_format == "NHWC" else 1, "conv2d_transpose")
    if filter_size is None:
        filter_size = _window_for(x, output_size, stride, padding, dilation, data_format)
        output_size = None
    groups, layer = groups or 1, name or generate("conv2d_transpose")
    shape = [channels, num_filters // groups, *pair(filter_size, "filter_size")]
    weight = make_parameter(active, layer, shape, x.dtype, param_attr)
    bias = make_parameter(active, layer, [num_filters], x.dtype, bias_attr, is_bias=True)
    with active.naming(f"{layer}.tmp"):
        out = functional.conv2d_transpose(
            x, weight, bias, stride, padding, 0, dilation, groups, output_size, data_format
        )
        return activated(out, act)


def _window_for(x: Variable, output_size: Any, stride: Any, padding: Any, dilation: Any,
                data_format: str) -> list[int]:  # fmt: skip
    """The filter size that gives an output of this size."""
    if output_size is None:
        raise ValueError("output_size must be set when filter_size is None")
    first = 1 if data_format == "NHWC" else 2
    given = zip(
        pair(output_size, "output_size"), pair(stride, "stride"), pair(padding, "padding"),
        pair(dilation, "dilation"), strict=True,
    )  # fmt: skip
    return [
        (out - (known_size(x, first + i, "conv2d_transpose") - 1) * step + 2 * pad - 1) // wide + 1
        for i, (out, step, pad, wide) in enumerate(given)
    ]
