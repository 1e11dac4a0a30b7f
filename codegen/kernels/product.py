"""The product of two matrices in tiles of registers: the core of matmul and of the convolutions.

out[i, j] = sum over k of left[i, k] * right[k, j], the sum in the order of k for every element,
whatever the tile, the block or the thread. The right matrix is read in panels of some columns: in
place, or packed into working memory by a function of the op (which may gather or convert).
Products are made and summed in float32 for float16, else in the operands' dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from wherry.ir.dims import Dim
from wherry.ir.ops.panels import PANEL_BYTES
from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..index import Index, Value
from ..machine import Machine
from ..operand import Operand
from .panels import SLACK, Matrix, Slots, lanes, pack, sum_dtype
from .tile import Store, Strip, Tile

# fill(start, count, slots): packs some columns.
Fill = Callable[[Index, Index, Slots], None]

# A block's panels take about so many bytes (of the second-level cache), and are so many at most.
_BLOCK_BYTES, _MOST_PANELS = 1 << 19, 8
# As many shares of the work are wanted, for threads.
_SHARES = 4
# The tiles of a share of the rows, where it is not known how many rows there are.
_SHARE_TILES = 16
# Tiles for the rows that are left where it is not known how many: few, for each is code.
_REST = (4, 1)
# Up to so many tiles of rows the first one packs the panels: a pass of its own would take long
# beside them, and more code would not pay beside more. Where the call tells how many there are both
# are there, and fewer are few.
_FEW_TILES, _FEW_TOLD = 24, 4
# Rows so many bytes apart lie in few sets of the first-level cache.
_CONFLICT = 4096


def scratch_bytes(depth: Dim, dtype: DType) -> Dim:
    """The working memory of a product: a block of panels, and some rows of the left matrix."""
    size = sum_dtype(dtype).itemsize
    return (depth + SLACK) * ((_panels(depth) + 1) * PANEL_BYTES) + size * SLACK


def scratch_of_rows(depth: Dim, dtype: DType) -> Dim:
    """The working memory of a product with a packed matrix: some rows of the left one."""
    return (depth + SLACK) * PANEL_BYTES + sum_dtype(dtype).itemsize * SLACK


def tile_rows(machine: Machine, vectors: int = 0) -> int:
    """The rows of a tile of so many vectors; of the usual tile if 0."""
    if not vectors:
        return machine.tile_rows
    sums, free = machine.tile_rows * machine.tile_vectors, machine.registers - 1 - vectors
    return max(1, min(sums, free) // vectors)


def _panels(depth: Dim | Index) -> int:
    """How many panels of PANEL_BYTES a row a block has at most."""
    if not isinstance(depth, int):
        return _SHARES
    return max(2, min(_MOST_PANELS, _BLOCK_BYTES // (PANEL_BYTES * max(depth, 1))))


@dataclass(frozen=True)
class Left:
    """The left matrix: (i, k) lies at base + i * row + k1 * outer + k2 * inner."""

    operand: Operand
    base: Index
    row: Index
    outer: Index
    inner: Index


@dataclass(frozen=True)
class Right:
    """The right matrix, by panels.

    `fill(start, count, slots)` packs some columns. With `place` full panels can be read where they
    lie in memory: at `place(start)`; `is_near` says that they lie in the first-level cache. Without
    `fill` all of it lies there in panels, for tiles of so many `vectors`.
    """

    fill: Fill | None
    place: Callable[[Index], Strip] | None = None
    is_near: bool = False
    vectors: int = 0


@dataclass(frozen=True)
class Product:
    """One product. k runs over `outer` times `inner`.

    `whole` is the left matrix, where its rows are to be packed. `in_loops` says that the code of
    `store` is long.
    """

    kb: KernelBuilder
    rows: Index
    columns: Index
    outer: Index
    inner: Index
    left: Left
    right: Right
    store: Store
    in_loops: bool = False
    whole: Matrix | None = None

    @property
    def dtype(self) -> DType:
        return sum_dtype(self.left.operand.dtype)

    @cached_property
    def depth(self) -> Index:
        return self.kb.mul(self.outer, self.inner)

    @cached_property
    def vectors(self) -> int:
        """Of a tile: fewer than usual where the columns are known to be few."""
        usual, columns = self.right.vectors or self.kb.machine.tile_vectors, self.columns
        if not isinstance(columns, int):
            return usual
        return max(1, min(usual, -(-columns // lanes(self.kb.machine, self.dtype))))

    @cached_property
    def width(self) -> int:
        """The columns of a panel."""
        return self.vectors * lanes(self.kb.machine, self.dtype)

    @cached_property
    def panels(self) -> Index:
        return self.kb.div(self.kb.add(self.columns, self.width - 1), self.width)

    @cached_property
    def per_block(self) -> int:
        """The panels of a block: few enough that there is a block for each thread.

        Many blocks are about equal, and about a multiple of the shares.
        """
        most = _panels(self.depth)
        most = max(1, most * PANEL_BYTES // (self.width * self.dtype.itemsize))
        if not isinstance(self.panels, int):
            return most
        blocks = -(-self.panels // most)
        if blocks > _SHARES:
            return -(-self.panels // (-(-blocks // (2 * _SHARES)) * 2 * _SHARES))
        return max(1, min(most, max(2, -(-self.panels // _SHARES)), self.panels))

    @cached_property
    def column_blocks(self) -> Index:
        return self.kb.div(self.kb.add(self.panels, self.per_block - 1), self.per_block)

    @cached_property
    def tile_rows(self) -> int:
        """The rows of most tiles, so that tiles are about equal."""
        most = tile_rows(self.kb.machine, self.right.vectors)
        if not isinstance(self.rows, int) or not self.rows:
            return most
        return -(-self.rows // -(-self.rows // most))

    @cached_property
    def row_tiles(self) -> int | None:
        """How many tiles there are below each other, where it is known."""
        return -(-self.rows // self.tile_rows) if isinstance(self.rows, int) else None

    @cached_property
    def in_place(self) -> bool:
        """Whether full panels are always read where they lie."""
        near = self.right.is_near or self.is_packed or self.row_tiles == 1
        return self.right.place is not None and near

    @property
    def is_packed(self) -> bool:
        """Whether the last panel lies in memory as well as the full ones do."""
        return self.right.fill is None

    @cached_property
    def copies(self) -> bool:
        """Whether the first tile of rows reads them where they lie, and copies them for others.

        A tile that does both has no registers for distances that only the call tells.
        """
        is_known = isinstance(self.columns, int) and isinstance(self.depth, int)
        few = is_known if self.row_tiles is None else self.row_tiles <= _FEW_TILES
        whole = self.rows_of_block is self.rows
        return self.right.place is not None and not self.in_place and few and whole

    @cached_property
    def is_copying(self) -> Value | None:
        """Whether it does so in this call, where that depends on it."""
        if isinstance(self.rows, int):
            return None
        above = self.kb.compare(">=", self.rows, self.tile_rows)
        return self.kb.b.and_(above, self.kb.compare("<=", self.rows, _FEW_TOLD * self.tile_rows))

    @cached_property
    def rows_of_block(self) -> Index:
        """All rows, but where there are few blocks of columns and many rows."""
        narrow = isinstance(self.column_blocks, int) and self.column_blocks < _SHARES
        if not narrow:
            return self.rows
        if not isinstance(self.rows, int):
            return self.tile_rows * _SHARE_TILES
        tiles = self.row_tiles
        assert tiles is not None
        return self.rows if tiles < 2 * _SHARES else -(-tiles // _SHARES) * self.tile_rows

    @cached_property
    def row_blocks(self) -> Index:
        if self.rows_of_block is self.rows:
            return 1
        return self.kb.div(self.kb.add(self.rows, self.rows_of_block - 1), self.rows_of_block)

    @cached_property
    def blocks(self) -> Index:
        """How many blocks there are; each writes its own part of the result."""
        return self.kb.mul(self.row_blocks, self.column_blocks)

    def emit(self) -> None:
        """All blocks, one after the other."""
        with self.kb.loop(self.blocks) as block:
            self.emit_block(block)

    def emit_block(self, block: Index) -> None:
        """One block: some columns of all rows, or of some rows."""
        kb, top, bottom = self.kb, 0, self.rows
        if self.rows_of_block is not self.rows:
            top = kb.mul(kb.div(block, self.column_blocks), self.rows_of_block)
            bottom = kb.minimum(kb.add(top, self.rows_of_block), self.rows)
            block = kb.rem(block, self.column_blocks)
        first = kb.mul(block, self.per_block)
        last = kb.minimum(kb.add(first, self.per_block), self.panels)

        self._pack(first, last)
        for size, start, stop in self._runs():
            from_, to = self._within(start, stop, top, bottom)
            if self.copies and start == 0:
                from_ = self._copy(size, first, last)
            with kb.loop(to, from_, size) as i:
                self._tiles(i, size, first, last, False)

    def _copy(self, size: int, first: Index, last: Index) -> Index:
        """The first tile of rows, which packs the panels; the first row behind it."""
        if self.is_copying is None:
            self._tiles(0, size, first, last, True)
            return size
        with self.kb.when(self.is_copying):
            self._tiles(0, size, first, last, True)
        return self.kb.select(self.is_copying, size, 0)

    def _within(self, start: Index, stop: Index, top: Index, bottom: Index) -> tuple[Index, Index]:
        if bottom is self.rows:
            return start, stop
        return self.kb.maximum(start, top), self.kb.minimum(stop, bottom)

    def _tiles(self, i: Index, size: int, first: Index, last: Index, copying: bool) -> None:
        """The tiles of some rows from i on, for the panels of a block."""
        kb, left = self.kb, self._left(i, size)
        with kb.loop(last, first) as number:
            start, packed = kb.mul(number, self.width), self._packed(kb.sub(number, first))
            count = self._count(start)
            reads = self.in_place or copying
            right = self._right(start, count, packed) if reads else packed
            tile = Tile(
                kb, self.dtype, size, self.vectors, self.outer, self.inner, left, right,
                packed if copying else None, reads and not (self.right.is_near or self.is_packed),
            )  # fmt: skip
            tile.emit(i, start, count, self.store, self.in_loops)

    def _count(self, start: Index) -> Index:
        """The columns of the panel from `start` on."""
        if isinstance(self.columns, int) and self.columns % self.width == 0:
            return self.width
        return self.kb.minimum(self.kb.sub(self.columns, start), self.width)

    def _runs(self) -> Iterator[tuple[int, Index, Index]]:
        """The tiles: (rows of a tile, first row, behind the last row)."""
        kb, size = self.kb, self.tile_rows
        stop = kb.mul(kb.div(self.rows, size), size)
        yield size, 0, stop
        rest = kb.sub(self.rows, stop)
        if isinstance(rest, int):
            if rest:
                yield rest, stop, self.rows
            return
        for part in (part for part in _REST if part < size):
            start = stop
            stop = kb.add(start, kb.mul(kb.div(kb.sub(self.rows, start), part), part))
            yield part, start, stop

    # -- the right matrix --------------------------------------------------------------------------

    @property
    def _slots(self) -> Slots:
        """The memory of the block's panels; behind it is room for some rows of the left matrix."""
        kb = self.kb
        assert kb.scratch is not None
        return Slots(kb, Operand(kb, kb.scratch, self.dtype, ()), self.depth, self.width)

    def _pack(self, first: Index, last: Index) -> None:
        """What is not read in place: all panels, or the last one if it is not full."""
        kb, fill_panels = self.kb, self.right.fill
        if fill_panels is None:
            return
        start, stop = kb.mul(first, self.width), kb.minimum(kb.mul(last, self.width), self.columns)
        count = kb.sub(stop, start)

        def fill() -> None:
            fill_panels(start, count, self._slots)

        def fill_last() -> None:
            number = kb.sub(kb.sub(last, first), 1)
            self._pack_last(fill_panels, stop, kb.rem(count, self.width), number)

        if not (self.in_place or self.copies):
            fill()
        elif self.in_place or self.is_copying is None:
            fill_last()
        else:
            kb.either(self.is_copying, fill_last, fill)

    def _pack_last(self, fill: Fill, stop: Index, rest: Index, slot: Index) -> None:
        """The panel that is not full, of `rest` columns before `stop`."""
        kb = self.kb
        if not (isinstance(rest, int) and rest == 0):
            with kb.when(kb.ne(rest, 0)):
                slots = Slots(kb, self._slots.panel(slot), self.depth, self.width)
                fill(kb.sub(stop, rest), rest, slots)

    def _packed(self, slot: Index) -> Strip:
        """The panel in a slot of the block's memory."""
        each, outer = lanes(self.kb.machine, self.dtype), self.kb.mul(self.inner, self.width)
        return Strip(self._slots.panel(slot), each, outer, self.width)

    def _right(self, start: Index, count: Index, packed: Strip) -> Strip:
        """The panel in place; what was packed of it where it is not full."""
        kb, place = self.kb, self.right.place
        assert place is not None
        here = place(start)
        if self.is_packed or (isinstance(count, int) and count == self.width):
            return here
        full = kb.eq(count, self.width)
        pointer = kb.b.select(full, here.operand.pointer, packed.operand.pointer)
        return Strip(
            Operand(kb, pointer, self.dtype, ()), packed.each,
            kb.select(full, here.outer, packed.outer), kb.select(full, here.inner, packed.inner),
        )  # fmt: skip

    # -- the left matrix ---------------------------------------------------------------------------

    def _left(self, row: Index, size: int) -> Strip:
        """Some rows of the left matrix, packed where that pays."""
        kb, left = self.kb, self.left
        if self.whole is None:
            at = kb.add(left.base, kb.mul(row, left.row))
            pointer = left.operand.address(at)
            operand = Operand(kb, pointer, left.operand.dtype, ())
            return Strip(operand, left.row, left.outer, left.inner)
        vector = lanes(kb.machine, self.dtype)
        width = -(-size // vector) * vector
        behind = self._slots.panel(0 if self.is_packed else self.per_block)
        pack(kb, self.whole.flipped, row, size, Slots(kb, behind, self.depth, width))
        return Strip(behind, 1, kb.mul(self.inner, width), width)


def must_pack_rows(left: Matrix, rows: Dim) -> bool:
    """Whether the left matrix is better packed than read where it lies.

    That is so where it must be converted, where its rows fall on each other in the cache, and where
    the distance of rows is known at the call only: too many registers would hold addresses.
    """
    if left.operand.dtype is not sum_dtype(left.operand.dtype):
        return True
    if (isinstance(rows, int) and rows <= 2) or left.row == 1:
        return False
    distance = left.row
    if not isinstance(distance, int):
        return True
    return distance * left.operand.dtype.itemsize % _CONFLICT == 0
