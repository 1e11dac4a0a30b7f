"""Packing blocks of memory: nothing overlaps that is needed at once, and little is lost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.codegen.packing import Block, largest_live_set, pack


def draw_blocks(seed: int, count: int, aligned: bool = True) -> list[Block]:
    """Blocks as networks have them: most live shortly, some long; sizes of all magnitudes."""
    draw = random.Random(seed)
    blocks = []
    for _ in range(count):
        start = draw.randrange(2 * count)
        life = draw.choice([1, 1, 1, 2, 3, draw.randrange(1, 2 * count + 1)])
        size = draw.choice([1, 2, 7, 64, draw.randrange(1, 1000)])
        align = min(1 << (size - 1).bit_length(), 64) if aligned else 1
        blocks.append(Block(size, start, start + life, align))
    return blocks


def check(blocks: list[Block]) -> float:
    """The arena's size over the largest live set; asserts that the packing holds."""
    offsets, total = pack(blocks)
    for i, (one, at) in enumerate(zip(blocks, offsets, strict=True)):
        assert at >= 0 and at + one.size <= total and at % one.align == 0
        for other, there in zip(blocks[:i], offsets[:i], strict=True):
            together = one.start <= other.end and other.start <= one.end
            assert not together or at + one.size <= there or there + other.size <= at
    return total / largest_live_set(blocks)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 60), st.booleans())
def test_what_lives_at_once_lies_apart(seed: int, count: int, aligned: bool) -> None:
    blocks = draw_blocks(seed, count, aligned)
    assert 1.0 <= check(blocks) <= 1.5 + 64 * aligned / largest_live_set(blocks)


@pytest.mark.parametrize("aligned", [False, True])
def test_little_is_lost(aligned: bool) -> None:
    ratios = sorted(check(draw_blocks(seed, 50, aligned)) for seed in range(100))
    assert ratios[50] <= 1.05 and ratios[95] <= 1.1


def test_many_blocks_are_packed_too() -> None:
    assert check(draw_blocks(1, 500)) <= 1.1


def test_the_largest_live_set_counts_both_ends() -> None:
    assert largest_live_set([Block(3, 0, 2), Block(4, 2, 5), Block(5, 6, 6)]) == 7
    assert largest_live_set([]) == 0


def test_a_chain_needs_two_places() -> None:
    blocks = [Block(10, i, i + 1) for i in range(20)]
    assert pack(blocks)[1] == 20
