"""conv2d and its two gradients, as products of matrices.

The right matrix of each is gathered from planes (see `unfold`). Threads share the blocks of all
products; each has planes of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape, inferring
from wherry.ir.ops.conv import Geometry, geometry
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Index, Value
from ..lanes import Lanes, Place
from ..nest import unravel
from ..operand import Operand
from .panels import sum_dtype
from .product import Left, Product, Right, scratch_bytes
from .registry import lowers, lowers_head
from .unfold import Gather, Planes, fill_zeros, times

# Into so many parts at most the columns of a filter's gradient are cut: each fills the planes.
_PARTS = 4


def _geometry(op: OpDesc, sizes: Shape, kernel: Shape) -> Geometry:
    with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
        return geometry(sizes, kernel, op.attrs)


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
    planes = Gather(kb, _padded(x.shape, place), depth, x.dtype)
    padded = any(side != 0 for pads in place.pads for side in pads)
    in_place = not padded and planes.can_read(x)

    def row(c: Index, i: Index, j: Index) -> Index:
        return planes.at(c, *times(kb, (i, j), place.dilations))

    def column(j: Index) -> Index:
        return planes.at(0, *times(kb, unravel(kb, j, sizes), place.strides))

    def product_of(number: Index) -> Product:
        image, group = _image_and_group(kb, number, place)

        def store(i: Index, j: Index, sums: Value, chosen: Lanes) -> None:
            channel = kb.add(kb.mul(group, kb.dim(rows)), i)
            surface.store(sums, planes.dtype, (image, channel, j), chosen)

        source = kb.mul(number, _group_size(kb, x, place))
        own = planes.over(x, source) if in_place else planes
        return Product(
            kb, kb.dim(rows), kb.dim(pixels), 1, kb.dim(depth),
            Left(w, kb.mul(group, kb.dim(rows * depth)), kb.dim(depth), 0, 1),
            Right(own.packer(column, row, w.shape[1:], kb.dim(pixels))), store, result.is_long,
        )  # fmt: skip

    def fill(number: Index) -> None:
        planes.fill_padded(x, kb.mul(number, _group_size(kb, x, place)), place)

    _each_block(kb, x.shape[0], place, product_of, None if in_place else fill)


@lowers_head("conv2d_input_grad", scratch=_input_grad_scratch)
def input_grad(kb: KernelBuilder, result: Result) -> None:
    """out[c, p] = filter[c, (o, tap)] times the spread gradient's windows, taps in reverse.

    It is the convolution of a `conv2d_transpose` too.
    """
    w, g, sizes = kb.input("Filter"), kb.input("Grad"), result.shape[2:]
    place = _geometry(kb.op, sizes, w.shape[2:])
    taps, pixels = product(w.shape[2:]), product(sizes)
    outputs, channels = w.shape[0] // place.groups, w.shape[1]
    surface = result.over(1, 1, 2)
    planes = Gather(kb, _spread(w.shape, place), outputs * taps, g.dtype)

    def column(j: Index) -> Index:
        return planes.at(0, *unravel(kb, j, sizes))

    def row(o: Index, i: Index, j: Index) -> Index:
        back = (kb.sub(k - 1, tap) for k, tap in zip(place.kernel, (i, j), strict=True))
        return planes.at(o, *times(kb, tuple(back), place.dilations))

    def product_of(number: Index) -> Product:
        image, group = _image_and_group(kb, number, place)
        base = kb.mul(group, kb.dim(outputs * channels * taps))

        def store(i: Index, j: Index, sums: Value, chosen: Lanes) -> None:
            channel = kb.add(kb.mul(group, kb.dim(channels)), i)
            surface.store(sums, planes.dtype, (image, channel, j), chosen)

        return Product(
            kb, kb.dim(channels), kb.dim(pixels), kb.dim(outputs), kb.dim(taps),
            Left(w, base, kb.dim(taps), kb.dim(channels * taps), 1),
            Right(planes.packer(column, row, (outputs, *w.shape[2:]), kb.dim(pixels))),
            store, result.is_long,
        )  # fmt: skip

    def fill(number: Index) -> None:
        planes.fill_spread(g, kb.mul(number, kb.dim(outputs * product(g.shape[2:]))), place)

    _each_block(kb, result.shape[0], place, product_of, fill)


@lowers("conv2d_filter_grad", scratch=_filter_grad_scratch)
def filter_grad(kb: KernelBuilder) -> None:
    """out[o, (c, tap)] += grad[o, p] times windows[p, (c, tap)], image by image."""
    x, g, out = kb.input("Input"), kb.input("Grad"), kb.output()
    place = _geometry(kb.op, x.shape[2:], out.shape[2:])
    pixels, columns = product(g.shape[2:]), product(out.shape[1:])
    rows, images = out.shape[0] // place.groups, kb.dim(x.shape[0])
    planes = Gather(kb, _padded(x.shape, place), pixels, x.dtype)
    totals = out if sum_dtype(out.dtype) is out.dtype else planes.rest(out.shape)

    def column(j: Index) -> Index:
        c, i, k = unravel(kb, j, out.shape[1:])
        return planes.at(c, *times(kb, (i, k), place.dilations))

    def row(i: Index, j: Index) -> Index:
        return planes.at(0, *times(kb, (i, j), place.strides))

    def product_of(image: Index, group: Index) -> Product:
        first = kb.mul(group, kb.dim(rows * columns))
        sums, result = (_Matrix(kb, to, first, kb.dim(columns)) for to in (totals, out))

        def store(i: Index, j: Index, found: Value, chosen: Lanes) -> None:
            total = sums.add(i, j, found, chosen, kb.lt(0, image))
            if totals is not out:
                result.store(i, j, total, chosen)

        number = kb.add(kb.mul(image, place.groups), group)
        return Product(
            kb, kb.dim(rows), kb.dim(columns), 1, kb.dim(pixels),
            Left(g, kb.mul(number, kb.dim(rows * pixels)), kb.dim(pixels), 0, 1),
            Right(planes.packer(column, row, g.shape[2:], kb.dim(columns))), store,
        )  # fmt: skip

    blocks = product_of(0, 0).blocks
    parts = kb.minimum(blocks, _PARTS)
    with kb.parallel(kb.mul(place.groups, parts)) as number:
        group, part = kb.div(number, parts), kb.rem(number, parts)
        first, stop = (kb.div(kb.mul(blocks, kb.add(part, i)), parts) for i in (0, 1))
        if not isinstance(images, int) or images == 0:
            with kb.when(kb.b.and_(kb.eq(images, 0), kb.eq(number, 0))):
                fill_zeros(kb, out)
        with kb.loop(images) as image:
            at = kb.add(kb.mul(image, place.groups), group)
            planes.fill_padded(x, kb.mul(at, _group_size(kb, x, place)), place)
            with kb.loop(stop, first) as block:
                product_of(image, group).emit_block(block)


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

    def add(self, i: Index, j: Index, sums: Value, chosen: Lanes, more: Value) -> Value:
        """Add to what is there, to zeros unless the i1 says that there is something; the totals."""
        there = chosen.load(self.operand, self._place(i, j), 1)
        before = self.kb.b.select(more, there.value, ir.Constant(sums.type, None))
        scalars = chosen.scalars
        total = scalars.wrap(before, there.dtype) + scalars.wrap(sums, there.dtype)
        chosen.store(self.operand, total, self._place(i, j), 1)
        return total.value


def _each_block(
    kb: KernelBuilder,
    images: Dim,
    place: Geometry,
    product_of: Callable[[Index], Product],
    fill: Callable[[Index], None] | None,
) -> None:
    """The blocks of the products of all images' groups, which are numbered in this order.

    `fill` makes the planes of a group ready, in the working memory of each thread that needs them.
    """
    blocks = product_of(0).blocks
    wholes = kb.mul(kb.dim(images), place.groups)
    with kb.parallel_parts(wholes, blocks) as (number, block, begins):
        if fill is not None:
            with kb.when(begins):
                fill(number)
        product_of(number).emit_block(block)


def _image_and_group(kb: KernelBuilder, number: Index, place: Geometry) -> tuple[Index, Index]:
    return kb.div(number, place.groups), kb.rem(number, place.groups)


def _group_size(kb: KernelBuilder, x: Operand, place: Geometry) -> Index:
    """Elements of one group of one image."""
    return kb.dim(product(x.shape[1:]) // place.groups)
