"""`break`, `continue` and a loop's `else`: flags that the loop's condition and an `if` look at.

    while c:                     stop_0 = False
        if d:                    while not stop_0 and c:
            break        ->          if d:
        f()                              stop_0 = True
                                     else:
                                         f()

A `for` keeps its flag in the attribute `stop` of the node, for the transformer of `for`.
"""

from __future__ import annotations

from typing import Any

import gast

from .jumps import contains, lower
from .scope import YIELDS, Transformer, assign, at, constant, load, own_nodes


class BreakContinue(Transformer):
    """Works from the inner loops outwards."""

    def visit_For(self, node: Any) -> Any:
        return self._loop(node)

    def visit_While(self, node: Any) -> Any:
        return self._loop(node)

    def _loop(self, node: Any) -> Any:
        self.generic_visit(node)
        if any(isinstance(n, YIELDS) for n in own_nodes([node])):
            return node
        before: list[Any] = []
        orelse, node.orelse = node.orelse, []
        if any(contains(child, (gast.Continue,)) for child in node.body):
            self._continue(node)
        stop = ""
        if any(contains(child, (gast.Break,)) for child in node.body):
            stop = self._break(node)
            before = at(node, [assign(stop, constant(False))])
        if orelse and stop:
            test = at(node, gast.UnaryOp(op=gast.Not(), operand=load(stop)))
            orelse = at(node, [gast.If(test=test, body=orelse, orelse=[])])
        return [*before, node, *orelse]

    def _continue(self, node: Any) -> None:
        flag = self.context.fresh("skip")
        node.body = lower(node.body, (gast.Continue,), flag, _Flag(flag))
        node.body = at(node, [assign(flag, constant(False))]) + node.body

    def _break(self, node: Any) -> str:
        flag = self.context.fresh("stop")
        node.body = lower(node.body, (gast.Break,), flag, _Flag(flag))
        if isinstance(node, gast.While):
            going = gast.UnaryOp(op=gast.Not(), operand=load(flag))
            both = gast.BoolOp(op=gast.And(), values=[going, node.test])
            node.test = at(node.test, both)
        else:
            node.stop = flag
        return flag


class _Flag:
    """A jump is the setting of a flag; inner loops have taken care of their own."""

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def jump(self, node: Any, in_loop: bool) -> list[Any]:
        return at(node, [assign(self.flag, constant(True))])  # type: ignore[no-any-return]

    def after_loop(self, node: Any, in_loop: bool) -> list[Any]:
        return []
