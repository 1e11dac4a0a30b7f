"""conv2d and its two gradients, as products of matrices.

The right matrix of each is gathered from planes that hold their padding, so that nothing is checked
while gathering: element (k, j) is at `column(j) + row(k)`, counted in elements of the planes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape, inferring
from wherry.ir.ops.conv import Geometry, geometry
from wherry.ir.program import OpDesc
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, int64

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Index, Value, i64
from ..lanes import Lanes, Place
from ..nest import unravel
from ..operand import Operand
from .move import dense, loops
from .panels import Slots, lanes, sum_dtype
from .product import Left, Product, Right, scratch_bytes
from .registry import lowers, lowers_head


def _geometry(op: OpDesc, sizes: Shape, kernel: Shape) -> Geometry:
    with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
        return geometry(sizes, kernel, op.attrs)


@dataclass(frozen=True)
class Planes:
    """Working memory [channels, height, width] that a convolution gathers from."""

    channels: Dim
    height: Dim
    width: Dim

    @property
    def size(self) -> Dim:
        return product([self.channels, self.height, self.width])


def _padded(x: Shape, place: Geometry) -> Planes:
    """The planes of one group of the input, with the padding around."""
    (top, bottom), (left, right) = place.pads
    return Planes(x[1] // place.groups, x[2] + (top + bottom), x[3] + (left + right))


def _spread(w: Shape, place: Geometry) -> Planes:
    """The planes of one group of the output's gradient, spread out for the input's gradient.

    The element of window o lies at o * stride - pad + span, where span = dilation * (kernel - 1).
    """
    height, width = (
        size + (k - 1) * d
        for size, k, d in zip(place.sizes, place.kernel, place.dilations, strict=True)
    )
    return Planes(w[0] // place.groups, height, width)


# -- working memory --------------------------------------------------------------------------------


def _shape(op: OpDesc, slot: str) -> Shape:
    var = op.input(slot)
    assert var is not None
    return var.shape


def _bytes(dtype: DType, depth: Dim, planes: Planes, more: Dim = 0) -> Dim:
    """The memory of a product of this depth, the planes, and `more` numbers."""
    size = sum_dtype(dtype).itemsize
    return scratch_bytes(depth, dtype) + (planes.size + more) * size


def _forward_scratch(op: OpDesc) -> Dim:
    x, w = _shape(op, "Input"), _shape(op, "Filter")
    place = _geometry(op, x[2:], w[2:])
    return _bytes(op.out_vars[0].dtype, product(w[1:]), _padded(x, place))


def _input_grad_scratch(op: OpDesc) -> Dim:
    w, out = _shape(op, "Filter"), op.out_vars[0]
    place = _geometry(op, out.shape[2:], w[2:])
    depth = w[0] // place.groups * product(w[2:])
    return _bytes(out.dtype, depth, _spread(w, place))


def _filter_grad_scratch(op: OpDesc) -> Dim:
    x, g, out = _shape(op, "Input"), _shape(op, "Grad"), op.out_vars[0]
    place = _geometry(op, x[2:], out.shape[2:])
    totals = 0 if sum_dtype(out.dtype) is out.dtype else product(out.shape)
    return _bytes(out.dtype, product(g[2:]), _padded(x, place), totals)


# -- the three -------------------------------------------------------------------------------------


@lowers_head("conv2d", scratch=_forward_scratch)
def conv2d(kb: KernelBuilder, result: Result) -> None:
    """out[o, p] = filter[o, (c, tap)] times windows[(c, tap), p], for each image and group."""
    x, w = kb.input("Input"), kb.input("Filter")
    place = _geometry(kb.op, x.shape[2:], w.shape[2:])
    depth, sizes = product(w.shape[1:]), result.shape[2:]
    rows, pixels = w.shape[0] // place.groups, product(sizes)
    surface = result.over(1, 1, 2)
    with _images_and_groups(kb, x.shape[0], place) as (image, group):
        planes = _Gather(kb, _padded(x.shape, place), depth, x.dtype)
        source = kb.mul(kb.add(kb.mul(image, place.groups), group), _group_size(kb, x, place))
        if not any(any(side != 0 for side in pads) for pads in place.pads) and planes.can_read(x):
            planes = planes.over(x, source)
        else:
            planes.fill_padded(x, source, place)

        def column(j: Index) -> Index:
            return planes.at(0, *_times(kb, unravel(kb, j, sizes), place.strides))

        def row(c: Index, i: Index, j: Index) -> Index:
            return planes.at(c, *_times(kb, (i, j), place.dilations))

        def store(i: Index, j: Index, sums: Value, chosen: Lanes) -> None:
            channel = kb.add(kb.mul(group, kb.dim(rows)), i)
            surface.store(sums, planes.dtype, (image, channel, j), chosen)

        base = kb.mul(group, kb.dim(rows * depth))
        Product(
            kb, kb.dim(rows), kb.dim(pixels), 1, kb.dim(depth),
            Left(w, base, kb.dim(depth), 0, 1),
            Right(planes.packer(column, row, w.shape[1:], kb.dim(pixels))),
            store, result.is_long,
        ).emit()  # fmt: skip


@lowers("conv2d_input_grad", scratch=_input_grad_scratch)
def input_grad(kb: KernelBuilder) -> None:
    """out[c, p] = filter[c, (o, tap)] times the spread gradient's windows, taps in reverse."""
    w, g, out = kb.input("Filter"), kb.input("Grad"), kb.output()
    place = _geometry(kb.op, out.shape[2:], w.shape[2:])
    taps, pixels = product(w.shape[2:]), product(out.shape[2:])
    outputs, channels = w.shape[0] // place.groups, w.shape[1]
    with _images_and_groups(kb, out.shape[0], place) as (image, group):
        planes = _Gather(kb, _spread(w.shape, place), outputs * taps, g.dtype)
        number = kb.add(kb.mul(image, place.groups), group)
        planes.fill_spread(g, kb.mul(number, kb.dim(outputs * product(g.shape[2:]))), place)

        def column(j: Index) -> Index:
            return planes.at(0, *unravel(kb, j, out.shape[2:]))

        def row(o: Index, i: Index, j: Index) -> Index:
            back = (kb.sub(k - 1, tap) for k, tap in zip(place.kernel, (i, j), strict=True))
            return planes.at(o, *_times(kb, tuple(back), place.dilations))

        base = kb.mul(group, kb.dim(outputs * channels * taps))
        Product(
            kb, kb.dim(channels), kb.dim(pixels), kb.dim(outputs), kb.dim(taps),
            Left(w, base, kb.dim(taps), kb.dim(channels * taps), 1),
            Right(planes.packer(column, row, (outputs, *w.shape[2:]), kb.dim(pixels))),
            _Matrix(kb, out, kb.mul(number, kb.dim(channels * pixels)), kb.dim(pixels)).store,
        ).emit()  # fmt: skip


