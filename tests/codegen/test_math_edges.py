"""Scalar functions at the edges: NaN, infinities, zeros, integers, casts, float16."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from scalar_harness import assembly, named, run, ulp_error

from wherry.ir.numerics import convert
from wherry.schema.dtypes import DTYPES, as_dtype

Array = np.ndarray[Any, Any]
FLOATS = ["float32", "float64"]
INTS = ["int8", "uint8", "int16", "int32", "int64"]
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -1e-45,
    1e-38,
    3e38,
    -3e38,
    3.0,
    -7.0,
    1e10,
    0.25,
    4.0,
    1e-5,
    2.0,
    33.0,
]

NUMPY = {
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc, "sign": np.sign,
    "abs": np.abs, "neg": np.negative, "sqrt": np.sqrt, "exp": np.exp, "expm1": np.expm1,
    "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
}  # fmt: skip


def pairs(dtype: str, values: list[Any]) -> tuple[Array, Array]:
    both = list(itertools.product(values, values))
    with np.errstate(over="ignore"):
        return tuple(np.array(v).astype(dtype) for v in zip(*both, strict=True))  # type: ignore[return-value]


def same(got: Array, want: Array, rtol: float) -> None:
    """Equal within rtol; NaN where NaN, and zeros and infinities with their signs."""
    np.testing.assert_allclose(got, want, rtol=rtol, atol=0)
    zero = (want == 0) | np.isinf(want)
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NUMPY)
def test_edges_of_one_operand(name: str, dtype: str) -> None:
    x = np.array(EDGES).astype(dtype)
    with np.errstate(all="ignore"):
        want = NUMPY[name](x)
    same(run(named(name), x), want, 1e-6 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_sine_beyond_the_exact_range_stays_a_number(name: str, dtype: str) -> None:
    x = np.array([1e9, -1e20, 1e30, 3e38], dtype)
    got = run(named(name), x)
    assert np.isfinite(got).all()
    assert name == "tan" or (np.abs(got) <= 1).all()
    assert np.isnan(run(named(name), np.array([np.inf, -np.inf, np.nan], dtype))).all()
    zeros = run(named(name), np.array([0.0, -0.0], dtype))
    assert name == "cos" or np.signbit(zeros).tolist() == [False, True]


TWO = {
    "pow": np.power,
    "atan2": np.arctan2,
    "mod": np.mod,
    "fmod": np.fmod,
    "floordiv": np.floor_divide,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", TWO)
def test_edges_of_two_operands(name: str, dtype: str) -> None:
    x, y = pairs(dtype, EDGES)
    with np.errstate(all="ignore"):
        want = TWO[name](x, y)
    got = run(named(name), x, y)
    if name in ("min", "max"):  # which zero numpy gives differs from one of its loops to the next
        want, got = want + 0.0, got + 0.0
    same(got, want, 1e-6 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
def test_pow_and_atan2_are_within_two_units(dtype: str) -> None:
    rng = np.random.default_rng(2)
    wide = np.float64 if dtype == "float32" else np.longdouble
    x = np.exp(rng.uniform(-80, 80, 200_000)).astype(dtype)
    y = (rng.uniform(-85, 85, x.size) / np.log(x.astype(np.float64))).astype(dtype)
    near_one = rng.uniform(0.5, 2, x.size).astype(dtype)
    power = rng.uniform(-120, 120, x.size).astype(dtype)
    for a, b in ((x, y), (near_one, power)):
        assert ulp_error(run(named("pow"), a, b), a.astype(wide) ** b.astype(wide)) <= 2
    a, b = rng.normal(size=(2, 100_000)).astype(dtype) * rng.normal(size=100_000).astype(dtype)
    want = np.arctan2(a.astype(wide), b.astype(wide))
    assert ulp_error(run(named("atan2"), a, b), want) <= 3


@pytest.mark.parametrize("dtype", FLOATS)
def test_remainders_are_exact(dtype: str) -> None:
    rng = np.random.default_rng(3)
    x, y = np.exp(rng.uniform(-60, 60, (2, 100_000))).astype(dtype)
    x *= rng.choice([-1, 1], x.size).astype(dtype)
    np.testing.assert_array_equal(run(named("fmod"), x, y), np.fmod(x, y))
    np.testing.assert_array_equal(run(named("mod"), x, y), np.mod(x, y))
    with np.errstate(all="ignore"):
        want = np.floor_divide(x, y)
    # numpy rounds large float32 quotients more than once.
    np.testing.assert_allclose(run(named("floordiv"), x, y), want, rtol=2**-22)


def integers(dtype: str) -> list[int]:
    info = np.iinfo(dtype)
    return [v for v in (0, 1, -1, 2, -2, 3, 7, -7, 100, info.max, info.min, info.max - 1)
            if info.min <= v <= info.max]  # fmt: skip


INTEGER = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "fmod": np.fmod,
    "min": np.minimum,
    "max": np.maximum,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "lt": np.less,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize("name", INTEGER)
def test_integers(name: str, dtype: str) -> None:
    x, y = pairs(dtype, integers(dtype))
    if name in ("floordiv", "mod", "fmod"):
        x, y = x[y != 0], y[y != 0]
    with np.errstate(all="ignore"):
        want = INTEGER[name](x, y)
    out = want.dtype.name
    np.testing.assert_array_equal(run(named(name), x, y, out=out), want)


@pytest.mark.parametrize("dtype", INTS)
def test_integer_powers_and_signs(dtype: str) -> None:
    x, y = pairs(dtype, integers(dtype))
    x, y = x[y >= 0], y[y >= 0]
    np.testing.assert_array_equal(run(named("pow"), x, y), np.power(x, y))
    np.testing.assert_array_equal(run(named("sign"), x), np.sign(x))
    np.testing.assert_array_equal(run(named("abs"), x), np.abs(x))
    np.testing.assert_array_equal(run(named("not_"), x), np.invert(x))


@pytest.mark.parametrize("target", [d.name for d in DTYPES])
@pytest.mark.parametrize("source", [d.name for d in DTYPES])
def test_casts(source: str, target: str) -> None:
    if as_dtype(source).is_float:
        x = np.array([0.0, -0.0, 1.5, -1.5, 2.5, 100.7, -3.9, 1e-8, 65504, 65519, 65520])
        x = np.concatenate([x, np.linspace(-50, 50, 1001), 2.0 ** np.arange(-30, 16)])
    else:
        x = np.array(integers(source) if source != "bool" else [0, 1])
    if as_dtype(target).is_integer and as_dtype(source).is_float:
        x = np.clip(x, max(np.iinfo(target).min, -(2.0**30)), min(np.iinfo(target).max, 2.0**30))
    with np.errstate(all="ignore"):
        x = x.astype(source)
        want = convert(x, np.dtype(target))
    got = run(lambda b, v: b.cast(v, target), x, out=target)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("target", INTS)
@pytest.mark.parametrize("source", FLOATS)
def test_what_does_not_fit_becomes_the_end_of_the_range(source: str, target: str) -> None:
    info = np.iinfo(target)
    with np.errstate(over="ignore"):
        x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], source)
    got = run(lambda b, v: b.cast(v, target), x, out=target)
    assert got.tolist() == [0, info.max, info.min, info.max, info.min]


def test_every_half_survives_and_every_float_rounds() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide = run(lambda b, v: b.cast(v, "float32"), halves, out="float32")
    np.testing.assert_array_equal(wide, halves.astype(np.float32))
    rng = np.random.default_rng(1)
    for dtype in FLOATS:
        x = (2.0 ** rng.uniform(-27, 17, 200_000) * rng.choice([-1, 1], 200_000)).astype(dtype)
        # Halfway between two halves, and just beside.
        half = halves[np.isfinite(halves)].astype(np.float64)
        middle = (half[:-1] + half[1:]) / 2
        ties = np.concatenate([middle, np.nextafter(middle, 1e9), np.nextafter(middle, -1e9)])
        with np.errstate(over="ignore"):
            x = np.concatenate([x, ties.astype(dtype)])
            want = x.astype(np.float16)
        got = run(lambda b, v: b.cast(v, "float16"), x, out="float16")
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sin", "pow", "mod", "floor"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_vectors_give_what_scalars_give(name: str, dtype: str) -> None:
    x, y = np.random.default_rng(4).uniform(0.1, 5, (2, 64)).astype(dtype)
    operands = (x, y) if name in ("pow", "mod") else (x,)
    one = run(named(name), *operands)
    for width in (4, 16):
        loop = run(named(name), *operands, width=width)
        np.testing.assert_array_equal(loop, one)


LOOPS = [*NUMPY, "sin", "cos", "tan", "erf", "pow", "atan2", "min", "max", "rsqrt", "mod"]


@pytest.mark.parametrize("cpu", ["x86-64-v2", "x86-64-v4"])
@pytest.mark.parametrize("dtype", [*FLOATS, "float16"])
def test_no_function_calls_a_library(dtype: str, cpu: str) -> None:
    for name in LOOPS:
        operands = [dtype] * (2 if name in ("pow", "atan2", "min", "max", "mod") else 1)
        lines = assembly(named(name), operands, cpu).splitlines()
        named_symbols = [line for line in lines if "@PLT" in line or "@GOTPCREL" in line]
        assert not named_symbols, name


@pytest.mark.parametrize(
    "name", ["exp", "log", "tanh", "erf", "sigmoid", "gelu", "expm1", "log1p", "atan", "pow"]
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_loops_are_vectorized(name: str, dtype: str) -> None:
    operands = [dtype] * (2 if name == "pow" else 1)
    text = assembly(named(name), operands, "x86-64-v3")
    assert re.search(r"\bv(mul|fn?m(add|sub)\d+)p[sd]\s.*%ymm", text)


# What a vector of 16 may take, its load, its store and the loop among it; a third of it divides.
INSTRUCTIONS = {"exp": 20, "log": 36, "tanh": 36, "erf": 40, "sigmoid": 32, "gelu": 26, "log1p": 40}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_formulas_stay_short(name: str) -> None:
    text = assembly(named(name), ["float32"], "x86-64-v4", width=16)
    lines = text[text.index("(%rsi,") : text.index("\tjl\t")].splitlines()
    assert len(lines) <= INSTRUCTIONS[name]


def test_scaling_by_an_instruction_gives_the_same_numbers() -> None:
    x = np.concatenate([np.linspace(-105, 90, 100_000), [np.inf, -np.inf, np.nan, -0.0]])
    x = np.resize(x, 100_032).astype(np.float32)
    by_bits = run(named("exp"), x, width=16, level="x86-64-v2")
    np.testing.assert_allclose(run(named("exp"), x, width=16), by_bits, rtol=1.5e-7, atol=2e-45)


def test_sin_and_cos_leave_a_vector_for_large_numbers_only() -> None:
    for name in ("sin", "cos"):
        text = assembly(named(name), ["float32"], "x86-64-v4", width=16)
        loop = text[text.index("(%rsi,") : text.index("\tjl\t")]
        assert loop.count("\tj") == 1 and "call" not in loop
        assert len(loop.splitlines()) <= 40


TARGETS = {  # cpu, triple, lanes, an instruction on single numbers
    "sse": ("x86-64-v2", None, 4, r"\b(mul|add|sub|div)ss\b"),
    "avx2": ("x86-64-v3", None, 8, r"\bv(f\w+|mul|add|sub|div)ss\b"),
    "avx512": ("x86-64-v4", None, 16, r"\bv(f\w+|mul|add|sub|div)ss\b"),
    "neon": ("generic", "aarch64-unknown-linux-gnu", 4, r"\bf(mul|add|sub|div|madd)\s+s\d"),
}
REGISTERS = {"sse": "%xmm", "avx2": "%ymm", "avx512": "%zmm", "neon": ".4s"}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_computes_in_whole_vectors(target: str) -> None:
    cpu, triple, width, single = TARGETS[target]
    for name in (*INSTRUCTIONS, "sin", "cos", "pow", "rsqrt", "max", "mod"):
        operands = ["float32"] * (2 if name in ("pow", "max", "mod") else 1)
        text = assembly(named(name), operands, cpu, width, triple)
        assert not re.search(single, text.partition("sin_far")[0]), name
        assert REGISTERS[target] in text, name
