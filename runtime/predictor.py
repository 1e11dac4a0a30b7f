"""A loaded model: numpy in, numpy out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.errors import InputError
from wherry.schema.native import TensorSpec

from .checks import by_name, check_count
from .executable import Executable
from .guesses import Guesses
from .native_file import choose_level, load_functions, read_native

Array = np.ndarray[Any, Any]


def load(path: str | os.PathLike[str]) -> Predictor:
    """Load a shared object that `wherry compile` made, and pick the best code for this CPU.

    Loading runs native code from the file: load only what you trust. Raises FileNotFoundError,
    ModelFormatError for a file that is damaged or something else, and TargetError for one that this
    machine cannot run.

    >>> predict = load("build/digits.so")  # doctest: +SKIP
    >>> predict(images).shape  # doctest: +SKIP
    (7, 10)
    """
    found = read_native(os.fspath(path))
    level = choose_level(found)
    code = load_functions(found, level)
    executable = Executable(
        found.signature, code.plan, code.run, code.library, pool=lambda: code.pool
    )
    return Predictor(executable, level.name)


class Predictor:
    """Call it with the inputs, by position or by name; one predictor serves many threads at once.

    `input_shapes` and `output_shapes` have None for sizes that may differ from call to call.
    """

    def __init__(self, executable: Executable, target: str) -> None:
        self._executable = executable
        signature, inputs = executable.signature, executable.signature.shown_inputs
        self._guesses = Guesses(signature.hidden)
        self._takes_scalars = any(not spec.dims for spec in inputs)
        self.name, self.target = signature.name, target
        self.input_names = [spec.name for spec in inputs]
        self.input_shapes = [_shape(spec) for spec in inputs]
        self.input_dtypes = [spec.dtype.numpy for spec in inputs]
        self.output_names = [spec.name for spec in signature.outputs]
        self.output_shapes = [_shape(spec) for spec in signature.outputs]
        self.output_dtypes = [spec.dtype.numpy for spec in signature.outputs]

    def __call__(self, *arrays: Array, **named: Array) -> Array | tuple[Array, ...]:
        """The output, or a tuple of several. Raises InputError and RunError."""
        outputs = self._invoke(self._in_order(arrays, named) if named else arrays)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def run(self, inputs: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
        """The outputs for inputs by name, or in order. Raises InputError and RunError."""
        if isinstance(inputs, Mapping):
            inputs = by_name(self._executable.signature, inputs)
        elif not isinstance(inputs, (list, tuple)):
            raise InputError(
                f"{self.name}.run needs its inputs as a dict by name or a list in order, got "
                f"{type(inputs).__name__}"
            )
        return self._invoke(inputs)

    def _invoke(self, arrays: Sequence[Array]) -> list[Array]:
        signature = self._executable.signature
        if self._takes_scalars:
            # numpy gives its scalars in the place of arrays of no dims.
            arrays = [np.asarray(one) if isinstance(one, np.generic) else one for one in arrays]
        if not signature.hidden:
            return self._executable(arrays)
        check_count(signature, arrays)
        return self._guesses.run(lambda hidden: self._executable([*arrays, *hidden]))

    def __repr__(self) -> str:
        inputs, outputs = ", ".join(self.input_names), ", ".join(self.output_names)
        return f"<Predictor {self.name} ({self.target}): {inputs} -> {outputs}>"

    def _in_order(self, arrays: Sequence[Array], named: Mapping[str, Array]) -> list[Array]:
        """Positional inputs first, then those that are named."""
        given = dict(zip(self.input_names, arrays, strict=False))
        twice = [name for name in named if name in given]
        if twice or len(arrays) > len(self.input_names):
            what = f"input {twice[0]!r} twice" if twice else f"{len(arrays)} inputs by position"
            names = ", ".join(self.input_names)
            raise InputError(f"{self.name} needs {names} once each, got {what}")
        return by_name(self._executable.signature, {**given, **named})


def _shape(spec: TensorSpec) -> tuple[int | None, ...]:
    return tuple(dim if isinstance(dim, int) else None for dim in spec.dims)
