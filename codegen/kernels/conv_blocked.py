"""conv2d_blocked: a direct convolution in tiles of registers.

A tile is some pixels by some vectors of outputs. A step multiplies one number of each pixel with
the vectors of one channel's weights, for each tap and channel. Pixels are a row's, or the plane's
where the kernel is 1 x 1, so that small images fill the tile too. The image may be plain or
blocked: single numbers are read from it, and only their distances differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from wherry.ir.dims import Dim, product
from wherry.ir.ops.blocked import BLOCK
from wherry.ir.ops.window import as_ints
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Cell, Index
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from ..operand import Operand
from .registry import lowers_head
from .tiling import Row, Run, transpose
from .windows import Axis

# Pixels that one round of the parallel loop computes: their inputs stay in the cache while the
# weights pass by.
_BAND = 224
# Weights larger than this pass by once for all images, not once for each.
_LARGE = 1 << 19
# As many bytes of a column's weights stay in the cache; what they add to the sums of a band's
# pixels is kept in working memory until the next ones come.
_KEPT = 1 << 18
# No tile has more columns of outputs.
_WIDEST = 8 * BLOCK


def tile_of(kb: KernelBuilder, length: Dim, vectors: int) -> tuple[int, int]:
    """(pixels, vectors) of a tile, for rows of this length and so many vectors in a group.

    Two vectors, so that a number that is read is used twice; more where rows are short and the
    sums, the vectors and one number still fit into the registers.
    """
    machine, count = kb.machine, 2
    while vectors % count:
        count //= 2

    def fits(wide: int) -> bool:
        lanes = wide * machine.lanes(float32)
        return (
            isinstance(length, int)
            and wide * length <= machine.conv_sums
            and wide * (length + 1) < machine.registers
            and vectors % wide == 0
            and lanes <= _WIDEST
        )

    while fits(2 * count):
        count *= 2
    return max(machine.conv_sums // count, 1), count


class _Band(NamedTuple):
    """What a round computes: a column of tiles over the rows [first, stop) of an image.

    Where the plane is one row, these are the numbers of its tiles.
    """

    image: Index
    column: Index
    first: Index
    stop: Index


class _Tile(NamedTuple):
    """Where a tile lies."""

    image: Index
    column: Index
    y: Index
    pixel: Index


class _Conv:
    """The sizes of one convolution, and its loops."""

    def __init__(self, kb: KernelBuilder, result: Result) -> None:
        self.kb, self.result, attrs = kb, result, kb.attrs
        self.x, self.w = kb.input("Input"), kb.input("Filter")
        self.strides, self.dilations = attrs["strides"], attrs["dilations"]
        self.outputs, self.groups = attrs["out_channels"], attrs["groups"]
        self.channels = attrs["in_channels"] // self.groups
        _, self.blocks, *self.kernel, self.block, _ = map(int, self.w.shape)
        self.plain = self.x.ndim == 4
        self.images, (self.high, self.wide) = result.shape[0], result.shape[2:4]
        self.lanes = min(kb.machine.lanes(float32), BLOCK)
        above, below = attrs["paddings"]
        self.rows = Axis(self.x.shape[2], self.high, self.kernel[0], self.strides[0],
                         self.dilations[0], above)  # fmt: skip
        is_point = list(self.kernel) == [1, 1] == list(self.strides)
        self.flat = is_point and above == 0 == below
        length = product([self.high, self.wide]) if self.flat else self.wide
        per_group = -(-self.outputs // self.groups // BLOCK) * (BLOCK // self.lanes)
        self.pixels, self.vectors = tile_of(kb, length, per_group)
        self.row = Row.cut(kb, length, self.pixels)
        column = self.filters * self.vectors * self.lanes // BLOCK * float32.itemsize
        self.chunk = self.blocks
        if column > _KEPT and not self.flat:
            self.chunk = max(self.blocks * _KEPT // column, 1)
        self.surface = result.over(1, 1, 2) if attrs["plain"] else result.over(1, 1, 2, 1)

    # -- distances in the input, in elements ---------------------------------------------------

    @property
    def pixel(self) -> int:
        return 1 if self.plain else BLOCK

    @property
    def line(self) -> Index:
        return self.kb.dim(self.x.shape[3] * self.pixel)

    @property
    def plane(self) -> Index:
        """From one channel of plain images to the next, from one block of others."""
        return self.kb.dim(self.x.shape[2] * self.x.shape[3] * self.pixel)

    @property
    def channel(self) -> Index:
        return self.plane if self.plain else 1

    # -- loops ---------------------------------------------------------------------------------

    def emit(self) -> None:
        kb = self.kb
        # Plain images have no lanes behind the last channel: no column lies there whole.
        stored = self.outputs if kb.attrs["plain"] else -(-self.outputs // BLOCK) * BLOCK
        columns = -(-stored // (self.vectors * self.lanes))
        rows = self.row.tiles if self.flat else kb.dim(self.high)
        per_row = self.pixels if self.flat else self._usual_width()
        height = max(_BAND // per_row, 1)
        bands = kb.div(kb.add(rows, height - 1), height)
        images = kb.dim(self.images)
        weights = product(self.w.shape)
        with kb.parallel(kb.mul(kb.mul(images, bands), columns)) as number:
            if isinstance(weights, int) and weights * 4 > _LARGE:
                each = kb.mul(images, bands)
                column, place = kb.div(number, each), kb.rem(number, each)
            else:
                column, place = kb.rem(number, columns), kb.div(number, columns)
            image, band = kb.div(place, bands), kb.rem(place, bands)
            first = kb.mul(band, height)
            at = _Band(image, column, first, kb.minimum(kb.add(first, height), rows))
            if self.chunk < self.blocks:
                self.in_chunks(at)
            else:
                self.at_once(at)

    def at_once(self, band: _Band) -> None:
        for run, tile in self.tiles(band):
            with tile as at:
                self.store(self.sums(at, self.zeros(run), 0, self.blocks), at)

    def in_chunks(self, band: _Band) -> None:
        """Some blocks of channels for all pixels of the band, then the next ones."""
        kb, wide = self.kb, self.vectors * self.lanes
        kept = Operand(kb, kb.scratch, float32, ())

        def cells(run: Run, at: _Tile) -> list[tuple[int, int, Index]]:
            pixel = kb.add(kb.mul(kb.sub(at.y, band.first), kb.dim(self.wide)), at.pixel)
            return [
                (p, v, kb.add(kb.mul(kb.add(pixel, p), wide), v * self.lanes))
                for p in range(run.size)
                for v in range(self.vectors)
            ]

        def load(run: Run, at: _Tile) -> list[list[Cell]]:
            sums = self.zeros(run)
            for p, v, place in cells(run, at):
                sums[p][v].set(kept.load_vector(place, self.lanes))
            return sums

        count = kb.mul(kb.mul(kb.sub(band.stop, band.first), kb.dim(self.wide)), self.vectors)
        with kb.loop(count) as i:
            zero = LLVMScalars(kb.b, self.lanes).const(0, float32).value
            kept.store_vector(zero, kb.mul(i, self.lanes))
        with kb.loop(self.blocks, 0, self.chunk) as first:
            stop = kb.minimum(kb.add(first, self.chunk), self.blocks)
            for run, tile in self.tiles(band):
                with tile as at:
                    sums = self.sums(at, load(run, at), first, stop)
                    for p, v, place in cells(run, at):
                        kept.store_vector(sums[p][v].get(), place)
        for run, tile in self.tiles(band):
            with tile as at:
                self.store(load(run, at), at)

    def _usual_width(self) -> int:
        return max(self.wide, 1) if isinstance(self.wide, int) else 4 * self.pixels

    def tiles(self, band: _Band) -> Iterator[tuple[Run, AbstractContextManager[_Tile]]]:
        """The runs of tiles of a band, each with a loop over its tiles."""
        for run in self.row.runs:
            yield run, self._each(band, run)

    @contextmanager
    def _each(self, band: _Band, run: Run) -> Iterator[_Tile]:
        kb = self.kb
        if self.flat:
            with self.row.each(run, band.first, band.stop) as pixel:
                yield _Tile(band.image, band.column, 0, pixel)
            return
        with kb.loop(band.stop, band.first) as number:
            # The first row comes last: where its taps reach above the image it passes over weights,
            # and what brings them from memory the first time should be one run.
            following = kb.add(number, 1)
            y = kb.select(kb.eq(following, band.stop), band.first, following)
            with self.row.each(run, 0, self.row.tiles) as pixel:
                yield _Tile(band.image, band.column, y, pixel)

    def zeros(self, run: Run) -> list[list[Cell]]:
        """The sums [pixels][vectors] of a tile, before anything is added."""
        zero = LLVMScalars(self.kb.b, self.lanes).const(0, float32).value
        return [[self.kb.cell(zero) for _ in range(self.vectors)] for _ in range(run.size)]

    def sums(
        self, at: _Tile, sums: list[list[Cell]], first: Index, stop: Index
    ) -> list[list[Cell]]:
        """Add the products over the taps inside and the channels of the blocks [first, stop)."""
        kb, (high, wide) = self.kb, self.kernel
        origin, weights = self.origin(at), self.weights(at.column)
        block = kb.mul(self.block, self.channel) if self.plain else self.plane
        taps = high * wide * self.block * BLOCK
        top, bottom = self.rows.taps(kb, self.rows.start(kb, at.y))
        with kb.loop(stop, first) as b:
            source = kb.add(origin, kb.mul(b, block))
            filters = kb.add(weights, kb.mul(b, taps))
            with kb.loop(bottom, top) as i, kb.loop(wide) as j:
                down = kb.mul(i, kb.mul(self.line, self.dilations[0]))
                place = kb.add(kb.add(source, down), kb.mul(j, self.dilations[1] * self.pixel))
                tap = kb.add(kb.mul(i, wide), j)
                self.tap(sums, place, kb.add(filters, kb.mul(tap, self.block * BLOCK)), b)
        return sums

    def tap(self, sums: list[list[Cell]], source: Index, filters: Index, b: Index) -> None:
        """Add one tap's products over the channels of block b."""
        kb, scalars = self.kb, LLVMScalars(self.kb.b, self.lanes)
        count = self.block
        if self.channels % self.block:
            count = kb.minimum(kb.sub(self.channels, kb.mul(b, self.block)), self.block)
        step = self.strides[1] * self.pixel
        short = isinstance(count, int) and count <= 4
        steps = min(kb.machine.tile_steps, count if short else 2)
        with kb.loop(count, unroll=steps) as c:
            at = kb.add(source, kb.mul(c, self.channel))
            row = kb.add(filters, kb.mul(c, BLOCK))
            vectors = [
                self.w.load_vector(kb.add(row, self.beside(v)), self.lanes)
                for v in range(self.vectors)
            ]
            for p, cells in enumerate(sums):
                number = splat(kb, self.x.load_at(kb.add(at, p * step)).value, self.lanes)
                for cell, vector in zip(cells, vectors, strict=True):
                    x, w, total = (
                        scalars.wrap(value, float32) for value in (number, vector, cell.get())
                    )
                    cell.set(scalars.fma(x, w, total).value)

    def origin(self, tile: _Tile) -> Index:
        """Where the tile's first window begins in the input."""
        kb, (image, column, y, pixel) = self.kb, tile
        at = kb.mul(image, kb.mul(kb.dim(self.x.shape[1]), self.plane))
        if self.groups > 1:
            per_group = self.outputs // self.groups // (self.vectors * self.lanes)
            own = self.channels if self.plain else self.blocks
            at = kb.add(at, kb.mul(kb.div(column, per_group), kb.mul(own, self.plane)))
        at = kb.add(at, kb.mul(self.rows.start(kb, y), self.line))
        return kb.add(at, kb.mul(pixel, self.strides[1] * self.pixel))

    # -- vectors of outputs --------------------------------------------------------------------

    def weights(self, column: Index) -> Index:
        """Where the weights of a column of tiles begin."""
        block, lane = self.lane(column)
        return self.kb.add(self.kb.mul(block, self.filters), lane)

    @property
    def filters(self) -> int:
        """The weights of one block of outputs."""
        return self.blocks * self.kernel[0] * self.kernel[1] * self.block * BLOCK

    def beside(self, v: int) -> int:
        """From the weights of the tile's first vector to those of another one."""
        block, lane = divmod(v * self.lanes, BLOCK)
        return block * self.filters + lane

    def lane(self, column: Index) -> tuple[Index, Index]:
        """The block and the lane in it of the first vector of a column of tiles."""
        kb, wide = self.kb, self.vectors * self.lanes
        if wide >= BLOCK:
            return kb.mul(column, wide // BLOCK), 0
        return kb.div(column, BLOCK // wide), kb.mul(kb.rem(column, BLOCK // wide), wide)

    def store(self, sums: Sequence[Sequence[Cell]], at: _Tile) -> None:
        place = self.kb.add(self.kb.mul(at.y, self.kb.dim(self.wide)), at.pixel)
        store = self.store_plain if self.kb.attrs["plain"] else self.store_blocked
        store(sums, at.image, at.column, place)

    def store_blocked(
        self, sums: Sequence[Sequence[Cell]], image: Index, column: Index, place: Index
    ) -> None:
        kb, lanes = self.kb, Lanes(self.kb, self.lanes, self.lanes)
        block, lane = self.lane(column)

        def store(v: int, value: object, p: Index) -> None:
            more, beside = divmod(v * self.lanes, BLOCK)
            index = [image, kb.add(block, more), kb.add(place, p), kb.add(lane, beside)]
            self.surface.store(value, float32, index, lanes)

        if not self.result.is_long:
            for p, cells in enumerate(sums):
                for v, cell in enumerate(cells):
                    store(v, cell.get(), p)
            return
        for v in range(self.vectors):
            buffer = kb.buffer(float32, len(sums) * self.lanes)
            for p, cells in enumerate(sums):
                buffer.store_vector(cells[v].get(), p * self.lanes)
            with kb.loop(len(sums), plain=True) as q:
                store(v, buffer.load_vector(kb.mul(q, self.lanes), self.lanes), q)

    def store_plain(
        self, sums: Sequence[Sequence[Cell]], image: Index, column: Index, place: Index
    ) -> None:
        """The tile turned round: vectors of pixels, one for each channel."""
        kb, wide = self.kb, self.vectors * self.lanes
        base = kb.mul(column, wide)
        for start in range(0, len(sums), self.lanes):
            part = sums[start : start + self.lanes]
            lanes = Lanes(kb, self.lanes, len(part))
            at = kb.add(place, start)
            turned = [
                line
                for v in range(self.vectors)
                for line in transpose(kb, [cells[v].get() for cells in part])
            ]

            def store(value: object, channel: Index, at: Index = at, lanes: Lanes = lanes) -> None:
                self.surface.store(value, float32, [image, kb.add(base, channel), at], lanes)

            if self.outputs % wide == 0 and not self.result.is_long:
                for channel, value in enumerate(turned):
                    store(value, channel)
                continue
            buffer = kb.buffer(float32, wide * self.lanes)
            for channel, value in enumerate(turned):
                buffer.store_vector(value, channel * self.lanes)
            count = kb.minimum(kb.sub(self.outputs, base), wide)
            with kb.loop(count, plain=True) as q:
                store(buffer.load_vector(kb.mul(q, self.lanes), self.lanes), q)


def _scratch(op: OpDesc) -> Dim | None:
    """The sums of a band's pixels, where the weights may be too many to be passed by at once."""
    blocks, high, wide, block = as_ints(op.inputs["Filter"][0].shape[1:5])
    if blocks * high * wide * block * _WIDEST * float32.itemsize <= _KEPT:
        return None
    columns = op.out_vars[0].shape[3]
    pixels = columns * max(_BAND // columns, 1) if isinstance(columns, int) else columns * _BAND
    return pixels * _WIDEST * float32.itemsize


@lowers_head("conv2d_blocked", scratch=_scratch)
def conv2d_blocked(kb: KernelBuilder, result: Result) -> None:
    _Conv(kb, result).emit()
