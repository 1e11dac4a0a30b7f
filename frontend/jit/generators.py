"""Generators of which a tensor decides what they yield: they push each value into a function.

A call of one gives a `Pushed`. A loop over it runs in the place of the yields; elsewhere it becomes
the list of what it yields.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from types import GeneratorType
from typing import Any, Final, NoReturn

from wherry.schema.errors import ConversionError

from .iterate import Pushed, indexed
from .signals import Signal
from .state import at_line

# So many values of a generator that a `break` on a tensor should end are taken.
_MOST: Final = 128


class NeedsPush(Signal):
    """The generator that is defined there is to be converted in its other form, and the function
    to be traced again.
    """

    def __init__(self, filename: str, place: tuple[int, int]) -> None:
        super().__init__(filename, place)
        self.filename, self.place = filename, place


def python_test(test: Any, *place: int) -> bool:
    """The condition of a generator's statement that holds a yield or a jump."""
    from ..traced import Traced
    from .branch import decides

    chosen = decides(test)
    if isinstance(chosen, Traced):
        raise NeedsPush(sys._getframe(1).f_code.co_filename, (place[0], place[1]))
    return bool(chosen)


def python_iter(items: Any, *place: int) -> Any:
    """What a generator's loop with a yield in it runs over."""
    if isinstance(items, Pushed):
        raise NeedsPush(sys._getframe(1).f_code.co_filename, (place[0], place[1]))
    found = indexed(items)
    if found is None:
        return items
    if not isinstance(found.length, int):
        raise NeedsPush(sys._getframe(1).f_code.co_filename, (place[0], place[1]))
    return map(found.item, range(found.length))


def push_all(items: Any, push: Callable[[Any], None]) -> Any:
    """`yield from items`, which gives what a generator returns."""
    from .loop import convert_for

    if isinstance(items, Pushed):
        return items.run(push)
    returned: list[Any] = []

    def values() -> Generator[Any, None, None]:
        returned.append((yield from items))

    given = values() if isinstance(items, GeneratorType) else items
    convert_for(given, lambda item: push(item), (), (), None)
    return returned[0] if returned else None


class _Stopped(Signal):
    """The loop over a generator has ended before the generator."""


def run_loop(items: Pushed, body: Callable[[Any], None], places: list[Any],
             stop: Callable[[], Any] | None) -> None:  # fmt: skip
    """Run the body of a loop for each value, inside of the generator; `stop` reads the flag that a
    `break` sets.
    """
    from .branch import active_tracer, decides
    from .logic import logical_not
    from .sides import trace_branch

    build = active_tracer()
    assert build is not None
    depth, loops, rounds = len(build.frames), build.loops, 0

    def push(item: Any) -> None:
        nonlocal rounds
        rounds += 1
        for place in places:
            build.note(place)
        stopped = False if stop is None else decides(stop())
        if stop is not None and (build.loops > loops or rounds > _MOST):
            _refuse_break()
        if stopped is True:
            if len(build.frames) == depth:
                raise _Stopped
        elif stopped is False:
            body(item)
        else:
            trace_branch(logical_not(stopped), lambda: body(item), lambda: None, places)

    with suppress(_Stopped):
        items.run(push)


def _refuse_break() -> NoReturn:
    raise ConversionError(
        "a `break` out of a loop over a generator cannot be converted where the generator's own "
        f"loop is one on a tensor, or has no end; let the generator itself end{at_line()}"
    )
