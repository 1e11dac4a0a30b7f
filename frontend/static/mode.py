"""Static mode: which Program functions build, and the inputs of Programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..dispatch import tracer
from ..jit.concrete import dims_of_spec
from .input_spec import InputSpec
from .program import Program
from .tracer import StaticTracer
from .variable import Variable


class _Defaults:
    """The default Programs: what is built goes into `main`, first values into `startup`."""

    def __init__(self) -> None:
        self.main, self.startup = Program(), Program()


_defaults = _Defaults()


def enable_static() -> None:
    """From here on functions build the default main Program instead of computing.

    >>> import wherry as paddle
    >>> paddle.enable_static(); paddle.in_dynamic_mode()
    False
    >>> paddle.disable_static(); paddle.in_dynamic_mode()
    True
    """
    active = tracer.get()
    if active is None or isinstance(active, StaticTracer):
        tracer.set(_defaults.main.tracer)
        return
    raise RuntimeError("paddle.enable_static() inside a function that to_static converts")


def disable_static(place: Any = None) -> None:
    """Compute at once again."""
    active = tracer.get()
    if active is not None and not isinstance(active, StaticTracer):
        raise RuntimeError("paddle.disable_static() inside a function that to_static converts")
    tracer.set(None)


def default_main_program() -> Program:
    """The Program that functions build in static mode."""
    return _defaults.main


def default_startup_program() -> Program:
    """The Program that gives parameters their first values: run it once, before the others."""
    return _defaults.startup


@contextmanager
def program_guard(main_program: Program, startup_program: Program | None = None) -> Iterator[None]:
    """Build these Programs inside the with block. Raises TypeError for what is no Program."""
    for given in (main_program, startup_program):
        if not isinstance(given, Program) and (given is not None or given is main_program):
            raise TypeError(
                f"program_guard needs a paddle.static.Program, but received {type(given).__name__}"
            )
    outer = _defaults.main, _defaults.startup
    _defaults.main, _defaults.startup = main_program, startup_program or _defaults.startup
    token = tracer.set(main_program.tracer) if tracer.get() is not None else None
    try:
        yield
    finally:
        _defaults.main, _defaults.startup = outer
        if token is not None:
            tracer.reset(token)


def building(what: str) -> StaticTracer:
    """The tracer of static mode. RuntimeError in dynamic mode."""
    active = tracer.get()
    if isinstance(active, StaticTracer):
        return active
    raise RuntimeError(
        f"{what} builds a Program, which dynamic mode does not: call paddle.enable_static() first"
    )


def data(name: str, shape: Sequence[Any], dtype: Any = None, lod_level: int = 0) -> Variable:
    """An input of the Program, fed by name. A size of None or -1 is known at the call only.

    The dtype is the default dtype where none is given. Raises ValueError if the name is taken by a
    Variable of another shape or dtype.
    """
    from ..framework import get_default_dtype

    active = building("paddle.static.data")
    spec = InputSpec(list(shape), dtype or get_default_dtype(), name)
    block = active.program.global_block
    known = block.vars.get(name)
    if known is None:
        dims = dims_of_spec(name, spec.dims)
        return active.traced(block.add_arg(name, dims, spec.dtype, is_data=True))
    before = tuple(d if isinstance(d, int) else -1 for d in known.shape)
    if before != spec.shape or known.dtype is not spec.dtype:
        raise ValueError(
            f"Variable '{name}' has been created before. The previous shape is {before}, the new "
            f"shape is {spec.shape}. They are not matched. (dtypes: {known.dtype.name}, "
            f"{spec.dtype.name})"
        )
    return active.traced(known)
