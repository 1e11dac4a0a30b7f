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


class Call(Transformer):
    def visit_FunctionDef(self, node: Any) -> Any:
        # Decorators and defaults run when the function is defined: nothing to convert there.
        node.body = [self.visit(child) for child in node.body]
        return node

    def visit_Call(self, node: Any) -> Any:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, gast.Name) else ""
        is_ours = isinstance(node.func, gast.Attribute) and _is_jst(node.func.value)
        if name in _FRAME_BOUND or is_ours:
            return node
        node.func = at(node.func, jst("convert_call", node.func))
        return node


def _is_jst(node: Any) -> bool:
    return isinstance(node, gast.Name) and node.id == "_jst"
