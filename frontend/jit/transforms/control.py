"""What the transformers of `if`, `while` and `for` share: the state that a body changes.

A body becomes a nested function that declares the names it binds `nonlocal`; the converter reads
and writes them through the function's closure cells. For a name to have a cell, the function around
binds it at its start and unbinds it again, so that reading it too early is still Python's own
NameError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import gast

from .jumps import contains
from .scope import (
    LOOPS,
    YIELDS,
    Context,
    Transformer,
    assigned,
    at,
    constant,
    declarations,
    declared,
    docstring,
    function,
    own_nodes,
    parameters,
    store,
)  # fmt: skip
from .tree import walk


class ControlFlow(Transformer):
    """Visits statements with the function around them at hand; `managed` collects its state."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.globals: set[str] = set()
        self.hidden: set[str] = set()
        self.bound: set[str] = set()
        self.managed: set[str] | None = None
        self.everywhere: Counter[str] = Counter()

    def visit_Lambda(self, node: Any) -> Any:
        return node

    def visit_AsyncFunctionDef(self, node: Any) -> Any:
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        if node.name in self.context.generated - self.context.scoped:
            node.body = self._statements(node.body)
            return node
        outer = self.globals, self.hidden, self.bound, self.managed, self.everywhere
        self.globals = declared(node.body, gast.Global)
        self.hidden = _changed_by_closures(node.body, self.context)
        self.bound = parameters(node.args) | declared(node.body)
        self.managed = _bound_by_parts(node.body, self.context)
        self.everywhere = counted(node)
        node.body = self._statements(node.body)
        node.body = _bind(node, self.managed - self.bound)
        self.globals, self.hidden, self.bound, self.managed, self.everywhere = outer
        return node

    def _statements(self, body: Sequence[Any]) -> list[Any]:
        done: list[Any] = []
        for child in body:
            result = self.visit(child)
            done += result if isinstance(result, list) else [result]
        return done

    def state(self, *bodies: Sequence[Any]) -> list[str]:
        """The sorted names that these bodies bind, and those that a closure may change."""
        names = set(self.hidden)
        for body in bodies:
            names |= assigned(body, self.context)
        names -= self.context.generated
        if self.managed is not None:
            self.managed |= names
        return sorted(names)

    def inner(self, inside: Counter[str], names: list[str]) -> list[str]:
        """Those of the names that occur in the function only where they are counted `inside`."""
        return [
            name for name in names
            if name not in self.bound and inside[name] == self.everywhere[name]
        ]  # fmt: skip

    def nested(self, origin: Any, base: str, body: Sequence[Any], names: list[str],
               *params: str) -> Any:  # fmt: skip
        """`def base_0(params): nonlocal names; body`."""
        name = self.context.fresh_function(base)
        head = declarations(names, self.globals)
        return at(origin, function(name, [*head, *body], *params))

    def names_of(self, names: list[str]) -> Any:
        """The tuple of the state's names, as an argument."""
        return gast.Tuple(elts=[constant(name) for name in names], ctx=gast.Load())


def counted(node: Any) -> Counter[str]:
    """How often each name occurs in the tree; the declarations of generated code do not count."""
    return Counter(n.id for n in walk(node) if isinstance(n, gast.Name))


def _bound_by_parts(body: Sequence[Any], context: Context) -> set[str]:
    """Names that functions made of expressions bind."""
    found = (n for n in own_nodes(body) if isinstance(n, gast.FunctionDef))
    return set().union(*(context.parts.get(n.name, set()) for n in found))


def stays(node: Any) -> bool:
    """Whether the statement cannot be moved into a function: Python runs it as it stands."""
    if any(isinstance(n, (*YIELDS, gast.Return)) for n in own_nodes([node])):
        return True
    loop = isinstance(node, LOOPS)
    return not loop and contains(node, (gast.Break, gast.Continue))


def _changed_by_closures(body: Sequence[Any], context: Context) -> set[str]:
    """Names that a function inside declares nonlocal: any call may change them."""
    inner = [n for n in own_nodes(body) if isinstance(n, gast.FunctionDef)]
    found: set[str] = set()
    for node in inner:
        if node.name not in context.generated:
            found |= declared(node.body, gast.Nonlocal)
            found |= _changed_by_closures(node.body, context)
    return found


def _bind(node: Any, names: set[str]) -> list[Any]:
    """The body with `a = b = None; del a, b` at its start (after the docstring)."""
    if not names:
        return node.body  # type: ignore[no-any-return]
    already = [n for n in node.body if isinstance(n, gast.Delete) and getattr(n, "binds", False)]
    for statement in already:
        names = names - {target.id for target in statement.targets}
    if not names:
        return node.body  # type: ignore[no-any-return]
    ordered = sorted(names)
    give = gast.Assign(
        targets=[store(name) for name in ordered], value=constant(None), type_comment=None
    )
    take = gast.Delete(targets=[_delete(name) for name in ordered])
    take.binds = True
    start = at(node.body[0], [give, take])
    head = docstring(node.body)
    return [*head, *start, *node.body[len(head) :]]


def _delete(name: str) -> Any:
    return gast.Name(id=name, ctx=gast.Del(), annotation=None, type_comment=None)
