"""Makes a failing program small: it takes out what the failure does not need.

An edit removes a statement, puts a body in place of its statement, or an operand in place of its
expression; it is kept if the program still fails in the same way.
"""

from __future__ import annotations

import ast
import copy
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

# The fields that hold statements.
BODIES: Final = ("body", "orelse", "finalbody")

# What to put where: the node's number in the walk, its field, a place in it, and what goes there.
Edit = tuple[int, str, int | None, Any]


class TooLong(BaseException):
    """A program that was edited does not end."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TooLong inside after so much time."""

    def stop(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def shrink(source: str, fails: Callable[[str], bool]) -> str:
    """A small program that `fails`, made of one that does."""
    before = ""
    while before != source:
        before = source
        for edits in (_statements, _operands):
            source = _pass(source, edits, fails)
    return source


def _pass(source: str, edits: Callable[[ast.AST], Iterator[Edit]],
          fails: Callable[[str], bool]) -> str:  # fmt: skip
    """Try the edits one after the other; those behind one that was kept follow it."""
    tree, tried = ast.parse(source), 0
    while True:
        for edit in islice(edits(tree), tried, None):
            made = _edited(tree, *edit)
            if made is not None and len(made) < len(source) and _fails(made, fails):
                source, tree = made, ast.parse(made)
                break
            tried += 1
        else:
            return source


def _fails(source: str, fails: Callable[[str], bool]) -> bool:
    """Whether an edited program fails, rather than to run on."""
    try:
        with at_most(seconds=2):
            return fails(source)
    except TooLong:
        return False


def _statements(tree: ast.AST) -> Iterator[Edit]:
    """A statement less, or a body of it in its place."""
    for number, node in enumerate(ast.walk(tree)):
        for field in BODIES:
            body = getattr(node, field, None)
            for place, statement in enumerate(body if isinstance(body, list) else []):
                yield number, field, place, []
                if not isinstance(statement, ast.FunctionDef):
                    bodies = [getattr(statement, name, None) for name in BODIES]
                    yield from ((number, field, place, inside) for inside in bodies if inside)


def _operands(tree: ast.AST) -> Iterator[Edit]:
    """An operand in place of an expression."""
    for number, node in enumerate(ast.walk(tree)):
        for field, value in ast.iter_fields(node):
            for part in ast.iter_child_nodes(value) if isinstance(value, ast.expr) else ():
                if isinstance(part, ast.expr):
                    yield number, field, None, part


def _edited(tree: ast.AST, number: int, field: str, place: int | None, instead: Any) -> str | None:
    """The text after an edit; None where it is no program."""
    made = copy.deepcopy(tree)
    node = next(islice(ast.walk(made), number, None))
    if place is None:
        setattr(node, field, instead)
    else:
        body = getattr(node, field)
        body[place : place + 1] = instead
        if not body and field != "orelse":
            body.append(ast.Pass())
    try:
        text = ast.unparse(made)
        compile(text, "<shrunk>", "exec")
    except SyntaxError:
        return None
    return text
