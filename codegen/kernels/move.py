"""Data movement: every op here copies one strided view onto another.

A view is an operand, the place of its first element and a stride per axis, all in elements. The
copy merges axes that are one run in both views, so that most of these ops end as copies of runs, or
as transpositions of tiles in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from llvmlite import ir

from wherry.ir.dims import Dim, SymDim, product
from wherry.ir.infer import Shape, axis_in
from wherry.ir.opdef import get_op
from wherry.ir.ops.creation import scalar_array
from wherry.ir.ops.shape import permutation
from wherry.ir.ops.slices import Range, ranges, sliced_shape
from wherry.ir.program import OpDesc
from wherry.ir.rules import axes_in, to_list

from ..builder import KernelBuilder
from ..index import I1, I64, POINTER, Index, i64
from ..math import storage_type
from ..nest import rounds, runs
from ..operand import Operand
from .registry import lowers
from .tiling import transpose as transpose_square

Stride: TypeAlias = Any  # a Dim, or a register where broadcasting is decided at the call
# Rows and columns of a rectangle that is transposed at a time.
BLOCK = 64


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


def copy(
    kb: KernelBuilder, source: View, target: View, sizes: Sequence[Dim], parallel: bool = False
) -> None:
    """target[i] = source[i] for each index i of `sizes`, bit by bit.

    With `parallel` it is the kernel's one parallel loop.
    """
    axes = _merged(list(zip(sizes, source.strides, target.strides, strict=True)))
    starts = register(kb, source.start), register(kb, target.start)
    strided = _Copy(kb, (source.operand, target.operand), starts, axes, parallel)
    contiguous = [i for i, axis in enumerate(axes) if _is_one(axis[1])]
    if not axes or not _is_one(axes[-1][2]) or not contiguous:
        strided.elements()
    elif contiguous[-1] == len(axes) - 1:
        strided.runs()
    else:
        strided.transposed(contiguous[0])


def copy_run(
    kb: KernelBuilder, source: Operand, first: Index, target: Operand, start: Index, count: Index
) -> None:
    """Copy `count` neighbouring elements; LLVM writes out what is short and known."""
    name = "llvm.memcpy.p0.p0.i64"
    module = kb.function.module
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I1])
    function = module.globals.get(name) or ir.Function(module, kind, name)
    size = i64(kb.mul(count, source.dtype.itemsize))
    places = target.address(start), source.address(first)
    kb.b.call(function, [*places, size, ir.Constant(I1, 0)])


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


@dataclass(frozen=True)
class _Copy:
    """A copy over merged axes (size, stride in the source, stride in the target)."""

    kb: KernelBuilder
    operands: tuple[Operand, Operand]
    starts: tuple[Index, Index]
    axes: Sequence[tuple[Dim, Stride, Stride]]
    parallel: bool

    def places(self, index: Sequence[Index]) -> tuple[Index, Index]:
        """Where the element at an index is in the source and in the target."""
        kb, (first, start) = self.kb, self.starts
        strides = [[register(kb, axis[1 + side]) for axis in self.axes] for side in (0, 1)]
        own, other = (kb.offset(index, side) for side in strides)
        return kb.add(first, own), kb.add(start, other)

    def element(self, index: Sequence[Index]) -> None:
        source, target = self.operands
        first, start = self.places(index)
        value = self.kb.b.load(source.address(first), typ=storage_type(source.dtype))
        self.kb.b.store(value, target.address(start))

    def elements(self) -> None:
        """One by one; LLVM makes vectors of it where it can."""
        sizes = [axis[0] for axis in self.axes]
        if not sizes:
            self.element([])
            return
        with (
            runs(self.kb, sizes, self.parallel) as (index, start, stop, _),
            self.kb.loop(stop, start) as i,
        ):
            self.element([*index, i])

    def runs(self) -> None:
        """The last axis is a run on both sides."""
        with runs(self.kb, [axis[0] for axis in self.axes], self.parallel) as (index, i, stop, _):
            first, start = self.places([*index, i])
            copy_run(
                self.kb, self.operands[0], first, self.operands[1], start, self.kb.sub(stop, i)
            )

    def transposed(self, across: int) -> None:
        """The source runs along the axis `across`: in square tiles of that and the last one."""
        kb, last = self.kb, len(self.axes) - 1
        others = [i for i in range(last) if i != across]
        rows, columns = kb.dim(self.axes[across][0]), kb.dim(self.axes[last][0])
        sizes = [*(self.axes[i][0] for i in others), (self.axes[across][0] + (BLOCK - 1)) // BLOCK]
        with rounds(kb, sizes, self.parallel) as (*outer, block):
            index: list[Index] = [0] * (last + 1)
            for axis, i in zip(others, outer, strict=True):
                index[axis] = i
            top = kb.mul(block, BLOCK)
            bottom = kb.minimum(kb.add(top, BLOCK), rows)
            with kb.loop(columns, 0, BLOCK, plain=True) as left:
                right = kb.minimum(kb.add(left, BLOCK), columns)
                _Block(self, across, index).emit(top, bottom, left, right)


@dataclass(frozen=True)
class _Block:
    """A rectangle of a transposition that fits into L1; `index` is that of the other axes."""

    whole: _Copy
    across: int
    index: Sequence[Index]

    @property
    def width(self) -> int:
        """Rows and columns of a tile, which is transposed in registers."""
        kb, dtype = self.whole.kb, self.whole.operands[0].dtype
        return min(kb.machine.lanes(dtype), 16)

    def at(self, i: Index, j: Index) -> list[Index]:
        index = list(self.index)
        index[self.across], index[-1] = i, j
        return index

    def emit(self, top: Index, bottom: Index, left: Index, right: Index) -> None:
        kb, width = self.whole.kb, self.width
        low = kb.sub(bottom, kb.rem(kb.sub(bottom, top), width))
        end = kb.sub(right, kb.rem(kb.sub(right, left), width))
        with kb.loop(low, top, width, plain=True) as i, kb.loop(end, left, width, plain=True) as j:
            self.tile(i, j)
        for rows, columns in (((top, low), (end, right)), ((low, bottom), (left, right))):
            with (
                kb.loop(rows[1], rows[0], plain=True) as i,
                kb.loop(columns[1], columns[0], plain=True) as j,
            ):
                self.whole.element(self.at(i, j))

    def tile(self, i: Index, j: Index) -> None:
        kb, (source, target), width = self.whole.kb, self.whole.operands, self.width
        rows = []
        for column in range(width):
            place, _ = self.whole.places(self.at(i, kb.add(j, column)))
            rows.append(source.load_vector(place, width))
        for row, vector in enumerate(transpose_square(kb, rows)):
            _, place = self.whole.places(self.at(kb.add(i, row), j))
            target.store_vector(vector, place)


@lowers("transpose2")
def transpose(kb: KernelBuilder) -> None:
    """Out's axis i is X's axis `axis[i]`."""
    x, out = kb.input("X"), kb.output()
    strides = dense(x.shape)
    order = permutation(kb.attrs["axis"], x.ndim)
    copy(kb, View(x, 0, tuple(strides[i] for i in order)), whole(out), out.shape, parallel=True)


@lowers("expand_v2")
def expand(kb: KernelBuilder) -> None:
    """X read with stride 0 where it is broadcast."""
    x, out = kb.input("X"), kb.output()
    copy(kb, broadcast(x, out.shape), whole(out), out.shape, parallel=True)


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


def _chosen(op: OpDesc) -> list[Range]:
    """What a slice selects along each axis."""
    attrs = get_op(op.type).bind(op.attrs)
    steps = attrs.get("strides", ())
    shape = op.inputs["Input"][0].shape
    return ranges(
        shape, attrs["axes"], attrs["starts"], attrs["ends"], steps, attrs["decrease_axis"]
    )


def _from_the_front(op: OpDesc) -> tuple[OpDesc, Dim]:
    """A slice as one from the front of what begins at its first element."""
    x, axes = op.inputs["Input"][0], op.attrs["axes"]
    chosen = _chosen(op)
    taken = [chosen[axis_in(axis, x.ndim)] for axis in axes]
    if not all(isinstance(part.first, int) and isinstance(part.size, int) for part in taken):
        return op, 0
    first = sum(
        (part.first * stride for part, stride in zip(chosen, dense(x.shape), strict=True)), 0
    )
    front = {"starts": [0] * len(axes), "ends": [part.size for part in taken]}
    return replace(op, attrs=op.attrs | front), first


@lowers("strided_slice")
@lowers("slice", placed=_from_the_front)
def slice_(kb: KernelBuilder) -> None:
    """The selected elements in order; a decreased axis has one."""
    x, out = kb.input("Input"), kb.output()
    chosen = _chosen(kb.op)
    sizes = tuple(part.size for part in chosen)
    copy(kb, sliced(x, chosen), View(out, 0, dense(sizes)), sizes, parallel=True)


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
    copy(kb, sliced(x, chosen), whole(out), out.shape, parallel=True)


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
    """One input after the other, in each of the rows before the axis."""
    parts, out = kb.input_list("X"), kb.output()
    axis = axis_in(kb.attrs["axis"], out.ndim)
    sizes = [kb.dim(product(x.shape[axis:])) for x in parts]
    size = kb.dim(product(out.shape[axis:]))
    with kb.parallel(kb.dim(product(out.shape[:axis]))) as row:
        start = kb.mul(row, size)
        for x, count in zip(parts, sizes, strict=True):
            copy_run(kb, x, kb.mul(row, count), out, start, count)
            start = kb.add(start, count)
