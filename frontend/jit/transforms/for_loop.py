"""`for`: `_jst.convert_for(iterable, for_body_0, names, inner,
for_stop_0)`.

The body's function takes the item and binds the loop's target; `for_stop_0` reads the flag of
`break`.
"""

from __future__ import annotations

from typing import Any

import gast

from .control import ControlFlow, counted, stays
from .scope import at, constant, jst, load


class ForLoop(ControlFlow):
    def visit_For(self, node: Any) -> Any:
        names_inside = counted(node)
        self.generic_visit(node)
        if stays(node):
            return node
        item = self.context.fresh("item")
        bind = at(
            node.target, gast.Assign(targets=[node.target], value=load(item), type_comment=None)
        )
        body = [bind, *node.body]
        names = self.state(body)
        loop = self.nested(node, "for_body", body, names, item)
        flag = getattr(node, "stop", "")
        stops = [self.nested(node, "for_stop", [gast.Return(value=load(flag))], [])] if flag else []
        stop = load(stops[0].name) if flag else constant(None)
        inner = self.names_of(self.inner(names_inside, names))
        call = jst("convert_for", node.iter, load(loop.name), self.names_of(names), inner, stop)
        return [loop, *stops, at(node, gast.Expr(value=call))]
