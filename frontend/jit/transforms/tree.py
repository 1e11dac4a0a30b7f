"""Walking gast trees: as gast does, without looking at what is no node.

A function is visited a dozen times to be converted, so these few functions are most of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gast

# Nodes with nothing inside that a transformer looks at.
_MARKS = (gast.expr_context, gast.operator, gast.boolop, gast.unaryop, gast.cmpop)
_LEAVES = frozenset({gast.Name, gast.Constant, gast.Pass, gast.Break, gast.Continue})


def children(node: Any) -> Iterator[Any]:
    """The nodes right below one; marks such as Load and Add are left out."""
    if type(node) in _LEAVES:
        return
    inside = node.__dict__
    for name in node._fields:
        value = inside.get(name)
        if isinstance(value, list):
            for one in value:
                if isinstance(one, gast.AST):
                    yield one
        elif isinstance(value, gast.AST) and not isinstance(value, _MARKS):
            yield value


def walk(node: Any) -> Iterator[Any]:
    """A node and all below it, without marks, in no order that means anything."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(children(here))


class TreeTransformer:
    """gast.NodeTransformer: `visit_If` and so on return what stands for the node from then on, a
    list for several statements.
    """

    def visit(self, node: Any) -> Any:
        """What becomes of the node."""
        own: Callable[[Any], Any] | None = getattr(self, f"visit_{type(node).__name__}", None)
        return self.generic_visit(node) if own is None else own(node)

    def generic_visit(self, node: Any) -> Any:
        """Visit what is below."""
        if type(node) in _LEAVES:
            return node
        inside = node.__dict__
        for name in node._fields:
            value = inside.get(name)
            if isinstance(value, list):
                if value:
                    value[:] = self._visited(value)
            elif isinstance(value, gast.AST) and not isinstance(value, _MARKS):
                inside[name] = self.visit(value)
        return node

    def _visited(self, nodes: list[Any]) -> list[Any]:
        done: list[Any] = []
        for node in nodes:
            found = self.visit(node) if isinstance(node, gast.AST) else node
            if isinstance(found, list):
                done += found
            else:
                done.append(found)
        return done
