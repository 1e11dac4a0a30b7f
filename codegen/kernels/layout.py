"""Images and filters into blocks of 16 channels and back, and planes with zeros around."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.infer import Shape
from wherry.ir.ops.blocked import BLOCK
from wherry.ir.ops.window import as_ints

from ..builder import KernelBuilder
from ..index import Index, Value
from ..lanes import Lanes
from ..math import storage_type
from ..operand import Operand
from .registry import lowers
from .tiling import Row, transpose

Span = Callable[[Index, int], None]


def _lanes(kb: KernelBuilder, operand: Operand) -> int:
    return min(kb.machine.lanes(operand.dtype), BLOCK)


def _vectors(kb: KernelBuilder, operand: Operand, count: Dim, body: Span) -> None:
    """`body(offset, width)` for vectors that cover so many elements."""
    row = Row.halves(kb, count, kb.machine.lanes(operand.dtype))
    for run in row.runs:
        with row.each(run, 0, row.tiles) as at:
            body(at, run.size)


class Frame:
    """Planes of `sizes` with `paddings` in them, of `lane` numbers a pixel; written by lines."""

    def __init__(
        self, kb: KernelBuilder, out: Operand, sizes: Shape, paddings: Sequence[Dim], lane: int
    ) -> None:
        self.kb, self.out, self.lane = kb, out, lane
        self.top, self.bottom, self.left, self.right = paddings
        self.high, self.wide = sizes
        self.inner = self.wide - self.left - self.right

    @property
    def plane(self) -> Index:
        return self.kb.dim(self.high * self.wide * self.lane)

    def zeros(self, start: Index, pixels: Dim) -> None:
        kb = self.kb

        def clear(at: Index, width: int) -> None:
            kind = storage_type(self.out.dtype, width)
            self.out.store_vector(ir.Constant(kind, None), kb.add(start, at))

        _vectors(kb, self.out, pixels * self.lane, clear)

    def borders(self, plane: Index) -> None:
        """Zeros above and below."""
        self.zeros(plane, self.top * self.wide)
        below = self.kb.dim((self.high - self.bottom) * self.wide * self.lane)
        self.zeros(self.kb.add(plane, below), self.bottom * self.wide)

    def line(self, plane: Index, y: Index) -> Index:
        """Zeros at both ends of line y; gives where its first pixel lies."""
        kb = self.kb
        row = kb.mul(kb.add(y, kb.dim(self.top)), kb.dim(self.wide * self.lane))
        start = kb.add(plane, row)
        self.zeros(start, self.left)
        self.zeros(kb.add(start, kb.dim((self.left + self.inner) * self.lane)), self.right)
        return kb.add(start, kb.dim(self.left * self.lane))

    def copy(self, x: Operand, source: Index, plane: Index) -> None:
        """The plane of x that begins at `source`, with its frame."""
        kb, count = self.kb, self.inner * self.lane
        self.borders(plane)
        with kb.loop(kb.dim(self.high - self.top - self.bottom)) as y:
            start, to = kb.add(source, kb.mul(y, kb.dim(count))), self.line(plane, y)

            def move(at: Index, width: int) -> None:
                value = x.load_vector(kb.add(start, at), width)
                self.out.store_vector(value, kb.add(to, at))

            _vectors(kb, x, count, move)


@lowers("pad_planes")
def pad_planes(kb: KernelBuilder) -> None:
    """Line by line; the planes are independent."""
    x, out = kb.input("X"), kb.output()
    lane = BLOCK if x.ndim == 5 else 1
    frame = Frame(kb, out, out.shape[2:4], kb.attrs["paddings"], lane)
    area = kb.dim(x.shape[2] * x.shape[3] * lane)
    with kb.parallel(kb.dim(x.shape[0] * x.shape[1])) as plane:
        frame.copy(x, kb.mul(plane, area), kb.mul(plane, frame.plane))


@lowers("to_blocked")
def to_blocked(kb: KernelBuilder) -> None:
    """Squares of pixels and channels, turned round in registers."""
    x, out = kb.input("X"), kb.output()
    (channels,), area = as_ints(x.shape[1:2]), kb.dim(x.shape[2] * x.shape[3])
    padded = any(side != 0 for side in kb.attrs["paddings"])
    frame = Frame(kb, out, out.shape[2:4], kb.attrs["paddings"], BLOCK)
    high, wide = (kb.dim(x.shape[2]), kb.dim(x.shape[3])) if padded else (1, area)
    blocks = out.shape[1]
    with kb.parallel(kb.dim(x.shape[0] * blocks)) as number:
        image, block = kb.div(number, kb.dim(blocks)), kb.rem(number, kb.dim(blocks))
        first = kb.mul(block, BLOCK)
        source = kb.mul(kb.add(kb.mul(image, channels), first), area)
        target = kb.mul(number, frame.plane)
        turn = _Turn(kb, x, out, area, kb.sub(channels, first), channels % BLOCK == 0)
        if padded:
            frame.borders(target)
        with kb.loop(high) as y:
            to = frame.line(target, y) if padded else target
            turn.inwards(kb.add(source, kb.mul(y, wide)), to, wide)


@lowers("from_blocked")
def from_blocked(kb: KernelBuilder) -> None:
    x, out = kb.input("X"), kb.output()
    channels, area = int(kb.attrs["channels"]), kb.dim(x.shape[2] * x.shape[3])
    blocks = x.shape[1]
    with kb.parallel(kb.dim(x.shape[0] * blocks)) as number:
        image, block = kb.div(number, kb.dim(blocks)), kb.rem(number, kb.dim(blocks))
        first = kb.mul(block, BLOCK)
        target = kb.mul(kb.add(kb.mul(image, channels), first), area)
        turn = _Turn(kb, out, x, area, kb.sub(channels, first), channels % BLOCK == 0)
        turn.outwards(kb.mul(kb.mul(number, area), BLOCK), target, area)


class _Turn:
    """Moves pixels of one block between planes, `area` apart, and blocked pixels.

    The block has `channels` channels, all 16 where `full`. `place` gives the number of a pixel
    among the blocked ones.
    """

    def __init__(
        self, kb: KernelBuilder, planes: Operand, pixels: Operand, area: Index, channels: Index,
        full: bool, place: Callable[[Index], Index] = lambda pixel: pixel,
    ) -> None:  # fmt: skip
        self.kb, self.planes, self.pixels, self.area = kb, planes, pixels, area
        self.channels, self.full, self.place = channels, full, place
        self.width = _lanes(kb, planes)

    def inwards(self, source: Index, target: Index, count: Index) -> None:
        """Planes to pixels."""
        kb, width = self.kb, self.width

        def square(lane: int, at: Index, lanes: Lanes) -> None:
            rows = [self.row(kb.add(source, at), lane + c, lanes) for c in range(width)]
            self.each_pixel(lanes, transpose(kb, rows), kb.add(target, lane), at)

        self.squares(count, square)

    def row(self, at: Index, channel: int, lanes: Lanes) -> Value:
        """Pixels of one channel; zeros where there is no such channel."""
        kb, kind = self.kb, storage_type(self.planes.dtype, self.width)
        place = kb.add(at, kb.mul(channel, self.area))
        if self.full:
            return lanes.load(self.planes, lambda j: kb.add(place, j), 1).value
        cell = kb.cell(ir.Constant(kind, None))
        with kb.when(kb.lt(channel, self.channels)):
            cell.set(lanes.load(self.planes, lambda j: kb.add(place, j), 1).value)
        return cell.get()

    def each_pixel(self, lanes: Lanes, turned: Sequence[Value], to: Index, first: Index) -> None:
        kb = self.kb

        def store(p: int, value: Value) -> None:
            place = kb.mul(self.place(kb.add(first, p)), BLOCK)
            self.pixels.store_vector(value, kb.add(to, place))

        for p, value in enumerate(turned):
            if lanes.full:
                store(p, value)
                continue
            with kb.when(kb.lt(p, lanes.count)):
                store(p, value)

    def outwards(self, source: Index, target: Index, count: Index) -> None:
        """Pixels to planes."""
        kb, width = self.kb, self.width

        def square(lane: int, at: Index, lanes: Lanes) -> None:
            place = kb.add(source, kb.add(kb.mul(at, BLOCK), lane))
            last = width if lanes.full else kb.sub(lanes.count, 1)
            rows = [
                self.pixels.load_vector(
                    kb.add(place, kb.mul(p if lanes.full else kb.minimum(p, last), BLOCK)), width
                )
                for p in range(width)
            ]
            for c, value in enumerate(transpose(kb, rows)):
                self.out_row(kb.add(target, at), lane + c, lanes, value)

        self.squares(count, square)

    def out_row(self, at: Index, channel: int, lanes: Lanes, value: Value) -> None:
        kb, planes = self.kb, self.planes
        place = kb.add(at, kb.mul(channel, self.area))
        scalar = lanes.wrap(value, planes)
        if self.full:
            lanes.store(planes, scalar, lambda j: kb.add(place, j), 1)
            return
        with kb.when(kb.lt(channel, self.channels)):
            lanes.store(planes, scalar, lambda j: kb.add(place, j), 1)

    def squares(self, count: Index, square: Callable[[int, Index, Lanes], None]) -> None:
        """`square(first lane, first pixel, lanes)` for all pixels; the last ones may be fewer."""
        kb, width = self.kb, self.width
        whole = kb.mul(kb.div(count, width), width)
        for lane in range(0, BLOCK, width):
            with kb.loop(whole, 0, width) as at:
                square(lane, at, Lanes(kb, width, width))
            rest = kb.sub(count, whole)
            if isinstance(rest, int) and rest == 0:
                continue
            with kb.when(kb.lt(0, rest)):
                some = Lanes(kb, width, rest)
                assert some.mask is not None  # made here, before the branches that use it
                square(lane, whole, some)


@lowers("pack_filter")
def pack_filter(kb: KernelBuilder) -> None:
    """A block of outputs after the other: their filters are planes whose pixels are (c, tap)."""
    w, out = kb.input("Filter"), kb.output()
    outputs, channels, high, wide = as_ints(w.shape)
    count, blocks, _, _, block, _ = as_ints(out.shape)
    taps = high * wide

    def place(pixel: Index) -> Index:
        """Pixels lie as (block of channels, tap, channel)."""
        c, tap = kb.div(pixel, taps), kb.rem(pixel, taps)
        row = kb.add(kb.mul(kb.div(c, block), taps), tap)
        return kb.add(kb.mul(row, block), kb.rem(c, block))

    with kb.parallel(count) as number:
        first = kb.mul(number, BLOCK)
        size = channels * taps
        target = kb.mul(number, blocks * taps * block * BLOCK)
        turn = _Turn(kb, w, out, size, kb.sub(outputs, first), outputs % BLOCK == 0, place)
        turn.inwards(kb.mul(first, size), target, size)
        zero = ir.Constant(storage_type(out.dtype, turn.width), None)
        with kb.loop(taps) as tap, kb.loop(blocks * block, channels) as c:
            pixel = place(kb.add(kb.mul(c, taps), tap))
            for lane in range(0, BLOCK, turn.width):
                out.store_vector(zero, kb.add(kb.add(target, kb.mul(pixel, BLOCK)), lane))
