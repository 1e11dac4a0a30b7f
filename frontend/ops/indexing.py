"""`x[index]` and `x[index] = value`: ints, slices, None, Ellipsis, bool masks, integer Tensors and
lists.

Ints, slices and None are views. What a mask selects has a size that depends on data: in a trace the
run finds it (`selection`). Axes of several index Tensors that stand side by side stay in their
place; else they come first, as in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wherry.ir.dims import is_dim
from wherry.schema.dtypes import bool_
from wherry.schema.errors import OpError

from ..autograd import attach, grad_enabled
from ..dispatch import mark_written, run_op, tracer, write
from ..function_node import FunctionNode
from ..location import user_location
from ..tensor import Tensor
from .convert import cast_to, is_number, scalar, to_tensor_like
from .index_parts import put_together, taken_apart
from .open_slices import now, open_masks, read_anew
from .selection import masked_axes

FAR = 2**31 - 1


class Plan(NamedTuple):
    """An index taken apart: the slices, the new axes, and the index Tensors by axis."""

    axes: list[int]
    starts: list[Any]
    ends: list[Any]
    steps: list[int]
    decrease: list[int]
    new_axes: list[int]
    advanced: list[tuple[int, Tensor]]

    @property
    def is_basic(self) -> bool:
        return not self.advanced


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]. Raises OpError for an int out of range, IndexError for too many indices."""
    active = tracer.get()
    if active is None or not active.has_eithers:
        return _getitem(x, index)
    layout, parts = taken_apart(index)

    def found(*parts: Any) -> Tensor:
        return _getitem(x, put_together(layout, parts))

    return active.convert_call(found)(*parts)  # type: ignore[no-any-return]


def _getitem(x: Tensor, index: Any) -> Tensor:
    items = expanded(x, items_of(index))
    if masks := open_masks(x, items):
        return _cut(x, items, masks)
    plan = _plan(x, items)
    out = sliced(x, plan)
    if plan.new_axes:
        out = run_op("unsqueeze2", out, axes=plan.new_axes)
    if plan.is_basic:
        return out
    found = _gathered(out, plan.advanced)
    active = tracer.get()
    if active is not None and all(one.ndim == 0 for _, one in plan.advanced):
        # With numbers for these tensors it is a view in dynamic mode.
        active.note_view(x, found, "getitem", {"index": index})
    return found


def make_plan(x: Tensor, index: Any) -> Plan:
    """Take the index of an x apart. Axes of index Tensors count in the sliced x."""
    return _plan(x, expanded(x, items_of(index)))


def _plan(x: Tensor, items: list[Any]) -> Plan:
    plan = Plan([], [], [], [], [], [], [])
    axis = kept = 0
    for item in items:
        if item is None:
            plan.new_axes.append(kept)
            kept += 1
        elif isinstance(item, Tensor):
            for one, axes in _as_indices(item):
                plan.advanced.append((kept, one))
                axis, kept = axis + axes, kept + axes
        else:
            kept += _add_slice(x, plan, axis, item)
            axis += 1
    return plan


def _add_slice(x: Tensor, plan: Plan, axis: int, item: Any) -> int:
    """Enter an int or a slice; returns how many axes it leaves (0 or 1)."""
    if isinstance(item, slice):
        if item != slice(None):
            start, stop, step = _bounds(item)
            _enter(plan, axis, start, stop, step)
        return 1
    size = x.shape[axis]
    if isinstance(size, int) and isinstance(item, int) and not -size <= item < size:
        raise IndexError(
            f"(OutOfRange) The starting index {item} of slice is out of bounds in tensor "
            f"{axis}-th axis, it "
            f"should be in the range of [{-size}, {size})."
        )
    _enter(plan, axis, item, item + 1 if not isinstance(item, int) or item != -1 else FAR, 1)
    plan.decrease.append(axis)
    return 0


def _enter(plan: Plan, axis: int, start: Any, stop: Any, step: int) -> None:
    plan.axes.append(axis)
    plan.starts.append(start)
    plan.ends.append(stop)
    plan.steps.append(step)


def _bounds(item: slice) -> tuple[Any, Any, int]:
    step = 1 if item.step is None else int(_int_of(item.step))
    if step == 0:
        raise ValueError("slice step can not be 0")
    start = _int_of(item.start) if item.start is not None else (0 if step > 0 else FAR)
    stop = _int_of(item.stop) if item.stop is not None else (FAR if step > 0 else -FAR)
    return start, stop, step


def _int_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.as_dim()
    return value if is_dim(value) else int(value)


