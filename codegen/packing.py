"""Offsets for blocks of memory: those that are needed at different times may overlap.

The usual greedy way: one block after the other, the largest first, goes into the tightest gap
between those that live at the same time. Other orders are tried where that leaves holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from wherry.ir.dims import Dim
from wherry.runtime.abi import ARENA_ALIGNMENT

# Above so many blocks one order has to do: the time grows with the square.
MANY: Final = 400
# Of the size, the first and the last position of a block: those that give more come first, of equal
# ones the first in the list.
ORDERS: Final[Sequence[Callable[[int, int, int], int]]] = (
    lambda size, start, end: size,
    lambda size, start, end: size * (end - start + 1),
    lambda size, start, end: end - start,
    lambda size, start, end: -start,
    lambda size, start, end: end,
)


class Block(NamedTuple):
    """A size, the first and the last position at which the block is needed, its alignment."""

    size: int
    start: int
    end: int
    align: int = 1


def largest_live_set(blocks: Sequence[Block]) -> int:
    """The sum of the sizes at the position where it is largest: no arena can be smaller."""
    changes: dict[int, int] = {}
    for block in blocks:
        changes[block.start] = changes.get(block.start, 0) + block.size
        changes[block.end + 1] = changes.get(block.end + 1, 0) - block.size
    total = largest = 0
    for position in sorted(changes):
        total += changes[position]
        largest = max(largest, total)
    return largest


def pack(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """(each block's offset, the arena's size). `arena.py` does the same in native code."""
    bound = largest_live_set(blocks)
    best: tuple[list[int], int] | None = None
    for key in ORDERS if len(blocks) <= MANY else ORDERS[:1]:
        keys = [key(b.size, b.start, b.end) for b in blocks]
        found = _place(blocks, sorted(range(len(blocks)), key=lambda i: -keys[i]))
        if best is None or found[1] < best[1]:
            best = found
        if best[1] == bound:
            break
    assert best is not None
    return best


def _place(blocks: Sequence[Block], order: Sequence[int]) -> tuple[list[int], int]:
    offsets = [0] * len(blocks)
    placed: list[int] = []  # by offset
    for i in order:
        at = _gap(blocks, offsets, placed, blocks[i])
        offsets[i] = at
        place = next((p for p, j in enumerate(placed) if offsets[j] > at), len(placed))
        placed.insert(place, i)
    ends = (offset + block.size for offset, block in zip(offsets, blocks, strict=True))
    return offsets, max(ends, default=0)


def _gap(blocks: Sequence[Block], offsets: Sequence[int], placed: Sequence[int], new: Block) -> int:
    """The offset of the tightest gap that is large enough, or the end of what is in the way."""
    free, best, tightest = 0, -1, 0
    for j in placed:
        other = blocks[j]
        if other.end < new.start or new.end < other.start:
            continue
        room = offsets[j] - free
        if room >= new.size and (best < 0 or room < tightest):
            best, tightest = free, room
        free = max(free, round_up(offsets[j] + other.size, new.align))
    return best if best >= 0 else free


def round_up(number: int, unit: int) -> int:
    """The next multiple of the unit."""
    return -(-number // unit) * unit


def aligned(size: Dim) -> Dim:
    """The size up to the next place where anything may lie."""
    return (size + ARENA_ALIGNMENT - 1) // ARENA_ALIGNMENT * ARENA_ALIGNMENT
