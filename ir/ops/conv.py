"""Convolution in two dims: conv2d, conv2d_input_grad and conv2d_filter_grad.

Each is differentiable by the other two; they take the same attributes. Input is [N, C, H, W],
Filter [O, C / groups, KH, KW].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..opdef import REQUIRED, Sample, f32, f64, op, sample
from ..rules import floats, same_dtype
from .build import need_rank
from .window import Pads, add_windows, as_ints, pads_of, pair, window_count, windows

Array = np.ndarray[Any, Any]

ATTRS: Mapping[str, Any] = {
    "strides": [1, 1], "paddings": [0, 0], "padding_algorithm": "EXPLICIT",
    "dilations": [1, 1], "groups": 1, "data_format": "NCHW",
}  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """Where the windows of a convolution lie; `pads` are (before, after) of H and of W."""

    sizes: tuple[Dim, Dim]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: Pads
    groups: int

    @property
    def counts(self) -> tuple[Dim, Dim]:
        """The output's height and width."""
        names = ("Input's height", "Input's width")
        high, wide = (
            window_count(
                self.sizes[i], self.kernel[i], self.strides[i], self.dilations[i], self.pads[i],
                names[i],
            )
            for i in (0, 1)
        )  # fmt: skip
        return high, wide


def geometry(sizes: Sequence[Dim], kernel: Sequence[Dim], attrs: Mapping[str, Any]) -> Geometry:
    """The geometry of a convolution over `sizes` [H, W] with a `kernel` [KH, KW].

    SAME ignores dilations, as in Paddle. Refuses attributes that make no sense.
    """
    size = pair(kernel, "Filter's height and width")
    strides = pair(attrs["strides"], "strides")
    algorithm = attrs["padding_algorithm"]
    dilations = (1, 1) if algorithm == "SAME" else pair(attrs["dilations"], "dilations")
    if attrs["data_format"] != "NCHW":
        fail(f"needs data_format NCHW, got {attrs['data_format']!r}; transpose the input")
    if attrs["groups"] < 1:
        fail(f"needs groups >= 1, got {attrs['groups']}")
    pads = pads_of(sizes, size, strides, dilations, attrs["paddings"], algorithm)
    return Geometry((sizes[0], sizes[1]), size, strides, dilations, pads, attrs["groups"])


def _need_filter(x: TensorType, w: TensorType, groups: int) -> None:
    need_rank(x, [4], "Input")
    need_rank(w, [4], "Filter")
    same_dtype(floats(x, "Input"), w, "Input and Filter")
    got = f"got Input = {show(x.shape)}, Filter = {show(w.shape)} and groups = {groups}"
    require(
        x.shape[1], "==", w.shape[1] * groups, f"needs Input's channels = Filter's * groups, {got}"
    )
    require(w.shape[0] % groups, "==", 0, f"needs Filter's first size divisible by groups, {got}")


def _conv_infer(x: TensorType, w: TensorType, **attrs: Any) -> TensorType:
    _need_filter(x, w, attrs["groups"])
    place = geometry(x.shape[2:], w.shape[2:], attrs)
    return TensorType((x.shape[0], w.shape[0], *place.counts), x.dtype)


def _input_grad_infer(w: TensorType, g: TensorType, **attrs: Any) -> TensorType:
    need_rank(w, [4], "Filter")
    need_rank(g, [4], "Grad")
    x = TensorType(
        (g.shape[0], w.shape[1] * attrs["groups"], *attrs["input_size"]), same_dtype(w, g)
    )
    _need_output(_conv_infer(x, w, **attrs), g)
    return x


