"""Writes to attributes and items are announced: `_jst.will_write(obj, "attr")` goes before
`obj.attr = v`. So are those to variables of other scopes: `_jst.will_bind(lambda: (n, s))` is where
a function starts that declares them nonlocal or global.

Only inside a branch or loop that depends on a tensor is something done about it: the old value is
kept, so that the other branch sees it, and the new values are merged.
"""

from __future__ import annotations

import copy
from typing import Any

import gast

from .scope import Transformer, at, constant, declared, docstring, jst, load, thunk
from .tree import walk


class Stores(Transformer):
    def visit_FunctionDef(self, node: Any) -> Any:
        self.generic_visit(node)
        names = sorted(declared(node.body))
        if names and node.name not in self.context.generated:
            found = gast.Tuple(elts=[load(name) for name in names], ctx=gast.Load())
            announced = at(node.body[0], gast.Expr(value=jst("will_bind", thunk(found))))
            head = docstring(node.body)
            node.body = [*head, announced, *node.body[len(head) :]]
        return node

    def visit_Assign(self, node: Any) -> Any:
        return self._announced(node, node.targets)

    def visit_AugAssign(self, node: Any) -> Any:
        return self._announced(node, [node.target])

    def visit_AnnAssign(self, node: Any) -> Any:
        return self._announced(node, [node.target])

    # A list or dict that is written out may grow where a tensor decides, wherever it goes.

    def visit_List(self, node: Any) -> Any:
        self.generic_visit(node)
        if not isinstance(node.ctx, gast.Load):
            return node
        if any(isinstance(one, gast.Starred) for one in node.elts):
            return _spread(node)
        return at(node, jst("new_list", node))

    def visit_ListComp(self, node: Any) -> Any:
        self.generic_visit(node)
        return at(node, jst("new_list", node))

    def visit_Dict(self, node: Any) -> Any:
        self.generic_visit(node)
        return at(node, jst("new_dict", node))

    visit_DictComp = visit_Dict

    def visit_Delete(self, node: Any) -> Any:
        return self._announced(node, node.targets)

    def _announced(self, node: Any, targets: list[Any]) -> Any:
        self.generic_visit(node)
        written = [part for target in targets for part in _places(target)]
        return [*(at(node, gast.Expr(value=_call(place))) for place in written), node]


def _places(target: Any) -> list[Any]:
    if isinstance(target, (gast.Tuple, gast.List)):
        return [place for part in target.elts for place in _places(part)]
    if isinstance(target, gast.Starred):
        return _places(target.value)
    return [target] if isinstance(target, (gast.Attribute, gast.Subscript)) else []


def _call(place: Any) -> Any:
    owner = copy.deepcopy(place.value)
    for node in walk(owner):
        if isinstance(node, gast.Call):
            # Calling it twice could have an effect twice: the runtime refuses this inside a branch.
            return jst("will_write_unknown")
    if isinstance(place, gast.Attribute):
        return jst("will_write", owner, constant(place.attr))
    return jst("will_write", owner)


def _spread(node: Any) -> Any:
    """`[a, *b, c]`: to a list `[a]`, b and `[c]` are added, each before the next is computed."""
    found = at(node, jst("new_list", gast.List(elts=[], ctx=gast.Load())))
    for one in node.elts:
        is_starred = isinstance(one, gast.Starred)
        items = one.value if is_starred else gast.List(elts=[one], ctx=gast.Load())
        found = at(one, jst("spread", found, items))
    return found
