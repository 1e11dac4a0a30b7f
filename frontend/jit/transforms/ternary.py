"""`a if c else b`: `_jst.convert_ternary(c, lambda: a, lambda: b)`."""

from __future__ import annotations

from typing import Any

from .logical import movable
from .scope import Transformer, at, jst, thunk


class Ternary(Transformer):
    def visit_IfExp(self, node: Any) -> Any:
        self.generic_visit(node)
        if not (movable(node.body) and movable(node.orelse)):
            return node
        call = jst("convert_ternary", node.test, thunk(node.body), thunk(node.orelse))
        return at(node, call)
