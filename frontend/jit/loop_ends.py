"""Errors that end a loop on a tensor in some round, and that a `try` around it catches: each is a
flag that the loop carries, and ends it. Behind the loop it is raised where the flag holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .branch import decides
from .ends import RAISED, ending
from .logic import logical_and, logical_not, logical_or
from .regions import Region, Thrown, is_awaited
from .sides import throw, within
from .signals import BranchEnds
from .state import Place

if TYPE_CHECKING:
    from .tracer import ProgramTracer

Body = Callable[[], Any]


class HeldPlace:
    """A value of the converter's own that rounds change."""

    def __init__(self, value: Any, label: str) -> None:
        self.value, self.label = value, label

    @property
    def key(self) -> Any:
        return "held", id(self)

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value


class LoopEnds:
    """The condition and the body of a loop, which end it where an error is raised in them."""

    def __init__(self, build: ProgramTracer, test: Body, body: Body,
                 places: Sequence[Place]) -> None:  # fmt: skip
        self.build, self._test, self._body, self.places = build, test, body, places
        # What says that an error was raised, and the error as the last trace of a round gave it.
        self.raised: dict[Any, tuple[HeldPlace, BaseException]] = {}

    def body(self) -> None:
        """A round."""
        self._run(self._body, self.places)

    def test(self) -> Any:
        """Whether another one follows."""
        going = HeldPlace(False, "the condition of the loop")
        self._run(lambda: going.set(decides(self._test())), [going, *self.places])
        found = going.get()
        for place, _ in self.raised.values():
            found = logical_and(logical_not(place.get()), lambda rest=found: rest)  # type: ignore[misc]
        return found

    def throw(self) -> None:
        """Behind the loop: what was raised in it is raised."""
        for place, error in self.raised.values():
            if place.get() is not False:
                throw(self.build, [Thrown(place.get(), error)])

    def _run(self, body: Body, places: Sequence[Place]) -> None:
        thrown: list[Thrown] = []
        region = Region(places)
        error = ending(self.build, lambda: thrown.extend(within(self.build, region, body)))
        if error is not None:
            if not is_awaited(self.build, error):
                raise BranchEnds(error)
            thrown.append(Thrown(True, error))
        for one in thrown:
            self._note(one)

    def _note(self, thrown: Thrown) -> None:
        error = thrown.error
        key = type(error), str(error), getattr(error, RAISED, None)
        known = self.raised.get(key)
        place = HeldPlace(False, "an error") if known is None else known[0]
        self.raised[key] = place, error
        # A place of this loop only: those around know nothing of it.
        self.build.journals[-1].note(place)
        place.set(logical_or(place.get(), lambda: thrown.flag))
