"""conv2d_transpose: the gradient of a convolution with respect to its input, as a layer."""

from __future__ import annotations

from typing import Any

from ..dims import Dim
from ..emit import ArrayEmitter, Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..opdef import f32, f64, op, sample
from ..rules import floats, same_dtype
from .build import need_rank
from .conv import ATTRS
from .window import explicit_pads, pads_of, pair


def _conv_attrs(x: TensorType, w: TensorType, a: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the convolution that this one is the transpose of."""
    kernel = pair(w.shape[2:], "Filter's height and width")
    strides, dilations = pair(a["strides"], "strides"), pair(a["dilations"], "dilations")
    algorithm = a["padding_algorithm"]
    if algorithm == "EXPLICIT":
        pads = explicit_pads(a["paddings"], 2)
    else:
        # As in Paddle, SAME counts from the size that comes in, and ignores dilations.
        dilations = (1, 1) if algorithm == "SAME" else dilations
        pads = pads_of(x.shape[2:], kernel, strides, dilations, a["paddings"], algorithm)
    paddings = [p for both in pads for p in both]
    if not all(isinstance(p, int) for p in paddings):
        fail("needs explicit paddings where Input's size is not known, got padding_algorithm SAME")
    return {
        "strides": list(strides), "dilations": list(dilations), "groups": a["groups"],
        "paddings": paddings, "padding_algorithm": "EXPLICIT", "data_format": "NCHW",
    }  # fmt: skip


def _output_size(x: TensorType, w: TensorType, a: dict[str, Any]) -> list[Dim]:
    """Height and width of the output: the smallest that fits, plus output_padding or as asked."""
    conv = _conv_attrs(x, w, a)
    found: list[Dim] = []
    for i in (0, 1):
        span = conv["dilations"][i] * (w.shape[2 + i] - 1) + 1
        before, after = conv["paddings"][2 * i : 2 * i + 2]
        least = (x.shape[2 + i] - 1) * conv["strides"][i] + span - (before + after)
        extra = a["output_padding"][i] if a["output_padding"] else 0
        size = a["output_size"][i] if a["output_size"] else least + extra
        message = (
            f"needs an output size from {least} to {least + (conv['strides'][i] - 1)}"
            f" for Input = {show(x.shape)}, got {size}"
        )
        require(least, "<=", size, message)
        require(size, "<=", least + (conv["strides"][i] - 1), message)
        found.append(size)
    return found


def _infer(x: TensorType, w: TensorType, **a: Any) -> TensorType:
    need_rank(x, [4], "Input")
    need_rank(w, [4], "Filter")
    same_dtype(floats(x, "Input"), w, "Input and Filter")
    message = f"needs Input's channels = Filter's first size, got {show(x.shape)}, {show(w.shape)}"
    require(x.shape[1], "==", w.shape[0], message)
    message = f"needs channels that groups = {a['groups']} divides, got Filter = {show(w.shape)}"
    require(w.shape[0] % a["groups"], "==", 0, message)
    if a["data_format"] != "NCHW":
        fail(f"needs data_format NCHW, got {a['data_format']!r}; transpose the input")
    return TensorType((x.shape[0], w.shape[1] * a["groups"], *_output_size(x, w, a)), x.dtype)


def _expand(F: Emitter, x: Any, w: Any, **a: Any) -> Any:
    types = F.type_of(x), F.type_of(w)
    return F.conv2d_input_grad(w, x, **_conv_attrs(*types, a), input_size=_output_size(*types, a))


def _grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    x, w = c.inputs
    attrs = _conv_attrs(F.type_of(x), F.type_of(w), dict(c.attrs))
    kernel = list(F.type_of(w).shape[2:])
    return (
        F.conv2d(c.g, w, **attrs) if c.needs[0] else None,
        F.conv2d_filter_grad(c.g, x, **attrs, filter_size=kernel) if c.needs[1] else None,
    )


conv2d_transpose = op(
    "conv2d_transpose", "Input Filter", "Output",
    attrs={**ATTRS, "output_size": [], "output_padding": []},
    infer=_infer,
    reference=lambda x, w, **attrs: _expand(ArrayEmitter(), x, w, **attrs),
    expand=_expand,
    grad=_grad,
    samples=[
        sample(f32(2, 3, 4, 5), f32(3, 2, 3, 3)),
        sample(f32(2, 3, 4, 5), f32(3, 2, 3, 3), strides=[2, 2], paddings=[1, 1]),
        sample(f32(1, 2, 3, 3), f32(2, 2, 2, 3), strides=[2, 3], output_padding=[1, 2]),
        sample(f32(1, 2, 3, 3), f32(2, 2, 2, 2), strides=[2, 2], output_size=[7, 6]),
        sample(f32(1, 4, 3, 3), f32(4, 1, 3, 3), groups=2, dilations=[2, 1]),
        sample(f32(1, 2, 4, 4), f32(2, 2, 3, 3), padding_algorithm="VALID", paddings=[1, 1]),
        sample(f64(1, 2, 3, 3), f64(2, 1, 3, 3), paddings=[1, 0, 0, 1]),
        sample(f32(0, 3, 4, 5), f32(3, 2, 3, 3)),
    ],
)  # fmt: skip
