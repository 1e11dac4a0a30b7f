"""Which names a piece of code binds, and the few helpers that all transformers share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gast

from .tree import TreeTransformer, children, walk

FUNCTIONS = (gast.FunctionDef, gast.AsyncFunctionDef, gast.Lambda)
LOOPS = (gast.For, gast.While)
# What has nothing of this scope inside.
_CLOSED = (*FUNCTIONS, gast.ClassDef, gast.Name, gast.Constant)
YIELDS = (gast.Yield, gast.YieldFrom, gast.Await)
# Expressions with a scope of their own.
SCOPES = (gast.Lambda, gast.ListComp, gast.SetComp, gast.DictComp, gast.GeneratorExp)


@dataclass
class Context:
    """What the chain of transformers knows of the function that it converts.

    `taken` are all names in its source; `generated` the names of functions that a transformer made,
    which are never part of the state that a branch or a loop changes.
    """

    name: str
    class_name: str = ""
    taken: set[str] = field(default_factory=set)
    generated: set[str] = field(default_factory=set)
    # Those of them that are no part of the function around: they have local names of their own.
    scoped: set[str] = field(default_factory=set)
    # Where the generators begin (line, column) of which a tensor decides what they yield.
    pushed: Collection[tuple[int, int]] = ()
    # What a function that stands for an expression binds (walruses), by the function's name.
    parts: dict[str, set[str]] = field(default_factory=dict)

    def fresh(self, base: str) -> str:
        """A variable name that the function does not use: `base_0`, `base_1`, ..."""
        number = 0
        while f"{base}_{number}" in self.taken:
            number += 1
        name = f"{base}_{number}"
        self.taken.add(name)
        return name

    def fresh_function(self, base: str) -> str:
        """The name of a function that a transformer makes."""
        name = self.fresh(base)
        self.generated.add(name)
        return name


class Transformer(TreeTransformer):
    """One step of the chain. It leaves a class that the function defines as it is."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def visit_ClassDef(self, node: Any) -> Any:
        return node


