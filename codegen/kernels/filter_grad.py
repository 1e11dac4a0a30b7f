"""filter_grad_blocked: the gradient of a filter in tiles of registers.

A tile is some numbers of the filter's columns (channels of a tap, or taps of a channel) by some
vectors of outputs. A step multiplies one number of the image for each column with the vectors of
one pixel of the output's gradient. Images pass in groups that stay in the cache while all tiles
look at them; in between the sums are where the result will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product as product_of
from math import prod
from typing import NamedTuple

from llvmlite import ir

from wherry.ir.dims import Dim, product
from wherry.ir.ops.blocked import BLOCK
from wherry.ir.ops.window import as_ints
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..index import Cell, Index
from ..lanes import splat
from ..math import LLVMScalars, storage_type
from ..nest import unravel
from .registry import lowers
from .tiling import Row
from .unfold import fill_zeros

# Threads share at most so many parts of the filter: each of them reads all images.
_PARTS = 8
# Bytes of images and gradients that stay in the cache.
_KEPT = 1 << 19


class _Tile(NamedTuple):
    """Where a tile begins in the filter, and its columns: so many rows by taps by channels."""

    outputs: Index  # in tiles
    block: Index
    row: Index
    tap: Index
    channel: Index
    size: tuple[int, int, int]

    @property
    def columns(self) -> list[tuple[int, int, int]]:
        rows, taps, channels = map(range, self.size)
        return list(product_of(rows, taps, channels))


class _FilterGrad:
    """The sizes of one gradient, and its loops."""

    def __init__(self, kb: KernelBuilder) -> None:
        self.kb = kb
        self.x, self.g, self.out = kb.input("Input"), kb.input("Grad"), kb.output()
        self.strides, self.dilations = kb.attrs["strides"], kb.attrs["dilations"]
        out_blocks, self.blocks, *self.kernel, self.block, _ = as_ints(self.out.shape)
        self.lanes = min(kb.machine.lanes(float32), BLOCK)
        vectors = out_blocks * BLOCK // self.lanes
        self.vectors = 2 if vectors % 2 == 0 else 1
        self.outputs = vectors // self.vectors
        self.pixel = 1 if self.x.ndim == 4 else BLOCK
        self.high, self.wide = self.g.shape[2:4]
        if [*self.kernel, *self.strides] == [1, 1, 1, 1]:
            self.high, self.wide = 1, product([self.high, self.wide])  # a row is as good
        most = kb.machine.conv_sums // self.vectors
        self.channels, self.rows, taps = 1, 1, most
        if self.pixel == BLOCK:
            self.channels, taps = min(1 << (most.bit_length() - 1), BLOCK), 1
        elif self.kernel[0] * self.kernel[1] <= most:
            self.rows, taps = self.kernel
        self.row = Row.cut(kb, self.kernel[1], taps)

    # -- distances, in elements ----------------------------------------------------------------

    @property
    def line(self) -> Dim:
        """From one line of the input to the next."""
        return self.x.shape[3] * self.pixel

    @property
    def plane(self) -> Dim:
        """From one channel of plain images to the next, from one block of others."""
        return self.x.shape[2] * self.line

    @property
    def plane_of_grad(self) -> Dim:
        return self.g.shape[2] * self.g.shape[3] * BLOCK

    def lane(self, number: Index) -> tuple[Index, Index]:
        """The block and the lane in it of a vector of outputs."""
        kb, per_block = self.kb, BLOCK // self.lanes
        return kb.div(number, per_block), kb.mul(kb.rem(number, per_block), self.lanes)

    # -- loops ---------------------------------------------------------------------------------

    def emit(self) -> None:
        """Parts of the filter in turn for each group of images."""
        kb, images = self.kb, self.kb.dim(self.x.shape[0])
        sizes = [
            self.outputs, self.blocks, self.kernel[0] // self.rows, self.block // self.channels,
        ]  # fmt: skip
        tiles = prod(sizes)
        parts = min(tiles, _PARTS)
        read = product(self.x.shape[1:]) + product(self.g.shape[1:])
        group = kb.maximum(kb.div(_KEPT // float32.itemsize, kb.maximum(kb.dim(read), 1)), 1)
        groups = kb.div(kb.add(images, kb.sub(group, 1)), group)
        with kb.parallel(parts) as part:
            if not isinstance(images, int) or images == 0:
                with kb.when(kb.b.and_(kb.eq(images, 0), kb.eq(part, 0))):
                    fill_zeros(kb, self.out)
            first, stop = (kb.div(kb.mul(tiles, kb.add(part, i)), parts) for i in (0, 1))
            with kb.loop(groups) as i, kb.loop(stop, first) as number:
                outputs, block, row, channel = unravel(kb, number, sizes)
                image = kb.mul(i, group)
                behind = kb.minimum(kb.add(image, group), images)
                for run in self.row.runs:
                    with self.row.each(run, 0, self.row.tiles) as tap:
                        self.tile(
                            _Tile(
                                outputs, block, kb.mul(row, self.rows), tap,
                                kb.mul(channel, self.channels),
                                (self.rows, run.size, self.channels),
                            ),
                            image, behind,
                        )  # fmt: skip

    def tile(self, tile: _Tile, first: Index, stop: Index) -> None:
        """Add what the images [first, stop) give to the tile; they begin it where first is 0."""
        kb, kind = self.kb, storage_type(float32, self.lanes)
        places = self.places(tile)
        later = kb.lt(0, first)
        sums = []
        for place in places:
            cell = kb.cell(ir.Constant(kind, None))
            with kb.when(later):
                cell.set(self.out.load_vector(place, self.lanes))
            sums.append(cell)
        with kb.loop(stop, first) as image, kb.loop(kb.dim(self.high)) as y:
            self.line_of(tile, sums, image, y)
        for place, cell in zip(places, sums, strict=True):
            self.out.store_vector(cell.get(), place)

    def line_of(self, tile: _Tile, sums: Sequence[Cell], image: Index, y: Index) -> None:
        """Add the products of one line of the output's gradient."""
        kb, scalars = self.kb, LLVMScalars(self.kb.b, self.lanes)
        source, grads = self.source(tile, image, y), self.grads(tile, image, y)
        step = self.strides[1] * self.pixel
        with kb.loop(kb.dim(self.wide), unroll=min(kb.machine.tile_steps, 2)) as pixel:
            vectors = [
                self.g.load_vector(kb.add(at, kb.mul(pixel, BLOCK)), self.lanes) for at in grads
            ]
            place = kb.add(source, kb.mul(pixel, step))
            for number, beside in enumerate(self.beside(tile)):
                one = splat(kb, self.x.load_at(kb.add(place, beside)).value, self.lanes)
                for v, vector in enumerate(vectors):
                    cell = sums[number * self.vectors + v]
                    terms = (scalars.wrap(value, float32) for value in (one, vector, cell.get()))
                    cell.set(scalars.fma(*terms).value)

    # -- where things lie ----------------------------------------------------------------------

    def places(self, tile: _Tile) -> list[Index]:
        """Where the sums of a tile lie in the result: of each column each vector."""
        kb, found = self.kb, []
        sizes = [self.blocks, *self.kernel, self.block]
        for i, j, c in tile.columns:
            index = (tile.block, kb.add(tile.row, i), kb.add(tile.tap, j), kb.add(tile.channel, c))
            for v in range(self.vectors):
                block, lane = self.lane(kb.add(kb.mul(tile.outputs, self.vectors), v))
                at = block
                for size, one in zip(sizes, index, strict=True):
                    at = kb.add(kb.mul(at, size), one)
                found.append(kb.add(kb.mul(at, BLOCK), lane))
        return found

    def source(self, tile: _Tile, image: Index, y: Index) -> Index:
        """Where the number of the tile's first column for the first pixel of line y lies."""
        kb = self.kb
        row = kb.add(kb.mul(y, self.strides[0]), kb.mul(tile.row, self.dilations[0]))
        at = kb.mul(image, kb.dim(self.x.shape[1] * self.plane))
        at = kb.add(at, kb.mul(row, kb.dim(self.line)))
        at = kb.add(at, kb.mul(tile.tap, self.dilations[1] * self.pixel))
        if self.pixel == 1:
            return kb.add(at, kb.mul(tile.channel, kb.dim(self.plane)))
        return kb.add(at, kb.add(kb.mul(tile.block, kb.dim(self.plane)), tile.channel))

    def beside(self, tile: _Tile) -> Iterator[Index]:
        """From the number of the tile's first column to those of all columns."""
        kb = self.kb
        for i, j, c in tile.columns:
            down = kb.dim(self.line * (i * self.dilations[0]))
            yield kb.add(down, j * self.dilations[1] * self.pixel + c)

    def grads(self, tile: _Tile, image: Index, y: Index) -> list[Index]:
        """Where the first pixels of line y lie in the gradient, for each vector of outputs."""
        kb, found = self.kb, []
        for v in range(self.vectors):
            block, lane = self.lane(kb.add(kb.mul(tile.outputs, self.vectors), v))
            plane = kb.add(kb.mul(image, kb.dim(self.g.shape[1])), block)
            start = kb.mul(y, kb.dim(self.wide * BLOCK))
            found.append(kb.add(kb.add(kb.mul(plane, kb.dim(self.plane_of_grad)), start), lane))
        return found


@lowers("filter_grad_blocked")
def filter_grad_blocked(kb: KernelBuilder) -> None:
    _FilterGrad(kb).emit()
