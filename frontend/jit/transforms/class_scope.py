"""`super()` and `self.__private` outside of their class: `super(__class__, self)` and so on."""

from __future__ import annotations

from typing import Any

import gast

from .scope import Context, at, load
from .tree import TreeTransformer


class ClassScope(TreeTransformer):
    """Writes out what the compiler derives from the class around a method."""

    def __init__(self, context: Context) -> None:
        self.class_name = context.class_name.lstrip("_")
        self.first: list[str] = []

    def visit_FunctionDef(self, node: Any) -> Any:
        params = [*node.args.posonlyargs, *node.args.args]
        first = params[0].id if params else ""
        if first or not self.first:
            self.first.append(first)
        else:
            self.first.append(self.first[-1])
        self.generic_visit(node)
        self.first.pop()
        return node

    def visit_ClassDef(self, node: Any) -> Any:
        return node

    def visit_Call(self, node: Any) -> Any:
        self.generic_visit(node)
        is_super = isinstance(node.func, gast.Name) and node.func.id == "super"
        if is_super and not node.args and self.first and self.first[0]:
            node.args = at(node, [load("__class__"), load(self.first[-1] or self.first[0])])
        return node

    def visit_Attribute(self, node: Any) -> Any:
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def visit_Name(self, node: Any) -> Any:
        node.id = self._mangled(node.id)
        return node

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and "." not in name
        return f"_{self.class_name}{name}" if private and self.class_name else name