class Lazy(Transformer):
    """A transformer that moves expressions into functions, which the converter may or may not call.

    An expression with a walrus binds a name of the function around it, which a lambda cannot: it
    becomes a nested function before the statement.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.defined: list[Any] | None = None
        self.globals: set[str] = set()

    def visit(self, node: Any) -> Any:
        if isinstance(node, (*SCOPES, gast.ClassDef)):
            outer, self.defined = self.defined, None
            found = super().visit(node)
            self.defined = outer
            return found
        if not isinstance(node, gast.stmt):
            return super().visit(node)
        outer, self.defined = self.defined, []
        found = super().visit(node)
        before, self.defined = self.defined, outer
        return [*before, *(found if isinstance(found, list) else [found])] if before else found

    def visit_FunctionDef(self, node: Any) -> Any:
        outer, self.globals = self.globals, declared(node.body, gast.Global)
        self.generic_visit(node)
        self.globals = outer
        return node

    def movable(self, expression: Any) -> bool:
        """Whether the expression can be moved into a function."""
        nodes = list(walk(expression))
        if any(isinstance(node, YIELDS) for node in nodes):
            return False
        walrus = any(isinstance(node, gast.NamedExpr) for node in nodes)
        return not walrus or self.defined is not None

    def thunk(self, expression: Any) -> Any:
        """A function of no arguments that computes it."""
        bound = walruses([expression])
        for part in [n.id for n in walk(expression) if isinstance(n, gast.Name)]:
            bound |= self.context.parts.get(part, set())
        if not bound:
            return thunk(expression)
        name = self.context.fresh_function("part")
        self.context.parts[name] = bound
        head = declarations(sorted(bound), self.globals)
        assert self.defined is not None
        made = function(name, [*head, gast.Return(value=expression)])
        self.defined.append(at(expression, made))
        return load(name)


def declarations(names: Sequence[str], global_names: set[str]) -> list[Any]:
    """`nonlocal` and `global` statements for names of the function around."""
    outer = [name for name in names if name not in global_names]
    inner = [name for name in names if name in global_names]
    found: list[Any] = [gast.Nonlocal(names=outer)] if outer else []
    return [*found, gast.Global(names=inner)] if inner else found


def names_in(node: Any) -> set[str]:
    """Every identifier in the tree."""
    found = {n.id for n in walk(node) if isinstance(n, gast.Name)}
    found |= {n.name for n in walk(node) if isinstance(n, (gast.FunctionDef, gast.ClassDef))}
    return found


def load(name: str) -> Any:
    return gast.Name(id=name, ctx=gast.Load(), annotation=None, type_comment=None)


def store(name: str) -> Any:
    return gast.Name(id=name, ctx=gast.Store(), annotation=None, type_comment=None)


def constant(value: Any) -> Any:
    return gast.Constant(value=value, kind=None)


def assign(name: str, value: Any) -> Any:
    return gast.Assign(targets=[store(name)], value=value, type_comment=None)


def jst(function: str, *args: Any) -> Any:
    """A call of `wherry.jit.convert`: `_jst.function(args...)`."""
    callee = gast.Attribute(value=load("_jst"), attr=function, ctx=gast.Load())
    return gast.Call(func=callee, args=list(args), keywords=[])


def thunk(expression: Any) -> Any:
    """`lambda: expression`."""
    return gast.Lambda(args=no_arguments(), body=expression)


def no_arguments(*names: str) -> Any:
    params = [
        gast.Name(id=name, ctx=gast.Param(), annotation=None, type_comment=None) for name in names
    ]
    return gast.arguments(
        args=params, posonlyargs=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None,
        defaults=[],
    )  # fmt: skip


def function(name: str, body: Sequence[Any], *params: str) -> Any:
    """`def name(params): body`."""
    return gast.FunctionDef(
        name=name, args=no_arguments(*params), body=list(body) or [gast.Pass()], decorator_list=[],
        returns=None, type_comment=None, type_params=[],
    )  # fmt: skip


def at(origin: Any, nodes: Any) -> Any:
    """Give every new node in `nodes` (one or a list) the position of `origin`; returns `nodes`.

    Of a statement with a body that is its first part, up to the condition or what is looped over.
    """
    line, column = getattr(origin, "lineno", 1), getattr(origin, "col_offset", 0)
    last = origin
    if isinstance(origin, (gast.If, gast.While, gast.For)):
        last = origin.iter if isinstance(origin, gast.For) else origin.test
    end, end_column = getattr(last, "end_lineno", None), getattr(last, "end_col_offset", None)
    new = list(nodes) if isinstance(nodes, list) else [nodes]
    while new:
        node = new.pop()
        # Below one that has a position all have theirs.
        if getattr(node, "lineno", None) is None:
            node.lineno, node.col_offset = line, column
            node.end_lineno, node.end_col_offset = end or line, end_column or column
            new.extend(children(node))
    return nodes


def docstring(body: Sequence[Any]) -> list[Any]:
    """The statement at the start of a body that is its docstring, if there is one."""
    first = body[0]
    text = isinstance(first, gast.Expr) and isinstance(first.value, gast.Constant)
    return [first] if text and isinstance(first.value.value, str) else []


def own_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """The nodes of this scope: not those inside nested functions, lambdas and classes.

    Marks such as Load and Add, which have no place in the source, are left out.
    """
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _CLOSED):
            stack.extend(reversed(list(children(node))))


def own_statements(nodes: Iterable[Any]) -> Iterator[Any]:
    """The statements of this scope."""
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _CLOSED):
            for name in ("handlers", "finalbody", "orelse", "body"):
                inside = getattr(node, name, None)
                if isinstance(inside, list):
                    stack.extend(reversed(inside))


def assigned(nodes: Sequence[Any], context: Context) -> set[str]:
    """The names that these statements bind in the function's scope.

    A function that a transformer made counts with the names that it declares nonlocal or global.
    """
    found = _stored(nodes) | walruses(nodes)
    for node in own_nodes(nodes):
        found |= _bound_by(node, context)
    return found


def _bound_by(node: Any, context: Context) -> set[str]:
    """The names that a node binds without storing to them."""
    if isinstance(node, gast.Name) and node.id in context.parts:
        return context.parts[node.id]
    if isinstance(node, gast.FunctionDef) and node.name in context.generated:
        return declared(node.body)
    if isinstance(node, (gast.FunctionDef, gast.AsyncFunctionDef, gast.ClassDef)):
        return {node.name}
    if isinstance(node, (gast.Import, gast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return set()


def _stored(nodes: Sequence[Any]) -> set[str]:
    """The names that are stored to or deleted, but for the targets of comprehensions, which live
    in the comprehension's own scope.
    """
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, gast.Name) and isinstance(node.ctx, (gast.Store, gast.Del)):
            found.add(node.id)
        if isinstance(node, (*FUNCTIONS, gast.ClassDef)):
            return
        for name, value in gast.iter_fields(node):
            if isinstance(node, gast.comprehension) and name == "target":
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, gast.AST):
                    walk(child)

    for node in nodes:
        walk(node)
    return found


def walruses(nodes: Sequence[Any]) -> set[str]:
    """The names that walruses in this scope bind."""
    return {n.target.id for n in own_nodes(nodes) if isinstance(n, gast.NamedExpr)}


def declared(nodes: Sequence[Any], kind: Any = (gast.Nonlocal, gast.Global)) -> set[str]:
    """The names that a function's body declares nonlocal or global."""
    return {name for n in own_statements(nodes) if isinstance(n, kind) for name in n.names}


def parameters(arguments: Any) -> set[str]:
    """The names of a function's parameters."""
    params = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    params += [p for p in (arguments.vararg, arguments.kwarg) if p is not None]
    return {p.id for p in params}
