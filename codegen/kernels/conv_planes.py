"""conv2d_planes: a direct convolution of plain images for few outputs: vectors are pixels.

The planes of a group are copied into working memory with their padding, so that nothing is checked
while they are read; there a vector may reach behind a row. A tile is all outputs of the group by
some vectors of a row by some rows; rows share what they read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product as product_of

from wherry.ir.dims import Dim, product
from wherry.ir.program import OpDesc
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Cell, Index, Value
from ..lanes import Lanes, splat
from ..math import LLVMScalars
from ..operand import Operand
from .layout import Frame
from .registry import lowers_head
from .tiling import Row
from .windows import strided

# Of so many taps of all channels the code is written out, and rows share what they read.
_FEW_TAPS = 32
_ROWS = 4
# The longest vector of any machine: what may be read behind the last row.
_SLACK = 16


def _planes(op: OpDesc) -> tuple[Dim, Dim, Dim]:
    """The padded planes of one group [channels, height, width]."""
    x, w = op.inputs["Input"][0], op.inputs["Filter"][0]
    top, bottom, left, right = op.attrs["paddings"]
    return w.shape[1], x.shape[2] + (top + bottom), x.shape[3] + (left + right)


def _scratch(op: OpDesc) -> Dim:
    return (product(_planes(op)) + _SLACK * op.attrs["strides"][1]) * float32.itemsize


@lowers_head("conv2d_planes", scratch=_scratch)
def conv2d_planes(kb: KernelBuilder, result: Result) -> None:
    """Group by group."""
    groups = kb.attrs["groups"]
    conv = _Conv(kb, result)
    with kb.parallel(kb.mul(kb.dim(result.shape[0]), groups)) as number:
        image, group = kb.div(number, groups), kb.rem(number, groups)
        conv.fill(number)
        high = kb.dim(conv.high)
        whole = kb.mul(kb.div(high, conv.rows), conv.rows)
        with kb.loop(whole, 0, conv.rows) as y:
            conv.row(image, group, y, conv.rows)
        with kb.loop(high, whole) as y:
            conv.row(image, group, y, 1)


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
        self.sums = kb.machine.tile_rows * kb.machine.tile_vectors
        taps = self.channels * self.kernel[0] * self.kernel[1]
        self.is_short = taps <= _FEW_TAPS
        self.rows = max(min(_ROWS, self.sums // self.outputs), 1) if self.is_short else 1

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
        whole = self.wide // width
        cut = Row.cut(kb, whole, max(self.sums // (self.outputs * rows), 1))
        for run in cut.runs:
            with cut.each(run, 0, cut.tiles) as vector:
                self.tile(image, group, y, rows, kb.mul(vector, width), run.size, width)
        rest = self.wide % width
        if rest != 0:
            with kb.when(kb.lt(0, kb.dim(rest))):
                self.tile(image, group, y, rows, kb.dim(whole * width), 1, kb.dim(rest))

    def tile(
        self, image: Index, group: Index, y: Index, rows: int, x: Index, vectors: int, count: Index
    ) -> None:
        kb = self.kb
        scalars = LLVMScalars(kb.b, self.width)
        zero = scalars.const(0, float32).value
        sums = {
            key: kb.cell(zero)
            for key in product_of(range(self.outputs), range(rows), range(vectors))
        }
        at = kb.add(kb.mul(y, kb.mul(self.line, self.strides[0])), kb.mul(x, self.strides[1]))
        filters = kb.mul(group, self.outputs * self.channels * self.kernel[0] * self.kernel[1])
        if self.is_short:
            for c in range(self.channels):
                self.taps(sums, kb.add(at, kb.mul(c, self.plane)), filters, c, rows, vectors)
        else:
            with self._channels_and_rows() as (c, i):
                down = kb.mul(i, kb.mul(self.line, self.dilations[0]))
                source = kb.add(kb.add(at, kb.mul(c, self.plane)), down)
                self.one_row(sums, source, filters, c, i, vectors)
        lanes = Lanes(kb, self.width, count)
        for (o, r, v), cell in sums.items():
            place = kb.add(kb.mul(kb.add(y, r), kb.dim(self.wide)), kb.add(x, v * self.width))
            channel = kb.add(kb.mul(group, self.outputs), o)
            self.surface.store(cell.get(), float32, [image, channel, place], lanes)

    @contextmanager
    def _channels_and_rows(self) -> Iterator[tuple[Index, Index]]:
        kb = self.kb
        with kb.loop(self.channels) as c, kb.loop(self.kernel[0]) as i:
            yield c, i

    def taps(
        self, sums: dict[tuple[int, ...], Cell], at: Index, filters: Index, c: int, rows: int,
        vectors: int,
    ) -> None:  # fmt: skip
        """All taps of one channel for some rows: each line of the image is read once."""
        kb, (high, wide), (step, gap) = self.kb, self.kernel, (self.strides[0], self.dilations[0])
        lines = sorted({r * step + i * gap for r in range(rows) for i in range(high)})
        for line, j in product_of(lines, range(wide)):
            place = kb.add(kb.add(at, kb.mul(self.line, line)), j * self.dilations[1])
            read = [self.read(place, v) for v in range(vectors)]
            for r in range(rows):
                i, between = divmod(line - r * step, gap)
                if not between and 0 <= i < high:
                    self.add(sums, read, r, filters, kb.add((c * high + i) * wide, j))

    def one_row(
        self, sums: dict[tuple[int, ...], Cell], source: Index, filters: Index, c: Index, i: Index,
        vectors: int,
    ) -> None:  # fmt: skip
        """One line of one channel's taps, for one row."""
        kb, (high, wide) = self.kb, self.kernel
        with kb.loop(wide, unroll=2) as j:
            place = kb.add(source, kb.mul(j, self.dilations[1]))
            read = [self.read(place, v) for v in range(vectors)]
            tap = kb.add(kb.mul(kb.add(kb.mul(c, high), i), wide), j)
            self.add(sums, read, 0, filters, tap)

    def read(self, place: Index, v: int) -> Value:
        at = self.kb.add(place, v * self.width * self.strides[1])
        return strided(self.kb, self.planes.load_vector, at, self.strides[1], self.width)

    def add(
        self, sums: dict[tuple[int, ...], Cell], read: list[Value], row: int, filters: Index,
        tap: Index,
    ) -> None:  # fmt: skip
        """Multiply what was read with one tap of each output's filter."""
        kb, scalars = self.kb, LLVMScalars(self.kb.b, self.width)
        taps = self.channels * self.kernel[0] * self.kernel[1]
        for o in range(self.outputs):
            number = self.w.load_at(kb.add(kb.add(filters, o * taps), tap))
            weight = splat(kb, number.value, self.width)
            for v, value in enumerate(read):
                cell = sums[o, row, v]
                terms = (scalars.wrap(one, float32) for one in (value, weight, cell.get()))
                cell.set(scalars.fma(*terms).value)
