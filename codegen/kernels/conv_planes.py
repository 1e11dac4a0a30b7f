"""conv2d_planes: a direct convolution of plain images for few outputs: vectors are pixels.

A tile is all outputs of the group by some vectors of a row by some rows; rows share what they read.
Where the code for a tile is straight, it reads the image where it lies: the vectors at both ends of
a row leave out the lanes that would be padding, and lines above and below are one line of zeros.
Else the planes of a group are copied into working memory with their padding, so that nothing is
checked while they are read; there a vector may reach behind a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product as product_of
from typing import TypeAlias

from llvmlite import ir

from wherry.ir.dims import Dim, product
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Index, Value
from ..lanes import Lanes, load_within, splat
from ..math import storage_type
from ..operand import Operand
from .layout import Frame
from .registry import lowers_head
from .tiling import Row
from .windows import strided

# So many products of one pixel are written out, and rows share what they read.
_FEW_PRODUCTS = 32
_ROWS = 4
# The longest vector of any machine: what may be read behind the last row.
_SLACK = 16
# Registers that take part in making a strided vector.
_STRIDED = 5

# (row, vector, what was read there); (output, its weight).
Pixels: TypeAlias = tuple[int, int, Value]
Weight: TypeAlias = tuple[int, Value]


def _planes(op: OpDesc) -> tuple[Dim, Dim, Dim]:
    """The padded planes of one group [channels, height, width]."""
    x, w = op.inputs["Input"][0], op.inputs["Filter"][0]
    top, bottom, left, right = op.attrs["paddings"]
    return w.shape[1], x.shape[2] + (top + bottom), x.shape[3] + (left + right)


def _scratch(op: OpDesc) -> Dim:
    slack: int = _SLACK * op.attrs["strides"][1]
    return (product(_planes(op)) + slack) * float32.itemsize


@lowers_head("conv2d_planes", scratch=_scratch)
def conv2d_planes(kb: KernelBuilder, result: Result) -> None:
    """Group by group."""
    groups = kb.attrs["groups"]
    conv = _Conv(kb, result)
    with kb.parallel(kb.mul(kb.dim(result.shape[0]), groups)) as number:
        image, group = kb.div(number, groups), kb.rem(number, groups)
        conv.source.begin(number)
        rows = Row.cut(kb, conv.high, conv.rows)
        for run in rows.runs:
            with rows.each(run, 0, rows.tiles) as y:
                conv.row(image, group, y, run.size)


class _Conv:
    def __init__(self, kb: KernelBuilder, result: Result) -> None:
        self.kb, self.result, attrs = kb, result, kb.attrs
        self.w = kb.input("Filter")
        self.strides, self.dilations = attrs["strides"], attrs["dilations"]
        outputs, self.channels, *self.kernel = map(int, self.w.shape)
        self.outputs = outputs // attrs["groups"]
        self.high, self.wide = result.shape[2:]
        self.width = kb.machine.lanes(float32)
        self.surface = result.over(1, 1, 2)
        self.taps = self.channels * self.kernel[0] * self.kernel[1]
        self.is_short = self.outputs * self.taps <= _FEW_PRODUCTS
        self.rows = max(min(_ROWS, kb.machine.conv_sums // self.outputs), 1)
        in_place = self.is_short and _Image.serves(kb)
        self.source: _Image | _Planes = _Image(kb) if in_place else _Planes(kb)
        self.numbers: list[Value] = []

    def read(self, group: Index, output: int, tap: Index) -> Value:
        """One weight of an output's filter."""
        kb = self.kb
        filters = kb.mul(group, self.outputs * self.taps)
        return self.w.load_at(kb.add(kb.add(filters, output * self.taps), tap)).value

    def weight(self, group: Index, output: int, tap: Index) -> Value:
        """The same, from a register where they were all read before."""
        if isinstance(tap, int) and self.numbers:
            return self.numbers[output * self.taps + tap]
        return self.read(group, output, tap)

    def most_vectors(self, rows: int) -> int:
        """Of a tile of so many rows: its sums, what is kept beside them (see `add`), and what else
        takes part in a product fit into the registers.
        """
        machine = self.kb.machine
        spare = machine.registers - (1 if self.strides[1] == 1 else _STRIDED)

        def fits(vectors: int) -> bool:
            values = rows * vectors
            sums: int = self.outputs * values
            return sums <= machine.conv_sums and sums + min(self.outputs, values) <= spare

        return max(filter(fits, range(1, machine.conv_sums + 1)), default=1)

    def row(self, image: Index, group: Index, y: Index, rows: int) -> None:
        """The tiles of some rows. Few weights are read once for all of them."""
        if self.is_short:
            products = [divmod(i, self.taps) for i in range(self.outputs * self.taps)]
            self.numbers = [self.read(group, output, tap) for output, tap in products]
        for x, vectors, lanes in self.spans(rows):
            _Tile(self, (image, group, y, x), rows, vectors, lanes).emit()

    def spans(self, rows: int) -> Iterator[tuple[Index, int, Lanes]]:
        """Where the tiles of some rows lie: (the first pixel, vectors, lanes of each)."""
        kb, width = self.kb, self.width
        whole, rest = self.wide // width, self.wide % width
        most = 1 if self.is_short else self.most_vectors(rows)
        lanes = Lanes(kb, width, width)
        first, stop = self.source.inside(whole, self.reach, width)
        for vector in range(first):
            yield vector * width, 1, lanes
        cut = Row.cut(kb, stop - first, most)
        for run in cut.runs:
            with cut.each(run, 0, cut.tiles) as vector:
                yield kb.mul(kb.add(vector, first), width), run.size, lanes
        if isinstance(stop, int) and isinstance(whole, int):
            for vector in range(stop, whole):
                yield vector * width, 1, lanes
        if rest == 0:
            return
        if isinstance(rest, int):
            width = 1 << (rest - 1).bit_length()
        with kb.when(kb.lt(0, kb.dim(rest))):
            yield kb.dim(self.wide - rest), 1, Lanes(kb, width, kb.dim(rest))

    @property
    def reach(self) -> int:
        """How far the last tap of a row lies from the first one."""
        return (self.kernel[1] - 1) * int(self.dilations[1])


