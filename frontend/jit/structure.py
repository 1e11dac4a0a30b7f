"""Structures: nested lists, tuples and dicts of leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .either import Either, parts, resolved
from .lists import Kind, TracedList


def flatten(value: Any) -> tuple[Any, list[Any]]:
    """(structure, leaves) of nested lists, tuples, dicts and Eithers; structures compare with ==.

    An Either of which it is known here which one it is counts as that one.
    """
    leaves: list[Any] = []

    def walk(node: Any) -> Any:
        if type(node) is Either:
            node = resolved(node)
        if type(node) is Either:
            return Either, tuple(walk(part) for part in parts(node))
        if isinstance(node, TracedList):
            if node.stored is None:
                return type(node), tuple(walk(child) for child in node)
            parts_ = (node.stored.length, *node.stored.buffers)
            return node.stored.kind, tuple(walk(part) for part in parts_)
        if type(node) is list or type(node) is tuple or _is_namedtuple(node):
            return type(node), tuple(walk(child) for child in node)
        if type(node) is dict:
            return dict, tuple((key, walk(child)) for key, child in node.items())
        leaves.append(node)
        return None

    return walk(value), leaves


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
