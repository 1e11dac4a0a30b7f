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

LISTS = (gast.List, gast.ListComp)
DICTS = (gast.Dict, gast.DictComp)
# The methods that put their arguments into a list or a dict.
PUT_IN = ("append", "insert", "setdefault")


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
        node.value = _growing(node.value)
        return self._announced(node, node.targets)

    def visit_AugAssign(self, node: Any) -> Any:
        return self._announced(node, [node.target])

    def visit_AnnAssign(self, node: Any) -> Any:
        if node.value is not None:
            node.value = _growing(node.value)
        return self._announced(node, [node.target])

    def visit_Call(self, node: Any) -> Any:
        if isinstance(node.func, gast.Attribute) and node.func.attr in PUT_IN:
            node.args = [_growing(one) for one in node.args]
        return self.generic_visit(node)

    def visit_Subscript(self, node: Any) -> Any:
        # A tensor may be the index into a list that is written out.
        self.generic_visit(node)
        node.value = _growing(node.value) if isinstance(node.value, LISTS) else node.value
        return node

    def visit_Delete(self, node: Any) -> Any:
        return self._announced(node, node.targets)

    def _announced(self, node: Any, targets: list[Any]) -> Any:
        self.generic_visit(node)
        written = [part for target in targets for part in _places(target)]
        return [*(at(node, gast.Expr(value=_call(place))) for place in written), node]


def _growing(value: Any) -> Any:
    """A list or dict that is kept may grow where a tensor decides, as may those inside of it."""
    if isinstance(value, (gast.List, gast.Tuple)):
        value.elts = [_growing(one) for one in value.elts]
    elif isinstance(value, gast.Dict):
        value.values = [_growing(one) for one in value.values]
    elif isinstance(value, (gast.ListComp, gast.DictComp)):
        part = "elt" if isinstance(value, gast.ListComp) else "value"
        setattr(value, part, _growing(getattr(value, part)))
    if isinstance(value, DICTS):
        return at(value, jst("new_dict", value))
    return at(value, jst("new_list", value)) if isinstance(value, LISTS) else value


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
