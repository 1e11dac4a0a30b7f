"""interleave_planes: lines whose elements are in turn those of several images, in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llvmlite import ir

from wherry.ir.ops.window import as_ints
from wherry.schema.dtypes import DType

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import I32, Index, Value
from ..lanes import Lanes, load_within
from ..operand import Operand
from .registry import lowers_head
from .tiling import Row


@lowers_head("interleave_planes")
def interleave_planes(kb: KernelBuilder, result: Result) -> None:
    """Each plane by itself, first the lines of the first parts."""
    parts, (rows, columns) = kb.input_list("X"), as_ints(kb.attrs["steps"])
    high, _ = as_ints(result.shape[2:])
    planes = kb.dim(result.shape[0] * result.shape[1])
    with kb.parallel(planes) as plane:
        for row in range(min(rows, high)):
            line = _Line(kb, result, parts[row * columns : (row + 1) * columns])
            with kb.loop(-(-(high - row) // rows)) as down:
                line.emit(plane, down, kb.add(kb.mul(down, rows), row))


class _Line:
    """The lines that take turns of the same parts."""

    def __init__(self, kb: KernelBuilder, result: Result, parts: Sequence[Operand]) -> None:
        self.kb, self.parts = kb, parts
        self.surface = result.over(2, 1, 1)
        self.dtype: DType = result.dtype
        self.width = kb.machine.lanes(self.dtype)
        (self.wide,) = as_ints(result.shape[3:])

    def emit(self, plane: Index, down: Index, y: Index) -> None:
        """Line y of a plane, of the lines `down` of the parts."""
        kb, width, count = self.kb, self.width, len(self.parts)
        high, length = as_ints(self.parts[0].shape[2:])
        start = kb.mul(kb.add(kb.mul(plane, high), down), length)
        whole, rest = divmod(self.wide, width * count)
        row = Row.cut(kb, whole, 1)
        for run in row.runs:
            with row.each(run, 0, row.tiles) as at:
                self.some(start, kb.mul(at, width), (plane, y), width, width * count)
        self.some(start, whole * width, (plane, y), length - whole * width, rest)

    def some(
        self, start: Index, at: Index, line: tuple[Index, Index], read: int, written: int
    ) -> None:
        """The elements of which the first is that at `at` of the first part: `written` of them."""
        kb, count = self.kb, len(self.parts)
        if not written:
            return
        place = kb.add(start, at)
        values = [load_within(part, place, self.width, 0, read) for part in self.parts]
        for number, vector in enumerate(self.merged(values)):
            left = min(written - number * self.width, self.width)
            if left > 0:
                x = kb.add(kb.mul(at, count), number * self.width)
                self.surface.store(vector, self.dtype, [*line, x], Lanes(kb, self.width, left))

    def merged(self, values: Sequence[Value]) -> Iterator[Value]:
        """As many vectors, whose elements are in turn those of each of these."""
        width, count = self.width, len(values)
        for number in range(count):
            places = [divmod(number * width + lane, count) for lane in range(width)]
            merged = values[0]
            for part, value in enumerate(values[1:], 1):
                # Of the vector so far an element is where it stood, or where it is already.
                before = [place if part == 1 else lane for lane, (place, _) in enumerate(places)]
                lanes = [
                    width + place if owner == part else kept
                    for kept, (place, owner) in zip(before, places, strict=True)
                ]
                mask = ir.Constant(ir.VectorType(I32, width), lanes)
                merged = self.kb.b.shuffle_vector(merged, value, mask)
            yield merged
