"""Generators: Python's own, until a tensor decides what they yield.

Which `yield` is reached is then no matter for Python. Such a generator, known by its place in the
file, is converted in another form: calling it gives a `Pushed`, which hands each value to a
function, the body of the loop over it, in the place of the `yield`.

    def f(x):                  def f(x):
        if x > 0:                  def pushed_0(_jst_push):
            yield x                    if x > 0:
                                           _jst_push(x)
                                   return _jst.Pushed(pushed_0)
"""

from __future__ import annotations

from typing import Any

import gast

from .jumps import contains
from .scope import (
    YIELDS,
    Transformer,
    assigned,
    at,
    constant,
    declared,
    function,
    jst,
    load,
    own_nodes,
    parameters,
)  # fmt: skip

PUSH = "_jst_push"
_JUMPS = (gast.Return, gast.Break, gast.Continue)


class Generators(Transformer):
    def visit_Lambda(self, node: Any) -> Any:
        return node

    def visit_AsyncFunctionDef(self, node: Any) -> Any:
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        self.generic_visit(node)
        if not any(isinstance(n, (gast.Yield, gast.YieldFrom)) for n in own_nodes(node.body)):
            return node
        if (node.lineno, node.col_offset) in self.context.pushed:
            return self._pushed(node)
        for part in own_nodes(node.body):
            field = _decisive(part)
            if field:
                value = getattr(part, field)
                place = constant(node.lineno), constant(node.col_offset)
                kind = "test" if field == "test" else "iter"
                setattr(part, field, at(value, jst(f"python_{kind}", value, *place)))
        return node

    def _pushed(self, node: Any) -> Any:
        name = self.context.fresh_function("pushed")
        self.context.scoped.add(name)
        body = [_Push(self.context).visit(child) for child in node.body]
        outer = parameters(node.args) & assigned(body, self.context) - declared(body)
        head = [gast.Nonlocal(names=sorted(outer))] if outer else []
        run = at(node, function(name, [*head, *body], PUSH))
        node.body = [run, at(node, gast.Return(value=jst("Pushed", load(name))))]
        return node


def _decisive(node: Any) -> str:
    """The part of the node that decides whether a yield or a jump is reached, if it has one."""
    if isinstance(node, gast.YieldFrom):
        return "value"
    if not isinstance(node, (gast.If, gast.While, gast.For)):
        return ""
    inside = any(isinstance(n, (*YIELDS, gast.Return)) for n in own_nodes([node]))
    if not inside and not (isinstance(node, gast.If) and contains(node, _JUMPS)):
        return ""
    return "iter" if isinstance(node, gast.For) else "test"


class _Push(Transformer):
    """Calls in the place of the yields of one function."""

    def visit_FunctionDef(self, node: Any) -> Any:
        return node

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_Yield(self, node: Any) -> Any:
        self.generic_visit(node)
        value = constant(None) if node.value is None else node.value
        return at(node, gast.Call(func=load(PUSH), args=[value], keywords=[]))

    def visit_YieldFrom(self, node: Any) -> Any:
        self.generic_visit(node)
        return at(node, jst("push_all", node.value, load(PUSH)))
