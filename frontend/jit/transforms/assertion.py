"""`assert c, m` becomes `_jst.convert_assert(c, lambda: m)`, `raise e` is announced.

`raise` under a condition that is a tensor ends the call, at run time: `_jst.convert_raise(e)` marks
the exception for the branch around. A `try` around that branch could not catch it, which
`_jst.depth()` at the start of the `try` lets `convert_raise` see.
"""

from __future__ import annotations

from typing import Any

import gast

from .scope import Context, Lazy, assign, at, constant, jst, load
from .tree import walk


class Assertion(Lazy):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tries: list[str] = []

    def visit_FunctionDef(self, node: Any) -> Any:
        outer, self.tries = self.tries, []
        super().visit_FunctionDef(node)
        self.tries = outer
        return node

    def visit_Assert(self, node: Any) -> Any:
        self.generic_visit(node)
        message = node.msg if node.msg is not None else constant(None)
        if not self.movable(message):
            return node
        return at(node, gast.Expr(value=jst("convert_assert", node.test, self.thunk(message))))

    def visit_Raise(self, node: Any) -> Any:
        self.generic_visit(node)
        if node.exc is not None:
            inside = [load(name) for name in self.tries[-1:]]
            node.exc = at(node.exc, jst("convert_raise", node.exc, *inside))
        return node

    def visit_Try(self, node: Any) -> Any:
        raises = any(isinstance(n, gast.Raise) for child in node.body for n in walk(child))
        if not node.handlers or not raises:
            self.generic_visit(node)
            return node
        name = self.context.fresh_function("_jst_depth")
        self.tries.append(name)
        node.body = [self.visit(child) for child in node.body]
        self.tries.pop()
        for field in ("handlers", "orelse", "finalbody"):
            setattr(node, field, [self.visit(child) for child in getattr(node, field)])
        node.body = [at(node.body[0], assign(name, jst("depth"))), *node.body]
        return node
