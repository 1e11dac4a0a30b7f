"""`return` inside if, for, while, try: its value goes into a variable, and one stays at the end.

if c:                    if c:
    return a                 value_0 = a; returned_0 = True
return b         ->      else:
                             value_0 = b; returned_0 = True
                         return value_0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gast

from .jumps import always_jumps, contains, lower
from .scope import LOOPS, YIELDS, Transformer, assign, at, constant, docstring, load, own_nodes


class EarlyReturn(Transformer):
    """Leaves functions alone whose returns already stand outside of every branch, loop and try."""

    def visit_Lambda(self, node: Any) -> Any:
        return node

    def visit_AsyncFunctionDef(self, node: Any) -> Any:
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        self.generic_visit(node)
        if any(isinstance(n, YIELDS) for n in own_nodes(node.body)):
            return node
        if not _returns_early(node.body):
            return node
        flag, value = self.context.fresh("_jst_returned"), self.context.fresh("_jst_value")
        body = node.body
        if not always_jumps(body, (gast.Return,)):
            body = [*body, at(body[-1], gast.Return(value=constant(None)))]
        lowered = lower(body, (gast.Return,), flag, _Lowering(flag, value))
        start = at(node.body[0], [assign(flag, constant(False))])
        end = at(node.body[-1], [gast.Return(value=load(value))])
        head = docstring(lowered)
        node.body = [*head, *start, *lowered[len(head) :], *end]
        return node


class _Lowering:
    """How one `return` is written, at the top of the function and inside a loop."""

    def __init__(self, flag: str, value: str) -> None:
        self.flag, self.value = flag, value

    def jump(self, node: Any, in_loop: bool) -> list[Any]:
        result = node.value if node.value is not None else constant(None)
        # A value that raises is no return.
        done = [assign(self.value, result), assign(self.flag, constant(True))]
        return at(node, [*done, gast.Break()] if in_loop else done)  # type: ignore[no-any-return]

    def after_loop(self, node: Any, in_loop: bool) -> list[Any]:
        if not in_loop:
            return []
        leave = gast.If(test=load(self.flag), body=[gast.Break()], orelse=[])
        return at(node, [leave])  # type: ignore[no-any-return]


def _returns_early(body: Sequence[Any]) -> bool:
    branches = [n for n in own_nodes(body) if isinstance(n, (gast.If, gast.Try, *LOOPS))]
    return any(contains(branch, (gast.Return,)) for branch in branches)
