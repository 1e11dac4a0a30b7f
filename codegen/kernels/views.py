"""Ops that only rename bytes: their outputs alias their first input, and no kernel runs."""

from __future__ import annotations

from typing import Final

VIEWS: Final = frozenset({
    "assign", "flatten_contiguous_range", "print", "reshape2", "squeeze2", "unsqueeze2",
})  # fmt: skip
