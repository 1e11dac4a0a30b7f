"""`_jst`: what converted code calls."""

from __future__ import annotations

from .branch import convert_ifelse, convert_ternary
from .convert_call import convert_call
from .growing import new_list
from .logic import (
    compare,
    convert_assert,
    convert_raise,
    depth,
    logical_and,
    logical_not,
    logical_or,
)
from .loop import convert_for, convert_while
from .writes import will_write, will_write_unknown

__all__ = [
    "compare", "convert_assert", "convert_call", "convert_for", "convert_ifelse", "convert_raise",
    "convert_ternary", "convert_while", "depth", "logical_and", "logical_not", "logical_or",
    "new_list", "will_write", "will_write_unknown",
]  # fmt: skip
