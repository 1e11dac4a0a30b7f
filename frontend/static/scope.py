"""Scope: where the values of a Program's persistables live between runs, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wherry.ir.program import Variable
from wherry.schema.dtypes import as_dtype

from ..tensor import Array, Tensor

# Elements up to which a new value is copied into the old array.
_SMALL = 1 << 16


class LoDTensor:
    """A value of a scope: `np.array(tensor)` reads it, `set` writes it. Paddle's sequence levels
    (LoD) are not there: `lod()` is always empty.

    >>> tensor = LoDTensor(np.ones((2, 3)))
    >>> tensor.shape(), np.array(tensor).sum().item()
    ([2, 3], 6.0)
    """

    def __init__(self, array: Array) -> None:
        self.array = array

    def set(self, value: Any, place: Any = None) -> None:
        """Become a copy of this array. The shape and dtype of a parameter must stay as they are."""
        self.array = np.array(value.array if isinstance(value, (LoDTensor, Tensor)) else value)

    def shape(self) -> list[int]:
        """The sizes."""
        return list(self.array.shape)

    def numpy(self) -> Array:
        """A copy of the data."""
        return self.array.copy()

    def lod(self) -> list[list[int]]:
        """Always empty: there are no sequence levels."""
        return []

    def recursive_sequence_lengths(self) -> list[list[int]]:
        """Always empty: there are no sequence levels."""
        return []

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype=dtype)

    def __len__(self) -> int:
        return len(self.array)

    def __str__(self) -> str:
        flat = " ".join(f"{value:g}" for value in self.array.ravel().tolist())
        return (
            f"  - shape: {self.shape()}\n  - layout: NCHW\n  - place: Place(cpu)\n"
            f"  - dtype: {as_dtype(self.array.dtype).name}\n  - data: [{flat}]"
        )

    __repr__ = __str__


class ScopeVariable:
    """A name of a Scope."""

    def __init__(self, name: str, tensor: LoDTensor) -> None:
        self._name, self._tensor = name, tensor

    def name(self) -> str:
        """The name."""
        return self._name

    def get_tensor(self) -> LoDTensor:
        """The value."""
        return self._tensor


class Scope:
    """Values by name. Programs that name a parameter alike share it.

    A scope made by `new_scope` finds its parent's values, too.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        self._parent = parent
        self._tensors: dict[str, LoDTensor] = {}

    def find(self, name: str) -> LoDTensor | None:
        """The value of this name, None if there is none yet."""
        found = self._tensors.get(name)
        return self._parent.find(name) if found is None and self._parent else found

    def put(self, name: str, array: Array) -> None:
        """Give the name this value, which is taken over.

        A small one is copied over the old one: compiled code stays bound to the same memory.
        """
        found = self.find(name)
        if found is None:
            self._tensors[name] = LoDTensor(array)
            return
        old = found.array
        same = old.shape == array.shape and old.dtype == array.dtype and old.flags.writeable
        if same and array.size <= _SMALL:
            np.copyto(old, array)
        else:
            found.array = array

    def find_var(self, name: str) -> ScopeVariable | None:
        """Paddle's handle of a name, None if it has no value."""
        found = self.find(name)
        return None if found is None else ScopeVariable(name, found)

    def var(self, name: str) -> ScopeVariable:
        """The handle of a name, which gets an empty value here if neither this scope nor one
        around it has one.
        """
        found = self.find(name)
        if found is None:
            found = self._tensors[name] = LoDTensor(np.zeros(0, np.float32))
        return ScopeVariable(name, found)

    def erase(self, names: list[str]) -> None:
        """Forget these names."""
        for name in names:
            self._tensors.pop(name, None)

    def local_var_names(self) -> list[str]:
        """The names of this scope itself."""
        return list(self._tensors)

    def new_scope(self) -> Scope:
        """A scope inside this one."""
        return Scope(self)

    def drop_kids(self) -> None:
        """Nothing: the values of a run's own Variables end with the run."""


_current = Scope()


def global_scope() -> Scope:
    """The scope in which `Executor.run` finds parameters unless it is given another."""
    return _current


@contextmanager
def scope_guard(scope: Scope) -> Iterator[None]:
    """Let this be the global scope inside the with block. TypeError for what is no Scope."""
    global _current
    if not isinstance(scope, Scope):
        raise TypeError(f"scope_guard needs a paddle.static.Scope, got {type(scope).__name__}")
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
