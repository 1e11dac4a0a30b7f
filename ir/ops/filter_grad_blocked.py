"""filter_grad_blocked: the gradient of a filter, from images in blocks (see blocked.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..infer import TensorType, require, show
from ..opdef import REQUIRED, f32, op, sample
from ..rules import floats, same_dtype
from .blocked import BLOCK, from_blocks, pack
from .build import need_rank
from .conv import ATTRS, conv2d_filter_grad
from .window import pair, window_count

Array = np.ndarray[Any, Any]


def _infer(
    x: TensorType, g: TensorType, *, strides: Any, dilations: Any, filter_size: Any
) -> TensorType:
    """Of x [N, C, H, W] or in blocks, padded already: the filter as `pack_filter` makes it."""
    need_rank(x, [4, 5], "Input")
    need_rank(g, [5], "Grad")
    dtype = same_dtype(floats(x, "Input"), g, "Input and Grad")
    given = f"got Input = {show(x.shape)} and Grad = {show(g.shape)}"
    require(x.shape[0], "==", g.shape[0], f"needs as many images, {given}")
    for lanes in (*x.shape[4:], g.shape[4]):
        require(lanes, "==", BLOCK, f"needs blocks of {BLOCK} channels, {given}")
    kernel = pair(filter_size, "filter_size")
    steps, gaps = pair(strides, "strides"), pair(dilations, "dilations")
    for i, name in enumerate(("Input's height", "Input's width")):
        count = window_count(x.shape[2 + i], kernel[i], steps[i], gaps[i], (0, 0), name)
        require(count, "==", g.shape[2 + i], f"needs Grad of the output's size, {given}")
    blocks, block = (x.shape[1], BLOCK) if x.ndim == 5 else (1, x.shape[1])
    return TensorType((g.shape[1], blocks, *kernel, block, BLOCK), dtype)


def _reference(x: Array, g: Array, *, filter_size: Any, **steps: Any) -> Array:
    assert conv2d_filter_grad.reference is not None
    image = x if x.ndim == 4 else from_blocks(x, x.shape[1] * BLOCK)
    attrs = {**ATTRS, **steps, "filter_size": filter_size}
    found = conv2d_filter_grad.reference(image, from_blocks(g, g.shape[1] * BLOCK), **attrs)
    return pack(found, block=BLOCK if x.ndim == 5 else x.shape[1])


op(
    "filter_grad_blocked", "Input Grad",
    attrs={"strides": [1, 1], "dilations": [1, 1], "filter_size": REQUIRED},
    infer=_infer,
    reference=_reference,
    samples=[
        sample(f32(2, 1, 5, 6, 16), f32(2, 2, 3, 4, 16), filter_size=[3, 3], atol=1e-4),
        sample(f32(3, 2, 7, 9, 16), f32(3, 1, 3, 8, 16), filter_size=[3, 2], strides=[2, 1],
               atol=1e-4),
        sample(f32(1, 2, 9, 8, 16), f32(1, 3, 5, 2, 16), filter_size=[3, 3], dilations=[2, 3],
               atol=1e-4),
        sample(f32(2, 1, 4, 5, 16), f32(2, 4, 4, 5, 16), filter_size=[1, 1], atol=1e-4),
        sample(f32(2, 3, 9, 21), f32(2, 2, 2, 8, 16), filter_size=[7, 7], strides=[2, 2],
               atol=1e-4),
        sample(f32(2, 6, 8, 9), f32(2, 1, 4, 5, 16), filter_size=[5, 5], atol=1e-4),
        sample(f32(1, 1, 4, 40), f32(1, 3, 4, 5, 16), filter_size=[1, 36], atol=1e-4),
        sample(f32(0, 1, 5, 6, 16), f32(0, 1, 3, 4, 16), filter_size=[3, 3]),
    ],
)  # fmt: skip
