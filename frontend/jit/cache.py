"""The program cache of a static function: from the arguments of a call to the traced Program that
serves it.

There is one entry per signature, as in Paddle. A signature is traced with the leading sizes of its
inputs left open where they are 2 or more (equal sizes are one symbol), so that signatures that
differ in these sizes only share one Program and one native code; if the code needs the sizes
themselves, it is traced with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from wherry.ir.dims import SymDim, evaluate, symbol, symbols_of
from wherry.schema.errors import InputError
from wherry.tensor import Tensor

from ..static.input_spec import InputSpec
from .arguments import Arguments, FunctionSpec, Leaf, check_structure, leaf_of_value
from .concrete import ConcreteProgram, dims_of_spec, trace
from .execute import Runner
from .explain import Explanation
from .layer_mode import Mode
from .logging import show_trace
from .report import mark_users
from .signals import NeedsSizes
from .structure import flatten

Key = tuple[Any, ...]
_MANY: Final = 11
_TOO_MANY: Final = (
    "Current traced program number: %d > `max_tracing_count`:%d. Too much cached programs will "
    "bring expensive overhead. It is often a Python number that changes from call to call: pass it "
    "as a tensor, or give to_static an input_spec."
)


class Entry:
    """A traced Program and its compiled forms."""

    def __init__(self, concrete: ConcreteProgram) -> None:
        self.concrete = concrete
        self.runner = Runner(concrete)


class ProgramCache:
    """The entries of one static function (of one instance)."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.entries: dict[Key, Entry] = {}
        self._open: dict[Key, Entry] = {}
        self._by_spec: dict[Key, Entry] = {}
        self._signatures: set[Key] = set()
        self.last: Entry | None = None
        self._warned = False

    def __len__(self) -> int:
        return len(self._signatures)

    def concrete_programs(self) -> list[ConcreteProgram]:
        """The Programs of all entries, in the order of their making."""
        return list(dict.fromkeys(entry.concrete for entry in self.entries.values()))

    def clear(self) -> None:
        """Forget everything that was traced."""
        self.__init__(self.spec)  # type: ignore[misc]

    def find(self, arguments: Arguments, mode: Mode, function: Callable[..., Any]) -> Entry:
        """The entry for a call, traced now if there is none."""
        fixed = arguments.structure, arguments.constants, *map(_signature, arguments.inputs)
        entry = self.entries.get((mode.key, *fixed))
        if entry is None or entry.concrete.outdated():
            if entry is not None:
                self.clear()
            entry = self._make(arguments, mode, function, fixed)
            self.entries[mode.key, *fixed] = entry
            self._warn()
        self.last = entry
        return entry

    def for_specs(self, arguments: Arguments, mode: Mode, function: Callable[..., Any],
                  leaves: Sequence[Leaf]) -> Entry:  # fmt: skip
        """The entry for arguments that are InputSpecs: the one of calls that fit, if there was one.

        It is no signature of a call, so `len` does not count it.
        """
        fixed = arguments.structure, arguments.constants, tuple(leaves)
        entry = self._by_spec.get((mode.key, *fixed))
        if entry is None or entry.concrete.outdated():
            entry = _traced(mode, function, arguments, leaves)
            self._by_spec[mode.key, *fixed] = entry
        return entry

    def _warn(self) -> None:
        if len(self) == _MANY and not self._warned:
            self._warned = True
            logging.getLogger("wherry.jit").warning(_TOO_MANY, len(self), _MANY - 1)

    def _make(
        self, arguments: Arguments, mode: Mode, function: Callable[..., Any], fixed: Key
    ) -> Entry:
        # A trace may let `mode` watch more Layers, so its key is read where it is used.
        specs = self._specs(arguments)
        if specs is not None:
            entry = self.for_specs(arguments, mode, function, specs)
            self._signatures.add((mode.key, *fixed[:2], *specs))
            return entry
        entry = self._for_sizes(arguments, mode, function)
        self._signatures.add((mode.key, *fixed))
        return entry

    def _for_sizes(self, arguments: Arguments, mode: Mode, function: Callable[..., Any]) -> Entry:
        """An entry whose leading sizes are open, where it serves this call; else one for it."""
        leaves = static_leaves(arguments)
        opened, sizes = _opened(leaves)
        if not sizes:
            return _traced(mode, function, arguments, leaves)
        shared = arguments.structure, arguments.constants, tuple(opened)
        entry = self._open.get((mode.key, *shared))
        if entry is not None and _fits(entry.concrete, sizes) and not entry.concrete.outdated():
            return entry
        if entry is None:
            entry = self._trace_open(arguments, mode, function, opened)
            if entry is not None and _fits(entry.concrete, sizes):
                self._open[mode.key, *shared] = entry
                return entry
        return _traced(mode, function, arguments, leaves)

    def _trace_open(self, arguments: Arguments, mode: Mode, function: Callable[..., Any],
                    leaves: Sequence[Leaf]) -> Entry | None:  # fmt: skip
        """Trace with open sizes; None where the code needs the sizes, or fails without them."""
        try:
            return _traced(mode, function, arguments, leaves, open_sizes=True)
        except (NeedsSizes, Exception):
            # Traced again with the sizes as they are, it raises the error again if it was one.
            return None

    def _specs(self, arguments: Arguments) -> list[Leaf] | None:
        """The input_spec for these arguments, None where they do not fit it."""
        if self.spec.input_spec is None:
            return None
        given = self.spec.bind_specs(self.spec.input_spec)
        values: list[Any] = list(arguments.bound.args)
        leaves: list[Leaf] = []
        names = arguments.input_names()
        for name, spec, value in zip(given.names, given.args, values, strict=False):
            try:
                check_structure(spec, value, f"argument {name!r}")
            except (TypeError, ValueError, KeyError) as error:
                mark_users(error)
                raise
            for one, leaf in zip(flatten(spec)[1], flatten(value)[1], strict=True):
                if not isinstance(leaf, (Tensor, np.ndarray)):
                    continue
                if not isinstance(one, InputSpec):
                    return None
                made = leaf_for_spec(one, names[len(leaves)])
                _need_dtype(one, made, leaf)
                if not _accepts(made, leaf):
                    return None
                stop_gradient = leaf_of_value(leaf)[2]
                leaves.append(made._replace(stop_gradient=stop_gradient, is_spec=False))
        return leaves if len(leaves) == len(names) else None


