"""Ops that move data, compiled, against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_harness import check, compiled, reference

from wherry.codegen import compile_program
from wherry.codegen.inprocess import load
from wherry.ir.dims import Dim, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float64", "bool", "int8", "uint8", "int64"])
def test_every_dtype_moves(dtype: str) -> None:
    x = numbers(3, 5, 4, dtype=dtype)
    check("transpose2", x, axis=[2, 0, 1])
    check("pad", x, paddings=[1, 0, 0, 2, 1, 1], pad_value=1.0)
    check("concat", [x, x[:1]], axis=0)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 16, 31, 33, 65])
def test_transposes_of_symbolic_sizes(size: int) -> None:
    x = numbers(size, 3, size + 1)
    for axis in ([2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1]):
        check("transpose2", x, symbolic=[(0, 0), (0, 2)], axis=axis)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_what_broadcasts_may_be_known_at_the_call_only(size: int) -> None:
    check("expand_v2", numbers(size, 3), symbolic=[(0, 0)], shape=[4, -1, 3])
    check("set_value", numbers(5, 3), numbers(1, 3), symbolic=[(1, 0)], axes=[0], starts=[0],
          ends=[5])  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 2, 5, 9])
def test_slices_of_symbolic_sizes(size: int) -> None:
    x = numbers(size, 3)
    for start, end in ((0, 2), (-2, 2**31 - 1), (1, -1), (-9, 9)):
        check("slice", x, symbolic=[(0, 0)], axes=[0], starts=[start], ends=[end])
    for start, end, step in ((2**31 - 1, -(2**31) + 1, -1), (0, 2**31 - 1, 2), (-1, 0, -2)):
        check("strided_slice", x, symbolic=[(0, 0)], axes=[0], starts=[start], ends=[end],
              strides=[step])  # fmt: skip
    check("flip", x, symbolic=[(0, 0)], axis=[0, 1])
    check("concat", [x, numbers(2, 3), x], symbolic=[(0, 0)], axis=0)
    check("pad", x, symbolic=[(0, 0)], paddings=[2, 1, 0, 1], pad_value=-1.0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int64"])
def test_transposes_around_tiles(dtype: str) -> None:
    """Tiles in registers, and what is left of them at two edges."""
    for rows, columns in ((1, 70), (16, 16), (17, 31), (33, 15), (64, 65), (70, 130)):
        x = numbers(rows, columns, dtype=dtype)
        check("transpose2", x, axis=[1, 0])
    check("transpose2", numbers(3, 18, 5, 34, dtype=dtype), axis=[3, 0, 2, 1])


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64, 70, 4100])
def test_runs_of_all_sizes(size: int) -> None:
    x = numbers(2, 3, size)
    check("concat", [x, x[:, :1]], symbolic=[(0, 2), (1, 2)], axis=1)
    check("transpose2", x, symbolic=[(0, 2)], axis=[1, 0, 2])
    check("expand_v2", numbers(2, size, 1), symbolic=[(0, 1)], shape=[2, -1, 5])
    check("flip", x, axis=[2])


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_interleaved_rows_of_all_widths(columns: int) -> None:
    for wide in [*range(1, 20), *range(30, 36), *range(46, 52), *range(62, 71)]:
        parts = [numbers(2, 2, 3, -(-wide // columns)) + i for i in range(2 * columns)]
        (got,) = compiled("interleave_planes", [parts], steps=[2, columns], size=[5, wide])
        (want,) = reference("interleave_planes", [parts], steps=[2, columns], size=[5, wide])
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("batch", [3, symbol("B")])
def test_slices_that_differ_in_their_place_share_a_kernel(batch: Dim) -> None:
    """As those of a sequence's steps and of a cell's gates do; those of other sizes do not."""
    program = Program()
    block, F = program.global_block, BlockEmitter(program.global_block)
    x = block.add_arg("x", (batch, 9, 8), as_dtype("float32"))
    taken = [(0, 1), (4, 5), (8, 9), (-2, -1), (3, 2**31 - 1), (5, 7)]
    for start, end in taken:
        picked = F.slice(x, axes=[1], starts=[start], ends=[end])
        block.results.append(F.slice(picked, axes=[2], starts=[start % 5], ends=[start % 5 + 3]))
    made = compile_program(program)
    assert made.kernels == 6
    values = numbers(3, 9, 8)
    for got, (start, end) in zip(load(made, {})([values]), taken, strict=True):
        first = start % 5
        np.testing.assert_array_equal(got, values[:, start:end, first : first + 3])
