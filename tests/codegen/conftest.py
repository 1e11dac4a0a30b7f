"""Lets the tests of this folder import its helper modules, and tests/ir's, by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.extend([str(HERE), str(HERE.parent / "ir")])


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at what is compiled, and some change the compiler."""
    monkeypatch.setenv("WHERRY_CACHE", "0")
