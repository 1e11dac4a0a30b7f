"""Running saved models: `paddle.inference`, with handles for inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.ir.program import Program, Variable
from wherry.runtime.guesses import Guesses
from wherry.schema.errors import InputError

from .inference_config import Config
from .jit.native import native_code
from .tensor import Array


class Handle:
    """An input or output of a Predictor: `copy_from_cpu` before `run`, `copy_to_cpu` after it."""

    def __init__(self, var: Variable) -> None:
        self._var = var
        self._array: Array | None = None

    def name(self) -> str:
        """The Variable's name."""
        return self._var.name

    def reshape(self, shape: Any) -> None:
        """Take this shape; the data come with `copy_from_cpu`."""
        self._array = np.zeros([int(n) for n in shape], self._var.dtype.numpy)

    def shape(self) -> list[int]:
        """The shape of the data, or what is known of it (-1 elsewhere)."""
        if self._array is not None:
            return list(self._array.shape)
        return [dim if isinstance(dim, int) else -1 for dim in self._var.shape]

    def type(self) -> Any:
        """The dtype."""
        return self._var.dtype

    def copy_from_cpu(self, data: Array) -> None:
        """Take a copy of this array. TypeError for what is no array."""
        if not isinstance(data, np.ndarray):
            raise TypeError(
                f"In copy_from_cpu, we only support numpy ndarray data type, got {type(data)}"
            )
        self._array = np.array(data)

    def copy_to_cpu(self) -> Array:
        """A copy of the data. RuntimeError before there are any."""
        if self._array is None:
            raise RuntimeError(f"{self._var.name} has no data yet: call predictor.run() first")
        return np.array(self._array)


class Predictor:
    """A loaded model as compiled code; the numpy interpreter where no compiler is installed."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._native = native_code(program, interpret_if_missing=True, inference=True)
        self._constants = self._native.binder(_no_tensor)
        self._guesses = Guesses([var.name for var in program.inputs if var.is_hidden])
        self._inputs = {var.name: Handle(var) for var in program.inputs if not var.is_hidden}
        self._outputs = {name: Handle(var) for name, var in _named_outputs(program).items()}

    def get_input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return list(self._inputs)

    def get_output_names(self) -> list[str]:
        """The names of the outputs, in order."""
        return list(self._outputs)

    def get_input_handle(self, name: str) -> Handle:
        """The input of this name. ValueError if there is none."""
        return _handle(self._inputs, name, "input")

    def get_output_handle(self, name: str) -> Handle:
        """The output of this name. ValueError if there is none."""
        return _handle(self._outputs, name, "output")

    def run(self, inputs: Any = None) -> Any:
        """Compute the outputs from the inputs' handles, or from arrays, which returns arrays.

        Raises ValueError (InputError) for an input without data or of another shape or dtype.
        """
        if inputs is not None:
            for handle, value in zip(self._inputs.values(), inputs, strict=True):
                handle.copy_from_cpu(np.asarray(value))
        arrays = [_checked(handle) for handle in self._inputs.values()]
        held = self._constants()
        results, _ = self._guesses.run(lambda hidden: self._native([*arrays, *hidden], held))
        for handle, array in zip(self._outputs.values(), results, strict=True):
            handle._array = array
        return True if inputs is None else [handle.copy_to_cpu() for handle in
                                            self._outputs.values()]  # fmt: skip

    def clone(self) -> Predictor:
        """Another Predictor of the same model with handles of its own: one for each thread."""
        return Predictor(self._program)

    def clear_intermediate_tensor(self) -> None:
        """Nothing: no value of a call but its outputs outlives it."""

    def try_shrink_memory(self) -> int:
        """0: nothing is given back; the next call uses the same memory."""
        return 0


class PredictorPool:
    """`size` Predictors of one model, one for each thread."""

    def __init__(self, config: Config, size: int = 1) -> None:
        if size < 1:
            raise ValueError(f"PredictorPool needs a size of at least 1, got {size}")
        first = create_predictor(config)
        self._predictors = [first, *(first.clone() for _ in range(size - 1))]

    def retrieve(self, index: int) -> Predictor:
        """The Predictor of this number, from 0."""
        return self._predictors[index]


def create_predictor(config: Config) -> Predictor:
    """Load the model of a Config. Raises ValueError (ModelFormatError) for one that is damaged."""
    return Predictor(config.load())


def _named_outputs(program: Program) -> dict[str, Variable]:
    """The outputs by name; one that is given twice gets a number."""
    found: dict[str, Variable] = {}
    for var in program.outputs:
        name = var.name if var.name not in found else f"{var.name}_{len(found)}"
        found[name] = var
    return found


def _handle(handles: dict[str, Handle], name: str, what: str) -> Handle:
    if name not in handles:
        raise ValueError(f"the model has no {what} {name!r}, only {list(handles)}")
    return handles[name]


def _checked(handle: Handle) -> Array:
    var, array = handle._var, handle._array
    wanted = [dim if isinstance(dim, int) else -1 for dim in var.shape]
    if array is None:
        raise InputError(f"input '{var.name}' has no data: copy_from_cpu(array) before run()")
    fits = array.ndim == len(wanted) and all(
        want in (-1, got) for want, got in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        raise InputError(f"input '{var.name}' needs the shape {wanted}, got {list(array.shape)}")
    if array.dtype != var.dtype.numpy:
        raise InputError(f"input '{var.name}' needs {var.dtype.name}, got {array.dtype}")
    return array


def _no_tensor(name: str) -> Any:
    raise AssertionError(f"{name} has no value in the model")


__all__ = ["Config", "Handle", "Predictor", "PredictorPool", "create_predictor"]
