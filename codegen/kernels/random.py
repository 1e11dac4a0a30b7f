"""rng_bits: Philox4x32-10 as in `wherry.ir.philox`, bit by bit."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from wherry.ir.philox import MULTIPLIERS, ROUNDS, WEYL
from wherry.schema.dtypes import int32, int64

from ..builder import KernelBuilder
from ..index import Index, Value, i64
from .registry import lowers

_LOW = 0xFFFFFFFF


@lowers("rng_bits")
def rng_bits(kb: KernelBuilder) -> None:
    """int32: a word without its lowest bit; int64: two words without theirs."""
    state, out = kb.input("State"), kb.output()
    seed, stream = (_words(kb, kb.as_index(state.load_at(i))) for i in range(2))
    size = kb.dim(out.size)
    each = 4 if out.dtype is int32 else 2

    def store(block: Index, elements: Index) -> None:
        words = _philox(kb, [*_words(kb, i64(block)), *stream], seed)
        numbers = [_number(kb, words[i * 4 // each : (i + 1) * 4 // each]) for i in range(each)]
        first = kb.mul(block, each)
        for i, number in enumerate(numbers):
            with _if_inside(kb, i, elements):
                value = kb.scalars.cast(kb.scalar(number, int64), out.dtype)
                out.store_at(value, kb.add(first, i))

    whole = kb.div(size, each)
    with kb.loop(whole) as block:
        store(block, each)
    rest = kb.rem(size, each)
    with kb.when(kb.lt(0, rest)):
        store(whole, rest)


def _if_inside(kb: KernelBuilder, i: int, elements: Index) -> AbstractContextManager[None]:
    """Code for element i of a block that has some elements."""
    return (
        nullcontext() if isinstance(elements, int) and i < elements else kb.when(kb.lt(i, elements))
    )


def _words(kb: KernelBuilder, value: Value) -> list[Value]:
    """The low and the high 32 bits, as i64."""
    return [kb.b.and_(value, i64(_LOW)), kb.b.lshr(value, i64(32))]


def _philox(kb: KernelBuilder, counter: list[Value], key: list[Value]) -> list[Value]:
    """Ten rounds; every value is an i64 that holds 32 bits."""
    b = kb.b
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        x, y = b.mul(c0, i64(MULTIPLIERS[0])), b.mul(c2, i64(MULTIPLIERS[1]))
        (x_low, x_high), (y_low, y_high) = _words(kb, x), _words(kb, y)
        c0, c1 = b.xor(b.xor(y_high, c1), k0), y_low
        c2, c3 = b.xor(b.xor(x_high, c3), k1), x_low
        k0, k1 = (b.and_(b.add(k, i64(w)), i64(_LOW)) for k, w in zip((k0, k1), WEYL, strict=True))
    return [c0, c1, c2, c3]


def _number(kb: KernelBuilder, words: list[Value]) -> Value:
    """One word, or two with the low one first, shifted right by one bit."""
    joined = words[0] if len(words) == 1 else kb.b.or_(words[0], kb.b.shl(words[1], i64(32)))
    return kb.b.lshr(joined, i64(1))
