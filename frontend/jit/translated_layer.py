"""TranslatedLayer: a loaded model as a Layer, which can be called, trained and saved again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wherry.ir.dims import SymDim
from wherry.ir.program import Program, Variable
from wherry.ir.serialize import save_program
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError
from wherry.tensor import Parameter, Tensor

from ..nn.layer import Layer
from ..random import STATE
from .branch import active_tracer
from .concrete import OUTPUT, ConcreteProgram
from .either import chosen
from .execute import Runner
from .inline import inline
from .layout import collect, decode, has_tensors
from .modes import RNG_NAME, for_training


class TranslatedLayer(Layer):
    """What `jit.load` returns. Its parameters have the names that they had in the original Layer.

    Call it with the original's nested arguments, or with all tensors in flat order; arrays are
    taken too.
    """

    def __init__(self, program: Program, info: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        super().__init__()
        own = self.__dict__
        own["training"] = False
        own["_by_variable"] = {}
        own["_methods"] = {}
        self._methods["forward"] = _Method(self, program, info, meta)

    def add_method(
        self, name: str, program: Program, info: Mapping[str, Any], meta: Mapping[str, Any]
    ) -> None:
        """Let the layer have a further method, which shares the parameters."""
        self._methods[name] = _Method(self, program, info, meta)
        self.__dict__[name] = self._methods[name]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model. InputError names the input whose shape or dtype does not fit."""
        return self._methods["forward"](*args, **kwargs)

    def program(self, method_name: str = "forward") -> Program:
        """The Program of a method. ValueError if there is none of this name."""
        if method_name not in self._methods:
            raise ValueError(
                f"The method `{method_name}` does not exist in loaded TranslatedLayer."
            )
        found: Program = self._methods[method_name].program
        return found

    def tensor_for(self, var: Variable, array: Any, info: Mapping[str, Any]) -> Tensor:
        """The Tensor of a persistable: one for all methods."""
        found = self._by_variable.get(var.name)
        if found is not None:
            return found  # type: ignore[no-any-return]
        about = info.get(var.name, {})
        name = about.get("structured_name", var.name)
        if about.get("trainable", var.trainable):
            trainable = not about.get("stop_gradient", var.stop_gradient)
            made: Tensor = Parameter(np.array(array), trainable=trainable, name=var.name)
            self._parameters[name] = made  # type: ignore[assignment]
        else:
            made = Tensor(np.array(array), True, name=var.name)
            made.persistable = True
            self._buffers[name] = made
        self._by_variable[var.name] = made
        return made

    def set_state_dict(
        self, state_dict: Mapping[str, Any], use_structured_name: bool = True
    ) -> tuple[list[str], list[str]]:
        """Set parameters and buffers, by structured name or as `param_0`, `param_1`, ..."""
        numbered = {f"param_{i}": name for i, name in enumerate(self.state_dict())}
        named = {numbered.get(key, key): value for key, value in state_dict.items()}
        return super().set_state_dict(named, use_structured_name)

    set_dict = load_dict = set_state_dict

    def write(self, prefix: str) -> None:
        """Save the model again, with the parameters as they are now."""
        for name, method in self._methods.items():
            method.write(prefix if name == "forward" else f"{prefix}.{name}")


