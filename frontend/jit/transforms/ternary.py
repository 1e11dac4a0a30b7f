"""`a if c else b`: `_jst.convert_ternary(c, lambda: a, lambda: b)`."""

from __future__ import annotations

from typing import Any

import gast

from .logical import movable
from .scope import Context, at, jst, thunk


class Ternary(gast.NodeTransformer):  # type: ignore[misc]
    def __init__(self, context: Context) -> None:
        self.context = context

    def visit_ClassDef(self, node: Any) -> Any:
        return node

    def visit_IfExp(self, node: Any) -> Any:
        self.generic_visit(node)
        if not (movable(node.body) and movable(node.orelse)):
            return node
        call = jst("convert_ternary", node.test, thunk(node.body), thunk(node.orelse))
        return at(node, call)
