"""`_jst`: what converted code calls."""

from __future__ import annotations

from .attempts import convert_try, entered, kept
from .branch import convert_ifelse, convert_ternary
from .convert_call import convert_call
from .dicts import new_dict
from .either import present
from .generators import push_all, python_iter, python_test
from .growing import new_list, spread
from .iterate import Pushed, for_comprehension
from .logic import (
    compare,
    convert_assert,
    convert_raise,
    logical_and,
    logical_not,
    logical_or,
)
from .loop import convert_for, convert_while
from .patterns import bind, is_instance, is_mapping, is_sequence, middle, positional, without
from .writes import will_bind, will_write, will_write_unknown

__all__ = [
    "Pushed", "bind", "compare", "convert_assert", "convert_call", "convert_for",
    "convert_ifelse", "convert_raise", "convert_ternary", "convert_try", "convert_while",
    "entered", "for_comprehension", "is_instance", "is_mapping", "is_sequence",
    "kept", "logical_and", "logical_not", "logical_or", "middle", "new_dict", "new_list",
    "positional", "present", "push_all", "python_iter", "python_test", "spread", "will_bind",
    "will_write", "will_write_unknown", "without",
]  # fmt: skip
