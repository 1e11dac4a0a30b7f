"""`a if c else b`: `_jst.convert_ternary(c, lambda: a, lambda: b)`."""

from __future__ import annotations

from typing import Any

from .scope import Lazy, at, jst


class Ternary(Lazy):
    def visit_IfExp(self, node: Any) -> Any:
        self.generic_visit(node)
        if not (self.movable(node.body) and self.movable(node.orelse)):
            return node
        call = jst("convert_ternary", node.test, *map(self.thunk, (node.body, node.orelse)))
        return at(node, call)
