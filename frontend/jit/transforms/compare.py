"""Chained comparisons, `is` and `in`.

`a < b < c` becomes `_jst.compare(a, ("<", lambda: b), ("<", lambda: c))`.
Python would ask `a < b` for its truth value, and so lose it on a tensor.
"""

from __future__ import annotations

from typing import Any

import gast

from .scope import Lazy, at, constant, jst

SYMBOLS = {
    gast.Lt: "<", gast.LtE: "<=", gast.Gt: ">", gast.GtE: ">=", gast.Eq: "==", gast.NotEq: "!=",
    gast.Is: "is", gast.IsNot: "is not", gast.In: "in", gast.NotIn: "not in",
}  # fmt: skip


class Compare(Lazy):
    """A single arithmetic comparison stays: the operator is overloaded."""

    def visit_Compare(self, node: Any) -> Any:
        self.generic_visit(node)
        symbols = [SYMBOLS[type(op)] for op in node.ops]
        plain = len(symbols) == 1 and not symbols[0][0].isalpha()
        if plain or not all(self.movable(operand) for operand in node.comparators):
            return node
        links = [
            gast.Tuple(elts=[constant(symbol), self.thunk(operand)], ctx=gast.Load())
            for symbol, operand in zip(symbols, node.comparators, strict=True)
        ]
        return at(node, jst("compare", node.left, *links))