def _traced(mode: Mode, function: Callable[..., Any], arguments: Arguments,
            leaves: Sequence[Leaf], open_sizes: bool = False) -> Entry:  # fmt: skip
    concrete = trace(function, arguments, leaves, open_sizes)
    mode.watch(concrete.layers)
    show_trace(lambda: Explanation.of(concrete))
    return Entry(concrete)


def leaf_for_spec(spec: InputSpec, place: tuple[str, int, int]) -> Leaf:
    """The input that an InputSpec describes; without a name it takes the parameter's."""
    parameter, _, number = place
    name = spec.name or (parameter if not number else f"{parameter}_{number}")
    return Leaf(name, dims_of_spec(name, spec.dims), spec.dtype, spec.stop_gradient, is_spec=True)


def static_leaves(arguments: Arguments) -> list[Leaf]:
    """The inputs of a call as they are, named as Paddle names them: `_jst.0.x.0`."""
    leaves = []
    for value, (name, position, number) in zip(
        arguments.inputs, arguments.input_names(), strict=True
    ):
        leaves.append(Leaf(f"_jst.{position}.{name}.{number}", *leaf_of_value(value)))
    return leaves


def _need_dtype(spec: InputSpec, wanted: Leaf, value: Any) -> None:
    dtype = leaf_of_value(value)[1]
    if dtype is not wanted.dtype:
        error = InputError(
            f"the argument '{wanted.name}' needs {wanted.dtype.name}, as its {spec} says, got "
            f"{dtype.name}; {wanted.name}.astype('{wanted.dtype.name}') converts it, or let the "
            f"InputSpec say '{dtype.name}'"
        )
        mark_users(error)
        raise error


def _accepts(leaf: Leaf, value: Any) -> bool:
    shape, dtype, _ = leaf_of_value(value)
    if dtype is not leaf.dtype or len(shape) != len(leaf.dims):
        return False
    return all(isinstance(d, SymDim) or d == n for d, n in zip(leaf.dims, shape, strict=True))


def _signature(value: Any) -> Key:
    return leaf_of_value(value)


def _opened(leaves: Sequence[Leaf]) -> tuple[list[Leaf], dict[str, int]]:
    """The leaves with a symbol for each leading size of 2 or more, and the symbols' sizes."""
    names: dict[int, str] = {}
    opened = []
    for leaf in leaves:
        if leaf.dims and leaf.dims[0] >= 2:
            name = names.setdefault(leaf.dims[0], f"B{len(names)}")
            leaf = leaf._replace(dims=(symbol(name), *leaf.dims[1:]))
        opened.append(leaf)
    return opened, {name: size for size, name in names.items()}


def _fits(concrete: ConcreteProgram, sizes: dict[str, int]) -> bool:
    """Whether the Program's guards hold for these sizes; those on guessed sizes are not asked."""
    return all(
        guard.holds(evaluate(guard.left, sizes), evaluate(guard.right, sizes))
        for guard in concrete.main_program.guards
        if sizes.keys() >= {*symbols_of(guard.left), *symbols_of(guard.right)}
    )
