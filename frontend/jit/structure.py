"""Structures: nested lists, tuples and dicts of leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .either import Either, parts, resolved
from .lists import Kind, TracedDict, TracedList


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
    # No function inside that calls itself: such a one would keep the leaves until garbage is
    # collected, and who counts references would find them.
    leaves: list[Any] = []
    return _flat(value, leaves, hold, False), leaves


def _flat(node: Any, leaves: list[Any], hold: Callable[[Any], Held] | None, inside: bool) -> Any:
    """The structure of a node, whose leaves are added to the others."""
    if type(node) is Either:
        node = resolved(node)
    if type(node) is Either:
        return Either, tuple(_flat(part, leaves, hold, True) for part in parts(node))
    if hold and inside and is_list_or_dict(node):
        leaves.append(hold(node))
        return None
    if isinstance(node, TracedList) and node.stored is not None:
        buffers = (node.stored.length, *node.stored.buffers)
        return node.stored.kind, tuple(_flat(part, leaves, hold, True) for part in buffers)
    if type(node) in (list, tuple) or isinstance(node, TracedList) or _is_namedtuple(node):
        return type(node), tuple(_flat(part, leaves, hold, True) for part in node)
    if type(node) is dict or isinstance(node, TracedDict):
        rows = dict.items(node)
        return dict, tuple((key, _flat(child, leaves, hold, True)) for key, child in rows)
    leaves.append(node)
    return None


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
    return type(value) in (list, dict) or isinstance(value, (TracedList, TracedDict))


def has_parts(value: Any) -> bool:
    """Whether it is a list, tuple or dict that `flatten` takes apart."""
    return is_list_or_dict(value) or type(value) is tuple or _is_namedtuple(value)


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    """The inverse of `flatten`."""
    if structure is None:
        return next(leaves)
    kind, children = structure
    if kind is dict:
        from .dicts import new_dict

        return new_dict({key: unflatten(child, leaves) for key, child in children})
    return of_kind(kind, [unflatten(child, leaves) for child in children])


def of_kind(kind: Any, values: list[Any]) -> Any:
    """A container that is no dict, of these values."""
    if hasattr(kind, "_fields"):
        # A call of the class would be one of the user's, which is converted.
        return tuple.__new__(kind, values)
    return kind(*values) if kind is Either or isinstance(kind, Kind) else kind(values)


def _is_namedtuple(node: Any) -> bool:
    return issubclass(type(node), tuple) and hasattr(node, "_fields")