def _filter_grad_infer(x: TensorType, g: TensorType, **attrs: Any) -> TensorType:
    need_rank(x, [4], "Input")
    need_rank(g, [4], "Grad")
    w = TensorType(
        (g.shape[1], x.shape[1] // attrs["groups"], *attrs["filter_size"]), same_dtype(x, g)
    )
    _need_output(_conv_infer(x, w, **attrs), g)
    return w


def _need_output(out: TensorType, g: TensorType) -> None:
    for a, b in zip(out.shape, g.shape, strict=True):
        require(
            a, "==", b, f"needs Grad of the output's shape {show(out.shape)}, got {show(g.shape)}"
        )


def _padded(x: Array, place: Geometry) -> Array:
    if not any(map(any, place.pads)):
        return x
    return np.pad(x, [(0, 0), (0, 0), *(as_ints(pads) for pads in place.pads)])


def _wide(x: Array) -> Array:
    """Half floats are storage: the sum is in float32."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _columns(x: Array, place: Geometry) -> Array:
    """[G, C/G * KH * KW, N * OH * OW]: the windows of x [N, C, H, W] as columns of a matrix.

    One product per group over all of N: many small ones keep BLAS's threads waiting.
    """
    counts = as_ints(place.counts)
    x = _padded(_wide(x), place)
    view = windows(x, place.kernel, place.strides, place.dilations, counts)
    depth = x.shape[1] // place.groups * place.kernel[0] * place.kernel[1]
    size = x.shape[0] * counts[0] * counts[1]
    return view.transpose(1, 2, 3, 0, 4, 5).reshape(place.groups, depth, size)


def _rows(g: Array, groups: int) -> Array:
    """[G, O/G, N * OH * OW] of an output [N, O, OH, OW]."""
    n, o, oh, ow = g.shape
    return _wide(g).transpose(1, 0, 2, 3).reshape(groups, o // groups, n * oh * ow)


def _conv(x: Array, w: Array, **attrs: Any) -> Array:
    place = geometry(x.shape[2:], w.shape[2:], attrs)
    columns = _columns(x, place)
    groups, depth, _ = columns.shape
    out = np.matmul(_wide(w).reshape(groups, w.shape[0] // groups, depth), columns)
    by_channel = out.reshape(w.shape[0], x.shape[0], *as_ints(place.counts))
    return np.ascontiguousarray(by_channel.transpose(1, 0, 2, 3), dtype=x.dtype)


def _input_grad(w: Array, g: Array, **attrs: Any) -> Array:
    place = geometry(attrs["input_size"], w.shape[2:], attrs)
    (o, c), (n, _, oh, ow), groups = w.shape[:2], g.shape, place.groups
    depth = c * place.kernel[0] * place.kernel[1]
    matrix = np.swapaxes(_wide(w).reshape(groups, o // groups, depth), 1, 2)
    parts = np.matmul(matrix, _rows(g, groups)).reshape(c * groups, *place.kernel, n, oh, ow)
    (top, bottom), (left, right) = (as_ints(pads) for pads in place.pads)
    high, wide = as_ints(place.sizes)
    size = (top + high + bottom, left + wide + right)
    full = add_windows(parts.transpose(3, 0, 1, 2, 4, 5), size, place.strides, place.dilations)
    inside = full[:, :, top : top + high, left : left + wide]
    return np.ascontiguousarray(inside, dtype=g.dtype)


def _filter_grad(x: Array, g: Array, **attrs: Any) -> Array:
    place = geometry(x.shape[2:], attrs["filter_size"], attrs)
    columns = _columns(x, place)
    out = np.matmul(_rows(g, place.groups), np.swapaxes(columns, 1, 2))
    shape = (g.shape[1], x.shape[1] // place.groups, *place.kernel)
    return np.asarray(out, x.dtype).reshape(shape)


def _conv_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    x, w = c.inputs
    return (
        F.conv2d_input_grad(w, c.g, **c.attrs, input_size=list(F.type_of(x).shape[2:]))
        if c.needs[0] else None,
        F.conv2d_filter_grad(x, c.g, **c.attrs, filter_size=list(F.type_of(w).shape[2:]))
        if c.needs[1] else None,
    )  # fmt: skip


def _input_grad_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    (w, g), attrs = c.inputs, _common(c.attrs)
    return (
        F.conv2d_filter_grad(c.g, g, **attrs, filter_size=list(F.type_of(w).shape[2:]))
        if c.needs[0] else None,
        F.conv2d(c.g, w, **attrs) if c.needs[1] else None,
    )  # fmt: skip


def _filter_grad_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    (x, g), attrs = c.inputs, _common(c.attrs)
    return (
        F.conv2d_input_grad(c.g, g, **attrs, input_size=list(F.type_of(x).shape[2:]))
        if c.needs[0] else None,
        F.conv2d(x, c.g, **attrs) if c.needs[1] else None,
    )  # fmt: skip


def _common(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: attrs[name] for name in ATTRS}


# (input shape, filter shape, attributes)
_CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 6), (4, 3, 3, 3), {}),
    ((1, 1, 8, 8), (6, 1, 3, 3), {"paddings": [1, 1]}),
    ((2, 3, 5, 6), (4, 3, 3, 2), {"strides": [2, 1], "paddings": [1, 0]}),
    ((2, 2, 7, 7), (3, 2, 3, 3), {"strides": [2, 2], "paddings": [0, 1, 2, 0]}),
    ((1, 2, 9, 8), (2, 2, 3, 2), {"dilations": [2, 3]}),
    ((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "paddings": [1, 1]}),
    ((2, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "strides": [2, 2]}),
    ((1, 2, 7, 6), (3, 2, 3, 3), {"padding_algorithm": "SAME", "strides": [2, 2]}),
    ((1, 2, 4, 4), (3, 2, 2, 2), {"padding_algorithm": "SAME"}),
    ((1, 2, 5, 5), (3, 2, 3, 3), {"padding_algorithm": "VALID", "paddings": [1, 1]}),
    ((3, 4, 5, 5), (2, 4, 1, 1), {}),
    ((1, 1, 3, 3), (1, 1, 3, 3), {}),
    ((0, 3, 5, 5), (2, 3, 3, 3), {}),
]


def _out_size(case: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]) -> tuple[int, ...]:
    x, w, attrs = case
    counts = geometry(x[2:], w[2:], {**ATTRS, **attrs}).counts
    return (x[0], w[0], *as_ints(counts))


def _conv_samples() -> list[Sample]:
    wide = sample(f64(2, 3, 5, 5), f64(2, 3, 3, 3), paddings=[1, 1])
    return [wide, *(sample(f32(*x), f32(*w), atol=1e-5, **attrs) for x, w, attrs in _CASES)]


conv2d = op(
    "conv2d", "Input Filter", "Output",
    attrs=ATTRS,
    infer=_conv_infer,
    reference=_conv,
    grad=_conv_grad,
    samples=_conv_samples(),
)  # fmt: skip

conv2d_input_grad = op(
    "conv2d_input_grad", "Filter Grad",
    attrs={**ATTRS, "input_size": REQUIRED},
    infer=_input_grad_infer,
    reference=_input_grad,
    grad=_input_grad_grad,
    samples=[
        sample(f32(*case[1]), f32(*_out_size(case)), atol=1e-5,
               input_size=list(case[0][2:]), **case[2])
        for case in _CASES
    ] + [sample(f64(4, 3, 3, 3), f64(2, 4, 5, 5), input_size=[5, 5], paddings=[1, 1])],
)  # fmt: skip

conv2d_filter_grad = op(
    "conv2d_filter_grad", "Input Grad",
    attrs={**ATTRS, "filter_size": REQUIRED},
    infer=_filter_grad_infer,
    reference=_filter_grad,
    grad=_filter_grad_grad,
    samples=[
        sample(f32(*case[0]), f32(*_out_size(case)), atol=1e-5,
               filter_size=list(case[1][2:]), **case[2])
        for case in _CASES
    ],
)  # fmt: skip

depthwise_conv2d = op(
    "depthwise_conv2d", "Input Filter", "Output",
    attrs=ATTRS,
    infer=_conv_infer,
    reference=_conv,
    expand=lambda F, x, w, **attrs: F.conv2d(x, w, **attrs),
    grad=_conv_grad,
    samples=[
        sample(f32(2, 3, 5, 5), f32(3, 1, 3, 3), groups=3, paddings=[1, 1]),
        sample(f32(2, 2, 5, 5), f32(4, 1, 3, 3), groups=2, strides=[2, 2]),
    ],
)  # fmt: skip
