"""What a row kernel asks for ahead, and where its partial results lie."""

from __future__ import annotations

import pytest
from assembly import assembly_of, hottest
from row_programs import program_of

from wherry.ir.dims import symbol

N = symbol("N")
PREFETCH = {"x86-64-v2": "prefetcht0", "x86-64-v4": "prefetcht0", "aarch64": "prfm"}


def softmax(columns: int, level: str) -> str:
    spec = ((N, columns), "float32")
    return assembly_of(program_of(lambda F, x: F.softmax(x, axis=-1), spec), level)


@pytest.mark.parametrize("level", PREFETCH)
def test_the_next_row_is_asked_for_while_this_one_is_in_the_cache(level: str) -> None:
    assert PREFETCH[level] in softmax(4096, level)


def test_a_row_that_fills_the_cache_is_not_driven_out() -> None:
    assert "prefetch" not in softmax(1 << 16, "x86-64-v4")


def test_few_partial_results_stay_in_registers_beside_an_exponential() -> None:
    loop = hottest(softmax(4096, "x86-64-v4"))
    assert sum("vscalefps" in line for line in loop.lines) == 4
    assert not [line for line in loop.lines if "%rsp" in line]
