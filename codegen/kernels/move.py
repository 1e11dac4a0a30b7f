"""Data movement: every op here copies one strided view onto another.

A view is an operand, the place of its first element and a stride per axis, all in elements. The
copy merges axes that are one run in both views, so that most of these ops end as one or two loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from wherry.ir.dims import Dim, SymDim, product
from wherry.ir.infer import Shape, axis_in
from wherry.ir.ops.creation import scalar_array
from wherry.ir.ops.shape import permutation
from wherry.ir.ops.slices import Range, ranges, sliced_shape
from wherry.ir.rules import axes_in, to_list

from ..builder import KernelBuilder
from ..index import Index
from ..math import storage_type
from ..operand import Operand
from .registry import lowers

Stride: TypeAlias = Any  # a Dim, or a register where broadcasting is decided at the call
TILE = 32


@dataclass(frozen=True)
class View:
    """Part of an operand: the element at index i is at start + sum(i * strides)."""

    operand: Operand
    start: Stride
    strides: tuple[Stride, ...]


def dense(shape: Shape) -> tuple[Dim, ...]:
    """The strides of a C-contiguous tensor."""
    return tuple(product(shape[axis + 1 :]) for axis in range(len(shape)))


def whole(operand: Operand) -> View:
    return View(operand, 0, dense(operand.shape))


def register(kb: KernelBuilder, stride: Stride) -> Index:
    """A stride as an index."""
    return kb.dim(stride) if isinstance(stride, SymDim) else stride


@contextmanager
def loops(kb: KernelBuilder, sizes: Sequence[Stride], plain: bool = False) -> Iterator[list[Index]]:
    """A loop for each size, the last one innermost; gives the indices."""
    if not sizes:
        yield []
        return
    first = kb.loop(register(kb, sizes[0]), plain=plain)
    with first as i, loops(kb, sizes[1:], plain) as rest:
        yield [i, *rest]


def unravel(kb: KernelBuilder, flat: Index, shape: Shape) -> list[Index]:
    """The index of an element of the shape from its number; for no axes nothing."""
    found: list[Index] = []
    if not shape:
        return found
    for size in reversed(shape[1:]):
        found.insert(0, kb.rem(flat, kb.dim(size)))
        flat = kb.div(flat, kb.dim(size))
    return [flat, *found]


def copy(kb: KernelBuilder, source: View, target: View, sizes: Sequence[Dim]) -> None:
    """target[i] = source[i] for each index i of `sizes`, bit by bit."""
    axes = _merged(list(zip(sizes, source.strides, target.strides, strict=True)))
    starts = register(kb, source.start), register(kb, target.start)
    operands = source.operand, target.operand
    if len(axes) > 1 and _is_one(axes[-1][2]) and not _is_one(axes[-1][1]):
        contiguous = [i for i, axis in enumerate(axes) if _is_one(axis[1])]
        if contiguous:
            _copy_transposed(kb, operands, starts, axes, contiguous[0])
            return
    with loops(kb, [size for size, _, _ in axes]) as index:
        _copy_element(kb, operands, starts, axes, index)


def _is_one(stride: Stride) -> bool:
    return isinstance(stride, int) and stride == 1


def _merged(axes: list[tuple[Dim, Stride, Stride]]) -> list[tuple[Dim, Stride, Stride]]:
    """Axes of size 1 left out, and neighbours that are one run in both views joined."""
    result: list[tuple[Dim, Stride, Stride]] = []
    for size, a, b in axes:
        if isinstance(size, int) and size == 1:
            continue
        if result and all(
            _runs_on(s, t, size) for s, t in zip(result[-1][1:], (a, b), strict=True)
        ):
            result[-1] = (result[-1][0] * size, a, b)
        else:
            result.append((size, a, b))
    return result


def _runs_on(outer: Stride, inner: Stride, size: Dim) -> bool:
    known = (int, SymDim)
    return isinstance(outer, known) and isinstance(inner, known) and bool(outer == inner * size)


def _copy_element(
    kb: KernelBuilder,
    operands: tuple[Operand, Operand],
    starts: tuple[Index, Index],
    axes: Sequence[tuple[Dim, Stride, Stride]],
    index: Sequence[Index],
) -> None:
    places = []
    for side in (0, 1):
        strides = [register(kb, axis[1 + side]) for axis in axes]
        places.append(kb.add(starts[side], kb.offset(index, strides)))
    source, target = operands
    value = kb.b.load(source.address(places[0]), typ=storage_type(source.dtype))
    kb.b.store(value, target.address(places[1]))


def _copy_transposed(
    kb: KernelBuilder,
    operands: tuple[Operand, Operand],
    starts: tuple[Index, Index],
    axes: Sequence[tuple[Dim, Stride, Stride]],
    across: int,
) -> None:
    """In square tiles of the last axis and `across`, along which the source runs: both fit L1."""
    rows, columns = register(kb, axes[across][0]), register(kb, axes[-1][0])
    others = [i for i in range(len(axes) - 1) if i != across]
    with (
        loops(kb, [axes[i][0] for i in others]) as outer,
        kb.loop(rows, 0, TILE) as top,
        kb.loop(columns, 0, TILE) as left,
        kb.loop(kb.minimum(kb.sub(rows, top), TILE)) as i,
        kb.loop(kb.minimum(kb.sub(columns, left), TILE)) as j,
    ):
        index: dict[int, Index] = dict(zip(others, outer, strict=True))
        index[across], index[len(axes) - 1] = kb.add(top, i), kb.add(left, j)
        _copy_element(kb, operands, starts, axes, [index[k] for k in range(len(axes))])


@lowers("transpose2")
def transpose(kb: KernelBuilder) -> None:
    """Out's axis i is X's axis `axis[i]`."""
    x, out = kb.input("X"), kb.output()
    strides = dense(x.shape)
    order = permutation(kb.attrs["axis"], x.ndim)
    copy(kb, View(x, 0, tuple(strides[i] for i in order)), whole(out), out.shape)


@lowers("expand_v2")
def expand(kb: KernelBuilder) -> None:
    """X read with stride 0 where it is broadcast."""
    x, out = kb.input("X"), kb.output()
    copy(kb, broadcast(x, out.shape), whole(out), out.shape)


def broadcast(x: Operand, shape: Shape) -> View:
    """x as if it had this shape; what is sure to have x's own size keeps its symbolic stride."""
    lead = len(shape) - x.ndim
    found = x.broadcast_strides(shape)
    own = dense(x.shape)
    sure = [i >= lead and x.shape[i - lead] == shape[i] for i in range(len(shape))]
    return View(x, 0, tuple(own[i - lead] if sure[i] else found[i] for i in range(len(shape))))


