"""Parts of a tensor: slice, strided_slice, and writing into them: set_value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dims import Dim, always_le, dim_max, dim_min
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, boolean, f32, f64, i64, op, sample
from ..rules import dim_in, same_dtype, sizes
from .grads import reshape_to, unbroadcast
from .shape import expanded

FAR = 2**31 - 1  # an end from here on means: to the end, whatever the size


class Range(NamedTuple):
    """The elements first, first + step, ... of a dim: `size` of them, all inside."""

    first: Dim
    size: Dim
    step: int


def _wrapped(index: Dim, dim: Dim, what: str) -> Dim:
    """An index, which may count from the end, as one from the front; not clipped."""
    if isinstance(index, int):
        return index + dim if index < 0 else index
    if always_le(index, -1):
        return index + dim
    require(0, "<=", index, f"needs {what} >= 0 where it depends on a size, got {index}")
    return index


def range_of(dim: Dim, start: Dim, end: Dim, step: int = 1) -> Range:
    """What Python's `start:end:step` selects in a dim of this size, which may be a symbol."""
    if step == 0:
        fail("needs strides other than 0, got 0")
    if isinstance(dim, int) and isinstance(start, int) and isinstance(end, int):
        chosen = range(*slice(start, end, step).indices(dim))
        return Range(chosen.start if len(chosen) else 0, len(chosen), step)
    return _ascending(dim, start, end, step) if step > 0 else _descending(dim, start, end, step)


