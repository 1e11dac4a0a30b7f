"""conv2d_planes: a direct convolution of plain images for few outputs: vectors are pixels.

The planes of a group are copied into working memory with their padding, so that nothing is checked
while they are read; there a vector may reach behind a row. A tile is all outputs of the group by
some vectors of a row by some rows; rows share what they read.
"""

from __future__ import annotations

from itertools import product as product_of

from wherry.ir.dims import Dim, product
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Index, Value
from ..lanes import Lanes, splat
from ..operand import Operand
from .layout import Frame
from .registry import lowers_head
from .tiling import Row
from .windows import strided

# So many products of one pixel are written out, and rows share what they read.
_FEW_PRODUCTS = 32
_ROWS = 8
# The longest vector of any machine: what may be read behind the last row.
_SLACK = 16


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
        conv.fill(number)
        rows = Row.cut(kb, conv.high, conv.rows)
        for run in rows.runs:
            with rows.each(run, 0, rows.tiles) as y:
                conv.row(image, group, y, run.size)


class _Conv:
    def __init__(self, kb: KernelBuilder, result: Result) -> None:
        self.kb, self.result, attrs = kb, result, kb.attrs
        self.x, self.w = kb.input("Input"), kb.input("Filter")
        self.strides, self.dilations = attrs["strides"], attrs["dilations"]
        outputs, self.channels, *self.kernel = map(int, self.w.shape)
        self.outputs = outputs // attrs["groups"]
        self.high, self.wide = result.shape[2:]
        self.width = kb.machine.lanes(float32)
        self.planes = Operand(kb, kb.scratch, float32, _planes(kb.op))
        self.surface = result.over(1, 1, 2)
        self.sums = kb.machine.conv_sums
        self.is_short = product(self.w.shape) // attrs["groups"] <= _FEW_PRODUCTS
        self.rows = max(min(_ROWS, self.sums // self.outputs), 1)

    @property
    def line(self) -> Index:
        return self.kb.dim(self.planes.shape[2])

    @property
    def plane(self) -> Index:
        return self.kb.dim(product(self.planes.shape[1:]))

    def fill(self, number: Index) -> None:
        """The group's planes with zeros around."""
        kb, x = self.kb, self.x
        area = kb.dim(x.shape[2] * x.shape[3])
        frame = Frame(kb, self.planes, self.planes.shape[1:], kb.attrs["paddings"], 1)
        with kb.loop(self.channels) as c:
            source = kb.mul(kb.add(kb.mul(number, self.channels), c), area)
            frame.copy(x, source, kb.mul(c, self.plane))

    def row(self, image: Index, group: Index, y: Index, rows: int) -> None:
        """The tiles of some rows: whole vectors, then what is left of the row."""
        kb, width = self.kb, self.width
        whole, rest = self.wide // width, self.wide % width
        most = 1 if self.is_short else max(self.sums // (self.outputs * rows), 1)
        cut = Row.cut(kb, whole, most)
        for run in cut.runs:
            with cut.each(run, 0, cut.tiles) as vector:
                at = (image, group, y, kb.mul(vector, width))
                _Tile(self, at, rows, run.size, Lanes(kb, width, width)).emit()
        if rest == 0:
            return
        if isinstance(rest, int):
            width = 1 << (rest - 1).bit_length()
        with kb.when(kb.lt(0, kb.dim(rest))):
            at = (image, group, y, kb.dim(self.wide - rest))
            _Tile(self, at, rows, 1, Lanes(kb, width, kb.dim(rest))).emit()


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
        kb, conv, (image, group, y, x) = self.kb, self.conv, self.at
        line = kb.mul(conv.line, conv.strides[0])
        source = kb.add(kb.mul(y, line), kb.mul(x, conv.strides[1]))
        if conv.is_short:
            self.all_taps(source)
        else:
            self.each_tap(source)
        for (o, r, v), cell in self.sums.items():
            pixel = kb.add(x, v * self.lanes.width)
            place = kb.add(kb.mul(kb.add(y, r), kb.dim(conv.wide)), pixel)
            channel = kb.add(kb.mul(group, conv.outputs), o)
            conv.surface.store(cell.get(), float32, [image, channel, place], self.lanes)

    def each_tap(self, source: Index) -> None:
        """Loops over channels and taps."""
        kb, conv, (high, wide) = self.kb, self.conv, self.conv.kernel
        with kb.loop(conv.channels) as c, kb.loop(high) as i, kb.loop(wide) as j:
            down = kb.mul(i, kb.mul(conv.line, conv.dilations[0]))
            right = kb.add(kb.mul(c, conv.plane), kb.mul(j, conv.dilations[1]))
            place = kb.add(kb.add(source, down), right)
            tap = kb.add(kb.mul(kb.add(kb.mul(c, high), i), wide), j)
            below = [kb.mul(conv.line, r * conv.strides[0]) for r in range(self.rows)]
            self.add({r: self.read(kb.add(place, at)) for r, at in enumerate(below)}, tap)

    def all_taps(self, source: Index) -> None:
        """Straight code; each line of the image is read once for all rows."""
        kb, conv, (high, wide) = self.kb, self.conv, self.conv.kernel
        step, gap = conv.strides[0], conv.dilations[0]
        lines = sorted({r * step + i * gap for r in range(self.rows) for i in range(high)})
        for c, line, j in product_of(range(conv.channels), lines, range(wide)):
            right = kb.add(kb.mul(c, conv.plane), j * conv.dilations[1])
            read = self.read(kb.add(kb.add(source, kb.mul(conv.line, line)), right))
            for r in range(self.rows):
                i, between = divmod(line - r * step, gap)
                if not between and 0 <= i < high:
                    self.add({r: read}, (c * high + i) * wide + j)

    def read(self, place: Index) -> list[Value]:
        """The tile's vectors of one line."""
        kb, planes, stride, width = (
            self.kb, self.conv.planes, self.conv.strides[1], self.lanes.width,
        )  # fmt: skip
        starts = (kb.add(place, v * width * stride) for v in range(self.vectors))
        return [strided(kb, planes.load_vector, at, stride, width) for at in starts]

    def add(self, lines: dict[int, list[Value]], tap: Index) -> None:
        """Multiply what was read for some rows with one tap of each output's filter."""
        kb, conv, scalars = self.kb, self.conv, self.lanes.scalars
        taps = conv.channels * conv.kernel[0] * conv.kernel[1]
        filters = kb.mul(self.at[1], conv.outputs * taps)
        for o in range(conv.outputs):
            number = conv.w.load_at(kb.add(kb.add(filters, o * taps), tap))
            weight = splat(kb, number.value, self.lanes.width)
            for row, read in lines.items():
                for v, value in enumerate(read):
                    cell = self.sums[o, row, v]
                    terms = (scalars.wrap(one, float32) for one in (value, weight, cell.get()))
                    cell.set(scalars.fma(*terms).value)
