"""Vector constants as LLVM reads them: llvmlite would write out each of their elements."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir


class _Written(ir.Constant):  # type: ignore[misc]
    """A constant by its text."""

    def __init__(self, type: ir.Type, text: str) -> None:
        self.type, self.constant = type, text

    def _get_reference(self) -> str:
        return str(self.constant)


def repeated(element: ir.Type, number: Any, width: int) -> ir.Constant:
    """A vector of one number."""
    one = ir.Constant(element, number)
    return _Written(ir.VectorType(element, width), f"splat ({element} {one.get_reference()})")


@cache
def zeros(width: int) -> ir.Constant:
    """The mask of a shuffle that takes the first lane everywhere."""
    return ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)


def undefined(kind: ir.Type) -> ir.Constant:
    """A vector that is about to be filled."""
    return _Written(kind, "poison")