def _ascending(dim: Dim, start: Dim, end: Dim, step: int) -> Range:
    to_end = isinstance(end, int) and end >= FAR
    if to_end and isinstance(start, int) and start < 0:
        first, length = dim_max(dim + start, 0), dim_min(-start, dim)
    else:
        first = dim_max(_wrapped(start, dim, "a start"), 0)
        last = dim if to_end else dim_min(_wrapped(end, dim, "an end"), dim)
        length = dim_max(last - first, 0)
        first = dim_min(first, dim)
    return Range(first, (length + (step - 1)) // step, step)


def _descending(dim: Dim, start: Dim, end: Dim, step: int) -> Range:
    first = dim - 1 if isinstance(start, int) and start >= FAR else _wrapped(start, dim, "a start")
    first = dim_max(dim_min(first, dim - 1), -1)
    before_all = isinstance(end, int) and end <= -FAR
    last = -1 if before_all else dim_max(dim_min(_wrapped(end, dim, "an end"), dim - 1), -1)
    length = dim_max(first - last, 0)
    return Range(dim_max(first, 0), (length - step - 1) // -step, step)


def _single(dim: Dim, index: Dim) -> Range:
    """One element, which must exist."""
    first = _wrapped(index, dim, "an index")
    message = f"index {index} is out of range for a dim of size {dim}"
    require(0, "<=", first, message)
    require(first + 1, "<=", dim, message)
    return Range(first, 1, 1)


def ranges(
    shape: Shape,
    axes: Sequence[int],
    starts: Sequence[Dim],
    ends: Sequence[Dim],
    steps: Sequence[int] = (),
    decrease: Sequence[int] = (),
) -> list[Range]:
    """For each dim what the attributes of a slice select: of a decreased dim one element."""
    if not len(axes) == len(starts) == len(ends) == len(steps or axes):
        fail(f"needs starts, ends and strides for each axis, got axes {list(axes)}, "
             f"starts {list(starts)}, ends {list(ends)}")  # fmt: skip
    chosen = [Range(0, dim, 1) for dim in shape]
    single = {dim_in(axis, len(shape)) for axis in decrease}
    for i, given in enumerate(axes):
        axis = dim_in(given, len(shape))
        dim = shape[axis]
        step = steps[i] if steps else 1
        one = axis in single
        chosen[axis] = _single(dim, starts[i]) if one else range_of(dim, starts[i], ends[i], step)
    return chosen


def sliced_shape(shape: Shape, chosen: Sequence[Range], decrease: Sequence[int]) -> Shape:
    """The shape of what is selected, without the decreased dims."""
    gone = {dim_in(axis, len(shape)) for axis in decrease}
    return tuple(part.size for i, part in enumerate(chosen) if i not in gone)


def as_index(chosen: Sequence[Range]) -> tuple[slice, ...]:
    """The same as a numpy index."""

    def one(part: Any) -> slice:
        stop = part.first + part.size * part.step
        return slice(part.first, None if stop < 0 else stop, part.step)

    return tuple(one(part) for part in chosen)


def _infer(
    x: TensorType,
    axes: Any,
    starts: Any,
    ends: Any,
    decrease_axis: Any,
    strides: Any = (),
    **_: Any,
) -> TensorType:
    chosen = ranges(x.shape, axes, starts, ends, strides, decrease_axis)
    return TensorType(sliced_shape(x.shape, chosen, decrease_axis), x.dtype)


def _reference(
    x: Array, axes: Any, starts: Any, ends: Any, decrease_axis: Any, strides: Any = (), **_: Any
) -> Array:
    chosen = ranges(x.shape, axes, starts, ends, strides, decrease_axis)
    return x[as_index(chosen)].reshape(sliced_shape(x.shape, chosen, decrease_axis))


def _slice_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    x = F.type_of(c.x)
    chosen = ranges(x.shape, c["axes"], c["starts"], c["ends"], (), c["decrease_axis"])
    g = reshape_to(F, c.g, [part.size for part in chosen])
    paddings: list[Dim] = []
    for part, dim in zip(chosen, x.shape, strict=True):
        paddings += [part.first, dim - part.first - part.size]
    return (F.pad(g, paddings=paddings) if paddings else g,)


op(
    # starts and ends may be dims. A decreased axis takes the one element at its start.
    "slice", "Input",
    attrs={"axes": REQUIRED, "starts": REQUIRED, "ends": REQUIRED, "decrease_axis": [],
           "infer_flags": []},
    infer=_infer,
    reference=_reference,
    grad=_slice_grad,
    samples=[
        sample(f32(4, 5), axes=[0], starts=[1], ends=[3]),
        sample(f32(4, 5), axes=[0, 1], starts=[-3, 2], ends=[-1, FAR]),
        sample(f32(4, 5), axes=[1], starts=[2], ends=[3], decrease_axis=[1]),
        sample(f32(4, 5), axes=[0, 1], starts=[-1, 0], ends=[FAR, 1], decrease_axis=[0, 1]),
        sample(f32(4), axes=[0], starts=[3], ends=[1]),
        sample(f32(4), axes=[0], starts=[-9], ends=[9]),
        sample(f32(0, 3), axes=[1], starts=[1], ends=[3]),
        sample(f32(1), axes=[0], starts=[0], ends=[1]),
        sample(f32(), axes=[], starts=[], ends=[]),
        sample(f64(3, 2), axes=[-1], starts=[0], ends=[1]),
        sample(i64(5), axes=[0], starts=[1], ends=[4]),
        sample(boolean(3), axes=[0], starts=[0], ends=[2]),
    ],
)  # fmt: skip


def _strided_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    zeros = F.fill_any_like(c.x, value=0.0)
    return (
        F.set_value(
            zeros, c.g, axes=c["axes"], starts=c["starts"], ends=c["ends"], steps=c["strides"],
            decrease_axes=c["decrease_axis"],
        ),
    )  # fmt: skip


op(
    "strided_slice", "Input",
    attrs={"axes": REQUIRED, "starts": REQUIRED, "ends": REQUIRED, "strides": REQUIRED,
           "decrease_axis": [], "infer_flags": []},
    infer=_infer,
    reference=_reference,
    grad=_strided_grad,
    samples=[
        sample(f32(7), axes=[0], starts=[1], ends=[6], strides=[2]),
        sample(f32(7), axes=[0], starts=[FAR], ends=[-FAR], strides=[-1]),
        sample(f32(4, 7), axes=[0, 1], starts=[3, -2], ends=[0, 1], strides=[-1, -2]),
        sample(f32(4, 5), axes=[1, 0], starts=[0, 1], ends=[FAR, 2], strides=[3, 1],
               decrease_axis=[0]),
        sample(f32(5), axes=[0], starts=[2], ends=[4], strides=[-1]),
        sample(f32(0), axes=[0], starts=[0], ends=[FAR], strides=[2]),
        sample(f32(1), axes=[0], starts=[0], ends=[9], strides=[5]),
        sample(f64(6, 2), axes=[0], starts=[-1], ends=[-6], strides=[-2]),
        sample(i64(5), axes=[0], starts=[0], ends=[5], strides=[2]),
    ],
)  # fmt: skip

SET_ATTRS = {
    "axes": REQUIRED,
    "starts": REQUIRED,
    "ends": REQUIRED,
    "steps": [],
    "decrease_axes": [],
}


def _set_infer(
    x: TensorType,
    value: TensorType,
    axes: Any,
    starts: Any,
    ends: Any,
    steps: Any,
    decrease_axes: Any,
) -> TensorType:
    same_dtype(x, value, "Input and ValueTensor")
    chosen = ranges(x.shape, axes, starts, ends, steps, decrease_axes)
    target = sliced_shape(x.shape, chosen, decrease_axes)
    if value.ndim > len(target):
        fail(f"needs a value that broadcasts to {show(target)}, got one of {show(value.shape)}")
    expanded(value.shape, target)
    return x


def _set(
    x: Array, value: Array, axes: Any, starts: Any, ends: Any, steps: Any, decrease_axes: Any
) -> Array:
    chosen = ranges(x.shape, axes, starts, ends, steps, decrease_axes)
    target = sizes(sliced_shape(x.shape, chosen, decrease_axes))
    out = x.copy()
    out[as_index(chosen)] = np.broadcast_to(value, target).reshape([p.size for p in chosen])
    return out


def _set_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    attrs = dict(c.attrs)
    steps, decrease = attrs.pop("steps"), attrs.pop("decrease_axes")
    gx = gv = None
    if c.needs[0]:
        gx = F.set_value(c.g, F.full_like(c.g, 0), **attrs, steps=steps, decrease_axes=decrease)
    if c.needs[1]:
        strides = list(steps) or [1] * len(attrs["axes"])
        part = F.strided_slice(c.g, **attrs, strides=strides, decrease_axis=decrease)
        gv = unbroadcast(F, part, c.y)
    return gx, gv


op(
    # x with x[slices] = value: the value broadcasts to what is selected.
    "set_value", "Input ValueTensor", attrs=SET_ATTRS, infer=_set_infer,
    reference=_set,
    grad=_set_grad,
    samples=[
        sample(f32(4, 5), f32(2, 5), axes=[0], starts=[1], ends=[3]),
        sample(f32(4, 5), f32(), axes=[0, 1], starts=[1, 0], ends=[2, FAR], decrease_axes=[0]),
        sample(f32(4, 5), f32(2, 1), axes=[0, 1], starts=[0, 4], ends=[4, 1], steps=[2, -1]),
        sample(f32(6), f32(1), axes=[0], starts=[-2], ends=[FAR]),
        sample(f32(3), f32(), axes=[0], starts=[-1], ends=[FAR], decrease_axes=[0]),
        sample(f32(0, 2), f32(2), axes=[0], starts=[0], ends=[FAR]),
        sample(f64(3), f64(0), axes=[0], starts=[2], ends=[1]),
        sample(f32(), f32(), axes=[], starts=[], ends=[]),
        sample(i64(4), i64(), axes=[0], starts=[0], ends=[2]),
        sample(boolean(4), boolean(), axes=[0], starts=[0], ends=[2]),
    ],
)  # fmt: skip
