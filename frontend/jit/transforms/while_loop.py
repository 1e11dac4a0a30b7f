"""`while`: `_jst.convert_while(while_test_0, while_body_0, names, inner)`."""

from __future__ import annotations

from typing import Any

import gast

from .control import ControlFlow, counted, stays
from .scope import at, jst, load


class WhileLoop(ControlFlow):
    def visit_While(self, node: Any) -> Any:
        names_inside = counted(node)
        self.generic_visit(node)
        if stays(node):
            return node
        names = self.state(node.body, [node.test])
        test = self.nested(node, "while_test", [gast.Return(value=node.test)], names)
        body = self.nested(node, "while_body", node.body, names)
        inner = self.names_of(self.inner(names_inside, names))
        call = jst("convert_while", load(test.name), load(body.name), self.names_of(names), inner)
        return [test, body, at(node, gast.Expr(value=call))]
