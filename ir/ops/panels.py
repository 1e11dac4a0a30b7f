"""matmul_panels: a product with a matrix that was laid out for it once, as weights are.

A matrix [K, N] in panels is [ceil(N / width), K, width]: `width` columns side by side, row after
row, zeros behind the last column. A row of a panel is PANEL_BYTES on every machine; each has its
own tiles, which divide that.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from wherry.schema.dtypes import DType, float32, float64

from ..dims import Dim
from ..infer import TensorType, fail, require, show
from ..opdef import REQUIRED, f32, f64, op, sample
from ..rules import same_dtype
from .build import need_rank
from .matmul import matmul_v2

Array = np.ndarray[Any, Any]

# A panel's row on any machine has so many bytes (at most, where a call packs it).
PANEL_BYTES: Final = 128
PANEL_DTYPES: Final = (float32, float64)


def panel_width(dtype: DType) -> int:
    """The columns of a panel."""
    return PANEL_BYTES // dtype.itemsize


def _infer(x: TensorType, y: TensorType, *, columns: Dim) -> TensorType:
    dtype, width = same_dtype(x, y), panel_width(y.dtype)
    need_rank(y, [3], "Y")
    if dtype not in PANEL_DTYPES:
        fail(f"needs float32 or float64, got {dtype.name}")
    if x.ndim < 2:
        fail(f"needs X with at least 2 dims, got {show(x.shape)}")
    given = f"got X {show(x.shape)}, Y {show(y.shape)} and {columns} columns"
    require(x.shape[-1], "==", y.shape[1], f"needs matrices whose inner sizes agree, {given}")
    require(y.shape[2], "==", width, f"needs panels of {width} columns, {given}")
    require(y.shape[0], "==", (columns + width - 1) // width, f"needs panels for them, {given}")
    return TensorType((*x.shape[:-1], columns), dtype)


def _reference(x: Array, y: Array, *, columns: int) -> Array:
    assert matmul_v2.reference is not None
    panels, depth, width = y.shape
    matrix = y.transpose(1, 0, 2).reshape(depth, panels * width)[:, :columns]
    found: Array = matmul_v2.reference(x, matrix, trans_x=False, trans_y=False)
    return found


matmul_panels = op(
    "matmul_panels", "X Y",
    attrs={"columns": REQUIRED},
    infer=_infer,
    reference=_reference,
    samples=[
        sample(f32(rows, 7), f32(panels, 7, 32), columns=columns)
        for rows, panels, columns in (
            (1, 1, 3), (2, 5, 160), (3, 3, 70), (5, 2, 64), (8, 2, 33), (29, 4, 128), (0, 1, 4),
        )
    ] + [
        sample(f32(2, 3, 65), f32(2, 65, 32), columns=50),
        sample(f32(4, 0), f32(2, 0, 32), columns=50),
        sample(f64(5, 9), f64(3, 9, 16), columns=40),
    ],
)  # fmt: skip
