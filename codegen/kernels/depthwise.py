"""depthwise_blocked: each channel has its own filter, so a vector is the channels of a block."""

from __future__ import annotations

from wherry.ir.ops.blocked import BLOCK
from wherry.schema.dtypes import float32

from ..builder import KernelBuilder
from ..epilogue import Result
from ..index import Cell, Index
from ..lanes import Lanes
from ..math import LLVMScalars
from .registry import lowers_head
from .tiling import Row
from .windows import Axis, each_in_row


@lowers_head("depthwise_blocked")
def depthwise_blocked(kb: KernelBuilder, result: Result) -> None:
    """Row by row: some neighbouring windows at a time, which share what they read."""
    _Depthwise(kb, result).emit()


class _Depthwise:
    def __init__(self, kb: KernelBuilder, result: Result) -> None:
        self.kb, self.result, attrs = kb, result, kb.attrs
        self.x, self.w = kb.input("Input"), kb.input("Filter")
        pads, steps, gaps = attrs["paddings"], attrs["strides"], attrs["dilations"]
        self.rows, self.columns = (
            Axis(self.x.shape[2 + i], result.shape[2 + i], int(self.w.shape[2 + i]), steps[i],
                 gaps[i], pads[2 * i])
            for i in (0, 1)
        )  # fmt: skip
        self.width = min(kb.machine.lanes(float32), BLOCK)
        self.surface = result.over(1, 1, 2, 1)
        self.scalars = LLVMScalars(kb.b, self.width)

    def emit(self) -> None:
        kb, blocks = self.kb, self.kb.dim(self.x.shape[1])
        most = kb.machine.registers // 4
        with kb.parallel(kb.dim(self.x.shape[0] * self.x.shape[1])) as plane:
            image, block = kb.div(plane, blocks), kb.rem(plane, blocks)
            with kb.loop(kb.dim(self.rows.count)) as y:

                def windows(
                    count: int, first: Index, column: Index, taps: tuple[Index, Index] | None,
                    at: tuple[Index, Index, Index] = (image, block, y), plane: Index = plane,
                ) -> None:  # fmt: skip
                    for lane in range(0, BLOCK, self.width):
                        sums = self.sums(count, plane, lane, at, column, taps)
                        self.store(sums, at, first, lane)

                each_in_row(kb, self.columns, lambda kb, length: Row.cut(kb, length, most), windows)

    def sums(
        self, count: int, plane: Index, lane: int, at: tuple[Index, Index, Index],
        column: Index, taps: tuple[Index, Index] | None,
    ) -> list[Cell]:  # fmt: skip
        """The sums of some windows over the taps that lie inside."""
        kb, (_, block, y) = self.kb, at
        line = kb.mul(kb.dim(self.columns.size), BLOCK)
        source = kb.add(kb.mul(plane, kb.mul(kb.dim(self.rows.size), line)), lane)
        start = self.rows.start(kb, y)
        first, stop = self.rows.taps(kb, start)
        zero = self.scalars.const(0, float32).value
        sums = [kb.cell(zero) for _ in range(count)]
        with kb.loop(stop, first) as i:
            row = kb.add(start, kb.mul(i, self.rows.dilation))
            at_row = kb.add(source, kb.mul(row, line))
            weights = kb.mul(kb.add(kb.mul(block, self.rows.kernel), i), self.columns.kernel)

            def tap(j: Index) -> None:
                place = kb.add(column, kb.mul(j, self.columns.dilation))
                weight = self.w.load_vector(
                    kb.add(kb.mul(kb.add(weights, j), BLOCK), lane), self.width
                )
                for p, cell in enumerate(sums):
                    pixel = kb.add(place, p * self.columns.stride)
                    x = self.x.load_vector(kb.add(at_row, kb.mul(pixel, BLOCK)), self.width)
                    terms = (self.scalars.wrap(v, float32) for v in (x, weight, cell.get()))
                    cell.set(self.scalars.fma(*terms).value)

            if taps is None:
                for j in range(self.columns.kernel):
                    tap(j)
                    kb.keep_order()
            else:
                with kb.loop(taps[1], taps[0], plain=True) as j:
                    tap(j)
        return sums

    def store(
        self, sums: list[Cell], at: tuple[Index, Index, Index], first: Index, lane: int
    ) -> None:
        kb, (image, block, y) = self.kb, at
        place = kb.add(kb.mul(y, kb.dim(self.columns.count)), first)
        lanes = Lanes(kb, self.width, self.width)
        for p, cell in enumerate(sums):
            index = [image, block, kb.add(place, p), lane]
            self.surface.store(cell.get(), float32, index, lanes)