def items_of(index: Any) -> list[Any]:
    """The index as a list of None, Ellipsis, ints, slices and index Tensors."""
    given = list(index) if isinstance(index, tuple) else [index]
    return [_item(one) for one in given]


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return read_anew(item)
    if isinstance(item, (bool, np.bool_)):
        return to_tensor_like(np.asarray(item))
    if isinstance(item, np.ndarray) and item.ndim == 0:
        item = item.item()
    if is_dim(item) or isinstance(item, np.integer):
        return int(item) if isinstance(item, np.integer) else item
    if isinstance(item, (list, tuple, range, np.ndarray)):
        item = to_tensor_like(_index_array(item))
    if not isinstance(item, Tensor):
        raise ValueError(
            "Valid index accept int / bool / slice / ellipsis / list / Tuple / Ndarray / "
            f"Tensor, but received {type(item).__name__}."
        )
    if item.dtype.is_float:
        raise IndexError(f"an index Tensor must be an integer or bool, got {item.dtype.name}")
    if item.ndim == 0 and item.dtype.is_integer and tracer.get() is None:
        return int(item.array)
    return item


def _index_array(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return item
    plain = [one.numpy() if isinstance(one, Tensor) else one for one in item]
    return np.asarray(plain) if plain else np.zeros(0, np.int64)


def expanded(x: Tensor, items: list[Any]) -> list[Any]:
    """The items with Ellipsis (one, or at the end) written out as full slices."""
    used = sum(_consumed(item) for item in items)
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("An index can only have a single ellipsis ('...')")
    if used > x.ndim:
        raise IndexError(
            f"Too many indices ({used}) for tensor of dimension {x.ndim} with shape {x.shape}."
        )
    at = ellipses[0] if ellipses else len(items)
    fill = [slice(None)] * (x.ndim - used)
    return items[:at] + fill + items[at + len(ellipses) :]


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, Tensor) and item.dtype.name == "bool":
        return item.ndim
    return 1


def _as_indices(item: Tensor) -> list[tuple[Tensor, int]]:
    """An integer index Tensor as it is, a mask as the positions of its True elements, each with the
    number of its axes. In a trace a mask stays one.
    """
    if item.dtype.name != "bool":
        return [(item, 1)]
    if item.ndim == 0:
        raise IndexError("a bool index needs an axis, got a 0-d bool; x[None] adds an axis")
    if tracer.get() is not None:
        return [(item, item.ndim)]
    return [(Tensor(positions), 1) for positions in np.nonzero(item.array)]


def _cut(x: Tensor, items: list[Any], masks: dict[int, Tensor]) -> Tensor:
    """x[items], where the masks stand for slices of which the call knows the ends."""
    if any(isinstance(one, Tensor) and one.ndim for one in items):
        raise OpError(
            "a slice whose ends are tensors goes beside numbers and slices; index with the other "
            "tensors before or after it", loc=user_location(),
        )  # fmt: skip
    part = getitem(x, tuple(slice(None) if i in masks else one for i, one in enumerate(items)))
    kept = [i for i, one in enumerate(items) if one is None or isinstance(one, slice)]
    for place, mask in masks.items():
        part = _gathered(part, [(kept.index(place), mask)])
    active: Any = tracer.get()
    active.note_view(x, part, "getitem", {"index": tuple(map(now, items))})
    return part


def sliced(x: Tensor, plan: Plan) -> Tensor:
    if not plan.axes:
        # `x[:]` is a view too.
        return run_op("slice", x, axes=[], starts=[], ends=[]) if plan.is_basic else x
    common = {"axes": plan.axes, "starts": plan.starts, "ends": plan.ends,
              "decrease_axis": plan.decrease}  # fmt: skip
    if all(step == 1 for step in plan.steps):
        return run_op("slice", x, **common)  # type: ignore[no-any-return]
    return run_op("strided_slice", x, **common, strides=plan.steps)  # type: ignore[no-any-return]


def _gathered(x: Tensor, advanced: list[tuple[int, Tensor]]) -> Tensor:
    axes, indices = [], []
    fewer = 0
    for axis, index in advanced:
        axis -= fewer
        if index.dtype is bool_:
            x, positions = masked_axes(x, axis, index)
            fewer += index.ndim - 1
        axes.append(axis)
        indices.append(positions if index.dtype is bool_ else wrapped(index, x.shape[axis]))
    if len(axes) == 1:
        return _gathered_one(x, indices[0], axes[0])
    rest = [i for i in range(x.ndim) if i not in axes]
    front = x if axes == list(range(len(axes))) else run_op("transpose2", x, axis=axes + rest)
    stacked = run_op("stack", broadcast(indices), axis=-1)
    out: Tensor = run_op("gather_nd", front, stacked)
    if axes != list(range(axes[0], axes[0] + len(axes))) or not axes[0]:
        return out
    # The index axes stand side by side: back to where they were.
    k, before = stacked.ndim - 1, axes[0]
    order = [*range(k, k + before), *range(k), *range(k + before, out.ndim)]
    return run_op("transpose2", out, axis=order)  # type: ignore[no-any-return]


