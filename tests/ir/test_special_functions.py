"""Special functions against Python's own, and against slow sums, over their whole domains."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from wherry.codegen import jit
from wherry.ir.emit import BlockEmitter, run_reference
from wherry.ir.opdef import get_op
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype


def is_pole(x: float) -> bool:
    return x <= 0 and x.is_integer()


def lgamma(x: float) -> float:
    return math.inf if is_pole(x) else math.lgamma(x)


def digamma(x: float) -> float:
    if math.isnan(x) or is_pole(x):
        return math.nan
    if x < 0.5:
        return digamma(1 - x) - math.pi / math.tan(math.pi * (x - round(x)))
    before = 0.0
    while x < 60:
        before, x = before + 1 / x, x + 1
    r = 1 / x
    tail = r / 2 + r**2 / 12 - r**4 / 120 + r**6 / 252 - r**8 / 240
    return math.log(x) - tail - before


def polygamma(n: int) -> Callable[[float], float]:
    """The sum of (x + k)^-(n + 1): to beyond 300, and what an integral and its corrections add."""

    def function(x: float) -> float:
        terms = []
        while x < 300:
            if not x:
                return math.inf if n % 2 else -math.inf
            terms.append(x ** -(n + 1))
            x += 1
        terms += [x**-n / n, x ** -(n + 1) / 2, (n + 1) / 12 * x ** -(n + 2)]
        terms.append(-(n + 1) * (n + 2) * (n + 3) / 720 * x ** -(n + 4))
        return (-1.0) ** (n + 1) * math.factorial(n) * math.fsum(terms)

    return function


def erfinv(x: float) -> float:
    """Newton's steps on erfc, which is exact in the tails."""
    if not -1 <= x <= 1:
        return math.nan
    rest = 1 - abs(x)
    if not rest:
        return math.copysign(math.inf, x)
    y = 0.0
    for _ in range(100):
        bend = math.erfc(y) - rest if abs(x) > 0.5 else abs(x) - math.erf(y)
        y += bend * math.sqrt(math.pi) / 2 * math.exp(y * y)
    return math.copysign(y, x)


FAR = np.concatenate([np.logspace(-300, 300, 601), -np.logspace(-300, 2, 303)])
LINE = np.linspace(-7, 7, 2801)
INSIDE = np.linspace(-1, 1, 2001)
TAILS = np.concatenate([1 - np.logspace(-16, -1, 76), np.logspace(-300, -1, 300)])


@pytest.mark.parametrize("name, function, points", [
    ("lgamma", lgamma, FAR), ("lgamma", lgamma, LINE), ("digamma", digamma, LINE),
    ("digamma", digamma, FAR[:601]), ("polygamma 1", polygamma(1), LINE),
    ("polygamma 2", polygamma(2), LINE), ("polygamma 3", polygamma(3), LINE),
    ("polygamma 6", polygamma(6), LINE[LINE > 0]),
    ("erfinv", erfinv, INSIDE), ("erfinv", erfinv, np.concatenate([TAILS, -TAILS])),
])  # fmt: skip
def test_float64_and_compiled(
    name: str, function: Callable[[float], float], points: np.ndarray
) -> None:
    """Relative to the value or, near the zeros of lgamma and digamma, to 1."""
    wanted = np.array([function(float(x)) for x in points])
    name, _, order = name.partition(" ")
    attrs = {"n": int(order)} if order else {}
    found = run_reference(get_op(name), [points], attrs)
    least = 0.0 if name == "erfinv" else 1e-14
    np.testing.assert_allclose(found, wanted, 1e-13, least)
    program = Program()
    x = program.global_block.add_arg("x", points.shape, as_dtype("float64"))
    emitter = BlockEmitter(program.global_block)
    program.global_block.results.append(emitter.emit(get_op(name), [x], attrs))
    np.testing.assert_allclose(jit(program)([points])[0], wanted, 1e-13, least)
