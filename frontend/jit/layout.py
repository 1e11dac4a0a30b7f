"""Nested arguments and results as JSON, so that a loaded model takes and gives what the original
did.

A leaf is {"tensor": i}, the i-th input or output, or {"value": v}, a constant; containers are
{"list": [...]}, {"tuple": [...]} and {"dict": [[key, ...], ...]}. {"either": [flag, a, b]} is the
first of two where the tensor `flag` holds, else the second. {"rows": [element, length, buffer,
...]} is a list of `length` elements: leaf k of element i is at index i of buffer k. {"missing":
[kind, text]} stands in an either for a key or variable that is not there: who takes it gets that
error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .either import Either, Missing
from .lists import Kind
from .structure import flatten

_CONSTANTS = (type(None), bool, int, float, str)
_ERRORS = {kind.__name__: kind for kind in (AttributeError, KeyError, UnboundLocalError)}


def encode(structure: Any, leaves: Iterator[Any], is_tensor: Any, counter: list[int]) -> Any:
    """The JSON of a `state.flatten` structure and its leaves. ValueError for other constants."""
    if structure is None:
        leaf = next(leaves)
        if is_tensor(leaf):
            counter[0] += 1
            return {"tensor": counter[0] - 1}
        if type(leaf) is Missing and leaf.kind in _ERRORS.values():
            return {"missing": [leaf.kind.__name__, str(leaf.message)]}
        if not isinstance(leaf, _CONSTANTS):
            raise ValueError(
                f"a saved function can take and return tensors, numbers, strings and None, got a "
                f"{type(leaf).__name__}"
            )
        return {"value": leaf}
    kind, children = structure
    if kind is dict:
        pairs = [[key, encode(child, leaves, is_tensor, counter)] for key, child in children]
        return {"dict": pairs}
    if isinstance(kind, Kind):
        parts = [encode(child, leaves, is_tensor, counter) for child in children]
        buffers = iter(parts[1:])
        element = encode(kind.structure, buffers, lambda _: True, [0])
        return {"rows": [element, *parts]}
    name = "list" if issubclass(kind, list) else "either" if kind is Either else "tuple"
    return {name: [encode(child, leaves, is_tensor, counter) for child in children]}


def decode(layout: Any, tensors: Sequence[Any]) -> Any:
    """The value that a layout stands for, with these tensors in it; `chosen` gives its lists their
    elements.
    """
    ((kind, inside),) = layout.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "value":
        return inside
    if kind == "missing":
        name, text = inside
        return Missing(text, _ERRORS[name])
    if kind == "dict":
        return {_key(key): decode(child, tensors) for key, child in inside}
    if kind == "rows":
        length, *buffers = [decode(child, tensors) for child in inside[1:]]
        structure, _ = flatten(decode(inside[0], range(len(buffers))))
        return Kind(structure)(length, *buffers)
    children = [decode(child, tensors) for child in inside]
    if kind == "either":
        return children[1 if bool(children[0]) else 2]
    return children if kind == "list" else tuple(children)


def collect(layout: Any, value: Any, found: dict[int, Any], where: str) -> None:
    """Put the leaves of `value` into `found`. TypeError if it is not shaped like the layout."""
    ((kind, inside),) = layout.items()
    if kind == "tensor":
        if isinstance(value, (list, tuple, dict)):
            raise TypeError(f"{where} should be a tensor, but received a {type(value).__name__}")
        found[inside] = value
    elif kind == "dict":
        if not isinstance(value, dict):
            raise TypeError(f"{where} should be a dict, but received a {type(value).__name__}")
        for key, child in inside:
            if _key(key) not in value:
                raise KeyError(f"{where} needs the key {key!r}, got the keys {[*value]}")
            collect(child, value[_key(key)], found, f"{where}[{key!r}]")
    elif kind in ("list", "tuple"):
        if not isinstance(value, (list, tuple)) or len(value) != len(inside):
            raise TypeError(
                f"{where} should be a {kind} of {len(inside)}, but received "
                f"{type(value).__name__}"
                + (f" of {len(value)}" if isinstance(value, (list, tuple)) else "")
            )
        for position, (child, one) in enumerate(zip(inside, value, strict=True)):
            collect(child, one, found, f"{where}[{position}]")


def has_tensors(layout: Any) -> bool:
    """Whether a tensor stands in the layout."""
    ((kind, inside),) = layout.items()
    if kind == "dict":
        return any(has_tensors(child) for _, child in inside)
    if kind in ("list", "tuple"):
        return any(has_tensors(child) for child in inside)
    return bool(kind == "tensor")


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
