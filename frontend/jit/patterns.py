"""What the patterns of a converted `match` ask of its subject, as Python's own `match` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .reading import readable

# Their one positional pattern is for the object itself.
_WHOLE = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def bind(value: Any) -> bool:
    """A name was bound (by the walrus in the argument), which always succeeds."""
    return True


def is_sequence(value: Any, count: int, has_star: bool) -> bool:
    """Whether it is a sequence with so many elements, or so many at least."""
    value = readable(value)
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray)):
        return False
    return len(value) >= count if has_star else len(value) == count


def middle(value: Any, before: int, after: int) -> list[Any]:
    """What a starred name stands for."""
    return list(value)[before : len(value) - after]


def is_mapping(value: Any, *keys: Any) -> bool:
    """Whether it is a mapping with these keys."""
    value = readable(value)
    return isinstance(value, Mapping) and all(key in value for key in keys)


def without(value: Any, *keys: Any) -> dict[Any, Any]:
    """What `**rest` stands for."""
    return {key: one for key, one in value.items() if key not in keys}


def is_instance(value: Any, kind: Any, *names: str) -> bool:
    """Whether it is one of the class, with these attributes."""
    value = readable(value)
    return isinstance(value, kind) and all(hasattr(value, name) for name in names)


def positional(value: Any, kind: Any, index: int) -> Any:
    """What positional pattern number `index` of a class is for."""
    if kind in _WHOLE and not index:
        return value
    names = getattr(kind, "__match_args__", ())
    if index >= len(names):
        raise TypeError(
            f"{kind.__name__}() accepts {len(names)} positional sub-patterns ({index + 1} given)"
        )
    return getattr(value, names[index])
