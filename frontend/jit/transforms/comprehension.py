"""A list comprehension becomes a function with a loop, in which a tensor may decide.

    ys = [f(x) for x in xs if c]        def listed_0(over_0):
                                            found_0 = []
                                            for x in over_0:
                                                if c:
                                                    found_0.append(f(x))
                                            return found_0
                                        ys = listed_0(xs)

A generator expression becomes a generator function, with `yield f(x)` in the loop.
"""

from __future__ import annotations

from typing import Any

import gast

from .scope import YIELDS, Lazy, assign, at, declarations, function, jst, load, walruses
from .tree import walk


class Comprehension(Lazy):
    def visit(self, node: Any) -> Any:
        known = isinstance(node, (gast.ListComp, gast.GeneratorExp))
        if not known or self.defined is None or not _is_plain(node):
            return super().visit(node)
        return self._listed(node) if isinstance(node, gast.ListComp) else self._yielded(node)

    def _listed(self, node: Any) -> Any:
        found = self.context.fresh("found")
        append = gast.Attribute(value=load(found), attr="append", ctx=gast.Load())
        keep = gast.Call(func=append, args=[node.elt], keywords=[])
        first = assign(found, gast.List(elts=[], ctx=gast.Load()))
        return self._called(node, "listed", [first], keep, [gast.Return(value=load(found))])

    def _yielded(self, node: Any) -> Any:
        return self._called(node, "items", [], gast.Yield(value=node.elt), [])

    def _called(self, node: Any, base: str, first: list[Any], keep: Any, last: list[Any]) -> Any:
        """A call of the function that the comprehension becomes, which stands before."""
        over = self.context.fresh("over")
        name = self.context.fresh_function(base)
        self.context.scoped.add(name)
        bound = walruses([node.elt, *(c for g in node.generators for c in g.ifs)])
        self.context.parts[name] = bound
        outermost, node.generators[0].iter = node.generators[0].iter, load(over)
        head = declarations(sorted(bound), self.globals)
        body = [*head, *first, self._loops(node.generators, keep), *last]
        made = self.visit(at(node, function(name, body, over)))
        assert self.defined is not None
        self.defined.append(made)
        items = jst("for_comprehension", self.visit(outermost))
        return at(node, gast.Call(func=load(name), args=[items], keywords=[]))

    def _loops(self, generators: list[Any], keep: Any) -> Any:
        inner: Any = gast.Expr(value=keep)
        for generator in reversed(generators):
            for test in reversed(generator.ifs):
                inner = at(test, gast.If(test=test, body=[inner], orelse=[]))
            inner = gast.For(
                target=generator.target, iter=generator.iter, body=[inner], orelse=[],
                type_comment=None,
            )  # fmt: skip
            at(generator.target, inner)
        return inner


def _is_plain(node: Any) -> bool:
    """Whether it stands in no other scope's code: no await, no async for."""
    inside = [n for part in (node.elt, *node.generators) for n in walk(part)]
    is_async = any(generator.is_async for generator in node.generators)
    return not is_async and not any(isinstance(n, YIELDS) for n in inside)
