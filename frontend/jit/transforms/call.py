"""`f(x)`: `_jst.convert_call(f)(x)`, so that what the user's function calls is converted too.

Casts (`int`, `float`, `bool`), `len`, `range`, `enumerate`, `zip`, `print` and the methods of lists
need no transformer of their own: convert_call hands out their tensor-aware versions.
"""

from __future__ import annotations

from typing import Any

import gast

from .scope import Transformer, at, jst

# These look at the frame that calls them.
_FRAME_BOUND = frozenset({"super", "locals", "vars", "dir", "eval", "exec", "globals"})
# These do so only if they are given nothing.
_OF_OBJECTS = frozenset({"vars", "dir"})


class Call(Transformer):
    def visit_FunctionDef(self, node: Any) -> Any:
        # Decorators and defaults run when the function is defined: nothing to convert there.
        node.body = [self.visit(child) for child in node.body]
        return node

    def visit_Call(self, node: Any) -> Any:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, gast.Name) else ""
        is_ours = isinstance(node.func, gast.Attribute) and _is_jst(node.func.value)
        is_bound = name in _FRAME_BOUND and not (node.args and name in _OF_OBJECTS)
        if is_bound or is_ours:
            return node
        node.func = at(node.func, jst("convert_call", node.func))
        return node


def _is_jst(node: Any) -> bool:
    return isinstance(node, gast.Name) and node.id == "_jst"
