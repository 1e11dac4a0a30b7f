"""Regions: pieces of code that are entered at one place and left at one, whatever tensors decide.

An error that is raised under a condition on a tensor, and that a `try` further out catches, or has
a `finally` for, is no end of the call: what follows it runs where it was not raised. That is the
rest of the region in which it was raised, which is traced as the other side of a branch
(`sides.py`), up to the region's end. There the error goes on to the region around, until it comes
to its `try`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from wherry.schema.errors import ConversionError

from .state import Place, at_line

if TYPE_CHECKING:
    from .sides import Side
    from .tracer import ProgramTracer

Handler = Callable[[], Any]


class Thrown(NamedTuple):
    """An error that was raised where `flag` holds: True, or a 0-d bool tensor."""

    flag: Any
    error: BaseException


class Rest(NamedTuple):
    """The rest of a region, which is being traced; behind it the error is handled, or goes on."""

    side: Side
    thrown: Thrown
    handler: Handler | None


class Region:
    """A side of a branch, a round of a loop, or, with handlers, the body of a `try`.

    `places` are the variables that its code may bind.
    """

    # Whether code of the user's runs when an error leaves it.
    has_final = False

    def __init__(self, places: Sequence[Place] = ()) -> None:
        self.places = places
        self.rests: list[Rest] = []

    def handler(self, error: BaseException) -> Handler | None:
        """What handles the error here, if anything does."""
        return None


class Operand(Region):
    """An operand of `and` that is computed in any case: it cannot end in two ways."""


class Opaque(Region):
    """Code of which Python itself is to see the end: an error cannot leave it in one case only."""

    def __init__(self, what: str, swallows: Callable[[BaseException], bool]) -> None:
        super().__init__()
        self.what, self.swallows = what, swallows

    def refuse(self) -> NoReturn:
        raise ConversionError(
            f"an error that a tensor decides on would leave {self.what} in some calls only, to be "
            "caught outside of it, which cannot be converted; catch it inside, or let the branch "
            f"set a value and test that behind it{at_line()}"
        )


@contextmanager
def inside(build: ProgramTracer, region: Region) -> Iterator[None]:
    """Run the code of a region."""
    build.regions.append(region)
    try:
        yield
    finally:
        build.regions.remove(region)


def is_awaited(build: ProgramTracer, error: BaseException) -> bool:
    """Whether a `try` around the running code catches the error, or has a `finally` to run."""
    if is_caught(build, error):
        return True
    # Where a region that Python itself leaves is between, the error ends the call at once.
    inner = takewhile(lambda region: not isinstance(region, Opaque), reversed(build.regions))
    return any(region.has_final for region in inner)


def is_caught(build: ProgramTracer, error: BaseException) -> bool:
    """Whether a `try` around the running code catches the error."""
    passed: list[Opaque] = []
    for region in reversed(build.regions):
        if isinstance(region, Opaque):
            passed.append(region)
            if region.swallows(error):
                region.refuse()
        elif region.handler(error) is not None:
            if passed:
                passed[0].refuse()
            return True
    return False