@lowers("conv2d_filter_grad", scratch=_filter_grad_scratch)
def filter_grad(kb: KernelBuilder) -> None:
    """out[o, (c, tap)] += grad[o, p] times windows[p, (c, tap)], image by image."""
    x, g, out = kb.input("Input"), kb.input("Grad"), kb.output()
    place = _geometry(kb.op, x.shape[2:], out.shape[2:])
    pixels, columns = product(g.shape[2:]), product(out.shape[1:])
    rows = out.shape[0] // place.groups
    planes = _Gather(kb, _padded(x.shape, place), pixels, x.dtype)
    totals = out if sum_dtype(out.dtype) is out.dtype else planes.rest(out.shape)
    _fill(kb, totals)
    with _images_and_groups(kb, x.shape[0], place) as (image, group):
        number = kb.add(kb.mul(image, place.groups), group)
        planes.fill_padded(x, kb.mul(number, _group_size(kb, x, place)), place)

        def column(j: Index) -> Index:
            c, i, k = unravel(kb, j, out.shape[1:])
            return planes.at(c, *_times(kb, (i, k), place.dilations))

        def row(i: Index, j: Index) -> Index:
            return planes.at(0, *_times(kb, (i, j), place.strides))

        Product(
            kb, kb.dim(rows), kb.dim(columns), 1, kb.dim(pixels),
            Left(g, kb.mul(number, kb.dim(rows * pixels)), kb.dim(pixels), 0, 1),
            Right(planes.packer(column, row, g.shape[2:], kb.dim(columns))),
            _Matrix(kb, totals, kb.mul(group, kb.dim(rows * columns)), kb.dim(columns)).add,
        ).emit()  # fmt: skip
    if totals is not out:
        with kb.loop(kb.dim(out.size)) as i:
            out.store_at(kb.scalars.cast(totals.load_at(i), out.dtype), i)


