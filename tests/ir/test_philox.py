"""The generator against Random123's known answers, and what is drawn with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.emit import infer_types, run_reference
from wherry.ir.infer import TensorType
from wherry.ir.opdef import get_op
from wherry.ir.philox import philox4x32, philox_bits
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import OpError

ONES = 0xFFFFFFFF
# kat_vectors of Random123, philox4x32 10: counter, key, answer.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
WORDS = st.integers(-(2**63), 2**63 - 1)


def draw(type: str, *inputs: np.ndarray, seed: int = 5, number: int = 0, **attrs: object):
    state = np.array([seed, number], np.int64)
    return run_reference(get_op(type), [*inputs, state], attrs)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = philox4x32([np.array([word], np.uint64) for word in counter], key)
    assert tuple(int(word[0]) for word in words) == answer


def test_where_seed_and_stream_go() -> None:
    """key = seed, low word first; counter = (block, stream), low words first."""
    seed, stream = 0x299F31D0_A4093822, 0x03707344_13198A2E
    found = philox_bits(seed, stream, 8)
    block_one = [np.array([w], np.uint64) for w in (1, 0, 0x13198A2E, 0x03707344)]
    wanted = philox4x32(block_one, (0xA4093822, 0x299F31D0))
    assert found.dtype == np.uint32
    assert found[4:].tolist() == [int(word[0]) for word in wanted]


@settings(deadline=None, max_examples=50)
@given(WORDS, WORDS, st.integers(0, 70), st.integers(0, 70))
def test_an_element_does_not_depend_on_how_many_are_drawn(
    seed: int, stream: int, few: int, more: int
) -> None:
    np.testing.assert_array_equal(
        philox_bits(seed, stream, few + more)[:few], philox_bits(seed, stream, few)
    )


@settings(deadline=None, max_examples=50)
@given(WORDS, WORDS)
def test_other_seed_or_stream_other_bits(seed: int, stream: int) -> None:
    bits = philox_bits(seed, stream, 8).tolist()
    assert bits != philox_bits(seed ^ 1, stream, 8).tolist()
    assert bits != philox_bits(seed, stream ^ (1 << 40), 8).tolist()


def test_rng_bits_are_words_without_the_lowest_bit() -> None:
    words = philox_bits(5, 0, 12).astype(np.uint64)
    narrow = draw("rng_bits", shape=[3, 4])
    wide = draw("rng_bits", shape=[6], dtype=as_dtype("int64"))
    np.testing.assert_array_equal(narrow.ravel(), words >> np.uint64(1))
    pairs = words[::2] | words[1::2] << np.uint64(32)
    np.testing.assert_array_equal(wide, pairs >> np.uint64(1))


def test_the_state_advances_by_one_draw() -> None:
    state = np.array([5, 41])
    assert run_reference(get_op("rng_advance"), [state], {}).tolist() == [5, 42]
    first, second = (draw("uniform_random", shape=[50], number=n) for n in (41, 42))
    assert not np.any(first == second)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniform(dtype: str) -> None:
    x = draw("uniform_random", shape=[20000], min=2.0, max=6.0, dtype=as_dtype(dtype))
    assert x.dtype == dtype and x.min() >= 2 and x.max() <= 6
    assert abs(x.mean(dtype="f8") - 4) < 0.03 and abs(x.std(dtype="f8") - 4 / 12**0.5) < 0.03


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal(dtype: str) -> None:
    x = draw("gaussian_random", shape=[40000], mean=1.0, std=2.0, dtype=as_dtype(dtype))
    z = (x.astype("f8") - 1) / 2
    assert np.isfinite(x).all() and x.dtype == dtype
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert abs((z**3).mean()) < 0.06 and abs((z**4).mean() - 3) < 0.2


def test_truncated_normal() -> None:
    x = draw("truncated_gaussian_random", shape=[40000], mean=3.0, std=0.5).astype("f8")
    z = (x - 3) / 0.5
    assert np.abs(z).max() <= 2.0001
    assert abs(z.mean()) < 0.02 and abs(z.std() - 0.8796) < 0.02  # of a normal cut at 2


def test_integers() -> None:
    x = draw("randint", shape=[30000], low=-3, high=4)
    counts = np.bincount(x + 3, minlength=7)
    assert x.min() == -3 and x.max() == 3 and x.dtype == np.int64
    assert np.abs(counts - 30000 / 7).max() < 300


def test_a_permutation_holds_each_number_once() -> None:
    order = draw("randperm", n=1000)
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != list(range(1000))


def test_bernoulli_at_the_ends_is_certain() -> None:
    p = np.repeat(np.float32([0, 0.25, 1]), 5000)
    zero, some, one = draw("bernoulli", p).reshape(3, 5000)
    assert zero.sum() == 0 and one.sum() == 5000 and abs(some.mean() - 0.25) < 0.02


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout_in_training(p: float) -> None:
    x = np.ones((100, 100), np.float32)
    out, mask = draw("dropout", x, dropout_prob=p, dropout_implementation="upscale_in_train")
    assert mask.dtype == np.uint8 and abs(mask.mean() - (1 - p)) < 0.02
    np.testing.assert_array_equal(out, np.where(mask, np.float32(1 / (1 - p) if p < 1 else 0), 0))


def test_dropout_without_training_needs_no_state() -> None:
    x = np.float32([1, 2])
    keep, mask = run_reference(get_op("dropout"), [x, None], {"is_test": True})
    np.testing.assert_array_equal(keep, x / 2)  # downgrade_in_infer is Paddle's default
    assert mask.tolist() == [1, 1]


def test_what_cannot_be_drawn() -> None:
    type = TensorType((2,), as_dtype("int64"))
    with pytest.raises(OpError, match="low < high, got low = 3 and high = 3"):
        infer_types(get_op("randint"), [type], {"shape": [1], "low": 3, "high": 3})
    with pytest.raises(OpError, match=r"State to be int64\[2\]"):
        x = TensorType((2,), as_dtype("float32"))
        infer_types(get_op("dropout"), [x, None], {})
    with pytest.raises(OpError, match="sizes >= 0"):
        infer_types(get_op("uniform_random"), [type], {"shape": [-1]})
