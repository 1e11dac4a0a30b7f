"""What the innermost loop of a product is on each target: whole vectors, and no spill."""

from __future__ import annotations

import numpy as np
import pytest
from assembly import assembly_of, hottest, innermost_loops
from kernel_harness import build

from wherry.codegen.target import Target
from wherry.ir.program import Program

VECTORS = {"x86-64-v2": "xmm", "x86-64-v3": "ymm", "x86-64-v4": "zmm", "aarch64": "v.4s"}


def product(m: int, n: int, k: int, **attrs: bool) -> Program:
    x = np.zeros((k, m) if attrs.get("trans_x") else (m, k), np.float32)
    y = np.zeros((n, k) if attrs.get("trans_y") else (k, n), np.float32)
    return build("matmul_v2", [x, y], **attrs)


@pytest.mark.parametrize("level", VECTORS)
def test_a_tile_stays_in_registers(level: str) -> None:
    """One load for each vector, one broadcast for each row, and the multiplications."""
    machine = Target.named(level).vectors
    loop = hottest(assembly_of(product(336, 288, 100), level))
    tile = machine.tile_rows * machine.tile_vectors
    assert loop.vectors == {VECTORS[level]}
    assert loop.on_stack == []
    assert loop.multiply_adds % tile == 0
    steps = loop.multiply_adds // tile
    loads = machine.tile_rows + machine.tile_vectors
    # Machines without a fused multiply-add copy a vector for each; a loop ends with 4 more lines.
    fused = level != "x86-64-v2"
    assert len(loop.lines) <= loop.multiply_adds * (1 if fused else 3) + steps * loads * 2 + 4


@pytest.mark.parametrize("level", VECTORS)
@pytest.mark.parametrize("rows", [1, 4])
def test_few_rows_read_the_matrix_in_whole_vectors(level: str, rows: int) -> None:
    loop = hottest(assembly_of(product(rows, 1024, 300), level))
    assert loop.vectors == {VECTORS[level]}
    assert loop.on_stack == []


@pytest.mark.parametrize("level", VECTORS)
def test_a_transposed_matrix_is_packed_in_registers(level: str) -> None:
    text = assembly_of(product(336, 288, 100, trans_y=True), level)
    assert hottest(text).on_stack == []
    assert max(len(loop.lines) for loop in innermost_loops(text)) < 400


@pytest.mark.parametrize("level", VECTORS)
@pytest.mark.parametrize("rows", [1, 4, 8])
def test_few_rows_read_a_transposed_matrix_where_it_lies(level: str, rows: int) -> None:
    """Each piece of a column is loaded once for some rows, and nothing goes through memory."""
    machine = Target.named(level).vectors
    text = assembly_of(product(rows, 1024, 304, trans_y=True), level)
    loop = hottest(text)
    assert loop.vectors == {VECTORS[level]}
    assert loop.on_stack == []
    together = min(rows, machine.registers // 4)
    assert loop.multiply_adds % (4 * together) == 0
    assert len(loop.lines) <= loop.multiply_adds // (4 * together) * (34 + 16 * together)
    assert max(len(one.lines) for one in innermost_loops(text)) == len(loop.lines)


@pytest.mark.parametrize("level", VECTORS)
@pytest.mark.parametrize("rows", [1, 64])
def test_dot_products_stay_in_registers(level: str, rows: int) -> None:
    loop = hottest(assembly_of(product(rows, 1, 320), level))
    assert loop.vectors == {VECTORS[level]}
    assert loop.on_stack == []
    assert len(loop.lines) < 80


@pytest.mark.parametrize("level", VECTORS)
@pytest.mark.parametrize("rows", [12, 32])
def test_a_large_matrix_is_packed_by_the_first_tile(level: str, rows: int) -> None:
    """It asks for the rows ahead; nothing is spilled, there and in the tiles that follow."""
    loops = innermost_loops(assembly_of(product(rows, 3072, 768), level))
    tiles = [loop for loop in loops if loop.multiply_adds >= 8]
    ahead = [any("prefetch" in line or "prfm" in line for line in loop.lines) for loop in tiles]
    assert sum(ahead) == 1
    one_tile = rows <= Target.named(level).vectors.tile_rows
    assert len(tiles) == 1 if one_tile else len(tiles) >= 2
    assert not any(loop.spills for loop in tiles)