def sliced(x: Operand, chosen: Sequence[Range]) -> View:
    """What is selected of x, with its axes kept."""
    strides = dense(x.shape)
    start: Dim = 0
    for part, stride in zip(chosen, strides, strict=True):
        start = part.first * stride + start
    steps = tuple(part.step * stride for part, stride in zip(chosen, strides, strict=True))
    return View(x, start, steps)


@lowers("slice", "strided_slice")
def slice_(kb: KernelBuilder) -> None:
    """The selected elements in order; a decreased axis has one."""
    x, out, attrs = kb.input("Input"), kb.output(), kb.attrs
    steps = attrs.get("strides", ())
    chosen = ranges(x.shape, attrs["axes"], attrs["starts"], attrs["ends"], steps,
                    attrs["decrease_axis"])  # fmt: skip
    sizes = tuple(part.size for part in chosen)
    copy(kb, sliced(x, chosen), View(out, 0, dense(sizes)), sizes)


@lowers("set_value")
def set_value(kb: KernelBuilder) -> None:
    """A copy of Input, and over it ValueTensor, broadcast to what is selected."""
    x, value, out, attrs = kb.input("Input"), kb.input("ValueTensor"), kb.output(), kb.attrs
    chosen = ranges(x.shape, attrs["axes"], attrs["starts"], attrs["ends"], attrs["steps"],
                    attrs["decrease_axes"])  # fmt: skip
    copy(kb, whole(x), whole(out), x.shape)
    wide = iter(broadcast(value, sliced_shape(x.shape, chosen, attrs["decrease_axes"])).strides)
    gone = {axis_in(axis, x.ndim) for axis in attrs["decrease_axes"]}
    strides = tuple(0 if axis in gone else next(wide) for axis in range(x.ndim))
    copy(kb, View(value, 0, strides), sliced(out, chosen), [part.size for part in chosen])


@lowers("flip")
def flip(kb: KernelBuilder) -> None:
    """X read backwards along some axes, or none."""
    x, out, axes = kb.input("X"), kb.output(), to_list(kb.attrs["axis"])
    flipped = axes_in(axes, x.ndim) if axes else ()
    chosen = [
        Range(size - 1, size, -1) if axis in flipped else Range(0, size, 1)
        for axis, size in enumerate(x.shape)
    ]
    copy(kb, sliced(x, chosen), whole(out), out.shape)


@lowers("pad")
def pad(kb: KernelBuilder) -> None:
    """Out full of the value, then X inside."""
    x, out = kb.input("X"), kb.output()
    filler = kb.const(scalar_array(kb.attrs["pad_value"], out.dtype).item(), out.dtype)
    with kb.loop(kb.dim(out.size)) as i:
        out.store_at(filler, i)
    befores = kb.attrs["paddings"][::2]
    inside = [Range(before, size, 1) for before, size in zip(befores, x.shape, strict=True)]
    copy(kb, whole(x), sliced(out, inside), x.shape)


@lowers("concat")
def concat(kb: KernelBuilder) -> None:
    """One input after the other."""
    parts, out = kb.input_list("X"), kb.output()
    axis = axis_in(kb.attrs["axis"], out.ndim)
    start: Dim = 0
    for x in parts:
        target = View(out, start * dense(out.shape)[axis], dense(out.shape))
        copy(kb, whole(x), target, x.shape)
        start = x.shape[axis] + start
