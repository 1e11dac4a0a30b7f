"""Reading and writing at indices that are data: gather, scatter and their kin.

An index counts from 0 and must be smaller than the dim, as in Paddle 2.6: a negative one is refused too.
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
from ..rules import index_type, integers, same_dtype
from .grads import expand_to, reshape_to, unbroadcast, zeros_like


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


def _select_infer(x: TensorType, index: TensorType, dim: int) -> TensorType:
    along = axis_in(dim, x.ndim, "dim")
    if x.ndim == 0:
        fail("needs X of at least 1 dim, got a 0-d tensor")
    return TensorType(_picked(x.shape, along, _vector(index).shape), x.dtype)


op(
    "index_select", "X Index", attrs={"dim": 0}, infer=_select_infer,
    reference=lambda x, index, dim: np.take(x, check_index(index, x.shape[dim]), dim),
    grad=lambda F, c: (F.index_add(zeros_like(F, c.x), c.y, c.g, axis=c["dim"]), None),
    samples=[
        sample(f32(4, 3), i64(5, low=0, high=4)), sample(f32(2, 3, 4), i32(2, low=0, high=3), dim=1),
        sample(f32(3), lit([2, 2, 0], "int64")), sample(f32(3, 2), i64(0), dim=-1),
        sample(f32(0, 2), lit([1, 0, 1], "int64"), dim=1), sample(f32(1), lit([0], "int64")),
        sample(f64(2, 4), i64(3, low=0, high=4), dim=-1), sample(i64(4), i64(2, low=0, high=4)),
    ],
)  # fmt: skip


def _add_infer(x: TensorType, index: TensorType, value: TensorType, axis: int) -> TensorType:
    same_dtype(x, value, "X and AddValue")
    wanted = _select_infer(x, index, axis).shape
    message = f"needs AddValue of shape {show(wanted)}, got {show(value.shape)}"
    if value.ndim != x.ndim:
        fail(message)
    for a, b in zip(wanted, value.shape, strict=True):
        require(a, "==", b, message)
    return x


def _index_add(x: Array, index: Array, value: Array, axis: int) -> Array:
    out = x.copy()
    check_index(index, x.shape[axis])
    np.add.at(np.moveaxis(out, axis, 0), index, np.moveaxis(value, axis, 0))
    return out


op(
    # x with x[index[i]] += value[i] along the axis; an index that occurs twice adds twice.
    "index_add", "X Index AddValue", attrs={"axis": 0}, infer=_add_infer,
    reference=_index_add,
    grad=lambda F, c: (
        c.g if c.needs[0] else None,
        None,
        F.index_select(c.g, c.y, dim=c["axis"]) if c.needs[2] else None,
    ),
    samples=[
        sample(f32(4, 3), lit([1, 1, 3], "int64"), f32(3, 3)),
        sample(f32(2, 3, 4), i32(2, low=0, high=3), f32(2, 2, 4), axis=1),
        sample(f32(3), i64(0), f32(0)), sample(f64(2, 3), lit([0, 2], "int64"), f64(2, 2), axis=-1),
        sample(i64(3), lit([0, 0], "int64"), i64(2)),
        sample(f32(0, 2), lit([1], "int64"), f32(0, 1), axis=1),
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


def _gather_nd_infer(x: TensorType, index: TensorType) -> TensorType:
    depth = _depth(x, index)
    return TensorType((*index.shape[:-1], *x.shape[depth:]), x.dtype)


def _coordinates(x: Array, index: Array) -> tuple[Array, ...]:
    return tuple(check_index(index[..., i], x.shape[i]) for i in range(index.shape[-1]))


def _gather_nd(x: Array, index: Array) -> Array:
    if index.shape[-1] == 0:
        return np.broadcast_to(x, index.shape[:-1] + x.shape).copy()
    return x[_coordinates(x, index)]


op(
    # Each row of the index is the position of an element, or of a part, of x.
    "gather_nd", "X Index", infer=_gather_nd_infer,
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


def _scatter_nd_infer(x: TensorType, index: TensorType, updates: TensorType) -> TensorType:
    same_dtype(x, updates, "X and Updates")
    wanted = _gather_nd_infer(x, index).shape
    message = f"needs Updates of shape {show(wanted)}, got {show(updates.shape)}"
    if updates.ndim != len(wanted):
        fail(message)
    for a, b in zip(wanted, updates.shape, strict=True):
        require(a, "==", b, message)
    return x


def _scatter_nd_add(x: Array, index: Array, updates: Array) -> Array:
    out = x.copy()
    if index.shape[-1] == 0:
        return out + updates.sum(axis=tuple(range(index.ndim - 1)), dtype=x.dtype)
    np.add.at(out, _coordinates(x, index), updates)
    return out


op(
    "scatter_nd_add", "X Index Updates", infer=_scatter_nd_infer,
    reference=_scatter_nd_add,
    grad=lambda F, c: (
        c.g if c.needs[0] else None,
        None,
        F.gather_nd(c.g, c.y) if c.needs[2] else None,
    ),
    samples=[
        sample(f32(3, 4), lit([[0, 1], [2, 3], [0, 1]], "int64"), f32(3)),
        sample(f32(3, 4), lit([[2], [2]], "int32"), f32(2, 4)),
        sample(f32(3), lit([1], "int64"), f32()), sample(f32(3, 4), i64(0, 2), f32(0)),
        sample(f32(2), i64(3, 0), f32(3, 2)),
        sample(f64(2, 2), lit([[1, 1]], "int64"), f64(1)),
        sample(i64(4), lit([[3], [3]], "int64"), i64(2)),
    ],
)  # fmt: skip


def _along_infer(x: TensorType, index: TensorType, Axis: int) -> TensorType:
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
    "take_along_axis", "Input Index", "Result", attrs={"Axis": REQUIRED}, infer=_along_infer,
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
        sample(f32(0, 2), i64(0, 3, low=0, high=2), Axis=1), sample(f64(1), lit([0], "int64"), Axis=0),
        sample(i64(4), i64(6, low=0, high=4), Axis=0),
    ],
)  # fmt: skip


def _put_infer(
    x: TensorType, index: TensorType, value: TensorType, Axis: int, Reduce: str
) -> TensorType:
    if Reduce not in ("assign", "add"):
        fail(f'needs Reduce to be "assign" or "add", got {Reduce!r}')
    same_dtype(x, value, "Input and Value")
    target = _along_infer(x, index, Axis).shape
    if value.ndim > len(target):
        fail(f"needs Value to broadcast to {show(target)}, got {show(value.shape)}")
    for a, b in zip(value.shape, target[len(target) - value.ndim :], strict=True):
        require(
            a, "1 or ==", b, f"needs Value to broadcast to {show(target)}, got {show(value.shape)}"
        )  # fmt: skip
    return x


def _put(x: Array, index: Array, value: Array, Axis: int, Reduce: str) -> Array:
    out = x.copy()
    places = list(np.indices(index.shape, sparse=True))
    places[Axis] = check_index(index, x.shape[Axis])
    if Reduce == "add":
        np.add.at(out, tuple(places), value)
    else:
        out[tuple(places)] = value
    return out


def _put_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    _, index, value = c.inputs
    gx = gv = None
    if c.needs[0]:
        zero = F.full_like(c.g, 0)
        adds = c["Reduce"] == "add"
        gx = c.g if adds else F.put_along_axis(c.g, index, zero, Axis=c["Axis"], Reduce="assign")
    if c.needs[2]:
        gv = unbroadcast(F, F.take_along_axis(c.g, index, Axis=c["Axis"]), value)
    return gx, None, gv


op(
    # "assign": of several writes to one place the last one stays.
    "put_along_axis", "Input Index Value", "Result",
    attrs={"Axis": REQUIRED, "Reduce": "assign"}, infer=_put_infer,
    reference=_put,
    grad=_put_grad,
    samples=[
        sample(f32(3, 4), lit([[0, 1], [3, 2], [1, 0]], "int64"), f32(3, 2), Axis=1),
        sample(f32(3, 4), i32(5, 4, low=0, high=3), f32(5, 4), Axis=0, Reduce="add"),
        sample(f32(3, 4), lit([[0], [1], [3]], "int64"), f32(), Axis=1),
        sample(f32(3), lit([1, 1], "int64"), f32(2), Axis=0, grad=False),  # one write is lost
        sample(f32(3), i64(0), f32(1), Axis=0),
        sample(f64(2, 2), lit([[1], [0]], "int64"), f64(2, 1), Axis=-1, Reduce="add"),
        sample(i64(4), lit([2, 2], "int64"), i64(2), Axis=0, Reduce="add"),
    ],
)  # fmt: skip


def _scatter_infer(
    x: TensorType, ids: TensorType, updates: TensorType, overwrite: bool
) -> TensorType:
    index_type(ids, "Ids")
    if ids.ndim == 2:
        require(ids.shape[1], "==", 1, f"needs Ids of shape [n] or [n, 1], got {show(ids.shape)}")
        ids = TensorType(ids.shape[:1], ids.dtype)
    return _add_infer(x, ids, updates, 0)


def _scatter(x: Array, ids: Array, updates: Array, overwrite: bool) -> Array:
    out = x.copy()
    rows = check_index(ids.reshape(-1), x.shape[0])
    out[rows] = updates if overwrite else 0
    if not overwrite:
        np.add.at(out, rows, updates)
    return out


def _rows(F: Emitter, x: Any, ids: Any) -> tuple[Any, Any]:
    """The ids as [n], and broadcast to the shape of the rows that they name."""
    count = F.type_of(ids).size
    shape = F.type_of(x).shape
    column = reshape_to(F, ids, [count, *[1] * (len(shape) - 1)])
    return reshape_to(F, ids, [count]), expand_to(F, column, [count, *shape[1:]])


def _cleared(F: Emitter, x: Any, ids: Any) -> Any:
    _, places = _rows(F, x, ids)
    return F.put_along_axis(x, places, F.full_like(x, 0), Axis=0)


def _scatter_expand(F: Emitter, x: Any, ids: Any, updates: Any, overwrite: bool) -> Any:
    flat, places = _rows(F, x, ids)
    if overwrite:
        return F.put_along_axis(x, places, updates, Axis=0)
    return F.index_add(_cleared(F, x, ids), flat, updates, axis=0)


op(
    # Rows of x replaced (of several for one row the last stays), or, without overwrite, by the sum.
    "scatter", "X Ids Updates", attrs={"overwrite": True}, infer=_scatter_infer,
    reference=_scatter,
    expand=_scatter_expand,
    grad=lambda F, c: (
        _cleared(F, c.g, c.y) if c.needs[0] else None,
        None,
        F.gather(c.g, c.y, axis=0) if c.needs[2] else None,
    ),
    samples=[
        sample(f32(4, 3), lit([2, 0], "int64"), f32(2, 3)),
        sample(f32(4, 3), lit([2, 2, 1], "int64"), f32(3, 3), overwrite=False),
        sample(f32(4), lit([[1], [3]], "int32"), f32(2)),
        sample(f32(4, 3), lit([2, 2], "int64"), f32(2, 3), grad=False),  # one write is lost
        sample(f32(2, 3), i64(0), f32(0, 3)), sample(f64(2, 2, 2), lit([1], "int64"), f64(1, 2, 2)),
        sample(i64(4), lit([2, 2], "int64"), i64(2), overwrite=False),
    ],
)  # fmt: skip


def _sample_infer(x: TensorType, index: TensorType) -> TensorType:
    if x.ndim != 2 or index.ndim != 2:
        fail(f"needs X and Index of 2 dims, got {show(x.shape)} and {show(index.shape)}")
    return _along_infer(x, index, 1)


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
    return (x[..., None] == np.arange(depth)).astype(dtype.numpy)


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
