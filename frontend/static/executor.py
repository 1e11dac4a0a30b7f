"""Executor: runs Programs as compiled code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from wherry.ir import program as ir
from wherry.ir.passes.dce import Dce
from wherry.schema.errors import InputError, RunError

from ..device import CPUPlace
from ..dispatch import tracing
from ..jit.execute import write_back
from ..jit.modes import RNG_NAME
from ..jit.native import native_code
from ..random import STATE
from ..tensor import Array, Tensor
from ..traced import Traced
from .mode import default_main_program
from .program import Program, keep_guards
from .scope import Scope, global_scope

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
        self._runs: dict[Any, _Run] = {}

    def run(
        self,
        program: Program | None = None,
        feed: Mapping[str, Any] | None = None,
        fetch_list: Sequence[Any] | None = None,
        feed_var_name: str = "feed",
        fetch_var_name: str = "fetch",
        scope: Scope | None = None,
        return_numpy: bool = True,
        use_program_cache: bool = False,
        use_prune: bool = False,
    ) -> list[Any]:
        """The values of `fetch_list` (Variables or names) for the inputs in `feed`.

        Raises ValueError for a feed that is missing or of another shape or dtype, RuntimeError for
        an unknown fetch, a parameter without a value, or an error in the data.
        """
        chosen = default_main_program() if program is None else program
        if not isinstance(chosen, Program):
            raise TypeError(
                f"Executor.run needs a paddle.static.Program, but received {type(chosen).__name__}"
            )
        if feed is not None and not isinstance(feed, Mapping):
            raise TypeError(f"feed requires dict as its Parameter. But you passed in {type(feed)}")
        given = dict(feed or {})
        fetches = _fetch_names(chosen, fetch_list)
        with tracing(None):
            run = self._prepared(chosen, fetches, frozenset(given))
            values = run(given, scope or global_scope())
        return [array if return_numpy else Tensor(array) for array in values]

    def close(self) -> None:
        """Forget what was compiled."""
        self._runs.clear()

    def _prepared(self, program: Program, fetches: tuple[str, ...], fed: frozenset[str]) -> _Run:
        state = tuple(len(block.ops) for block in program.blocks)
        written = tuple((t.name, v.name) for t, v in program.pending().items())
        key = id(program), state, written, len(program.steps), fetches, fed
        found = self._runs.get(key)
        if found is None:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
            found = self._runs[key] = _Run(program, fetches, fed)
        return found


def _fetch_names(program: Program, fetch_list: Any) -> tuple[str, ...]:
    if fetch_list is None:
        return ()
    listed = fetch_list if isinstance(fetch_list, (list, tuple)) else [fetch_list]
    names = []
    for one in listed:
        name = one if isinstance(one, str) else getattr(one, "name", None)
        if not isinstance(name, str):
            raise TypeError(
                f"fetch_list needs Variables or names, but received {type(one).__name__}"
            )
        if name not in program.global_block.vars:
            raise RunError(f"(NotFound) {name} not in VariableScope: this Program has no Variable "
                           "of that name to fetch")  # fmt: skip
        names.append(name)
    return tuple(names)


class _Run:
    """A Program with its fetches as compiled code."""

    def __init__(self, program: Program, fetches: Sequence[str], fed: frozenset[str]) -> None:
        # The Program is kept, so that no other one can get its id.
        self.source = program
        self.known = set(program.global_block.vars)
        self.steps = list(program.steps)
        self.fetches = list(fetches)
        grads = [grad for step in self.steps for _, grad in step.pairs]
        copy = program.complete([*fetches, *grads])
        Dce().run(copy)
        block = copy.global_block
        read = {*block.results, *(var for op in block.ops for var in op.in_vars)}
        self.missing = [var for var in block.args if var in read and var.name not in fed]
        for var in [var for var in block.args if var.name not in fed and var not in read]:
            block.drop_var(var)
        block.args = [var for var in block.args if var.name in fed]
        keep_guards(copy)
        self.program = copy
        self.inputs = list(block.args)
        self.tensors = program.tensors()
        self.reads = {var.name: op for op in reversed(block.ops) for slot, found
                      in op.inputs.items() if slot != "Target" for var in found}  # fmt: skip
        self.fetched = {var.name for var in block.results}
        self.native: Any = None

    def __call__(self, feed: Mapping[str, Any], scope: Scope) -> list[Array]:
        """The fetched values; the persistables that the Program writes get their new values."""
        arrays = self._inputs(feed)
        persistables = {v.name: v for v in self.program.persistables if v.op is None}
        if self.native is None:
            self.native = native_code(self.program, interpret_if_missing=True)
        bind = self.native.binder(lambda name: self._tensor(persistables[name], scope))
        results, assigned = self.native(arrays, bind())
        for name, value in zip(self.native.assigned, assigned, strict=True):
            held = STATE if name == RNG_NAME else self.tensors.get(name)
            if held is None:
                scope.put(name, value)
            else:
                write_back([held], [value])
        return self._stepped(results, lambda name: self._tensor(persistables[name], scope))

    def _stepped(self, results: Sequence[Array], find: Callable[[str], Tensor]) -> list[Array]:
        """Let the optimizers step; the fetched values, with parameters as they are then."""
        count = len(self.fetches)
        values, grads = dict(enumerate(results[:count])), iter(results[count:])
        for step in self.steps:
            step(find, [next(grads) for _ in step.pairs])
            for place, name in enumerate(self.fetches):
                if any(name == param for param, _ in step.pairs):
                    values[place] = find(name).numpy()
        return list(values.values())

    def _inputs(self, feed: Mapping[str, Any]) -> list[Array]:
        for name in feed:
            if name not in self.known:
                warnings.warn(
                    f"The variable {name} is not found in program. It is not declared or is "
                    "pruned.", stacklevel=4,
                )  # fmt: skip
        for var in self.missing:
            op = self.reads.get(var.name)
            where = f"\n  at {op.loc}" if op is not None and op.loc else ""
            reader = f" of {op.type}" if op is not None else ""
            raise InputError(
                f"(InvalidArgument) the input Variable '{var.name}'{reader} is not initialized: "
                f"feed it, exe.run(..., feed={{'{var.name}': ...}}){where}"
            )
        return [_fed(var, feed[var.name]) for var in self.inputs]

    def _tensor(self, var: ir.Variable, scope: Scope) -> Any:
        found = STATE if var.name == RNG_NAME else self.tensors.get(var.name)
        if found is None:
            found = scope.find(var.name)
        if found is None:
            if var.name not in self.reads and var.name not in self.fetched:
                # It is only written: what it was does not matter.
                return Tensor(np.zeros([int(d) for d in var.shape], var.dtype.numpy))
            op = self.reads.get(var.name)
            where = f"\n  at {op.loc}" if op is not None and op.loc else ""
            raise RunError(
                f"(PreconditionNotMet) The input Variable {var.name} has not been initialized. "
                "You may need to confirm if you put "
                "exe.run(paddle.static.default_startup_program()) before this run, or load values "
                f"with set_state_dict.{where}"
            )
        return found


def _fed(var: ir.Variable, value: Any) -> Array:
    """The array of a feed. InputError where its shape or dtype is not the Variable's."""
    if isinstance(value, Traced):
        raise TypeError(f"feed '{var.name}' needs an array, but received the Variable {value!r}")
    array = value.array if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray):
        array = np.asarray(array, None if isinstance(array, np.generic) else var.dtype.numpy)
    shape = tuple(dim if isinstance(dim, int) else -1 for dim in var.shape)
    fits = array.ndim == len(shape) and all(
        want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"The fed Variable '{var.name}' should have dimensions = {len(shape)}, shape = "
            f"{shape}, but received fed shape {list(array.shape)} on each device"
        )
    if array.dtype != var.dtype.numpy:
        raise InputError(
            f"The data type of fed Variable '{var.name}' must be '{var.dtype.name}', but received "
            f"'{array.dtype}'"
        )
    return array
