"""A variable that may have no value is asked for where it is read: `_jst.present(x)`.

    if c:                          if c:
        y = f()                        y = f()
    rows.append(y)       ->        rows.append(_jst.present(y))

Python raises its error there. Where a tensor decides whether the variable has a value, it is passed
on without being looked at; so it is asked for, if some way to the line binds it and another one
does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gast

from .scope import FUNCTIONS, Context, Transformer, assigned, at, declared, jst, load, parameters

# The names that surely have a value; None where no control comes.
Sure = set[str] | None


class Present(Transformer):
    """Follows the ways through a function, which still has its jumps."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # The local names of the functions around.
        self.names: set[str] = set()
        self.sure: Sure = set()

    # Functions.

    def visit_FunctionDef(self, node: Any) -> Any:
        if node.name not in self.context.generated:
            # Its own code runs when it is called.
            self._bind({node.name})
        own = assigned(node.body, self.context) - declared(node.body)
        with self._scope(parameters(node.args), own):
            node.body = self._visited(node.body)
        return node

    def visit_Lambda(self, node: Any) -> Any:
        with self._scope(parameters(node.args), set()):
            node.body = self.visit(node.body)
        return node

    def visit_AsyncFunctionDef(self, node: Any) -> Any:
        return node

    @contextmanager
    def _scope(self, given: set[str], own: set[str]) -> Iterator[None]:
        """Inside, `given` have a value, and `own` have none yet."""
        outer = self.names, self.sure
        self.names = self.names | own | given
        self.sure = None if self.sure is None else (self.sure - own) | given
        yield
        self.names, self.sure = outer

    # Expressions.

    def visit_Name(self, node: Any) -> Any:
        if isinstance(node.ctx, gast.Load):
            asked = self.sure is not None and node.id in self.names - self.sure
            return at(node, jst("present", node)) if asked else node
        if isinstance(node.ctx, gast.Store):
            self._bind({node.id})
        elif self.sure is not None:
            self.sure = self.sure - {node.id}
        return node

    def visit_NamedExpr(self, node: Any) -> Any:
        node.value = self.visit(node.value)
        self._bind({node.target.id})
        return node

    def visit_BoolOp(self, node: Any) -> Any:
        first = self.visit(node.values[0])
        with self._perhaps():
            node.values = [first, *map(self.visit, node.values[1:])]
        return node

    def visit_IfExp(self, node: Any) -> Any:
        holds, fails = self._test(node, "test")
        self.sure = holds
        node.body = self.visit(node.body)
        self.sure = fails
        node.orelse = self.visit(node.orelse)
        self.sure = _meet(holds, fails)
        return node

    def visit_DictComp(self, node: Any) -> Any:
        return self._comprehension(node)

    visit_SetComp = visit_ListComp = visit_GeneratorExp = visit_DictComp

    def _comprehension(self, node: Any) -> Any:
        """The targets are names of its own."""
        with self._scope(set(), set()):
            for generator in node.generators:
                generator.iter = self.visit(generator.iter)
                generator.target = self.visit(generator.target)
                generator.ifs = [self.visit(test) for test in generator.ifs]
            for field in ("key", "value", "elt"):
                if hasattr(node, field):
                    setattr(node, field, self.visit(getattr(node, field)))
        return node

    @contextmanager
    def _perhaps(self) -> Iterator[None]:
        """What is done inside need not be done."""
        before = self.sure
        yield
        self.sure = before

    def _bind(self, names: set[str]) -> None:
        if self.sure is not None:
            self.sure = self.sure | names

    # Statements.

    def visit_Assign(self, node: Any) -> Any:
        node.value = self.visit(node.value)
        node.targets = [self.visit(target) for target in node.targets]
        return node

    def visit_AnnAssign(self, node: Any) -> Any:
        if node.value is not None:
            node.value = self.visit(node.value)
            node.target = self.visit(node.target)
        return node

    def visit_AugAssign(self, node: Any) -> Any:
        node.value = self.visit(node.value)
        node.target = self.visit(node.target)
        return node

    def visit_Import(self, node: Any) -> Any:
        self._bind(assigned([node], self.context))
        return node

    visit_ImportFrom = visit_ClassDef = visit_Import

    def visit_Delete(self, node: Any) -> Any:
        names = [one for one in node.targets if isinstance(one, gast.Name)]
        asked = [self.visit(load(one.id)) for one in names]
        node.targets = [self.visit(target) for target in node.targets]
        calls = [one for one in asked if isinstance(one, gast.Call)]
        return [*(at(node, gast.Expr(value=call)) for call in calls), node]

    def visit_Return(self, node: Any) -> Any:
        self.generic_visit(node)
        self.sure = None
        return node

    visit_Raise = visit_Break = visit_Continue = visit_Return

    def visit_If(self, node: Any) -> Any:
        holds, self.sure = self._test(node, "test")
        node.orelse = self._visited(node.orelse)
        fails, self.sure = self.sure, holds
        node.body = self._visited(node.body)
        self.sure = _meet(self.sure, fails)
        return node

    def visit_While(self, node: Any) -> Any:
        self._forget_deleted(node.body)
        node.test = self.visit(node.test)
        return self._loop(node)

    def visit_For(self, node: Any) -> Any:
        node.iter = self.visit(node.iter)
        self._forget_deleted(node.body)
        before = self.sure
        node.target = self.visit(node.target)
        self._loop(node)
        self.sure = before
        return node

    def _loop(self, node: Any) -> Any:
        with self._perhaps():
            node.body = self._visited(node.body)
        with self._perhaps():
            node.orelse = self._visited(node.orelse)
        return node

    def visit_Try(self, node: Any) -> Any:
        before = self.sure
        node.body = self._visited(node.body)
        node.orelse = self._visited(node.orelse)
        after, deleted = self.sure, _deleted(node.body)
        for handler in node.handlers:
            self.sure = None if before is None else before - deleted
            after = _meet(after, self._handled(handler))
        self.sure = None if before is None else before - _deleted([node])
        start = self.sure
        node.finalbody = self._visited(node.finalbody)
        if after is not None and self.sure is not None and start is not None:
            after = (after - (start - self.sure)) | (self.sure - start)
        self.sure = None if self.sure is None else after
        return node

    def _handled(self, handler: Any) -> Sure:
        """Visit an `except`; its name has no value behind it."""
        name = set() if handler.name is None else {handler.name.id}
        if handler.type is not None:
            handler.type = self.visit(handler.type)
        self._bind(name)
        handler.body = self._visited(handler.body)
        return None if self.sure is None else self.sure - name

    def _forget_deleted(self, body: list[Any]) -> None:
        """A later round starts without what an earlier one has deleted."""
        if self.sure is not None:
            self.sure = self.sure - _deleted(body)

    def _test(self, node: Any, field: str) -> tuple[Sure, Sure]:
        """Visit a condition: what is sure where it holds, and where it does not."""
        test = getattr(node, field)
        if isinstance(test, gast.UnaryOp) and isinstance(test.op, gast.Not):
            holds, fails = self._test(test, "operand")
            return fails, holds
        if not isinstance(test, gast.BoolOp):
            setattr(node, field, self.visit(test))
            return self.sure, self.sure
        test.values[0] = self.visit(test.values[0])
        first = self.sure
        test.values[1:] = [self.visit(value) for value in test.values[1:]]
        return (self.sure, first) if isinstance(test.op, gast.And) else (first, self.sure)


def _meet(one: Sure, two: Sure) -> Sure:
    """What is sure where two ways come together."""
    if one is None or two is None:
        return two if one is None else one
    return one & two


def _deleted(body: list[Any]) -> set[str]:
    """The names that these statements may delete."""
    found: set[str] = set()
    pending = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, gast.Delete):
            found |= {target.id for target in node.targets if isinstance(target, gast.Name)}
        if isinstance(node, gast.ExceptHandler) and node.name is not None:
            found.add(node.name.id)
        if not isinstance(node, (*FUNCTIONS, gast.ClassDef)):
            pending += list(gast.iter_child_nodes(node))
    return found
