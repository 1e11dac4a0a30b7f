"""Taking jumps (`return`, `break`, `continue`) out of a list of statements.

What follows a jump runs only if the jump was not made: where a branch always jumps, the statements
that follow move into the other branch; elsewhere a flag guards them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import gast

from wherry.schema.errors import ConversionError

from ..state import at_line
from .scope import LOOPS, at, load, own_nodes
from .tree import children


class Lowering(Protocol):
    """How one kind of jump is written without it."""

    def jump(self, node: Any, in_loop: bool) -> list[Any]:
        """The statements that stand for the jump."""

    def after_loop(self, node: Any, in_loop: bool) -> list[Any]:
        """The statements after an inner loop that may have jumped."""


def contains(node: Any, kinds: tuple[Any, ...]) -> bool:
    """Whether such a jump lies in the statement: for break and continue, one of this loop."""
    if isinstance(node, kinds):
        return True
    if gast.Return in kinds:
        return any(isinstance(n, kinds) for n in own_nodes([node]))
    if isinstance(node, LOOPS):
        return any(contains(child, kinds) for child in node.orelse)
    if isinstance(node, (gast.FunctionDef, gast.AsyncFunctionDef, gast.ClassDef, gast.Lambda)):
        return False
    return any(contains(child, kinds) for child in children(node))


def always_jumps(body: Sequence[Any], kinds: tuple[Any, ...]) -> bool:
    """Whether control never reaches the end of these statements."""
    return any(_always(node, kinds) for node in body)


def _always(node: Any, kinds: tuple[Any, ...]) -> bool:
    if isinstance(node, (*kinds, gast.Raise)):
        return True
    if isinstance(node, gast.If):
        return always_jumps(node.body, kinds) and always_jumps(node.orelse, kinds)
    if isinstance(node, gast.With):
        # A context manager may swallow an exception: what follows a `raise` in it can be reached.
        return any(isinstance(n, kinds) for n in node.body)
    return False


def lower(
    body: Sequence[Any],
    kinds: tuple[Any, ...],
    flag: str,
    lowering: Lowering,
    in_loop: bool = False,
) -> list[Any]:
    """The statements without jumps of these kinds; `flag` is true once one was made."""
    done: list[Any] = []
    for index, node in enumerate(body):
        if isinstance(node, kinds):
            return done + lowering.jump(node, in_loop)
        if not contains(node, kinds):
            done.append(node)
            continue
        rest = list(body[index + 1 :])
        if isinstance(node, gast.If):
            rest = _into_other_branch(node, rest, kinds)
        done.append(_children(node, kinds, flag, lowering, in_loop))
        if isinstance(node, LOOPS):
            done += lowering.after_loop(node, in_loop)
        if isinstance(node, gast.With) and always_jumps([node], kinds):
            return done
        after = lower(rest, kinds, flag, lowering, in_loop)
        # In a loop the jump is a `break`, after which nothing needs a guard.
        return done + ([_guarded(node, flag, after)] if after and not in_loop else after)
    return done


def _into_other_branch(node: Any, rest: list[Any], kinds: tuple[Any, ...]) -> list[Any]:
    if always_jumps(node.body, kinds):
        node.orelse = node.orelse + rest
        return []
    if always_jumps(node.orelse, kinds):
        node.body = node.body + rest
        return []
    return rest


def _children(node: Any, kinds: tuple[Any, ...], flag: str, lowering: Lowering,
              in_loop: bool) -> Any:  # fmt: skip
    _need_no_jump(getattr(node, "finalbody", []), kinds)
    inner = in_loop or isinstance(node, LOOPS)
    for name in ("body", "orelse"):
        nested = getattr(node, name, None)
        if isinstance(nested, list) and nested:
            inside = inner if name == "body" else in_loop
            setattr(node, name, lower(nested, kinds, flag, lowering, inside) or [gast.Pass()])
    for part in getattr(node, "handlers", []):
        part.body = lower(part.body, kinds, flag, lowering, in_loop)
    if isinstance(node, gast.Try) and node.orelse:
        node.orelse = [_guarded(node, flag, node.orelse)]
    return node


def _need_no_jump(final: Sequence[Any], kinds: tuple[Any, ...]) -> None:
    """Refuse a jump out of a `finally`, which would drop the error that is on its way."""
    found = next((node for node in final if contains(node, kinds)), None)
    if found is not None:
        raise ConversionError(
            f"a {' or '.join(f'`{kind.__name__.lower()}`' for kind in kinds)} in a `finally` "
            f"(line {found.lineno}) drops the error that is on its way, and is not converted; put "
            f"it behind the `try`, with an `except` for the errors to be dropped{at_line()}"
        )


def _guarded(origin: Any, flag: str, rest: list[Any]) -> Any:
    test = gast.UnaryOp(op=gast.Not(), operand=load(flag))
    return at(origin, gast.If(test=test, body=rest or [gast.Pass()], orelse=[]))
