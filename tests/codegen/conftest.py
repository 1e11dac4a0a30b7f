"""Lets the tests of this folder import its helper modules, and tests/ir's, by name."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.extend([str(HERE), str(HERE.parent / "ir")])
