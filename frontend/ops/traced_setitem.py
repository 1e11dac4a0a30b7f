"""`x[index] = value` while a Program is built.

What ints, slices and None select is a view, through which the write goes back to x; what index
Tensors select is scattered, as are rows for the true elements of a mask; one value for all of them
goes where the mask is true.
"""

from __future__ import annotations

from typing import Any

from wherry.schema.errors import OpError

from ..dispatch import run_op, write
from ..location import user_location
from ..tensor import Tensor
from .indexing import broadcast, expanded, getitem, items_of, make_plan, set_value, sliced, wrapped
from .open_slices import open_masks
from .selection import masked_axes


def set_traced(x: Tensor, index: Any, value: Tensor) -> None:
    """Record x[index] = value. OpError for several masks, or a mask beside index Tensors."""
    given = _with_open_masks(x, items_of(index))
    masks = [one for one in given if isinstance(one, Tensor) and one.dtype.name == "bool"]
    if masks:
        _set_by_mask(x, given, masks, value)
        return
    plan = make_plan(x, index)
    if plan.is_basic and not plan.new_axes:
        write(x, set_value(x, plan, value))
        return
    part = sliced(x, plan) if plan.axes else x
    if plan.new_axes:
        part = run_op("unsqueeze2", part, axes=plan.new_axes)
    if plan.is_basic:
        write(part, run_op("expand_v2", value, shape=list(part.shape)))
    else:
        _scatter(part, plan.advanced, value)


def _with_open_masks(x: Tensor, given: list[Any]) -> list[Any]:
    """The index with a mask for each slice of which only the call knows the ends."""
    items = expanded(x, given)
    masks = open_masks(x, items)
    return [masks.get(place, one) for place, one in enumerate(items)] if masks else given


def _scatter(x: Tensor, advanced: list[tuple[int, Tensor]], value: Tensor) -> None:
    """Write to the positions that index Tensors name on these axes of x."""
    axes = [axis for axis, _ in advanced]
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    indices = broadcast([wrapped(one, x.shape[axis]) for axis, one in advanced])
    front = x if axes == list(range(len(axes))) else run_op("transpose2", x, axis=axes + rest)
    k = indices[0].ndim
    # Index axes that stand side by side keep their place; else they come first, as in numpy.
    beside = axes == list(range(axes[0], axes[0] + len(axes)))
    at = axes[0] if beside else 0
    inner = [x.shape[axis] for axis in rest]
    full = run_op("expand_v2", value, shape=[*inner[:at], *indices[0].shape, *inner[at:]])
    if at and k:
        order = [*range(at, at + k), *range(at), *range(at + k, full.ndim)]
        full = run_op("transpose2", full, axis=order)
    write(front, _scattered(front, indices, full))


def _scattered(x: Tensor, indices: list[Tensor], full: Tensor) -> Tensor:
    """x with the value at these positions of its first axes: rows of x with those axes made one."""
    row = indices[0]
    for axis in range(1, len(indices)):
        row = row * x.shape[axis] + indices[axis]
    inner = x.shape[len(indices) :]
    out = run_op(
        "scatter", run_op("reshape2", x, shape=[-1, *inner]), run_op("reshape2", row, shape=[-1]),
        run_op("reshape2", full, shape=[-1, *inner]), overwrite=True,
    )  # fmt: skip
    return run_op("reshape2", out, shape=list(x.shape))  # type: ignore[no-any-return]


def _set_by_mask(x: Tensor, given: list[Any], masks: list[Tensor], value: Tensor) -> None:
    others = [one for one in given if isinstance(one, Tensor) and one is not masks[0]]
    if others or not masks[0].ndim:
        raise OpError(
            "a traced x[index] = value takes one mask, beside ints and slices; write the rest with "
            "paddle.where or paddle.scatter_nd_add", loc=user_location(),
        )  # fmt: skip
    mask, place = masks[0], next(i for i, one in enumerate(given) if one is masks[0])
    whole = [slice(None)] * mask.ndim
    part = getitem(x, (*given[:place], *whole, *given[place + 1 :]))
    tail = getitem(x, (*[0] * _axes_before(given[:place], x), *whole, *given[place + 1 :]))
    after = tail.ndim - mask.ndim
    rows = value.ndim - after - 1
    if rows >= 0 and str(value.shape[rows]) != "1":
        write(part, _with_rows(part, mask, part.ndim - after - mask.ndim, value))
        return
    shaped = _with_ones(mask, after)
    if rows >= 0:
        value = run_op("reshape2", value, shape=_in_place_of(value.shape, rows, [1] * mask.ndim))
    write(part, run_op("where", shaped, run_op("expand_v2", value, shape=list(part.shape)), part))


def _axes_before(given: list[Any], x: Tensor) -> int:
    """How many axes of x the items before the mask take."""
    if Ellipsis in given:
        raise OpError(
            "a traced x[index] = value takes no ... before a mask; write the slices out",
            loc=user_location(),
        )
    return sum(one is not None for one in given)


def _with_rows(x: Tensor, mask: Tensor, axis: int, value: Tensor) -> Tensor:
    """x with the value's rows where the mask, which covers the axes from `axis` on, is true."""
    flat, rows = masked_axes(x, axis, mask)
    count, wanted = value.shape[axis], rows.shape[0]
    if str(count) != str(wanted):
        message = "x[mask] = value needs as many values as the mask has True elements"
        run_op("check_size", left=count, relation="==", right=wanted, message=message)
    value = run_op("expand_v2", value, shape=_in_place_of(flat.shape, axis, rows.shape))
    order = [axis, *range(axis), *range(axis + 1, flat.ndim)]
    if axis:
        flat, value = (run_op("transpose2", one, axis=order) for one in (flat, value))
    out = run_op("scatter", flat, rows, value, overwrite=True)
    if axis:
        out = run_op("transpose2", out, axis=[order.index(i) for i in range(len(order))])
    return run_op("reshape2", out, shape=list(x.shape))  # type: ignore[no-any-return]


def _in_place_of(shape: list[Any], axis: int, sizes: list[Any]) -> list[Any]:
    return [*shape[:axis], *sizes, *shape[axis + 1 :]]


def _with_ones(mask: Tensor, count: int) -> Tensor:
    return run_op("reshape2", mask, shape=[*mask.shape, *[1] * count]) if count else mask