class _Planes:
    """Copies of a group's planes, with zeros around."""

    def __init__(self, kb: KernelBuilder) -> None:
        self.kb, self.strides = kb, kb.attrs["strides"]
        self.memory = Operand(kb, kb.scratch, float32, _planes(kb.op))
        self.channels, self.high, self.wide = self.memory.shape

    def begin(self, number: Index) -> None:
        """Copy the group of this number."""
        kb, x = self.kb, self.kb.input("Input")
        area, channels = kb.dim(x.shape[2] * x.shape[3]), kb.dim(self.channels)
        frame = Frame(kb, self.memory, (self.high, self.wide), kb.attrs["paddings"], 1)
        with kb.loop(channels) as c:
            source = kb.mul(kb.add(kb.mul(number, channels), c), area)
            frame.copy(x, source, self.memory.offset((c, 0, 0)))

    def inside(self, vectors: Dim, reach: int, width: int) -> tuple[int, Dim]:
        """The vectors [first, stop) of a row whose taps all lie in the memory of the row."""
        return 0, vectors

    def line(self, c: Index, y: Index, down: Index, last: Dim) -> Operand:
        """The line so far below the first one of outputs y, of which the largest is `last`."""
        row = self.kb.add(self.kb.mul(y, self.strides[0]), down)
        return Operand(self.kb, self.memory.address(self.memory.offset((c, row, 0))), float32, ())

    def vector(self, line: Operand, x: Index, right: Index, width: int) -> Value:
        """Of a line, the pixels so far to the right of the first ones of the outputs from x on."""
        place = self.kb.add(self.kb.mul(x, self.strides[1]), right)
        return strided(self.kb, line.load_vector, place, self.strides[1], width)


