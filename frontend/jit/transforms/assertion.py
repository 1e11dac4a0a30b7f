"""`assert c, m` becomes `_jst.convert_assert(c, lambda: m)`, `raise e` is announced: under a
condition that is a tensor `_jst.convert_raise(e)` marks the exception for the branch around.
"""

from __future__ import annotations

from typing import Any

import gast

from .scope import Lazy, at, constant, jst


class Assertion(Lazy):
    def visit_Assert(self, node: Any) -> Any:
        self.generic_visit(node)
        message = node.msg if node.msg is not None else constant(None)
        if not self.movable(message):
            return node
        return at(node, gast.Expr(value=jst("convert_assert", node.test, self.thunk(message))))

    def visit_Raise(self, node: Any) -> Any:
        self.generic_visit(node)
        if node.exc is not None:
            node.exc = at(node.exc, jst("convert_raise", node.exc))
        return node
