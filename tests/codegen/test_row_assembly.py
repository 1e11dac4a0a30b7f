"""What the targets' code generators make of rows and pointwise chains: whole vectors, no spills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from assembly import assembly_of, hottest, innermost_loops
from row_programs import Spec, attention, chain, norms, program_of

from wherry.ir.dims import symbol

F32 = "float32"
N = symbol("N")
VECTORS = {"x86-64-v2": "xmm", "x86-64-v3": "ymm", "x86-64-v4": "zmm", "aarch64": "v.4s"}
CASES: dict[str, tuple[Callable[..., Any], list[Spec]]] = {
    "chain": (chain, [((N, 64), F32), ((64,), F32), ((64,), F32), ((N, 64), F32)]),
    "attention": (attention, [((N, 128, 128), F32), ((N, 1, 128), F32)]),
    "norms": (norms, [((N, 1024), F32), ((1024,), F32), ((1024,), F32)]),
}


@pytest.mark.parametrize("level", VECTORS)
@pytest.mark.parametrize("case", CASES)
def test_the_loops_take_whole_vectors(case: str, level: str) -> None:
    fn, specs = CASES[case]
    loop = hottest(assembly_of(program_of(fn, *specs), level))
    assert VECTORS[level] in loop.vectors, loop
    assert not any("call" in line or "\tbl\t" in line for line in loop.lines), loop


@pytest.mark.parametrize("case", CASES)
def test_hot_loops_spill_nothing(case: str) -> None:
    """Partial results, which lie on the stack and are found by an index, are none."""
    fn, specs = CASES[case]
    loop = hottest(assembly_of(program_of(fn, *specs), "x86-64-v4"))
    assert not [line for line in loop.spills if "(%rsp)" in line]


@pytest.mark.parametrize("level", ["x86-64-v4", "aarch64"])
def test_sums_of_rows_have_several_accumulators(level: str) -> None:
    text = assembly_of(program_of(lambda F, x: F.reduce_sum(x, dim=[1]), ((N, 4096), F32)), level)
    adds = [[line for line in loop.lines if "add" in line and VECTORS[level][:1] in line]
            for loop in innermost_loops(text)]  # fmt: skip
    best = max(adds, key=len)
    assert len(best) >= 4


def test_a_transposition_is_done_in_registers() -> None:
    net = program_of(lambda F, x: F.transpose2(x, axis=[1, 0]), ((N, 1024), F32))
    loops = innermost_loops(assembly_of(net, "x86-64-v4"))
    stores = [sum("vmovup" in line and "zmm" in line and line.rstrip().endswith(")")
                  for line in loop.lines) for loop in loops]  # fmt: skip
    assert max(stores) == 16
    assert not any(loop.spills for loop in loops if "zmm" in str(loop.lines))
