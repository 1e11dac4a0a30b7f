"""Layers and control flow as functions, for static mode (`paddle.static.nn`)."""

from __future__ import annotations

from typing import NoReturn

from ..parameters import create_parameter
from .common import embedding, fc, prelu
from .control_flow import case, cond, switch_case, while_loop
from .conv import conv2d, conv2d_transpose
from .norm import batch_norm, group_norm, instance_norm, layer_norm
from .print import py_func

__all__ = [
    "batch_norm",
    "case",
    "cond",
    "conv2d",
    "conv2d_transpose",
    "create_parameter",
    "embedding",
    "fc",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "prelu",
    "py_func",
    "switch_case",
    "while_loop",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"paddle.static.nn has no {name!r} in wherry; it has {', '.join(__all__)}, and every Layer "
        "and function of paddle.nn works in static mode, too"
    )
