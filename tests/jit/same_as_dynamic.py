"""What the tests of lists, dicts and objects share: a class, and the comparison of both modes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wherry.jit import to_static

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import INPUTS, agree, outcome


class Box:
    """An object that changes its own attributes, as a tensor decides."""

    def __init__(self, v: Any) -> None:
        self.v, self.k = v, 0

    def grown(self, w: Any) -> Any:
        if w.sum() > self.k:
            self.v = self.v + w
            self.k += 1
            return self.v
        return w


def check(function: Callable[..., Any]) -> None:
    """The function gives, or raises, the same in both modes."""
    static = to_static(function)
    for values in INPUTS:
        wanted, found = outcome(function, values), outcome(static, values)
        assert agree(wanted, found), f"{values} gives {wanted} and {found}"
