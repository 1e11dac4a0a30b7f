"""`a and b`, `a or b`, `not a`: `_jst.logical_and(a, lambda: b)` and so on."""

from __future__ import annotations

from typing import Any

import gast

from .scope import Lazy, at, jst


class Logical(Lazy):
    """What cannot be moved into a function stays as it is: Python decides it."""

    def visit_BoolOp(self, node: Any) -> Any:
        self.generic_visit(node)
        if not all(self.movable(value) for value in node.values[1:]):
            return node
        name = "logical_and" if isinstance(node.op, gast.And) else "logical_or"
        result = node.values[-1]
        for value in reversed(node.values[:-1]):
            result = jst(name, value, self.thunk(result))
        return at(node, result)

    def visit_UnaryOp(self, node: Any) -> Any:
        self.generic_visit(node)
        return at(node, jst("logical_not", node.operand)) if isinstance(node.op, gast.Not) else node
