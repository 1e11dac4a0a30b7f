"""float32 functions over ten million numbers each, in compiled code: the largest errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scalar_harness import compiled, named

from wherry.codegen import Target
from wherry.ir import numerics
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import float32

Array = np.ndarray[Any, Any]
COUNT, CHUNK = 10_000_000, 500_000
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-45], np.float32)


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + numerics.erf(x * np.sqrt(0.5)))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# The reference in float64, and where the function is neither flat nor infinite.
FUNCTIONS: dict[str, tuple[Callable[..., Array], float, float]] = {
    "exp": (np.exp, -104.0, 89.0),
    "log": (np.log, 0.0, 100.0),
    "tanh": (np.tanh, -10.0, 10.0),
    "erf": (numerics.erf, -4.0, 4.0),
    "sigmoid": (sigmoid, -104.0, 20.0),
    "sin": (np.sin, -600.0, 600.0),
    "cos": (np.cos, -600.0, 600.0),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.0, 100.0),
}


def numbers(low: float, high: float) -> Iterator[Array]:
    """COUNT numbers: half of random bits, each sign and exponent alike, half from [low, high]."""
    rng = np.random.default_rng(11)
    heads = np.arange(CHUNK // 2, dtype=np.uint32) % 512 << 23
    for _ in range(COUNT // CHUNK):
        bits = heads | rng.integers(0, 1 << 23, CHUNK // 2, dtype=np.uint32)
        inside = rng.uniform(low, high, CHUNK // 2).astype(np.float32)
        x = np.concatenate([bits.view(np.float32), inside])
        x[: len(SPECIAL)] = SPECIAL
        yield x


def edges() -> Array:
    """Numbers of each sign and exponent: zeros, denormals, infinities and NaN among them."""
    heads = np.arange(512, dtype=np.uint32)[:, None] << 23
    return (heads | np.array([0, 1, 2, 0x2AAAAA, 0x400000, 0x555555, 0x7FFFFE, 0x7FFFFF],
                             np.uint32)).ravel().view(np.float32)  # fmt: skip


def check_kinds(x: Array, got: Array, want: Array) -> None:
    """NaN, infinities and signs are those of the true result."""
    rounded = want.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    infinite = np.isinf(rounded)
    np.testing.assert_array_equal(got[infinite], rounded[infinite])
    signed = ~np.isnan(rounded)
    wrong = x[signed][np.signbit(got[signed]) != np.signbit(rounded[signed])]
    assert wrong.size == 0, wrong[:5]


def largest_error(got: Array, want: Array) -> float:
    """In units of the last place of the true result."""
    rounded = want.astype(np.float32)
    finite = np.isfinite(rounded)
    unit = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    top = np.finfo(np.float32).max
    error = np.abs(np.clip(got[finite], -top, top) - want[finite]) / unit
    return float(error.max(initial=0.0))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_is_at_most_two_units(name: str) -> None:
    reference, low, high = FUNCTIONS[name]
    call, worst = compiled(named(name), ["float32"], width=16), 0.0
    with np.errstate(all="ignore"):
        for x in numbers(low, high):
            got, want = call(x), reference(x.astype(np.float64))
            check_kinds(x, got, want)
            worst = max(worst, largest_error(got, want))
    print(f"{name}: {worst:.3f} ulp over {COUNT} numbers")
    assert worst <= 2.0


def test_pow_is_within_two_units() -> None:
    call, worst = compiled(named("pow"), ["float32", "float32"], width=16), 0.0
    with np.errstate(all="ignore"):
        for x, y in zip(numbers(0.0, 10.0), numbers(-40.0, 40.0), strict=True):
            y = np.roll(y, 7)
            got, want = call(x, y), np.power(x.astype(np.float64), y.astype(np.float64))
            check_kinds(x, got, want)
            worst = max(worst, largest_error(got, want))
    print(f"pow: {worst:.3f} ulp over {COUNT} numbers")
    assert worst <= 2.0


def test_gelu_is_exact_where_it_does_not_cancel() -> None:
    call = compiled(named("gelu"), ["float32"], width=16)
    absolute = relative = 0.0
    with np.errstate(all="ignore"):
        for x in numbers(-12.0, 12.0):
            got, want = call(x), gelu(x.astype(np.float64))
            check_kinds(x, got, want)
            error = np.abs(got - want)
            usual = (x > 1e-30) & (x < 1e38)
            relative = max(relative, float((error[usual] / want[usual]).max()))
            absolute = max(absolute, float(error[(x <= 1e-30) & np.isfinite(x)].max()))
    print(f"gelu: {absolute:.2g} absolute, {relative:.2g} relative over {COUNT} numbers")
    assert absolute <= 3e-7 and relative <= 2e-6


REFERENCES = {name: reference for name, (reference, _, _) in FUNCTIONS.items()} | {"gelu": gelu}


@pytest.mark.parametrize("level", supported_levels())
@pytest.mark.parametrize("name", REFERENCES)
def test_edges_in_the_vectors_of_each_machine(name: str, level: str) -> None:
    width, x = Target.named(level).vectors.lanes(float32), edges()
    got = compiled(named(name), ["float32"], width=width, level=level)(x)
    with np.errstate(all="ignore"):
        want = REFERENCES[name](x.astype(np.float64))
        check_kinds(x, got, want)
        assert name == "gelu" or largest_error(got, want) <= 2.0


@pytest.mark.parametrize("level", supported_levels())
def test_edges_of_pow_in_the_vectors_of_each_machine(level: str) -> None:
    width, some = Target.named(level).vectors.lanes(float32), edges()[::32]
    exponents = np.concatenate([some, np.arange(-9, 10), [0.5, -0.5, 2.5, 1e9]]).astype(np.float32)
    x, y = (one.ravel()[: 16 * (one.size // 16)] for one in np.meshgrid(edges()[::16], exponents))
    got = compiled(named("pow"), ["float32", "float32"], width=width, level=level)(x, y)
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64))
        check_kinds(x, got, want)
        assert largest_error(got, want) <= 2.0
