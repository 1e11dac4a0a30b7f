"""The memory address of an array, fast.

`array.ctypes.data` and `__array_interface__` cost about 1 us an array. The struct that numpy's C
API promises begins with the object's header and then the data pointer, which costs a tenth to read.
Whether that holds in this process is checked once, at import.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_HEADER: Final = object.__basicsize__
_peek: Final = ctypes.c_ssize_t.from_address


def _fast(array: np.ndarray[Any, Any]) -> int:
    return _peek(id(array) + _HEADER).value


def _slow(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _choose() -> Callable[[np.ndarray[Any, Any]], int]:
    probe = np.arange(12, dtype=np.int16).reshape(3, 4)
    views = (probe, probe[1:, 2:], probe[::-1], np.zeros((0, 3)), np.array(1.0))
    return _fast if all(_fast(view) == _slow(view) for view in views) else _slow


address_of: Final = _choose()
