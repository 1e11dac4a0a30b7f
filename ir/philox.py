"""Philox4x32-10: random bits as a pure function of (seed, stream, index).

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). The key is the seed's two
32-bit words, low one first; the counter of block i is (low i, high i, low stream, high stream);
word e is word e % 4 of block e // 4. So every element knows its bits without the others: compiled
code gives the same, however it splits the work.

>>> philox_bits(0, 0, 4).tolist()
[1713891541, 3781805453, 3159862348, 2600524760]
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_CHUNK = 1 << 14  # blocks at a time: their words stay in the cache


def philox_bits(seed: int, stream: int, n: int) -> Array:
    """The first n words of a stream, uint32[n]. Seed and stream are taken modulo 2**64."""
    out = np.empty(((n + 3) // 4, 4), np.uint32)
    key, high_words = _words(seed), _words(stream)
    for start in range(0, len(out), _CHUNK):
        block = np.arange(start, min(start + _CHUNK, len(out)), dtype=np.uint64)
        stream_words = [np.full_like(block, word) for word in high_words]
        words = philox4x32([block & _LOW, block >> _HALF, *stream_words], key)
        np.stack(words, axis=1, out=out[start : start + _CHUNK], casting="unsafe")
    return out.ravel()[:n]


def philox4x32(counter: list[Array], key: tuple[int, int]) -> list[Array]:
    """Ten rounds on four counter words and two key words; all hold 32-bit values as uint64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        a, b = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c2 = (b >> _HALF) ^ c1 ^ np.uint64(k0), (a >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = b & _LOW, a & _LOW
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


def _words(value: int) -> tuple[int, int]:
    """The low and the high 32 bits."""
    return value & 0xFFFFFFFF, (value >> 32) & 0xFFFFFFFF
