"""`try`: `_jst.convert_try(try_body_0, clauses, try_else_0, try_final_0, names)`.

The clauses are pairs of a function that gives the types, or None, and one that takes the error.
"""

from __future__ import annotations

from typing import Any

import gast

from .control import ControlFlow, stays
from .scope import assign, at, constant, jst, load, thunk


class TryExcept(ControlFlow):
    def visit_Try(self, node: Any) -> Any:
        self.generic_visit(node)
        if stays(node):
            return _kept(node)
        bodies = [[h.name, *h.body] if h.name else h.body for h in node.handlers]
        names = self.state(node.body, *bodies, node.orelse, node.finalbody)
        body = self.nested(node, "try_body", node.body, names)
        clauses = [self._clause(handler, names) for handler in node.handlers]
        ends = [
            self.nested(node, base, part, names) if part else None
            for base, part in (("try_else", node.orelse), ("try_final", node.finalbody))
        ]
        pairs = [
            gast.Tuple(elts=[_types(handler), load(clause.name)], ctx=gast.Load())
            for handler, clause in zip(node.handlers, clauses, strict=True)
        ]
        call = jst(
            "convert_try", load(body.name), gast.Tuple(elts=pairs, ctx=gast.Load()),
            *(constant(None) if end is None else load(end.name) for end in ends),
            self.names_of(names),
        )  # fmt: skip
        made = [end for end in ends if end is not None]
        return [body, *clauses, *made, at(node, gast.Expr(value=call))]

    def visit_With(self, node: Any) -> Any:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = at(item.context_expr, jst("entered", item.context_expr))
        return node

    def _clause(self, handler: Any, names: list[str]) -> Any:
        """The function of an `except`; the error's name is unbound however it ends."""
        error = self.context.fresh("error")
        body = handler.body
        if handler.name is not None:
            name = handler.name.id
            unbound = gast.Delete(targets=[gast.Name(name, gast.Del(), None, None)])
            end = [assign(name, constant(None)), unbound]
            whole = gast.Try(body=[assign(name, load(error)), *body], handlers=[], orelse=[],
                             finalbody=end)  # fmt: skip
            body = [at(handler, whole)]
        return self.nested(handler, "except_body", body, names, error)


def _types(handler: Any) -> Any:
    return constant(None) if handler.type is None else at(handler.type, thunk(handler.type))


def _kept(node: Any) -> Any:
    """A `try` that Python runs as it stands."""
    if node.handlers:
        every = at(node, thunk(load("BaseException")))
        types = [every if h.type is None else at(h.type, thunk(h.type)) for h in node.handlers]
        item = gast.withitem(context_expr=jst("kept", *types), optional_vars=None)
        node.body = [at(node.body[0], gast.With(items=[item], body=node.body, type_comment=None))]
    return node
