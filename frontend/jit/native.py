"""Native code for Programs: compiled once per text, shared by all traces that give it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from wherry.ir.interp import run_program
from wherry.ir.program import Program
from wherry.ir.text import to_text
from wherry.schema.errors import CompilerMissingError
from wherry.tensor import LAST_WRITE

from .prepared import Prepared

Array = np.ndarray[Any, Any]

# Who runs the code owns it: it holds memory for calls and the weights of the last one. After its
# last model it goes; the cache on disk has the machine code for the next.
_cache: WeakValueDictionary[bytes, Native] = WeakValueDictionary()


class Native:
    """Compiled code, called with the arrays of its persistables by position.

    `persistables` are the names of those that the caller hands over, in order; `assigned` the names
    of those that get new values. `prepare` computes some of them from others.
    """

    def __init__(
        self, executable: Any, own: dict[str, Array], prepare: Native | None = None
    ) -> None:
        self.executable, self.prepare = executable, prepare
        # The outputs, and the new values of the assigned persistables, for inputs and persistables.
        self.call: Callable[..., tuple[list[Array], list[Array]]] = executable.call
        names = [spec.name for spec in executable.signature.persistables]
        self.constants: list[Array | None] = [own.get(name) for name in names]
        self.persistables = names
        self.outputs = [spec.name for spec in executable.signature.outputs]
        self.assigned: list[str] = list(executable.signature.assigned)

    def binder(self, find: Callable[[str], Any]) -> Callable[[], Sequence[Array]]:
        """A function that gives the persistables' arrays as they are; `find(name)` is a Tensor.

        As long as nothing is written it gives the same object, which the executable knows again.
        """
        made = [] if self.prepare is None else self.prepare.outputs
        tensors = [
            (place, find(name))
            for place, name in enumerate(self.persistables)
            if self.constants[place] is None and name not in made
        ]
        prepared = None if self.prepare is None else self._prepared(self.prepare, find)
        fixed: list[Any] = self.constants

        state: tuple[int, tuple[Array, ...]] = -1, ()

        def arrays() -> tuple[Array, ...]:
            nonlocal state
            # Read first: what is written from here on is seen by the next call.
            stamp = LAST_WRITE.stamp
            if state[0] != stamp:
                found = list(fixed if prepared is None else prepared())
                for place, tensor in tensors:
                    found[place] = tensor.array
                state = stamp, tuple(found)
            return state[1]

        return arrays

    def _prepared(self, prepare: Native, find: Callable[[str], Any]) -> Prepared[list[Any]]:
        """The persistables with those that `prepare` computes, which it does if need be."""
        places = [self.persistables.index(name) for name in prepare.outputs]
        read = [n for n, own in zip(prepare.persistables, prepare.constants, strict=True)
                if own is None]  # fmt: skip
        sources = prepare.binder(find)

        def compute() -> list[Any]:
            found: list[Any] = list(self.constants)
            for place, array in zip(places, prepare([], sources())[0], strict=True):
                found[place] = array
            return found

        return Prepared([find(name) for name in read], compute)

    def __call__(
        self, inputs: Sequence[Array], persistables: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """The outputs, and the new values of the assigned persistables."""
        return self.call(inputs, persistables)


class Interpreted:
    """The numpy interpreter in the place of `Native`, where no compiler is installed."""

    def __init__(self, program: Program) -> None:
        self.program, self.call = program, self
        self.constants: list[Array | None] = []
        self.persistables = [v.name for v in program.persistables if v.name not in program.values]
        self.assigned = [
            op.inputs["Target"][0].name
            for op in program.global_block.ops if op.type == "assign_persistable"
        ]  # fmt: skip

    def binder(self, find: Callable[[str], Any]) -> Callable[[], list[Array]]:
        """A function that gives the persistables' arrays as they are; `find(name)` is a Tensor."""
        tensors = [find(name) for name in self.persistables]
        return lambda: [tensor.array for tensor in tensors]

    def __call__(
        self, inputs: Sequence[Array], persistables: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """The outputs, and the new values of the assigned persistables."""
        named = dict(zip(self.persistables, persistables, strict=True))
        outputs, assigned = run_program(self.program, inputs, named)
        return [np.array(array) for array in outputs], [assigned[name] for name in self.assigned]


def native_code(
    program: Program, interpret_if_missing: bool = False, *, inference: bool = False
) -> Native | Interpreted:
    """Compile, or find what was compiled for an equal Program.

    With `inference`, batch norms are folded, and what persistables give is computed when one of
    them was written only: for those that are Tensors of this process.
    Without the compiler CompilerMissingError, or the interpreter for those who asked for it.
    """
    key = _digest(program) + bytes([inference])
    found = _cache.get(key)
    if found is not None:
        return found
    try:
        found = _cache[key] = _compile(program, inference)
    except CompilerMissingError:
        if interpret_if_missing:
            return Interpreted(program)
        raise
    return found


def _digest(program: Program) -> bytes:
    hashed = hashlib.sha256(to_text(program).encode())
    for name in sorted(program.values):
        hashed.update(name.encode())
        hashed.update(np.ascontiguousarray(program.values[name]).tobytes())
    return hashed.digest()


def _compile(program: Program, inference: bool) -> Native:
    from wherry.codegen import jit, jit_in_parts

    placeholders = {
        var.name: np.zeros(tuple(int(d) for d in var.shape), var.dtype.numpy)
        for var in program.persistables if var.name not in program.values
    }  # fmt: skip
    if not inference:
        return _native(jit(program, placeholders, name="traced"), placeholders)
    first, main = jit_in_parts(program, placeholders, name="traced")
    if first is None:
        return _native(main, placeholders)
    made = [spec.name for spec in first.signature.outputs]
    return _native(main, {*placeholders, *made}, _native(first, placeholders))


def _native(executable: Any, given: Collection[str], prepare: Native | None = None) -> Native:
    """The code with its own constants: all persistables but for those that are `given` to it."""
    own = {
        spec.name: array
        for spec, array in zip(
            executable.signature.persistables, executable.persistable_arrays, strict=True
        )
        if spec.name not in given
    }
    return Native(executable, own, prepare)