def _gathered_one(x: Tensor, index: Tensor, axis: int) -> Tensor:
    flat = index if index.ndim == 1 else run_op("reshape2", index, shape=[-1])
    out: Tensor = run_op("gather", x, flat, axis=axis)
    if index.ndim == 1:
        return out
    shape = [*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]]
    return run_op("reshape2", out, shape=shape)  # type: ignore[no-any-return]


def wrapped(index: Tensor, size: Any) -> Tensor:
    """The index with negative entries counted from the end."""
    if tracer.get() is None:
        if index.size and index.array.min() >= 0:
            return index
        return Tensor(np.where(index.array < 0, index.array + size, index.array))
    length = run_op("fill_constant", shape=[], value=size, dtype=index.dtype)
    moved = run_op("elementwise_add", index, length)
    negative = run_op("less_than", index, scalar(0, index.dtype))
    return run_op("where", negative, moved, index)  # type: ignore[no-any-return]


def broadcast(indices: Sequence[Tensor]) -> list[Tensor]:
    from .shape import broadcast_tensors

    return broadcast_tensors(list(indices))


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place; the value is cast to x's dtype and broadcasts."""
    active = tracer.get()
    if active is None or not active.has_eithers:
        _setitem(x, index, value)
        return
    layout, parts = taken_apart(index)

    def write_it(value: Any, *parts: Any) -> None:
        _setitem(x, put_together(layout, parts), value)

    active.convert_call(write_it)(value, *parts)


def _setitem(x: Tensor, index: Any, value: Any) -> None:
    if not isinstance(value, Tensor):
        value = scalar(value, x.dtype) if is_number(value) else to_tensor_like(value)
    value = cast_to(value, x.dtype)
    if tracer.get() is not None:
        from .traced_setitem import set_traced

        set_traced(x, index, value)
        return
    needs_grad = grad_enabled.get() and not (x.stop_gradient and value.stop_gradient)
    plan = make_plan(x, index)
    if needs_grad and plan.is_basic and not plan.new_axes:
        write(x, set_value(x, plan, value))
    else:
        _set_eager(x, index, value, needs_grad)


def set_value(x: Tensor, plan: Plan, value: Tensor) -> Tensor:
    return run_op(  # type: ignore[no-any-return]
        "set_value", x, _fitted(x, plan, value), axes=plan.axes, starts=plan.starts, ends=plan.ends,
        steps=plan.steps, decrease_axes=plan.decrease,
    )  # fmt: skip


def _fitted(x: Tensor, plan: Plan, value: Tensor) -> Tensor:
    """The value without leading axes of size 1 that the target has not."""
    extra = value.ndim - (x.ndim - len(plan.decrease))
    if extra > 0 and all(d == 1 for d in value.shape[:extra]):
        return run_op("reshape2", value, shape=value.shape[extra:])  # type: ignore[no-any-return]
    return value


def _set_eager(x: Tensor, index: Any, value: Tensor, needs_grad: bool) -> None:
    if needs_grad and x.node is None and not x.stop_gradient:
        raise ValueError(
            f"(InvalidArgument) Leaf Var ({x.name}) that doesn't stop gradient can't use inplace "
            "strategy; write inside paddle.no_grad(), or to a result of it"
        )
    where = _numpy_index(index)
    node = None
    if needs_grad:
        node = FunctionNode("setitem", [x, value], _set_rule(index, value))
    try:
        x.array[where] = value.array
    except (IndexError, ValueError) as error:
        raise OpError(f"x[index] = value: {error}", loc=user_location()) from None
    mark_written(x, node is not None)
    if node is not None:
        attach(node, [x])


def _set_rule(index: Any, value: Tensor) -> Any:
    def rule(grads: list[Tensor | None]) -> list[Tensor | None]:
        (g,) = grads
        assert g is not None
        rest: Tensor = run_op("assign", g)
        part = getitem(g, index)
        _cleared(rest, index)
        return [rest, run_op("sum_to", part, value) if part.shape != value.shape else part]

    return rule


def _cleared(x: Tensor, index: Any) -> None:
    x[index] = 0


def _numpy_index(index: Any) -> Any:
    items = items_of(index)
    plain = [item.array if isinstance(item, Tensor) else item for item in items]
    return tuple(plain)
