"""Structures: nested lists, tuples and dicts of leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .either import Either, parts, resolved
from .lists import Kind, TracedList


class Held:
    """A list or dict in a value that is compared with another: itself where both have the same
    object, which is a place of its own; else a copy of what it held.
    """

    def __init__(self, origin: Any, copy: Any) -> None:
        self.origin, self.copy = origin, copy


def flatten(value: Any, hold: Callable[[Any], Held] | None = None) -> tuple[Any, list[Any]]:
    """(structure, leaves) of nested lists, tuples, dicts and Eithers; structures compare with ==.

    An Either of which it is known here which one it is counts as that one. What `hold` makes of the
    lists and dicts inside of the value are leaves.
    """
    leaves: list[Any] = []

    def walk(node: Any, inside: bool = True) -> Any:
        if type(node) is Either:
            node = resolved(node)
        if type(node) is Either:
            return Either, tuple(walk(part, inside) for part in parts(node))
        if hold and inside and is_list_or_dict(node):
            leaves.append(hold(node))
            return None
        if isinstance(node, TracedList) and node.stored is not None:
            parts_ = (node.stored.length, *node.stored.buffers)
            return node.stored.kind, tuple(map(walk, parts_))
        if type(node) in (list, tuple) or isinstance(node, TracedList) or _is_namedtuple(node):
            return type(node), tuple(map(walk, node))
        if type(node) is dict:
            return dict, tuple((key, walk(child)) for key, child in node.items())
        leaves.append(node)
        return None

    return walk(value, inside=False), leaves


def bare(value: Any, original: bool = False) -> Any:
    """The value with the copies of what is Held in it; the objects if `original`."""
    structure, leaves = flatten(value)
    if not any(type(leaf) is Held for leaf in leaves):
        return value
    return unflatten(structure, (_let_go(leaf, original) for leaf in leaves))


def _let_go(leaf: Any, original: bool) -> Any:
    if type(leaf) is not Held:
        return leaf
    return leaf.origin if original else bare(leaf.copy)


def is_list_or_dict(value: Any) -> bool:
    """Whether it is an object that holds leaves and may be changed."""
    return type(value) in (list, dict) or isinstance(value, TracedList)


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    """The inverse of `flatten`."""
    if structure is None:
        return next(leaves)
    kind, children = structure
    if kind is dict:
        return {key: unflatten(child, leaves) for key, child in children}
    values = [unflatten(child, leaves) for child in children]
    spread = kind is Either or isinstance(kind, Kind) or hasattr(kind, "_fields")
    return kind(*values) if spread else kind(values)


def _is_namedtuple(node: Any) -> bool:
    return issubclass(type(node), tuple) and hasattr(node, "_fields")
