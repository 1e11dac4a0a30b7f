"""Layers and control flow as functions, for static mode (`paddle.static.nn`)."""

from __future__ import annotations

from typing import NoReturn

from ..parameters import create_parameter
from .common import embedding, fc, prelu
from .control_flow import case, cond, switch_case, while_loop
from .conv import conv2d, conv2d_transpose, conv3d, conv3d_transpose
from .more import bilinear_tensor_product, row_conv, spectral_norm
from .norm import batch_norm, group_norm, instance_norm, layer_norm
from .print import py_func

__all__ = [
    "batch_norm",
    "bilinear_tensor_product",
    "case",
    "cond",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "create_parameter",
    "embedding",
    "fc",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "prelu",
    "py_func",
    "row_conv",
    "spectral_norm",
    "switch_case",
    "while_loop",
]


_PADDED = (
    "works on sequences of different lengths in one tensor (LoD), which are not there: pad them to "
    "[N, T, ...], and use paddle.nn.functional.sequence_mask(lengths, T) with the functions of "
    "paddle to leave out what was added"
)
# What Paddle has here and wherry has not, and what to do instead.
_AWAY = {
    "continuous_value_model": "is not there: it works on LoD tensors of a parameter server",
    "data_norm": "is not there: use paddle.static.nn.batch_norm",
    "deform_conv2d": "is not there",
    "nce": "is not there: sample classes with paddle.randint, and compute their loss",
    "sparse_embedding": "is not there: it belongs to a parameter server; use embedding",
    "static_pylayer": "is not there: a Program runs as native code, which calls no Python",
}


def __getattr__(name: str) -> NoReturn:
    known = _PADDED if name.startswith("sequence_") else _AWAY.get(name)
    raise AttributeError(
        f"paddle.static.nn.{name} {known}" if known else
        f"paddle.static.nn has no {name!r} in wherry; it has {', '.join(__all__)}, and every Layer "
        "and function of paddle.nn works in static mode, too"
    )  # fmt: skip
