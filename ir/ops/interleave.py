"""interleave_planes: an image whose rows and columns are in turn those of several images.

Only passes make this op: see `turn_gradients`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..infer import TensorType, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, f32, op, sample
from ..rules import floats, same_dtype
from .build import need_rank
from .window import pair


def _infer(xs: Sequence[TensorType], *, steps: Any, size: Any) -> TensorType:
    """The element at (y, x) is that at (y // rows, x // columns) of one of rows * columns parts."""
    rows, columns = pair(steps, "steps")
    high, wide = pair(size, "size")
    if len(xs) != rows * columns:
        fail(f"needs {rows} * {columns} tensors in X, got {len(xs)}")
    need_rank(floats(xs[0]), [4])
    n, c, *area = xs[0].shape
    for x in xs:
        need_rank(x, [4])
        same_dtype(xs[0], x, "all of X")
        for a, b in zip(xs[0].shape, x.shape, strict=True):
            require(a, "==", b, f"needs equal sizes, got {show(xs[0].shape)} and {show(x.shape)}")
    for have, step, wanted in zip(area, (rows, columns), (high, wide), strict=True):
        require(have, "==", -(-wanted // step), f"needs parts of {size}, got {show(xs[0].shape)}")
    return TensorType((n, c, high, wide), xs[0].dtype)


def _reference(xs: Sequence[Array], *, steps: Sequence[int], size: Sequence[int]) -> Array:
    out = np.empty((*xs[0].shape[:2], *size), xs[0].dtype)
    for number, x in enumerate(xs):
        row, column = divmod(number, steps[1])
        part = out[:, :, row :: steps[0], column :: steps[1]]
        part[...] = x[:, :, : part.shape[2], : part.shape[3]]
    return out


op(
    "interleave_planes", "X*",
    attrs={"steps": REQUIRED, "size": REQUIRED},
    infer=_infer,
    reference=_reference,
    samples=[
        sample([f32(2, 3, 4, 5) for _ in range(4)], steps=[2, 2], size=[7, 10]),
        sample([f32(1, 2, 3, 20) for _ in range(2)], steps=[1, 2], size=[3, 39]),
        sample([f32(2, 1, 3, 33) for _ in range(3)], steps=[3, 1], size=[8, 33]),
        sample([f32(1, 2, 2, 18) for _ in range(6)], steps=[2, 3], size=[4, 53]),
        sample([f32(0, 2, 1, 1) for _ in range(4)], steps=[2, 2], size=[1, 2]),
    ],
)  # fmt: skip
