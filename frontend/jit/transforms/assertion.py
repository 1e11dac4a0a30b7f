"""`assert c, m` becomes `_jst.convert_assert(c, lambda: m)`; a `raise` is announced.

`raise` under a condition that is a tensor cannot be traced: `_jst.check_raise()` says so before it
happens.
"""

from __future__ import annotations

from typing import Any

import gast

from .logical import movable
from .scope import Transformer, at, constant, jst, thunk


class Assertion(Transformer):
    def visit_Assert(self, node: Any) -> Any:
        self.generic_visit(node)
        message = node.msg if node.msg is not None else constant(None)
        if not movable(message):
            return node
        return at(node, gast.Expr(value=jst("convert_assert", node.test, thunk(message))))

    def visit_Raise(self, node: Any) -> Any:
        self.generic_visit(node)
        return [at(node, gast.Expr(value=jst("check_raise"))), node]
