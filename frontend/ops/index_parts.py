"""The numbers and tensors in an index: each of them may be one of two, as a tensor decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How the parts stand in an index: which of its items are slices."""

    is_tuple: bool
    slices: tuple[bool, ...]


def taken_apart(index: Any) -> tuple[Layout, list[Any]]:
    """An index as its layout and its parts."""
    items = index if isinstance(index, tuple) else (index,)
    parts: list[Any] = []
    for item in items:
        parts += [item.start, item.stop, item.step] if isinstance(item, slice) else [item]
    return Layout(isinstance(index, tuple), tuple(isinstance(one, slice) for one in items)), parts


def put_together(layout: Layout, parts: Sequence[Any]) -> Any:
    """The index again, of these parts."""
    given = iter(parts)
    items = tuple(_slice(given) if is_slice else next(given) for is_slice in layout.slices)
    return items if layout.is_tuple else items[0]


def _slice(given: Iterator[Any]) -> slice:
    return slice(next(given), next(given), next(given))
