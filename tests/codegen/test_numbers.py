"""Where the numbers of a loop lie: in registers, or in a table that is read where they are used."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from kernel_table import formulas, one_op
from row_programs import program_of

from wherry.codegen import Target, compile_program, jit
from wherry.codegen.module import ModuleBuilder


def tables(name: str, level: str, dtype: str = "float32") -> int:
    """How many tables of numbers the formula's module has."""
    made: list[Any] = []
    start = ModuleBuilder.__init__

    def kept(self: ModuleBuilder, *args: Any) -> None:
        start(self, *args)
        made.append(self.module)

    with mock.patch.object(ModuleBuilder, "__init__", kept):
        compile_program(formulas(dtype)[name](), target=Target.named(level))
    return sum(one.endswith("_numbers") for one in made[0].globals)


@pytest.mark.parametrize(
    "name, level, wanted",
    [
        ("exp", "x86-64-v3", 0),
        ("erf", "x86-64-v3", 1),
        ("erf", "x86-64-v4", 0),
        ("mish", "aarch64", 1),
    ],
)
def test_only_crowded_loops_have_a_table(name: str, level: str, wanted: int) -> None:
    assert tables(name, level) == wanted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["mish", "pow", "softmax of gelu and tanh"])
def test_bits_do_not_depend_on_where_numbers_lie(name: str, dtype: str) -> None:
    program = formulas(dtype)[name]()
    inputs = [np.linspace(-9, 9, 3 * 1024, dtype=dtype).reshape(3, 1024) for _ in program.inputs]
    want = jit(program)(inputs)
    with mock.patch("wherry.codegen.module.place_numbers", lambda function, machine: None):
        got = jit(program)(inputs)
    assert [a.tobytes() for a in got] == [b.tobytes() for b in want]


def test_float16_is_the_same_by_instructions_and_by_integers() -> None:
    """All halves, through a kernel of the host and by numpy."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    rows = ((64, 1024), "float16")
    halves = every.reshape(64, 1024)
    (floor,) = jit(one_op("floor", rows)())([halves])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(floor, np.floor(halves))
    to = program_of(lambda F, x: F.scale(x, scale=1.0009765625, bias=0.0), rows)
    (scaled,) = jit(to)([halves])
    with np.errstate(all="ignore"):
        want = (halves.astype(np.float32) * np.float32(1.0009765625)).astype(np.float16)
    np.testing.assert_array_equal(scaled, want)
