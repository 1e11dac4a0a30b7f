"""Random programs are equal in dynamic mode and under to_static, interpreted and compiled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import run

SEED = 20240601


@pytest.mark.parametrize("part", range(10))
def test_on_the_interpreter(part: int) -> None:
    report = run(SEED, range(200 * part, 200 * part + 200))
    assert not report.failures, f"seed {SEED}: {report}"
    assert not report.refused, f"seed {SEED}: {report}"


@pytest.mark.parametrize("part", range(4))
def test_compiled(part: int) -> None:
    report = run(SEED + 1, range(50 * part, 50 * part + 50), compiled=True)
    assert not report.failures, f"seed {SEED + 1}: {report}"
    assert not report.refused, f"seed {SEED + 1}: {report}"
