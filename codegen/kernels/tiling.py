"""How a row of pixels is cut into tiles, and matrices that are transposed in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

from wherry.ir.dims import Dim

from ..builder import KernelBuilder
from ..index import I32, Index, Value

# Tiles of these sizes take what the largest ones leave of a row whose length is not known.
_SMALL = (4, 1)


@dataclass(frozen=True)
class Run:
    """Tiles of one size: `count` of them, of which the first has the number `first`.

    Its first pixel is `start`.
    """

    size: int
    count: Index
    first: Index
    start: Index


@dataclass(frozen=True)
class Row:
    """A row of pixels, cut into tiles."""

    kb: KernelBuilder
    runs: Sequence[Run]

    @staticmethod
    def cut(kb: KernelBuilder, length: Dim, most: int) -> Row:
        """Tiles of at most so many pixels: of two sizes at most, where the length is known."""
        if not isinstance(length, int):
            return Row._greedy(kb, length, [most, *(s for s in _SMALL if s < most)])
        count = -(-length // most)
        size, longer = divmod(length, max(count, 1))
        return Row._of(kb, [(size + 1, longer), (size, count - longer)])

    @staticmethod
    def halves(kb: KernelBuilder, length: Dim, most: int) -> Row:
        """Tiles of a power of 2, and smaller powers of 2 for what they leave."""
        return Row._greedy(kb, length, [most >> i for i in range(most.bit_length())])

    @staticmethod
    def _greedy(kb: KernelBuilder, length: Dim, sizes: Sequence[int]) -> Row:
        """As many tiles of each size as fit into what the ones before leave."""
        rest, counted = kb.dim(length), []
        for size in sizes:
            counted.append((size, kb.div(rest, size)))
            rest = kb.rem(rest, size)
        return Row._of(kb, counted)

    @staticmethod
    def _of(kb: KernelBuilder, sizes: Sequence[tuple[int, Index]]) -> Row:
        runs: list[Run] = []
        first: Index = 0
        start: Index = 0
        for size, number in sizes:
            if not (isinstance(number, int) and number == 0):
                runs.append(Run(size, number, first, start))
                first, start = kb.add(first, number), kb.add(start, kb.mul(number, size))
        return Row(kb, runs)

    @property
    def tiles(self) -> Index:
        """How many tiles there are."""
        last = self.runs[-1] if self.runs else Run(1, 0, 0, 0)
        return self.kb.add(last.first, last.count)

    @contextmanager
    def each(self, run: Run, first: Index, stop: Index) -> Iterator[Index]:
        """The first pixel of each tile of the run whose number is in [first, stop)."""
        kb = self.kb
        low = kb.maximum(first, run.first)
        high = kb.minimum(stop, kb.add(run.first, run.count))
        with kb.loop(high, low) as tile:
            yield kb.add(run.start, kb.mul(kb.sub(tile, run.first), run.size))


def transpose(kb: KernelBuilder, rows: Sequence[Value]) -> list[Value]:
    """The columns of a matrix whose rows are vectors; as many rows as lanes, or fewer.

    What the columns hold behind the last row does not matter. It is done in pairs of vectors, at
    each distance that is a power of two: so most shuffles stay within 16 bytes.
    """
    kind = rows[0].type
    width = kind.count
    lines = [*rows, *[ir.Constant(kind, ir.Undefined)] * (width - len(rows))]
    for distance in (1 << i for i in range(width.bit_length() - 1)):
        # Lane l of the first of a pair, and of the second one, out of the lanes of both.
        low = [lane + (width - distance if lane & distance else 0) for lane in range(width)]
        high = [lane + (width if lane & distance else distance) for lane in range(width)]
        masks = [ir.Constant(ir.VectorType(I32, width), lanes) for lanes in (low, high)]
        for first in (line for line in range(width) if not line & distance):
            pair = lines[first], lines[first + distance]
            lines[first], lines[first + distance] = (
                kb.b.shuffle_vector(*pair, mask) for mask in masks
            )
    return lines
