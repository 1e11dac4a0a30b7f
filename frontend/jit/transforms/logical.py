"""`a and b`, `a or b`, `not a`: `_jst.logical_and(a, lambda: b)` and so on."""

from __future__ import annotations

from typing import Any

import gast

from .scope import Transformer, at, jst, thunk


def movable(expression: Any) -> bool:
    """Whether the expression means the same inside a lambda: a walrus, yield or await does not."""
    kinds = (gast.NamedExpr, gast.Yield, gast.YieldFrom, gast.Await)
    return not any(isinstance(node, kinds) for node in gast.walk(expression))


class Logical(Transformer):
    """What cannot be moved into a lambda stays as it is: Python decides it."""

    def visit_BoolOp(self, node: Any) -> Any:
        self.generic_visit(node)
        if not all(movable(value) for value in node.values[1:]):
            return node
        name = "logical_and" if isinstance(node.op, gast.And) else "logical_or"
        result = node.values[-1]
        for value in reversed(node.values[:-1]):
            result = jst(name, value, thunk(result))
        return at(node, result)

    def visit_UnaryOp(self, node: Any) -> Any:
        self.generic_visit(node)
        return at(node, jst("logical_not", node.operand)) if isinstance(node.op, gast.Not) else node
