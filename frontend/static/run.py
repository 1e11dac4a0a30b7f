"""Run: a Program with its feeds and fetches as compiled code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wherry.ir import program as ir
from wherry.ir.passes.dce import Dce
from wherry.schema.errors import InputError, RunError

from ..jit.execute import write_back
from ..jit.modes import RNG_NAME
from ..jit.native import native_code
from ..random import STATE
from ..tensor import Array, Tensor
from .feed import fed_array
from .program import Program, keep_guards
from .scope import Scope


class Run:
    """One way of running a Program: which inputs are fed, and what is fetched.

    With `prune`, only what gives the fetches is run; otherwise also what changes persistables.
    """

    def __init__(self, program: Program, fetches: Sequence[str], fed: frozenset[str],
                 prune: bool) -> None:  # fmt: skip
        # The Program is kept, so that no other one can get its id.
        self.source = program
        self.known = set(program.desc.global_block.vars)
        self.program = self._cut(program.complete(fetches), fed, prune)
        block = self.program.global_block
        self.inputs = list(block.args)
        self.tensors = program.tensors()
        self.reads = {var.name: op for op in reversed(block.ops) for slot, found
                      in op.inputs.items() if slot != "Target" for var in found}  # fmt: skip
        self.fetched = {var.name for var in block.results}
        self.persistables = {v.name: v for v in self.program.persistables if v.op is None}
        self.native: Any = None

    def _cut(self, copy: ir.Program, fed: frozenset[str], prune: bool) -> ir.Program:
        """Leave out the inputs that are not fed, with what only they are for."""
        block = copy.global_block
        if prune:
            block.ops[:] = [op for op in block.ops if op.type != "assign_persistable"]
        Dce().run(copy)
        read = {*block.results, *(var for op in block.ops for var in op.in_vars)}
        self.missing = [var for var in block.args if var in read and var.name not in fed]
        for var in [var for var in block.args if var.name not in fed and var not in read]:
            block.drop_var(var)
        block.args = [var for var in block.args if var.name in fed]
        keep_guards(copy)
        return copy

    def __call__(self, feed: Mapping[str, Any], scope: Scope) -> list[Array]:
        """The fetched values; the persistables that the Program writes get their new values."""
        arrays = self._arrays(feed)
        if self.native is None:
            self.native = native_code(self.program, interpret_if_missing=True)
        state = self._random_state()

        def find(name: str) -> Any:
            return state if name == RNG_NAME else self._value(name, scope)

        results, assigned = self.native(arrays, self.native.binder(find)())
        for name, value in zip(self.native.assigned, assigned, strict=True):
            held = state if name == RNG_NAME else self.tensors.get(name)
            if held is None:
                scope.put(name, value)
            else:
                write_back([held], [value])
        return list(results)

    def _random_state(self) -> Tensor:
        """The process's random state, or the Program's own, which starts anew with each run."""
        seed = self.source.random_seed
        return Tensor(np.array([seed, 0], np.int64)) if seed else STATE

    def _arrays(self, feed: Mapping[str, Any]) -> list[Array]:
        for name in feed:
            if name not in self.known:
                warnings.warn(
                    f"The variable {name} is not found in program. It is not declared or is "
                    "pruned.", stacklevel=4,
                )  # fmt: skip
        for var in self.missing:
            op = self.reads.get(var.name)
            reader = f" of {op.type}" if op is not None else ""
            raise InputError(
                f"(InvalidArgument) the input Variable '{var.name}'{reader} is not initialized: "
                f"feed it, exe.run(..., feed={{'{var.name}': ...}}){_built_at(op)}"
            )
        return [fed_array(var, feed[var.name]) for var in self.inputs]

    def _value(self, name: str, scope: Scope) -> Any:
        """What holds the array of a persistable. RunError where nothing does."""
        found: Any = self.tensors.get(name)
        found = scope.find(name) if found is None else found
        op = self.reads.get(name)
        if op is None and name not in self.fetched:
            # It is only written: what it was does not matter, nor of which shape.
            return self._like_new(self.persistables[name], found)
        if found is None:
            raise RunError(
                f"(PreconditionNotMet) The input Variable {name} has not been initialized. "
                "You may need to confirm if you put "
                "exe.run(paddle.static.default_startup_program()) before this run, or load values "
                f"with set_state_dict.{_built_at(op)}"
            )
        return found

    def _like_new(self, var: ir.Variable, found: Any) -> Any:
        """What holds a persistable that is only written: a new one where that does not fit."""
        shape = tuple(int(dim) for dim in var.shape)
        fits = found is not None and found.array.shape == shape
        if fits and found.array.dtype == var.dtype.numpy:
            return found
        return Tensor(np.zeros(shape, var.dtype.numpy))


def _built_at(op: ir.OpDesc | None) -> str:
    return f"\n  at {op.loc}" if op is not None and op.loc else ""
