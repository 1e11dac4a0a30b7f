"""Convolutions of images and volumes, and transposed ones, with parameters of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ...nn import functional
from ...nn.functional.conv import pair
from ...nn.initializer import Normal
from ...unique_name import generate
from ..mode import building
from ..parameters import make_parameter
from ..tracer import StaticTracer
from ..variable import Variable
from .common import activated, channel_axis, known_size, need_variable

_FORMATS = {"conv2d": "NCHW", "conv3d": "NCDHW"}


def _convolution(function: str, text: str) -> Callable[..., Any]:
    """conv2d or conv3d: a function of this name and docstring."""

    def conv(
        input: Variable, num_filters: int, filter_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int | None = None, param_attr: Any = None, bias_attr: Any = None,
        use_cudnn: bool = True, act: str | None = None, name: str | None = None,
        data_format: str = _FORMATS[function[:6]],
    ) -> Any:  # fmt: skip
        run = partial(
            getattr(functional, function), stride=stride, padding=padding, dilation=dilation,
            groups=groups or 1, data_format=data_format,
        )  # fmt: skip
        window = pair(filter_size, "filter_size", len(data_format) - 2)
        return _conv(function, run, input, num_filters, window, groups or 1, param_attr, bias_attr,
                     act, name, data_format)  # fmt: skip

    return _named_function(conv, function, text)


def _transposition(function: str, text: str) -> Callable[..., Any]:
    """conv2d_transpose or conv3d_transpose: a function of this name and docstring."""

    def conv(
        input: Variable, num_filters: int, output_size: Any = None, filter_size: Any = None,
        padding: Any = 0, stride: Any = 1, dilation: Any = 1, groups: int | None = None,
        param_attr: Any = None, bias_attr: Any = None, use_cudnn: bool = True,
        act: str | None = None, name: str | None = None,
        data_format: str = _FORMATS[function[:6]],
    ) -> Any:  # fmt: skip
        return _transposed(
            function, getattr(functional, function), input, num_filters, output_size, filter_size,
            padding, stride, dilation, groups or 1, param_attr, bias_attr, act, name, data_format,
        )  # fmt: skip

    return _named_function(conv, function, text)


def _named_function(made: Callable[..., Any], name: str, text: str) -> Callable[..., Any]:
    made.__name__ = made.__qualname__ = name
    made.__doc__ = text
    return made


def _conv(
    function: str, run: Callable[..., Any], x: Any, filters: int, window: list[int], groups: int,
    param_attr: Any, bias_attr: Any, act: str | None, name: str | None, data_format: str,
) -> Any:  # fmt: skip
    active = building(f"paddle.static.nn.{function}")
    x = need_variable(x, function)
    channels = known_size(x, channel_axis(x, data_format), function)
    if channels % groups or filters % groups:
        raise ValueError(
            "the channels of the input and the number of filters must be divisible by groups, got "
            f"{channels}, {filters} and {groups}"
        )
    layer = name or generate(function)
    first = Normal(0.0, math.sqrt(2.0 / (math.prod(window) * channels)))
    shape = [filters, channels // groups, *window]
    weight = make_parameter(active, layer, shape, x.dtype, param_attr, default=first)
    bias = make_parameter(active, layer, [filters], x.dtype, bias_attr, is_bias=True)
    return _named(active, layer, run, x, weight, bias, act, data_format)


def _named(
    active: StaticTracer, layer: str, run: Callable[..., Any], x: Variable, weight: Any, bias: Any,
    act: str | None, data_format: str,
) -> Any:  # fmt: skip
    """The convolution with bias and activation, whose results are named `conv2d_0.tmp_0`, ..."""
    with active.naming(f"{layer}.tmp"):
        if x.ndim == 4:
            return activated(run(x, weight, bias), act)
        # Volumes are made of images, whose convolutions take none of the layer's names.
        with active.part(f"{layer}.planes"):
            out = run(x, weight, None)
        generate(f"{layer}.tmp")
        if bias is not None:
            out = active.emit("elementwise_add", out, bias, axis=channel_axis(x, data_format))
        return activated(out, act)


def _transposed(
    function: str, run: Callable[..., Any], x: Any, filters: int, output_size: Any,
    filter_size: Any, padding: Any, stride: Any, dilation: Any, groups: int, param_attr: Any,
    bias_attr: Any, act: str | None, name: str | None, data_format: str,
) -> Any:  # fmt: skip
    active = building(f"paddle.static.nn.{function}")
    x = need_variable(x, function)
    axes = x.ndim - 2
    channels = known_size(x, channel_axis(x, data_format), function)
    if filter_size is None:
        filter_size = _window_for(x, output_size, stride, padding, dilation, data_format, function)
        output_size = None
    layer = name or generate(function)
    shape = [channels, filters // groups, *pair(filter_size, "filter_size", axes)]
    weight = make_parameter(active, layer, shape, x.dtype, param_attr)
    bias = make_parameter(active, layer, [filters], x.dtype, bias_attr, is_bias=True)
    run = partial(
        run, stride=stride, padding=padding, dilation=dilation, groups=groups,
        output_size=output_size, data_format=data_format,
    )  # fmt: skip
    return _named(active, layer, run, x, weight, bias, act, data_format)


def _window_for(x: Variable, output_size: Any, stride: Any, padding: Any, dilation: Any,
                data_format: str, function: str) -> list[int]:  # fmt: skip
    """The filter size that gives an output of this size."""
    if output_size is None:
        raise ValueError("output_size must be set when filter_size is None")
    axes, first = x.ndim - 2, 1 if data_format.endswith("C") else 2
    given = zip(
        pair(output_size, "output_size", axes), pair(stride, "stride", axes),
        pair(padding, "padding", axes), pair(dilation, "dilation", axes), strict=True,
    )  # fmt: skip
    return [
        (out - (known_size(x, first + i, function) - 1) * step + 2 * pad - 1) // wide + 1
        for i, (out, step, pad, wide) in enumerate(given)
    ]


conv2d = _convolution(
    "conv2d",
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
    """,
)
conv3d = _convolution(
    "conv3d",
    "The convolution of volumes [N, C, D, H, W] (or NDHWC), as `conv2d` is that of images.",
)
conv2d_transpose = _transposition(
    "conv2d_transpose",
    """The transposed convolution, whose size is given by `filter_size`, or by `output_size`.

    With `output_size` alone the filter has the size that gives it. Raises ValueError where neither
    is given.
    """,
)
conv3d_transpose = _transposition(
    "conv3d_transpose",
    "The transposed convolution of volumes, as `conv2d_transpose` is that of images.",
)
