"""Ops that have no kernel: those that only rename bytes, and effects on the call itself."""

from __future__ import annotations

from typing import Final

# Their outputs alias their first input.
VIEWS: Final = frozenset({
    "assign", "flatten_contiguous_range", "print", "reshape2", "squeeze2", "unsqueeze2",
})  # fmt: skip

# They have no output in the arena; the native entry does what they ask for.
EFFECTS: Final = frozenset({"assert", "assign_persistable", "check_size"})
