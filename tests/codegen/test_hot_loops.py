"""The hot loop of every kernel on every target: whole vectors, and nothing on the stack.

The hot loop is the innermost one that multiplies most, else the one of most whole vectors. What
counts as a spill stands in `assembly`: no loop that multiplies half as much has one. Formulas, taps
that are written out, and rows of float64 and float16 may read numbers from the stack, where there
are more than registers.
"""

from __future__ import annotations

import pytest
from assembly import assembly_of, hot, hottest, innermost_loops
from kernel_table import (
    CONVOLUTIONS,
    FORMULAS,
    MOVES,
    OTHER_ROWS,
    POOLS,
    PRODUCTS,
    ROWS,
    WRITTEN_OUT,
    Make,
)

from wherry.codegen import Target

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64")
TABLE: dict[str, Make] = PRODUCTS | CONVOLUTIONS | POOLS | ROWS | MOVES
MANY_NUMBERS: dict[str, Make] = FORMULAS | OTHER_ROWS | WRITTEN_OUT


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kernel", TABLE)
def test_whole_vectors_and_nothing_on_the_stack(kernel: str, level: str) -> None:
    """Moves of runs of a known length may be left to memcpy."""
    size = Target.named(level).vectors.vector_bytes
    text = assembly_of(TABLE[kernel](), level)
    loop = hottest(text, size)
    moved = kernel in MOVES and loop.calls and all("memcpy" in line for line in loop.calls)
    assert moved or (loop.whole(size) > 0 and not loop.calls), loop
    assert loop.on_stack == [], loop
    assert [one.spills for one in hot(text, size) if one.spills] == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kernel", MANY_NUMBERS)
def test_no_value_goes_to_the_stack_where_numbers_are_many(kernel: str, level: str) -> None:
    size = Target.named(level).vectors.vector_bytes
    text = assembly_of(MANY_NUMBERS[kernel](), level)
    loop = hottest(text, size)
    assert 4 * loop.whole(size) > len(loop.lines), loop
    assert loop.calls == []
    assert [one.spills for one in hot(text, size) if one.spills] == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["sum", "max"])
def test_reductions_of_rows_have_several_partial_results(name: str, level: str) -> None:
    machine = Target.named(level).vectors
    loop = hottest(assembly_of(ROWS[f"{name} of axis 1"](), level), machine.vector_bytes)
    combined = [line for line in loop.lines if name[:3].replace("sum", "add") in line.split()[0]]
    chosen = [line for line in loop.lines if line.split()[0] in ("fcmgt", "bif", "bsl", "bit")]
    assert max(len(combined), len(chosen) // 2) >= 4, loop


@pytest.mark.parametrize("level", LEVELS)
def test_a_transposition_is_done_in_registers(level: str) -> None:
    """As many stores as a vector has lanes, and no load or store of single elements."""
    machine = Target.named(level).vectors
    loop = hottest(assembly_of(MOVES["transpose"](), level), machine.vector_bytes)
    moves = [line for line in loop.lines if line.split()[0] in ("vmovups", "movups", "str", "stp")]
    assert len(moves) >= machine.vector_bytes // 4, loop


def test_the_helper_sees_spills_and_frames() -> None:
    text = """f:
\tpushq\t%rbp
\tmovq\t%rsp, %rbp
.LBB0_1:
\tmovups\t(%rdi,%rax), %xmm0
\tmovaps\t%xmm0, -16(%rbp)
\tmulps\t-32(%rbp), %xmm0
\tcmpq\t%rax, -8(%rbp)
\taddss\t%xmm1, %xmm2
\tmovaps\t%xmm0, 16(%rsp,%rcx)
\tjne\t.LBB0_1
g:
.LBB1_1:
\tldr\tq1, [x0, x8]
\tstr\tq1, [sp, #16]
\tldr\tx9, [sp]
\tfmla\tv0.4s, v1.4s, v2.4s
\tldr\tx9, [x29, #8]
\tb.ne\t.LBB1_1
"""
    f, g = innermost_loops(text)
    assert [line.split()[0] for line in f.on_stack] == ["movaps", "mulps", "cmpq"]
    assert [line.split()[-1] for line in f.spills] == ["-16(%rbp)"]
    assert [line.split()[0] for line in g.on_stack] == ["str", "ldr"]
    assert len(g.spills) == 1 and g.whole(16) == 3 and f.whole(16) == 4
    assert hottest(text) is not None
