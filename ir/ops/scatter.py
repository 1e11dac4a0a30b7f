"""Writing at indices that are data: index_add, put_along_axis, scatter, scatter_nd_add.

Indices are checked as in `index.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, f32, f64, i32, i64, lit, op, sample
from ..rules import index_type, same_dtype, same_shape
from .grads import expand_to, reshape_to, unbroadcast
from .index import along_type, check_index, coordinates, gather_nd_type, select_type


def _add_infer(x: TensorType, index: TensorType, value: TensorType, axis: int) -> TensorType:
    same_dtype(x, value, "X and AddValue")
    wanted = select_type(x, index, axis).shape
    message = f"needs AddValue of shape {show(wanted)}, got {show(value.shape)}"
    same_shape(wanted, value.shape, message)
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


def _put_infer(
    x: TensorType, index: TensorType, value: TensorType, Axis: int, Reduce: str
) -> TensorType:
    if Reduce not in ("assign", "add"):
        fail(f'needs Reduce to be "assign" or "add", got {Reduce!r}')
    same_dtype(x, value, "Input and Value")
    target = along_type(x, index, Axis).shape
    if value.ndim > len(target):
        fail(f"needs Value to broadcast to {show(target)}, got {show(value.shape)}")
    for a, b in zip(value.shape, target[len(target) - value.ndim :], strict=True):
        require(
            a, "1 or ==", b, f"needs Value to broadcast to {show(target)}, got {show(value.shape)}"
        )  # fmt: skip
    return x


def _put(x: Array, index: Array, value: Array, Axis: int, Reduce: str) -> Array:
    out = x.copy()
    places: list[Array] = list(np.indices(index.shape, sparse=True))
    places[Axis] = check_index(index, x.shape[Axis])
    if Reduce == "add":
        np.add.at(out, tuple(places), value)
    else:
        out[tuple(places)] = value
    return out


def _put_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    _, index, value = c.inputs
    gx = gv = None
    # Read before it is written, so that it can be written where it lies.
    if c.needs[2]:
        gv = unbroadcast(F, F.take_along_axis(c.g, index, Axis=c["Axis"]), value)
    if c.needs[0]:
        zero = F.full_like(c.g, 0)
        adds = c["Reduce"] == "add"
        gx = c.g if adds else F.put_along_axis(c.g, index, zero, Axis=c["Axis"], Reduce="assign")
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


def _scatter_nd_infer(x: TensorType, index: TensorType, updates: TensorType) -> TensorType:
    same_dtype(x, updates, "X and Updates")
    wanted = gather_nd_type(x, index).shape
    message = f"needs Updates of shape {show(wanted)}, got {show(updates.shape)}"
    same_shape(wanted, updates.shape, message)
    return x


def _scatter_nd_add(x: Array, index: Array, updates: Array) -> Array:
    out = x.copy()
    if index.shape[-1] == 0:
        total = updates.sum(axis=tuple(range(index.ndim - 1)), dtype=x.dtype)
        return np.asarray(out + total)
    np.add.at(out, coordinates(x, index), updates)
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


def _scatter_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    # The rows are read before they are cleared: so they can be cleared where they lie.
    updates = F.gather(c.g, c.y, axis=0) if c.needs[2] else None
    return _cleared(F, c.g, c.y) if c.needs[0] else None, None, updates


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
    grad=_scatter_grad,
    samples=[
        sample(f32(4, 3), lit([2, 0], "int64"), f32(2, 3)),
        sample(f32(4, 3), lit([2, 2, 1], "int64"), f32(3, 3), overwrite=False),
        sample(f32(4), lit([[1], [3]], "int32"), f32(2)),
        sample(f32(4, 3), lit([2, 2], "int64"), f32(2, 3), grad=False),  # one write is lost
        sample(f32(2, 3), i64(0), f32(0, 3)), sample(f64(2, 2, 2), lit([1], "int64"), f64(1, 2, 2)),
        sample(i64(4), lit([2, 2], "int64"), i64(2), overwrite=False),
    ],
)  # fmt: skip
