"""Products with a matrix in panels: every size around the tiles, and the bits of any other way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from assembly import assembly_of, hottest
from kernel_harness import build

from wherry.codegen import jit
from wherry.codegen.kernels.product import tile_rows
from wherry.codegen.kernels.product_panels import vectors_for
from wherry.codegen.machine import MACHINES
from wherry.codegen.target import Target
from wherry.runtime import num_threads, set_num_threads

Array = np.ndarray[Any, Any]
WIDTH = {"float32": 32, "float64": 16}


def in_panels(matrix: Array) -> Array:
    """The matrix in panels; NaN in the columns behind its last one: they do not matter."""
    (depth, columns), width = matrix.shape, WIDTH[matrix.dtype.name]
    count = -(-columns // width)
    whole = np.full((depth, count * width), np.nan, matrix.dtype)
    whole[:, :columns] = matrix
    return np.ascontiguousarray(whole.reshape(depth, count, width).transpose(1, 0, 2))


def compiled(rows: int, matrix: Array, symbolic: bool = False) -> Any:
    """A function of the left matrix."""
    panels, (depth, columns) = in_panels(matrix), matrix.shape
    x = np.zeros((rows, depth), matrix.dtype)
    sizes = [(0, 0)] if symbolic else []
    function = jit(build("matmul_panels", [x, panels], sizes, columns=columns))
    return lambda left: function([left, panels])[0]


def random(dtype: str, *shape: int) -> Array:
    return np.random.default_rng(shape).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", WIDTH)
@pytest.mark.parametrize(
    ("depth", "columns"),
    [(1, 1), (67, 5), (64, 31), (7, 32), (33, 33), (65, 64), (31, 70), (2, 130), (130, 257)],
)
def test_any_rows(dtype: str, depth: int, columns: int) -> None:
    """One code for all numbers of rows gives the bits of the plain product."""
    left, right = random(dtype, 70, depth), random(dtype, depth, columns)
    plain = jit(build("matmul_v2", [left, right], [(0, 0), (0, 1), (1, 0), (1, 1)]))
    want = plain([left, right])[0]
    np.testing.assert_allclose(want, left @ right, rtol=1e-4, atol=1e-4)
    function = compiled(2, right, symbolic=True)
    for rows in range(71):
        part = np.ascontiguousarray(left[:rows])
        np.testing.assert_array_equal(function(part), want[:rows])


@pytest.mark.parametrize("rows", [*range(1, 17), 28, 29, 70])
def test_known_rows(rows: int) -> None:
    """Each number of rows has tiles of its own; the last panel is not full, or there is one."""
    for depth, columns in ((50, 300), (9, 20)):
        left, right = random("float32", rows, depth), random("float32", depth, columns)
        plain = jit(build("matmul_v2", [left, right], [(0, 0), (0, 1), (1, 0), (1, 1)]))
        np.testing.assert_array_equal(compiled(rows, right)(left), plain([left, right])[0])


def test_rows_that_fall_on_each_other_in_the_cache() -> None:
    """Then the left matrix is packed."""
    left, right = random("float32", 35, 1024), random("float32", 1024, 70)
    want = left.astype(np.float64) @ right.astype(np.float64)
    np.testing.assert_allclose(compiled(35, right)(left), want, rtol=1e-4, atol=1e-4)


@pytest.fixture
def threads() -> Iterator[None]:
    before = num_threads()
    yield
    set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("rows", [1, 8, 100])
def test_threads_do_not_change_the_bits(rows: int) -> None:
    left, right = random("float32", rows, 500), random("float32", 500, 1500)
    function, found = compiled(rows, right), []
    for count in (1, 2, 4):
        set_num_threads(count)
        found.append(function(left))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())
def test_tiles_fit_into_the_registers(machine: Any) -> None:
    """A tile divides a panel, or panels a tile; many sums are at work, even for one row."""
    for rows in (None, *range(1, 40)):
        vectors = vectors_for(machine, rows)
        most = tile_rows(machine, vectors)
        assert vectors & (vectors - 1) == 0
        assert most * vectors + (vectors if most > 1 else 0) + 1 <= machine.registers
        assert vectors * min(most, rows or most) >= 6


@pytest.mark.parametrize("level", ["x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"])
@pytest.mark.parametrize("rows", [1, 8, 64])
def test_a_tile_stays_in_registers(level: str, rows: int) -> None:
    x, panels = np.zeros((rows, 300), np.float32), np.zeros((9, 300, 32), np.float32)
    machine = Target.named(level).vectors
    loop = hottest(assembly_of(build("matmul_panels", [x, panels], columns=288), level))
    vectors = vectors_for(machine, rows)
    tiles = -(-rows // tile_rows(machine, vectors))
    sums = vectors * -(-rows // tiles)
    assert loop.on_stack == []
    assert loop.multiply_adds and loop.multiply_adds % sums == 0
