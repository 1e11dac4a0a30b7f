"""Scalar functions in native code: their errors, in units of the last place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scalar_harness import named, run, ulp_error

Array = np.ndarray[Any, Any]


def grid(low: float, high: float, dtype: Any, count: int = 50_000) -> Array:
    """Points of (low, high): evenly spaced, and by magnitude down to the denormals."""
    rng = np.random.default_rng(5)
    info = np.finfo(dtype)
    top = max(abs(low), abs(high))
    exponents = rng.uniform(np.log2(float(info.tiny)) - 10, np.log2(top), count // 2)
    by_magnitude = 2.0**exponents * rng.choice([-1.0, 1.0], count // 2)
    even = rng.uniform(low, high, count)
    points = np.concatenate([even, by_magnitude[(by_magnitude > low) & (by_magnitude < high)]])
    return points.astype(dtype)


def erf(x: Array) -> Array:
    """erf by a series of positive terms, in x's own precision."""
    x = np.clip(x, -8, 8)
    term, total = x, x
    for n in range(1, 220):
        term = term * (2 * x * x / (2 * n + 1))
        total = total + term
    return total * np.exp(-x * x) * (2 / np.sqrt(np.arctan(x.dtype.type(1)) * 4))


ONE_OPERAND = {
    "exp": (-104.0, 89.0, np.exp),
    "expm1": (-104.0, 88.0, np.expm1),
    "log": (0.0, 1e30, np.log),
    "log1p": (-1.0, 1e30, np.log1p),
    "log2": (0.0, 1e30, np.log2),
    "log10": (0.0, 1e30, np.log10),
    "sin": (-1e5, 1e5, np.sin),
    "cos": (-1e5, 1e5, np.cos),
    "tan": (-1e5, 1e5, np.tan),
    "asin": (-1.0, 1.0, np.arcsin),
    "acos": (-1.0, 1.0, np.arccos),
    "atan": (-1e5, 1e5, np.arctan),
    "sinh": (-90.0, 90.0, np.sinh),
    "cosh": (-90.0, 90.0, np.cosh),
    "tanh": (-20.0, 20.0, np.tanh),
    "asinh": (-1e30, 1e30, np.arcsinh),
    "acosh": (1.0, 1e30, np.arccosh),
    "atanh": (-1.0, 1.0, np.arctanh),
    "erf": (-7.0, 7.0, erf),
    "sigmoid": (-80.0, 80.0, lambda x: 1 / (1 + np.exp(-x))),
    "sqrt": (0.0, 1e30, np.sqrt),
}
# float64 is compared with long double, which has 11 bits more.
WIDE = {"exp": (-746, 710), "expm1": (-100, 710), "sin": (-1e6, 1e6), "cos": (-1e6, 1e6),
        "tan": (-1e6, 1e6), "sinh": (-711, 711), "cosh": (-711, 711)}  # fmt: skip


@pytest.mark.parametrize("level", ["host", "x86-64-v2"])
@pytest.mark.parametrize("name", ONE_OPERAND)
def test_float32_is_within_two_units(name: str, level: str) -> None:
    low, high, oracle = ONE_OPERAND[name]
    x = np.concatenate([grid(low, high, np.float32), grid(max(low, -3), min(high, 3), np.float32)])
    with np.errstate(all="ignore"):
        want = oracle(x.astype(np.float64))
        assert ulp_error(run(named(name), x, level=level), want) <= 2.0


@pytest.mark.parametrize("level", ["host", "x86-64-v2"])
@pytest.mark.parametrize("name", ONE_OPERAND)
def test_float64_is_within_four_units(name: str, level: str) -> None:
    low, high, oracle = ONE_OPERAND[name]
    low, high = WIDE.get(name, (low, high))
    x = np.concatenate([grid(low, high, np.float64), grid(max(low, -3), min(high, 3), np.float64)])
    with np.errstate(all="ignore"):
        want = oracle(x.astype(np.longdouble))
        assert ulp_error(run(named(name), x, level=level), want) <= 4.0