class _Image:
    """The same of an image where it lies, whose size is known; zeros outside are not read."""

    def __init__(self, kb: KernelBuilder) -> None:
        self.kb, self.x, self.step = kb, kb.input("Input"), kb.attrs["strides"][0]
        self.above, _, self.left, _ = kb.attrs["paddings"]
        self.high, self.wide = map(int, self.x.shape[2:])
        self.channels = int(kb.input("Filter").shape[1])
        self.zeros = Operand(kb, kb.scratch, float32, (self.wide,))
        self.number: Index = 0

    @staticmethod
    def serves(kb: KernelBuilder) -> bool:
        sizes = [*kb.input("Input").shape[2:], *kb.attrs["paddings"]]
        return kb.attrs["strides"][1] == 1 and all(isinstance(size, int) for size in sizes)

    def begin(self, number: Index) -> None:
        self.number = number
        row = Row.halves(self.kb, self.wide, self.kb.machine.lanes(float32))
        for run in row.runs:
            zero = ir.Constant(storage_type(float32, run.size), None)
            with row.each(run, 0, row.tiles) as at:
                self.zeros.store_vector(zero, at)

    def inside(self, vectors: Dim, reach: int, width: int) -> tuple[int, Dim]:
        assert isinstance(vectors, int)
        first = min(-(-self.left // width), vectors)
        behind = (self.wide + self.left - reach) // width
        return first, min(max(behind, first), vectors)

    def line(self, c: Index, y: Index, down: Index, last: Dim) -> Operand:
        kb, x = self.kb, self.x
        assert isinstance(last, int)
        row = kb.add(kb.mul(y, self.step), down - self.above)
        plane = kb.add(kb.mul(self.number, self.channels), c)
        own = x.address(kb.mul(kb.add(kb.mul(plane, self.high), row), self.wide))
        for may_be, is_outside in (
            (down < self.above, kb.lt(row, 0)),
            (last * self.step + down - self.above >= self.high, kb.lt(self.high - 1, row)),
        ):
            if may_be:
                own = kb.b.select(is_outside, self.zeros.pointer, own)
        return Operand(kb, own, float32, ())

    def vector(self, line: Operand, x: Index, right: int, width: int) -> Value:
        at = self.kb.add(x, right - self.left)
        if not isinstance(at, int):
            return line.load_vector(at, width)
        return load_within(line, at, width, max(-at, 0), min(self.wide - at, width))


class _Tile:
    """The outputs of a group by some rows by some vectors, from `at`: image, group, row, pixel."""

    def __init__(
        self, conv: _Conv, at: tuple[Index, Index, Index, Index], rows: int, vectors: int,
        lanes: Lanes,
    ) -> None:  # fmt: skip
        self.conv, self.kb, self.at = conv, conv.kb, at
        self.rows, self.vectors, self.lanes = rows, vectors, lanes
        zero = lanes.scalars.const(0, float32).value
        keys = product_of(range(conv.outputs), range(rows), range(vectors))
        self.sums = {key: self.kb.cell(zero) for key in keys}

    def emit(self) -> None:
        if self.conv.is_short:
            self.all_taps()
        else:
            self.each_tap()

    @property
    def last(self) -> Dim:
        """The first row of the last tile."""
        return self.conv.high - self.rows

    def each_tap(self) -> None:
        """Loops over channels and taps."""
        kb, conv, y, (high, wide) = self.kb, self.conv, self.at[2], self.conv.kernel
        with kb.loop(conv.channels) as c, kb.loop(high) as i, kb.loop(wide) as j:
            down, right = kb.mul(i, conv.dilations[0]), kb.mul(j, conv.dilations[1])
            tap = kb.add(kb.mul(kb.add(kb.mul(c, high), i), wide), j)
            lines = [
                conv.source.line(c, y, kb.add(down, r * conv.strides[0]), self.last)
                for r in range(self.rows)
            ]
            self.add(self.values(lines, right), tap)
        for r in range(self.rows):
            self.store(r)

    def all_taps(self) -> None:
        """Straight code; each line of the image is read once for all rows.

        A row is stored as soon as it is complete, so that few sums are in registers. Lines are read
        in order, or LLVM would begin with all of them.
        """
        conv, y, (high, wide) = self.conv, self.at[2], self.conv.kernel
        step, gap = conv.strides[0], conv.dilations[0]
        downs = sorted({r * step + i * gap for r in range(self.rows) for i in range(high)})
        for c, down in product_of(range(conv.channels), downs):
            line = conv.source.line(c, y, down, self.last)
            rows = {r: divmod(down - r * step, gap) for r in range(self.rows)}
            taps = {r: i for r, (i, between) in rows.items() if not between and 0 <= i < high}
            for j in range(wide):
                read = list(self.values([line], j * conv.dilations[1]))
                for r, i in taps.items():
                    self.add(((r, v, value) for _, v, value in read), (c * high + i) * wide + j)
            for r, i in taps.items():
                if (c, i) == (conv.channels - 1, high - 1):
                    self.store(r)
            self.kb.keep_order()

    def values(self, lines: Sequence[Operand], right: Index) -> Iterator[Pixels]:
        """(line, vector, what is read there) for the tile's vectors of some lines."""
        kb, source, width = self.kb, self.conv.source, self.lanes.width
        for r, line in enumerate(lines):
            for v in range(self.vectors):
                yield r, v, source.vector(line, kb.add(self.at[3], v * width), right, width)

    def weights(self, tap: Index) -> Iterator[Weight]:
        """(output, its filter's number at one tap) for the outputs of the group."""
        for output in range(self.conv.outputs):
            number = self.conv.weight(self.at[1], output, tap)
            yield output, splat(self.kb, number, self.lanes.width)

    def store(self, r: int) -> None:
        """Store a row of the tile."""
        kb, conv, (image, group, y, x) = self.kb, self.conv, self.at
        for o, v in product_of(range(conv.outputs), range(self.vectors)):
            pixel = kb.add(x, v * self.lanes.width)
            place = kb.add(kb.mul(kb.add(y, r), kb.dim(conv.wide)), pixel)
            channel = kb.add(kb.mul(group, conv.outputs), o)
            sums = self.sums[o, r, v].get()
            conv.surface.store(sums, float32, [image, channel, place], self.lanes)

    def add(self, values: Iterable[Pixels], tap: Index) -> None:
        """Add the products of what was read for (row, vector) and one tap of each output's filter.

        The fewer of both are kept in registers, and pass over the others one by one.
        """
        scalars = self.lanes.scalars
        for (r, v, value), (o, weight) in self.pairs(values, self.weights(tap)):
            cell = self.sums[o, r, v]
            terms = (scalars.wrap(one, float32) for one in (value, weight, cell.get()))
            cell.set(scalars.fma(*terms).value)

    def pairs(
        self, values: Iterable[Pixels], weights: Iterable[Weight]
    ) -> Iterator[tuple[Pixels, Weight]]:
        if self.conv.outputs <= self.rows * self.vectors:
            kept = list(weights)
            return ((value, weight) for value in values for weight in kept)
        read = list(values)
        return ((value, weight) for weight in weights for value in read)
