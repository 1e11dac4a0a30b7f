"""Planes that hold their padding, and panels of a product that are gathered from their windows.

Element (k, j) of the right matrix is at `column(j) + row(k)`, counted in elements of the planes, so
that nothing is checked while gathering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape
from wherry.ir.ops.conv import Geometry
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, int64

from ..builder import KernelBuilder
from ..index import Index, i64
from ..operand import Operand
from .move import dense, loops
from .panels import Slots, lanes, sum_dtype
from .product import scratch_bytes


@dataclass(frozen=True)
class Planes:
    """Working memory [channels, height, width] that a convolution gathers from."""

    channels: Dim
    height: Dim
    width: Dim

    @property
    def size(self) -> Dim:
        return product([self.channels, self.height, self.width])


def times(kb: KernelBuilder, index: Sequence[Index], factors: Sequence[int]) -> list[Index]:
    return [kb.mul(i, factor) for i, factor in zip(index, factors, strict=True)]


def fill_zeros(kb: KernelBuilder, operand: Operand) -> None:
    """Zeros everywhere."""
    with kb.loop(kb.dim(operand.size)) as i:
        operand.store_at(kb.const(0, operand.dtype), i)


class Gather:
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

    def over(self, x: Operand, base: Index) -> Gather:
        """The same, gathering from an operand that needs no padding."""
        other = copy(self)
        other.buffer, other.base = x, base
        return other

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
        fill_zeros(kb, self.buffer)
        with loops(kb, [self.planes.channels, x.shape[2], x.shape[3]]) as (c, i, j):
            value = x.load_at(kb.add(source, kb.offset((c, i, j), x.strides[1:])))
            self._put(value, self.at(c, kb.add(i, top), kb.add(j, left)))

    def fill_spread(self, g: Operand, source: Index, place: Geometry) -> None:
        """The gradient's elements where the windows' last taps lie, zeros between them."""
        kb = self.kb
        fill_zeros(kb, self.buffer)
        shifts = [
            kb.dim((k - 1) * d - before)
            for k, d, (before, _) in zip(place.kernel, place.dilations, place.pads, strict=True)
        ]
        sizes = kb.dim(self.planes.height), kb.dim(self.planes.width)
        with loops(kb, [self.planes.channels, g.shape[2], g.shape[3]]) as (c, i, j):
            there = times(kb, (i, j), place.strides)
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
