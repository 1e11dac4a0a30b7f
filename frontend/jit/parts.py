"""Indices and slices of lists whose length a tensor decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..traced import Traced
from .iterate import Indexed, of_range

if TYPE_CHECKING:
    from .tracer import ProgramTracer


def is_head(part: slice) -> bool:
    """Whether it is `a[m:n]` of two numbers."""
    numbers = all(isinstance(end, int) and end >= 0 for end in (part.start or 0, part.stop))
    return numbers and part.step in (None, 1)


def part_of(build: ProgramTracer, length: Any, part: slice, item: Callable[[Any], Any]) -> Indexed:
    """What is in a slice, whose step is a number, of something of this length."""
    step = 1 if part.step is None else part.step
    count = build.as_traced(length)
    first, last = (0, count) if step > 0 else (count - 1, -1)
    low, high = (0, count) if step > 0 else (-1, count - 1)
    ends = [
        default if end is None else _bound(build, end, count, low, high)
        for end, default in ((part.start, first), (part.stop, last))
    ]
    places = of_range(*ends, step)
    return Indexed(places.length, lambda i: item(places.item(i)))


def _bound(build: ProgramTracer, end: Any, count: Traced, low: Any, high: Any) -> Traced:
    """An end of a slice: from the start, and inside."""
    place = from_start(build, end, count)
    below: Traced = build.emit("elementwise_min", place, build.as_traced(high))
    found: Traced = build.emit("elementwise_max", below, build.as_traced(low))
    return found


def from_start(build: ProgramTracer, index: Any, count: Traced) -> Traced:
    """An index, which may count from the end, as a 0-d tensor that counts from the start."""
    given = build.as_traced(index).index()
    moved: Traced = build.emit("elementwise_add", given, count)
    if isinstance(index, int):
        return moved if index < 0 else given
    found: Traced = build.emit("where", given < 0, moved, given)
    return found
