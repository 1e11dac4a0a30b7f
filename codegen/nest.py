"""Loops over vectors: the pieces of a kernel's outermost loop, and the end of a run.

How a kernel is cut into pieces changes no bits of its results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from wherry.ir.dims import Dim, product

from .builder import KernelBuilder
from .index import Index
from .lanes import Lanes

# The elements of a run that are one piece of work, and how many pieces are plenty.
RUN, PIECES = 4096, 64

Body = Callable[[Lanes, Index], None]


def vectors(
    kb: KernelBuilder, start: Index, stop: Index, width: int, body: Body, rest: Index | None = None
) -> None:
    """`body(lanes, i)` for each vector of [start, stop); the last one may have fewer lanes.

    `rest` is how many elements the last one has, where that is known better than by the difference.
    """
    count = kb.sub(stop, start)
    rest = kb.rem(count, width) if rest is None else rest
    whole = kb.sub(stop, rest)
    with kb.loop(whole, start, width, plain=True) as i:
        body(Lanes(kb, width, width), i)
    if isinstance(rest, int):
        if rest:
            body(Lanes(kb, width, rest), whole)
        return
    with kb.when(kb.ne(rest, 0)):
        body(Lanes(kb, width, rest), whole)


@contextmanager
def rounds(kb: KernelBuilder, sizes: Sequence[Dim], parallel: bool) -> Iterator[list[Index]]:
    """All indices of a nest; its outer loops are the kernel's parallel one."""
    joined = _joined(sizes)
    stop = kb.dim(product(list(sizes[:joined])))
    with kb.parallel(stop) if parallel else kb.loop(stop) as number:
        outer = unravel(kb, number, sizes[:joined])
        with kb.nest(sizes[joined:]) as inner:
            yield [*outer, *inner]


def _joined(sizes: Sequence[Dim]) -> int:
    """How many of the outer loops become one: as many as it takes to have enough rounds."""
    have = 1
    for count, size in enumerate(sizes):
        if have >= PIECES:
            return count
        have *= size if isinstance(size, int) else 1
    return len(sizes)


def unravel(kb: KernelBuilder, number: Index, sizes: Sequence[Dim]) -> list[Index]:
    """The indices of the element that has this number in C order."""
    index: list[Index] = []
    for size in reversed(sizes[1:]):
        extent = max(size, 1) if isinstance(size, int) else kb.dim(size)
        index.insert(0, kb.rem(number, extent))
        number = kb.div(number, extent)
    return [number, *index] if sizes else []


@contextmanager
def runs(
    kb: KernelBuilder, sizes: Sequence[Dim], parallel: bool
) -> Iterator[tuple[list[Index], Index, Index, Index | None]]:
    """The runs of a nest along its last size: (outer indices, start, stop, rest).

    A long run comes in pieces. `rest` is stop - start modulo any vector's width where it is known.
    """
    *outer, last = sizes
    if isinstance(last, int) and last <= RUN:
        with rounds(kb, outer, parallel) as index:
            yield index, 0, last, None
        return
    pieces = (last + (RUN - 1)) // RUN
    with rounds(kb, [*outer, pieces], parallel) as (*index, piece):
        start = kb.mul(piece, RUN)
        stop = kb.minimum(kb.add(start, RUN), kb.dim(last))
        yield index, start, stop, 0 if isinstance(last, int) and last % RUN == 0 else None
