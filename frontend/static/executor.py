"""Executor: runs Programs as compiled code."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from wherry.schema.errors import InputError, RunError

from ..device import CPUPlace
from ..dispatch import tracing
from ..location import user_location
from ..traced import Traced
from .compiled import plain_program
from .feed import named_feed
from .mode import default_main_program
from .program import Program
from .run import Run
from .scope import LoDTensor, Scope, global_scope

_KEPT: Final = 64


class Executor:
    """Runs Programs on the CPU. What was compiled is kept: a Program compiles anew when it grew.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> main = paddle.static.Program()
    >>> with paddle.static.program_guard(main):
    ...     y = paddle.static.data("x", [None], "float32") * 2
    >>> paddle.static.Executor().run(main, feed={"x": [1.0, 2.0]}, fetch_list=[y])[0].tolist()
    [2.0, 4.0]
    >>> paddle.disable_static()
    """

    def __init__(self, place: Any = None) -> None:
        if place is not None and not isinstance(place, CPUPlace) and place != "cpu":
            raise ValueError(f"Executor runs on paddle.CPUPlace() only, but received {place!r}")
        self.place = place
        self._runs: dict[Any, Run] = {}

    def run(
        self,
        program: Any = None,
        feed: Any = None,
        fetch_list: Any = None,
        feed_var_name: str = "feed",
        fetch_var_name: str = "fetch",
        scope: Scope | None = None,
        return_numpy: bool = True,
        use_program_cache: bool = False,
        use_prune: bool = False,
    ) -> list[Any]:
        """The values of `fetch_list` (Variables or names) for the inputs in `feed`.

        A `program` is a Program or a CompiledProgram, by default the main one. All of it runs, with
        `use_prune` what gives the fetches. What was compiled is always kept, whatever
        `use_program_cache` says. Raises ValueError for a feed that is missing or of another shape
        or dtype, RuntimeError for an unknown fetch, a parameter without a value, or an error in the
        data; the message names the line that built the op, and the line that called run.
        """
        chosen = default_main_program() if program is None else plain_program(program)
        given = named_feed(feed)
        fetches = _fetch_names(chosen, fetch_list)
        scope = scope or global_scope()
        with tracing(None):
            _set_rates(chosen, scope)
            run = self._prepared(chosen, fetches, frozenset(given), use_prune)
            try:
                values = run(given, scope)
            except (InputError, RunError) as error:
                raise _located(error) from None
        return list(values) if return_numpy else [LoDTensor(array) for array in values]

    def close(self) -> None:
        """Forget what was compiled."""
        self._runs.clear()

    def _prepared(
        self, program: Program, fetches: tuple[str, ...], fed: frozenset[str], prune: bool
    ) -> Run:
        tracer = program.tracer
        state = tuple([len(block.ops) for block in program.desc.blocks])
        key = id(program), state, tracer.writes, fetches, fed, prune
        found = self._runs.get(key)
        if found is None:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
            found = self._runs[key] = Run(program, fetches, fed, prune)
        return found


def _fetch_names(program: Program, fetch_list: Any) -> tuple[str, ...]:
    if fetch_list is None:
        return ()
    listed = fetch_list if isinstance(fetch_list, (list, tuple)) else [fetch_list]
    names = []
    for one in listed:
        name = one.name if isinstance(one, Traced) else getattr(one, "name", one)
        if not isinstance(name, str):
            raise TypeError(
                f"fetch_list needs Variables or names, but received {type(one).__name__}"
            )
        if name not in program.desc.global_block.vars:
            raise RunError(f"(NotFound) {name} not in VariableScope: this Program has no Variable "
                           f"of that name to fetch{_run_line()}")  # fmt: skip
        names.append(name)
    return tuple(names)


def _set_rates(program: Program, scope: Scope) -> None:
    """Give the learning rates that schedulers set their values of now."""
    for name, optimizer in program.rates.items():
        if optimizer.writes_rate:
            scope.put(name, np.array(optimizer.get_lr(), np.float32))


def _run_line() -> str:
    loc = user_location()
    return f"\n  run at {loc}" if loc else ""


def _located(error: InputError | RunError) -> InputError | RunError:
    """The error with the line that called run behind the line that built the op."""
    return type(error)(f"{error}{_run_line()}")
