"""`if`: two nested functions and `_jst.convert_ifelse(condition, true_fn_0, false_fn_0, names)`."""

from __future__ import annotations

from typing import Any

import gast

from .control import ControlFlow, stays
from .scope import at, jst, load


class IfElse(ControlFlow):
    def visit_If(self, node: Any) -> Any:
        self.generic_visit(node)
        if stays(node):
            return node
        names = self.state(node.body, node.orelse)
        true = self.nested(node, "true_fn", node.body, names)
        false = self.nested(node, "false_fn", node.orelse, names)
        call = jst(
            "convert_ifelse", node.test, load(true.name), load(false.name), self.names_of(names)
        )
        return [true, false, at(node, gast.Expr(value=call))]
