"""Scope: where the values of a Program's persistables live between runs, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wherry.ir.program import Variable
from wherry.schema.dtypes import as_dtype

from ..tensor import Tensor


class ScopeTensor(Tensor):
    """The value of a persistable: `np.array(tensor)` reads it, `set` writes it."""

    def set(self, value: Any, place: Any = None) -> None:
        """Become this array. The shape and dtype of a parameter must stay what they are."""
        self.array = np.array(value)


class ScopeVariable:
    """A name of a Scope."""

    def __init__(self, tensor: ScopeTensor) -> None:
        self._tensor = tensor

    def get_tensor(self) -> ScopeTensor:
        """The value."""
        return self._tensor


class Scope:
    """Values by name. Programs that name a parameter alike share it."""

    def __init__(self) -> None:
        self._tensors: dict[str, ScopeTensor] = {}

    def find(self, name: str) -> ScopeTensor | None:
        """The value of this name, None if there is none yet."""
        return self._tensors.get(name)

    def put(self, name: str, value: Any) -> ScopeTensor:
        """Give the name a value, which is copied."""
        array = np.array(value)
        found = self._tensors.get(name)
        if found is None:
            found = self._tensors[name] = ScopeTensor(array, name=name)
            found.persistable = True
        else:
            found.array = array
        return found

    def find_var(self, name: str) -> ScopeVariable | None:
        """Paddle's handle of a name, None if it has no value."""
        found = self._tensors.get(name)
        return None if found is None else ScopeVariable(found)

    def drop_kids(self) -> None:
        """Nothing: the values of a run's own Variables end with the run."""


_current = Scope()


def global_scope() -> Scope:
    """The scope in which `Executor.run` finds parameters unless it is given another."""
    return _current


@contextmanager
def scope_guard(scope: Scope) -> Iterator[None]:
    """Let this be the global scope inside the with block."""
    global _current
    outer, _current = _current, scope
    try:
        yield
    finally:
        _current = outer


def fits(var: Variable, array: Any) -> str:
    """Why an array cannot be the value of a persistable; empty if it can."""
    if not isinstance(array, np.ndarray):
        return f"{var.name} needs an array, but the received is {type(array).__name__}."
    if array.shape != var.shape:
        return (
            f"{var.name} expected a shape {list(var.shape)}, but the received shape is "
            f"{list(array.shape)}."
        )
    if as_dtype(array.dtype) is not var.dtype:
        return f"{var.name} expected the dtype {var.dtype.name}, but received {array.dtype}."
    return ""
