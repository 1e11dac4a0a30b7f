"""Rows of a table by number, and their gradient: a sum of rows into a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.errors import RunError

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import TensorType, require, show
from ..opdef import REQUIRED, f32, f64, i64, lit, op, sample
from ..rules import floats, index_type
from .build import need_rank

Array = np.ndarray[Any, Any]

NO_PADDING = -1  # Paddle's kNoPadding


def _lookup_infer(w: TensorType, ids: TensorType, *, padding_idx: int) -> TensorType:
    need_rank(w, [2], "W")
    floats(w, "W")
    index_type(ids, "Ids")
    return TensorType((*ids.shape, w.shape[1]), w.dtype)


def check_ids(ids: Array, rows: int) -> None:
    """Raise RunError for an id that is no row of the table."""
    wrong = (ids < 0) | (ids >= rows)
    if wrong.any():
        value = ids.ravel()[int(np.argmax(wrong))]
        raise RunError(f"index {value} is out of range: needs 0 <= id < {rows}, the rows of W")


def _lookup(w: Array, ids: Array, *, padding_idx: int) -> Array:
    check_ids(ids, w.shape[0])
    out = w[ids]
    if padding_idx != NO_PADDING:
        out[ids == padding_idx] = 0
    return out


def _lookup_grad(F: Emitter, c: GradContext) -> tuple[Any, None]:
    rows = F.type_of(c.x).shape[0]
    return F.embedding_grad(c.y, c.g, num_rows=rows, padding_idx=c["padding_idx"]), None


lookup_table_v2 = op(
    "lookup_table_v2", "W Ids",
    attrs={"padding_idx": NO_PADDING},
    infer=_lookup_infer,
    reference=_lookup,
    grad=_lookup_grad,
    samples=[
        sample(f32(5, 3), i64(4, low=0, high=5)),
        sample(f32(5, 3), i64(2, 3, low=0, high=5), padding_idx=2),
        sample(f64(4, 2), lit([[1, 1], [3, 1]], "int32")),
        sample(f32(5, 3), lit(4, "int64")),
        sample(f32(5, 3), i64(0, 2, low=0, high=5)),
    ],
)  # fmt: skip


def _grad_infer(ids: TensorType, g: TensorType, *, num_rows: Dim, padding_idx: int) -> TensorType:
    index_type(ids, "Ids")
    floats(g, "Grad")
    message = f"needs Grad [*Ids, D], got Ids = {show(ids.shape)} and Grad = {show(g.shape)}"
    require(g.ndim, "==", ids.ndim + 1, message)
    for a, b in zip(ids.shape, g.shape, strict=False):
        require(a, "==", b, message)
    return TensorType((num_rows, g.shape[-1]), g.dtype)


def _embedding_grad(ids: Array, g: Array, *, num_rows: int, padding_idx: int) -> Array:
    check_ids(ids, num_rows)
    width = g.shape[-1]
    flat, rows = ids.ravel(), g.reshape(ids.size, width)
    if padding_idx != NO_PADDING:
        kept = flat != padding_idx
        flat, rows = flat[kept], rows[kept]
    out = np.zeros((num_rows, width), g.dtype)
    np.add.at(out, flat, rows)
    return out


embedding_grad = op(
    "embedding_grad", "Ids Grad",
    attrs={"num_rows": REQUIRED, "padding_idx": NO_PADDING},
    infer=_grad_infer,
    reference=_embedding_grad,
    grad=lambda F, c: (None, F.lookup_table_v2(c.g, c.x, padding_idx=c["padding_idx"])),
    samples=[
        sample(i64(4, low=0, high=5), f32(4, 3), num_rows=5),
        sample(i64(2, 3, low=0, high=4), f32(2, 3, 2), num_rows=4, padding_idx=1),
        sample(lit([2, 2, 2], "int32"), f64(3, 2), num_rows=3),
        sample(i64(0, low=0, high=5), f32(0, 3), num_rows=5),
        sample(lit(1, "int64"), f32(3), num_rows=2),
    ],
)  # fmt: skip
