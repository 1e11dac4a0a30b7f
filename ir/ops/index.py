"""Reading at indices that are data: gather and its kin, and one_hot_v2.

An index counts from 0 and must be smaller than the dim, as in Paddle 2.6: a negative one is refused
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, float32
from wherry.schema.errors import RunError

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, axis_in, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, f32, f64, i32, i64, lit, op, sample
from ..rules import index_type, integers
from .grads import reshape_to, zeros_like


def check_index(index: Array, size: int) -> Array:
    """The index itself; RunError unless 0 <= index < size everywhere."""
    if index.size and not (index.min() >= 0 and index.max() < size):
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise RunError(f"index {wrong} is out of range for a dim of size {size}")
    return index


def _picked(shape: Shape, axis: int, new: Sequence[Dim]) -> Shape:
    """The shape with the dim `axis` replaced by others."""
    return (*shape[:axis], *new, *shape[axis + 1 :])


def _vector(index: TensorType) -> TensorType:
    if index_type(index).ndim != 1:
        fail(f"needs Index of 1 dim, got {show(index.shape)}")
    return index


def select_type(x: TensorType, index: TensorType, dim: int) -> TensorType:
    along = axis_in(dim, x.ndim, "dim")
    if x.ndim == 0:
        fail("needs X of at least 1 dim, got a 0-d tensor")
    return TensorType(_picked(x.shape, along, _vector(index).shape), x.dtype)


op(
    "index_select", "X Index", attrs={"dim": 0}, infer=select_type,
    reference=lambda x, index, dim: np.take(x, check_index(index, x.shape[dim]), dim),
    grad=lambda F, c: (F.index_add(zeros_like(F, c.x), c.y, c.g, axis=c["dim"]), None),
    samples=[
        sample(f32(4, 3), i64(5, low=0, high=4)),
        sample(f32(2, 3, 4), i32(2, low=0, high=3), dim=1),
        sample(f32(3), lit([2, 2, 0], "int64")), sample(f32(3, 2), i64(0), dim=-1),
        sample(f32(0, 2), lit([1, 0, 1], "int64"), dim=1), sample(f32(1), lit([0], "int64")),
        sample(f64(2, 4), i64(3, low=0, high=4), dim=-1), sample(i64(4), i64(2, low=0, high=4)),
    ],
)  # fmt: skip


def _gather_infer(x: TensorType, index: TensorType, axis: int) -> TensorType:
    index_type(index)
    if x.ndim == 0:
        fail("needs X of at least 1 dim, got a 0-d tensor")
    along = axis_in(axis, x.ndim)
    if index.ndim == 2:
        require(
            index.shape[1], "==", 1, f"needs Index of shape [n] or [n, 1], got {show(index.shape)}"
        )
        return TensorType(_picked(x.shape, along, index.shape[:1]), x.dtype)
    if index.ndim > 2:
        fail(f"needs Index of at most 1 dim, got {show(index.shape)}")
    return TensorType(_picked(x.shape, along, index.shape), x.dtype)


def _gather(x: Array, index: Array, axis: int) -> Array:
    flat = index[:, 0] if index.ndim == 2 else index
    return np.take(x, check_index(flat, x.shape[axis]), axis)


def _gather_expand(F: Emitter, x: Any, index: Any, axis: int) -> Any:
    kind, shape = F.type_of(index), F.type_of(x).shape
    along = axis_in(axis, len(shape))
    rows = F.index_select(x, reshape_to(F, index, [kind.size]), dim=along)
    return rows if kind.ndim else reshape_to(F, rows, _picked(shape, along, ()))


def _gather_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    shape, index = F.type_of(c.x).shape, F.type_of(c.y)
    along = axis_in(c["axis"], len(shape))
    g = reshape_to(F, c.g, _picked(shape, along, [index.size]))
    flat = reshape_to(F, c.y, [index.size])
    return F.index_add(zeros_like(F, c.x), flat, g, axis=along), None


op(
    "gather", "X Index", attrs={"axis": 0}, infer=_gather_infer,
    reference=_gather,
    expand=_gather_expand,
    grad=_gather_grad,
    samples=[
        sample(f32(4, 3), i64(5, low=0, high=4)), sample(f32(2, 3), i64(4, low=0, high=3), axis=1),
        sample(f32(4, 3), i64(2, 1, low=0, high=4)), sample(f32(4, 3), lit(2, "int64"), axis=0),
        sample(f32(3), lit(1, "int32")), sample(f32(3), i64(0)),
        sample(f64(2, 4), i32(3, low=0, high=4), axis=-1), sample(i64(4), i64(2, low=0, high=4)),
    ],
)  # fmt: skip


def _depth(x: TensorType, index: TensorType) -> int:
    """How many leading dims of x the last dim of the index counts off."""
    if index_type(index).ndim == 0:
        fail("needs Index of at least 1 dim, got a 0-d tensor")
    depth = index.shape[-1]
    if not isinstance(depth, int) or depth > x.ndim:
        fail(f"needs Index's last dim to be at most {x.ndim}, X's dims, got {show(index.shape)}")
    return depth


def gather_nd_type(x: TensorType, index: TensorType) -> TensorType:
    depth = _depth(x, index)
    return TensorType((*index.shape[:-1], *x.shape[depth:]), x.dtype)


def coordinates(x: Array, index: Array) -> tuple[Array, ...]:
    return tuple(check_index(index[..., i], x.shape[i]) for i in range(index.shape[-1]))


def _gather_nd(x: Array, index: Array) -> Array:
    if index.shape[-1] == 0:
        return np.broadcast_to(x, index.shape[:-1] + x.shape).copy()
    return np.asarray(x[coordinates(x, index)])


op(
    # Each row of the index is the position of an element, or of a part, of x.
    "gather_nd", "X Index", infer=gather_nd_type,
    reference=_gather_nd,
    grad=lambda F, c: (F.scatter_nd_add(zeros_like(F, c.x), c.y, c.g), None),
    samples=[
        sample(f32(3, 4), lit([[0, 1], [2, 3], [0, 1]], "int64")),
        sample(f32(3, 4), lit([[2], [0]], "int32")),
        sample(f32(2, 3, 4), lit([[[1, 2], [0, 0]]], "int64")),
        sample(f32(3), lit([2], "int64")), sample(f32(3, 4), i64(0, 2)), sample(f32(2), i64(3, 0)),
        sample(f64(2, 2), lit([[1, 1]], "int64")), sample(i64(4), lit([[3]], "int64")),
    ],
)  # fmt: skip


def along_type(x: TensorType, index: TensorType, Axis: int) -> TensorType:
    along = axis_in(Axis, x.ndim, "Axis")
    message = (
        f"needs Index to have Input's shape except along dim {along}, "
        f"got {show(x.shape)} and {show(index.shape)}"
    )
    if x.ndim == 0 or index_type(index).ndim != x.ndim:
        fail(message)
    for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)):
        if i != along:
            require(a, "==", b, message)
    return TensorType(index.shape, x.dtype)


op(
    "take_along_axis", "Input Index", "Result", attrs={"Axis": REQUIRED}, infer=along_type,
    reference=lambda x, index, Axis: np.take_along_axis(
        x, check_index(index, x.shape[Axis]).astype(np.int64), Axis
    ),
    grad=lambda F, c: (
        F.put_along_axis(zeros_like(F, c.x), c.y, c.g, Axis=c["Axis"], Reduce="add"), None
    ),
    samples=[
        sample(f32(3, 4), i64(3, 2, low=0, high=4), Axis=1),
        sample(f32(3, 4), i32(5, 4, low=0, high=3), Axis=0),
        sample(f32(2, 3, 4), i64(2, 3, 1, low=0, high=4), Axis=-1), sample(f32(3), i64(0), Axis=0),
        sample(f32(0, 2), i64(0, 3, low=0, high=2), Axis=1),
        sample(f64(1), lit([0], "int64"), Axis=0),
        sample(i64(4), i64(6, low=0, high=4), Axis=0),
    ],
)  # fmt: skip


def _sample_infer(x: TensorType, index: TensorType) -> TensorType:
    if x.ndim != 2 or index.ndim != 2:
        fail(f"needs X and Index of 2 dims, got {show(x.shape)} and {show(index.shape)}")
    return along_type(x, index, 1)


op(
    "index_sample", "X Index", infer=_sample_infer,
    reference=lambda x, index: np.take_along_axis(
        x, check_index(index, x.shape[1]).astype(np.int64), 1
    ),
    expand=lambda F, x, index: F.take_along_axis(x, index, Axis=1),
    grad=lambda F, c: (
        F.put_along_axis(zeros_like(F, c.x), c.y, c.g, Axis=1, Reduce="add"), None
    ),
    samples=[
        sample(f32(3, 4), i64(3, 2, low=0, high=4)), sample(f64(2, 3), i32(2, 5, low=0, high=3)),
        sample(f32(0, 3), i64(0, 2)), sample(i64(2, 2), i64(2, 1, low=0, high=2)),
    ],
)  # fmt: skip


def _one_hot_infer(x: TensorType, depth: int, dtype: DType, allow_out_of_range: bool) -> TensorType:
    if not isinstance(depth, int) or depth < 1:
        fail(f"needs depth >= 1, got {depth}")
    return TensorType((*integers(x, "X").shape, depth), dtype)


def _one_hot(x: Array, depth: int, dtype: DType, allow_out_of_range: bool) -> Array:
    if not allow_out_of_range:
        check_index(x, depth)
    hit = np.equal(x[..., None], np.arange(depth))
    return np.asarray(hit.astype(dtype.numpy))


def _one_hot_expand(F: Emitter, x: Any, depth: int, dtype: DType, allow_out_of_range: bool) -> Any:
    kind = F.type_of(x)
    column = F.unsqueeze2(x, axes=[-1])
    if allow_out_of_range:
        return F.cast(F.equal(column, F.range(end=depth, dtype=kind.dtype)), out_dtype=dtype)
    # Writing the ones checks the indices.
    zeros = F.full([*kind.shape, depth], 0, dtype)
    return F.put_along_axis(zeros, column, F.full((), 1, dtype), Axis=-1)


op(
    "one_hot_v2", "X", attrs={"depth": REQUIRED, "dtype": float32, "allow_out_of_range": False},
    infer=_one_hot_infer,
    reference=_one_hot,
    expand=_one_hot_expand,
    samples=[
        sample(i64(4, low=0, high=3), depth=3), sample(i32(2, 2, low=0, high=5), depth=5),
        sample(lit(1, "int64"), depth=2), sample(i64(0), depth=2),
        sample(lit([-1, 0, 9], "int64"), depth=3, allow_out_of_range=True),
        sample(i64(3, low=0, high=2), depth=2, dtype=i64().dtype),
    ],
)  # fmt: skip
