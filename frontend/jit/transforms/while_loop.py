"""`while`: `_jst.convert_while(while_test_0, while_body_0, names)`."""

from __future__ import annotations

from typing import Any

import gast

from .control import ControlFlow
from .scope import at, jst, load


class WhileLoop(ControlFlow):
    def visit_While(self, node: Any) -> Any:
        self.generic_visit(node)
        names = self.state(node.body, [node.test])
        test = self.nested(node, "while_test", [gast.Return(value=node.test)], names)
        body = self.nested(node, "while_body", node.body, names)
        call = jst("convert_while", load(test.name), load(body.name), self.names_of(names))
        return [test, body, at(node, gast.Expr(value=call))]
