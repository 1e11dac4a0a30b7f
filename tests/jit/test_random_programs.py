"""Random programs are equal in dynamic mode and under to_static, interpreted and compiled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import Report, run

SEED = 20240601


# Tensors, lists and dicts that may be one, as rounds of a loop decide, cannot always be written;
# nor can text be made of text that a tensor decides.
MAY_BE_REFUSED = (
    "this tensor may share its memory",
    "this list or dict may be the same object",
    "the kinds of ",
    "a tensor decides whether this dict has the key",
    "this value is the str ",
)


def check(report: Report, seed: int) -> None:
    refused = [text for text in report.refused if not text.startswith(MAY_BE_REFUSED)]
    assert not report.failures and not refused, f"seed {seed}: {report}"
    assert report.refused.total() <= report.programs // 50, f"seed {seed}: {report}"


@pytest.mark.parametrize("part", range(10))
def test_on_the_interpreter(part: int) -> None:
    report = run(SEED, range(200 * part, 200 * part + 200))
    check(report, SEED)


@pytest.mark.parametrize("part", range(4))
def test_compiled(part: int) -> None:
    report = run(SEED + 1, range(50 * part, 50 * part + 50), compiled=True)
    check(report, SEED + 1)
