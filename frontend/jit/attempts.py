"""`try` and `with` at run time: Python's own, also for errors that a tensor decides on.

Where such an error is raised, the rest of the body is traced as the side of a branch on which it
was not (`regions.py`). What the error comes to, one of the `except` clauses, is the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from wherry.schema.errors import ConversionError

from .branch import active_tracer
from .convert_call import is_library
from .regions import Handler, Opaque, Region, Thrown, inside
from .sides import throw, within
from .signals import BranchEnds, Signal
from .state import Place, cells_of

Body = Callable[[], Any]
# The types of an `except`, None for all, and its body, which takes the error.
Clause = tuple[Callable[[], Any] | None, Callable[[BaseException], Any]]


class Attempt(Region):
    """A `try`; while its body runs, it catches errors."""

    def __init__(self, clauses: Sequence[Clause], places: Sequence[Place],
                 has_final: bool) -> None:  # fmt: skip
        super().__init__(places)
        self.clauses, self.has_final = clauses, has_final
        self.catches = True

    def handler(self, error: BaseException) -> Handler | None:
        """The clause that catches the error, to be run."""
        if not self.catches or not _is_users(error):
            return None
        for types, body in self.clauses:
            if types is None or isinstance(error, types()):
                return partial(_handle, body, error)
        return None

    def run(self, body: Body, orelse: Body | None) -> None:
        """The body, and after it the clause that catches its error, or `else`."""
        try:
            body()
        except BaseException as error:
            handler = self.handler(error.error if isinstance(error, BranchEnds) else error)
            self.catches = False
            if handler is None:
                raise
            handler()
        else:
            self.catches = False
            if orelse is not None:
                orelse()


def convert_try(body: Body, clauses: Sequence[Clause], orelse: Body | None, final: Body | None,
                names: Sequence[str]) -> None:  # fmt: skip
    """A `try`; the names are what its parts may bind."""
    build = active_tracer()
    parts = [body, *(clause for _, clause in clauses), orelse, final]
    places = cells_of([part for part in parts if part is not None], names)
    attempt = Attempt(clauses, places, final is not None)
    thrown: list[Thrown] = []
    try:
        if build is None:
            attempt.run(body, orelse)
        else:
            thrown = within(build, attempt, lambda: attempt.run(body, orelse))
    except BaseException as error:
        if final is not None and (_is_users(error) or isinstance(error, BranchEnds)):
            final()
        raise
    if final is not None:
        final()
    if build is not None:
        throw(build, thrown)


def _is_users(error: BaseException) -> bool:
    """Whether the user's code may catch it: what cannot be converted is for the caller of the
    function.
    """
    refused = isinstance(error, (ConversionError, RecursionError)) and active_tracer() is not None
    return not refused and not isinstance(error, Signal)


def _handle(body: Callable[[BaseException], Any], error: BaseException) -> None:
    """Run a clause while Python knows that the error is being handled."""
    try:
        raise error
    except BaseException:
        body(error)


def entered(manager: Any) -> Any:
    """The manager of a `with`: an error cannot leave in one case only one of the user's."""
    build = active_tracer()
    if build is None or not _sees_errors(manager):
        return manager
    what = f"a `with` of a {type(manager).__name__}"
    swallowed = getattr(manager, "_exceptions", ()) if type(manager) is suppress else ()
    return _Entered(manager, inside(build, Opaque(what, lambda e: isinstance(e, swallowed))))


def _sees_errors(manager: Any) -> bool:
    """Whether what is done at the end may depend on the error, or be seen by the code around it."""
    function = getattr(manager, "func", None)
    maker = function if function is not None else type(manager)
    return type(manager) is suppress or not is_library(str(getattr(maker, "__module__", "")))


class _Entered:
    """A manager that is a region of its own."""

    def __init__(self, manager: Any, region: Any) -> None:
        self.manager, self.region = manager, region

    def __enter__(self) -> Any:
        found = self.manager.__enter__()
        self.region.__enter__()
        return found

    def __exit__(self, *error: Any) -> Any:
        self.region.__exit__(None, None, None)
        return self.manager.__exit__(*error)


def kept(*types: Callable[[], Any]) -> Any:
    """Around the body of a `try` that stays Python's own."""
    build = active_tracer()
    if build is None:
        return nullcontext()
    what = "a `try` with a `yield` in it"
    return inside(build, Opaque(what, lambda e: any(isinstance(e, one()) for one in types)))
