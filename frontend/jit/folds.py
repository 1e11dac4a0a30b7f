"""What goes through all items of something whose length a tensor may decide: native loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .iterate import Indexed, Pushed, for_comprehension, indexed, opened
from .loop import convert_for


def open_sequence(value: Any) -> Indexed | None:
    """What is iterated over, where only the call knows how long it is."""
    found = indexed(for_comprehension(opened(value)))
    return None if found is None or isinstance(found.length, int) else found


def for_each(items: Any, body: Callable[[Any], Any]) -> None:
    """Call the body, which binds no variables, with each item."""
    convert_for(items, body, (), (), None)


def folded(items: Any, first: Any, join: Callable[[Any, Any], Any]) -> Any:
    """`join(join(first, item), item) ...`."""
    total = first

    def add(item: Any) -> None:
        nonlocal total
        total = join(total, item)

    convert_for(items, add, ["total"], [], None)
    return total


def mapped(items: Indexed, function: Callable[[Any], Any]) -> Indexed:
    """What the function makes of each item, where it is asked for."""
    return Indexed(items.length, lambda i: function(items.item(i)))


def listed(items: Any) -> Any:
    """A list of the items, which may be a `Pushed`."""
    from .growing import new_list

    if isinstance(items, Pushed):
        return items.listed()
    found = new_list([])
    for_each(items, lambda item: found.append(item))
    return found
