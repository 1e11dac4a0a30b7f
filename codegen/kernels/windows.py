"""Windows that slide over images: which taps lie inside, for whole runs of windows at once.

Taps above and below an image are left out by the bounds of a loop, for a row of windows at a time.
In a row the inner windows have all their columns inside; the few at both ends go one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from wherry.ir.dims import Dim, dim_max, dim_min

from ..builder import KernelBuilder
from ..index import I32, Index, Value
from .tiling import Row


@dataclass(frozen=True)
class Axis:
    """The windows along one axis: window o has its tap k at o * stride - before + k * dilation."""

    size: Dim
    count: Dim
    kernel: int
    stride: int
    dilation: int
    before: Dim

    @property
    def inner(self) -> tuple[Dim, Dim]:
        """The first of the windows that lie inside, and the first one behind them."""
        first = dim_min((self.before + (self.stride - 1)) // self.stride, self.count)
        last = self.size - 1 + self.before - (self.kernel - 1) * self.dilation
        stop = dim_min(last // self.stride + 1, self.count)
        return first, dim_max(first, stop)

    def start(self, kb: KernelBuilder, window: Index) -> Index:
        """Where a window's first tap lies; maybe before the image."""
        return kb.sub(kb.mul(window, self.stride), kb.dim(self.before))

    def taps(self, kb: KernelBuilder, start: Index) -> tuple[Index, Index]:
        """The taps [first, stop) of a window that lie inside; none where stop <= first."""
        if self.before == 0 and self.fits:
            return 0, self.kernel
        first = self._steps(kb, kb.sub(0, start))
        stop = kb.minimum(self._steps(kb, kb.sub(kb.dim(self.size), start)), self.kernel)
        return first, stop

    @property
    def fits(self) -> bool:
        """Whether it is known that no window reaches over the end."""
        over = (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
        rest = self.size + self.before - over
        return isinstance(rest, int) and rest >= 0

    def _steps(self, kb: KernelBuilder, distance: Index) -> Index:
        """How many taps lie within a distance; none where it is negative."""
        return kb.div(kb.add(kb.maximum(distance, 0), self.dilation - 1), self.dilation)


# What computes windows: (how many, the first one's number in the row, its first column, the taps
# [first, stop) of the columns, or None where all lie inside).
Body = Callable[[int, Index, Index, "tuple[Index, Index] | None"], None]


def each_in_row(
    kb: KernelBuilder, columns: Axis, cut: Callable[[KernelBuilder, Dim], Row], body: Body
) -> None:
    """Call `body` for all windows of a row: runs of inner ones as `cut` says, the others singly."""
    first, stop = columns.inner
    row = cut(kb, stop - first)
    for run in row.runs:
        with row.each(run, 0, row.tiles) as window:
            at = kb.add(window, kb.dim(first))
            body(run.size, at, columns.start(kb, at), None)
    for low, high in ((0, first), (stop, columns.count)):
        with kb.loop(kb.dim(high), kb.dim(low)) as at:
            start = columns.start(kb, at)
            body(1, at, start, columns.taps(kb, start))


def strided(
    kb: KernelBuilder, load: Callable[[Index, int], Value], at: Index, stride: int, width: int
) -> Value:
    """A vector of every stride-th element from `at` on; `load(at, width)` reads neighbours.

    Nothing is read behind the last one.
    """
    if stride == 1 or width == 1:
        return load(at, width)
    if stride == 2:
        low, high = load(at, width), load(kb.add(at, width - 1), width)
        half = width // 2
        places = [2 * i for i in range(half)] + [width + 2 * i + 1 for i in range(half)]
        mask = ir.Constant(ir.VectorType(I32, width), places)
        return kb.b.shuffle_vector(low, high, mask)
    found: Value = None
    for lane in range(width):
        one = load(kb.add(at, lane * stride), 1)
        if found is None:
            found = ir.Constant(ir.VectorType(one.type.element, width), ir.Undefined)
        value = kb.b.extract_element(one, ir.Constant(I32, 0))
        found = kb.b.insert_element(found, value, ir.Constant(I32, lane))
    return found
