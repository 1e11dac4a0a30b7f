"""Sliding windows: how padding, stride and dilation place them; for conv, pool, their kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dims import Dim, dim_max
from ..infer import fail, require

Array = np.ndarray[Any, Any]
Pads = list[tuple[Dim, Dim]]


def pair(values: Sequence[Dim] | int, what: str) -> tuple[int, int]:
    """One number or two as two, each at least 1. Refuses anything else."""
    found = [values, values] if isinstance(values, int) else list(values)
    found = found * 2 if len(found) == 1 else found
    known = [v for v in found if isinstance(v, int) and v >= 1]
    if len(found) != 2 or len(known) != 2:
        got = [v if isinstance(v, int) else -1 for v in found]
        fail(f"needs 1 or 2 positive ints as {what}, got {got}")
    return known[0], known[1]


def as_ints(dims: Sequence[Dim]) -> list[int]:
    """Sizes that are known, as references have them. A symbol here is a bug of ours."""
    assert all(isinstance(dim, int) for dim in dims), dims
    return [dim for dim in dims if isinstance(dim, int)]


def pads_of(
    sizes: Sequence[Dim],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    paddings: Sequence[Dim],
    algorithm: str,
) -> Pads:
    """(before, after) of each axis: from 2 or 4 `paddings`, or as VALID or SAME say.

    SAME makes ceil(size / stride) windows: with a stride its padding depends on the size.
    """
    if algorithm == "VALID":
        return [(0, 0) for _ in kernel]
    if algorithm == "SAME":
        places = zip(sizes, kernel, strides, dilations, strict=True)
        return [_same(*place) for place in places]
    if algorithm != "EXPLICIT":
        fail(f"needs padding_algorithm EXPLICIT, SAME or VALID, got {algorithm!r}")
    return explicit_pads(paddings, len(kernel))


def explicit_pads(paddings: Sequence[Dim], axes: int) -> Pads:
    """One size per axis for both its sides, or two. Refuses other counts and negative ones."""
    negative = any(isinstance(p, int) and p < 0 for p in paddings)
    if len(paddings) not in (axes, 2 * axes) or negative:
        fail(f"needs {axes} or {2 * axes} paddings >= 0, got {list(paddings)}")
    if len(paddings) == axes:
        return [(p, p) for p in paddings]
    return list(zip(paddings[::2], paddings[1::2], strict=True))


def _same(size: Dim, kernel: int, stride: int, dilation: int) -> tuple[Dim, Dim]:
    span = dilation * (kernel - 1) + 1
    if stride == 1:
        return (span - 1) // 2, span // 2
    windows = (size + (stride - 1)) // stride
    missing = dim_max(0, (windows - 1) * stride + span - size)
    return missing // 2, missing - missing // 2


def window_count(
    size: Dim,
    kernel: int,
    stride: int,
    dilation: int,
    pads: tuple[Dim, Dim],
    what: str,
    ceil: bool = False,
) -> Dim:
    """How many windows fit. Refuses (or guards against) a size that is smaller than one window."""
    padded = size + (pads[0] + pads[1])
    span = dilation * (kernel - 1) + 1
    require(
        span, "<=", padded,
        f"needs {what} to be at least as large as the window of {span} after padding"
        f" {_known(pads[0])} and {_known(pads[1])}, got {_known(size)}",
    )  # fmt: skip
    return (padded - span + (stride - 1 if ceil else 0)) // stride + 1


def _known(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else "-1"


def windows(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    counts: Sequence[int],
) -> Array:
    """A view [N, C, KH, KW, OH, OW] of the windows of x [N, C, H, W], which is padded already."""
    n, c, h, w = x.strides
    steps = (h * dilations[0], w * dilations[1], h * strides[0], w * strides[1])
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *kernel, *counts), (n, c, *steps), writeable=False
    )


def add_windows(
    parts: Array, size: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """The adjoint of `windows`: parts [N, C, KH, KW, OH, OW] summed where they lie in [H, W]."""
    n, c, kh, kw, oh, ow = parts.shape
    out = np.zeros((n, c, *size), parts.dtype)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilations[0], j * dilations[1]
            rows = slice(top, top + strides[0] * (oh - 1) + 1, strides[0])
            columns = slice(left, left + strides[1] * (ow - 1) + 1, strides[1])
            out[:, :, rows, columns] += parts[:, :, i, j]
    return out