class _Method:
    """One Program of a loaded model: how it is called, and its compiled forms by mode."""

    def __init__(self, layer: TranslatedLayer, program: Program, info: Mapping[str, Any],
                 meta: Mapping[str, Any]) -> None:  # fmt: skip
        self.layer, self.program, self.info, self.meta = layer, program, info, meta
        self.inputs = [var for var in program.inputs if not var.is_hidden]
        # The random state is that of the process, so that paddle.seed reaches the model.
        self.tensors = {RNG_NAME: STATE} | {
            var.name: layer.tensor_for(var, program.values[var.name], info)
            for var in program.persistables if var.name != RNG_NAME
        }  # fmt: skip
        self.runners: dict[bool, Runner] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self._flat_inputs(args, kwargs)
        training = self.layer.training
        if (active := active_tracer()) is not None:
            program = for_training(self.program) if training else self.program
            return rebuilt(self.meta, inline(active, program, self.tensors, values))
        for var, value in zip(self.inputs, values, strict=True):
            _check_input(var, value)
        if training not in self.runners:
            self.runners[training] = Runner(self._concrete(training), interpret_if_missing=True)
        return self.runners[training](values)

    def _concrete(self, training: bool) -> ConcreteProgram:
        program = for_training(self.program) if training else self.program.clone()
        captured = [
            (self.tensors[v.name], v) for v in program.persistables if v.name in self.tensors
        ]
        for tensor, var in captured:
            program.values.pop(var.name, None)
            var.stop_gradient = tensor.stop_gradient
        leaves = [OUTPUT] * len(program.outputs)
        return LoadedProgram(program, captured, (None, leaves), self.layer.forward, self.meta)

    def _flat_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The inputs in the Program's order, from nested or from flat arguments."""
        names = [var.name for var in self.inputs]
        tensors = [isinstance(a, (Tensor, np.ndarray)) for a in args]
        if len(args) == len(names) and all(tensors) and not kwargs:
            return list(args)
        if "args" not in self.meta:
            raise InputError(f"needs {len(names)} inputs ({', '.join(names)}), got {len(args)}")
        return self._nested_inputs(args, kwargs, names)

    def _nested_inputs(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], names: list[str]
    ) -> list[Any]:
        layouts = self.meta["args"]["tuple"]
        found: dict[int, Any] = {}
        params = self.meta["names"]
        keyword_layouts = dict(self.meta["kwargs"]["dict"])
        if len(args) > len(layouts):
            raise InputError(f"needs {len(names)} inputs ({', '.join(names)}), got {len(args)}")
        for name, layout, value in zip(params, layouts, args, strict=False):
            collect(layout, value, found, f"argument {name!r}")
        for name, value in kwargs.items():
            if name in params[: len(args)]:
                raise TypeError(f"forward() got multiple values for argument '{name}'")
            layout = keyword_layouts.get(name)
            layout = layouts[params.index(name)] if layout is None and name in params else layout
            if layout is None:
                if name not in names:
                    raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
                found[names.index(name)] = value
            elif has_tensors(layout):
                collect(layout, value, found, f"argument {name!r}")
        missing = [name for i, name in enumerate(names) if i not in found]
        if missing:
            raise InputError(
                f"needs {len(names)} inputs ({', '.join(names)}), got none for {', '.join(missing)}"
            )
        return [found[i] for i in range(len(names))]

    def write(self, prefix: str) -> None:
        """Save this Program with the parameters as they are now."""
        values = {var.name: self.tensors[var.name].array for var in self.program.persistables}
        save_program(prefix, self.program, values, self.info, self.meta)


class LoadedProgram(ConcreteProgram):
    """A loaded Program with its tensors; the result's structure comes from the file."""

    def __init__(self, program: Program, captured: Any, result: Any, function: Any,
                 meta: Mapping[str, Any]) -> None:  # fmt: skip
        super().__init__(program, captured, result, function)
        self.meta = meta

    def rebuild(self, values: Any) -> Any:
        return chosen(rebuilt(self.meta, values))


def rebuilt(meta: Mapping[str, Any], values: Any) -> Any:
    """The result of a loaded model from the values of its outputs."""
    layout = meta.get("outputs")
    if layout is not None:
        return decode(layout, values)
    return values[0] if len(values) == 1 else list(values)


def _check_input(var: Variable, value: Any) -> None:
    """Refuse a value whose shape or dtype contradicts the input, by the input's name."""
    if not isinstance(value, (Tensor, np.ndarray)):
        raise TypeError(
            "The type of input in TranslatedLayer must be numpy array or Variable(Tensor), but "
            f"received {type(value)}, for input '{var.name}'."
        )
    shape = tuple(value.shape)
    dtype = value.dtype if isinstance(value, Tensor) else as_dtype(value.dtype)
    wanted = [dim if isinstance(dim, int) else -1 for dim in var.shape]
    fits = len(shape) == len(wanted) and all(
        isinstance(dim, SymDim) or dim == size for dim, size in zip(var.shape, shape, strict=True)
    )
    if not fits:
        raise InputError(f"input '{var.name}' needs the shape {wanted}, got {list(shape)}")
    if dtype is not var.dtype:
        raise InputError(f"input '{var.name}' needs the dtype {var.dtype.name}, got {dtype.name}")