@dataclass(frozen=True)
class _Matrix:
    """A matrix of results: (i, j) at base + i * row + j."""

    kb: KernelBuilder
    operand: Operand
    base: Index
    row: Index

    def _place(self, i: Index, j: Index) -> Place:
        start = self.kb.add(self.kb.add(self.base, self.kb.mul(i, self.row)), j)
        return lambda lane: self.kb.add(start, lane)

    def store(self, i: Index, j: Index, sums: Value, chosen: Lanes) -> None:
        total = chosen.scalars.wrap(sums, sum_dtype(self.operand.dtype))
        value = chosen.scalars.cast(total, self.operand.dtype)
        chosen.store(self.operand, value, self._place(i, j), 1)

    def add(self, i: Index, j: Index, sums: Value, chosen: Lanes) -> None:
        before = chosen.load(self.operand, self._place(i, j), 1)
        total = before + chosen.scalars.wrap(sums, before.dtype)
        chosen.store(self.operand, total, self._place(i, j), 1)


@contextmanager
def _images_and_groups(
    kb: KernelBuilder, images: Dim, place: Geometry
) -> Iterator[tuple[Index, Index]]:
    with kb.loop(kb.dim(images)) as image, kb.loop(place.groups) as group:
        yield image, group


def _group_size(kb: KernelBuilder, x: Operand, place: Geometry) -> Index:
    """Elements of one group of one image."""
    return kb.dim(product(x.shape[1:]) // place.groups)


def _times(kb: KernelBuilder, index: Sequence[Index], factors: Sequence[int]) -> list[Index]:
    return [kb.mul(i, factor) for i, factor in zip(index, factors, strict=True)]


def _fill(kb: KernelBuilder, operand: Operand) -> None:
    """Zeros everywhere."""
    with kb.loop(kb.dim(operand.size)) as i:
        operand.store_at(kb.const(0, operand.dtype), i)


class _Gather:
    """The planes in scratch memory behind the panel, and the packing of panels from them."""

    def __init__(self, kb: KernelBuilder, planes: Planes, depth: Dim, dtype: DType) -> None:
        assert kb.scratch is not None
        self.kb, self.planes, self.dtype = kb, planes, sum_dtype(dtype)
        shape = (planes.channels, planes.height, planes.width)
        memory = Operand(kb, kb.scratch, self.dtype, ())
        behind = scratch_bytes(depth, dtype) // self.dtype.itemsize
        self.buffer = Operand(kb, memory.address(kb.dim(behind)), self.dtype, shape)
        self.base: Index = 0

    def can_read(self, x: Operand) -> bool:
        """Whether the operand's own memory serves as the planes."""
        return x.dtype is self.dtype

    def over(self, x: Operand, base: Index) -> _Gather:
        """The same, gathering from an operand that needs no padding."""
        self.buffer, self.base = x, base
        return self

    def rest(self, shape: Shape) -> Operand:
        """The memory behind the planes."""
        place = self.buffer.address(self.kb.dim(self.planes.size))
        return Operand(self.kb, place, self.dtype, shape)

    def at(self, channel: Index, y: Index, x: Index) -> Index:
        """The place of an element of the planes."""
        kb, width = self.kb, self.kb.dim(self.planes.width)
        row = kb.add(kb.mul(channel, kb.dim(self.planes.height)), y)
        return kb.add(kb.mul(row, width), x)

    def fill_padded(self, x: Operand, source: Index, place: Geometry) -> None:
        """The input's planes with zeros around them."""
        kb = self.kb
        top, left = kb.dim(place.pads[0][0]), kb.dim(place.pads[1][0])
        _fill(kb, self.buffer)
        with loops(kb, [self.planes.channels, x.shape[2], x.shape[3]]) as (c, i, j):
            value = x.load_at(kb.add(source, kb.offset((c, i, j), x.strides[1:])))
            self._put(value, self.at(c, kb.add(i, top), kb.add(j, left)))

    def fill_spread(self, g: Operand, source: Index, place: Geometry) -> None:
        """The gradient's elements where the windows' last taps lie, zeros between them."""
        kb = self.kb
        _fill(kb, self.buffer)
        shifts = [
            kb.dim((k - 1) * d - before)
            for k, d, (before, _) in zip(place.kernel, place.dilations, place.pads, strict=True)
        ]
        sizes = kb.dim(self.planes.height), kb.dim(self.planes.width)
        with loops(kb, [self.planes.channels, g.shape[2], g.shape[3]]) as (c, i, j):
            there = _times(kb, (i, j), place.strides)
            y, x = (kb.add(t, shift) for t, shift in zip(there, shifts, strict=True))
            inside = kb.b.and_(self._within(y, sizes[0]), self._within(x, sizes[1]))
            with kb.when(inside):
                value = g.load_at(kb.add(source, kb.offset((c, i, j), g.strides[1:])))
                self._put(value, self.at(c, y, x))

    def _within(self, index: Index, size: Index) -> Index:
        """0 <= index < size, as an i1."""
        kb = self.kb
        return kb.b.and_(kb.compare(">=", index, 0), kb.lt(index, size))

    def _put(self, value: Scalar, at: Index) -> None:
        self.buffer.store_at(self.kb.scalars.cast(value, self.dtype), at)

    def packer(
        self,
        column: Callable[[Index], Index],
        row: Callable[..., Index],
        depth: Shape,
        columns: Index,
    ) -> Callable[[Index, Index, Slots], None]:
        """The function that packs a panel: rows run over `depth`, columns over numbers."""
        kb = self.kb

        def pack(start: Index, count: Index, panel: Operand) -> None:
            width = panel.shape[1]
            assert isinstance(width, int)
            vector = lanes(kb.machine, self.dtype)
            places = kb.buffer(int64, width)
            last = kb.sub(columns, 1)
            # The places are soon found beside a deep panel; beside a shallow one they take time.
            shallow = isinstance(size := product(depth), int) and size <= 32
            with kb.loop(width, plain=not shallow) as j:
                # Beyond the last column the last one is read again: what it gives is not stored.
                at = column(kb.minimum(kb.add(start, j), last))
                places.store_at(kb.scalar(i64(at), int64), j)
            taken = [kb.as_index(places.load_at(j)) for j in range(width)]

            def run(line: Index, to: Index) -> None:
                for u in range(0, width, vector):
                    at = kb.add(kb.add(line, taken[0]), u)
                    panel.store_vector(self.buffer.load_vector(at, vector), kb.add(to, u))

            def gather(line: Index, to: Index) -> None:
                for j, place in enumerate(taken):
                    panel.store_at(self.buffer.load_at(kb.add(line, place)), kb.add(to, j))

            def rows(fill: Callable[[Index, Index], None]) -> None:
                strides = [kb.dim(stride) for stride in dense(depth)]
                with loops(kb, depth, plain=True) as index:
                    k = kb.offset(index, strides)
                    fill(kb.add(self.base, row(*index)), kb.mul(k, width))

            # The places of a full panel ascend, so that this span leaves no gap.
            dense_run = kb.eq(kb.sub(taken[-1], taken[0]), width - 1)
            full = kb.eq(count, width)
            kb.either(kb.b.and_(dense_run, full), lambda: rows(run), lambda: rows(gather))

        return _all(kb, pack)


def _all(
    kb: KernelBuilder, pack: Callable[[Index, Index, Operand], None]
) -> Callable[[Index, Index, Slots], None]:
    """The function that packs panels out of the one that packs a panel."""

    def fill(start: Index, count: Index, slots: Slots) -> None:
        with kb.loop(count, 0, slots.width) as j:
            number = kb.minimum(kb.sub(count, j), slots.width)
            pack(kb.add(start, j), number, slots.panel(kb.div(j, slots.width)))

    return fill
