"""Static graph mode, and the descriptions of inputs for `to_static` (`paddle.static`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .input_spec import InputSpec

if TYPE_CHECKING:
    from . import nn
    from .average import ExponentialMovingAverage
    from .block import Block, Operator
    from .compiled import BuildStrategy, CompiledProgram, ExecutionStrategy
    from .executor import Executor
    from .io import load_inference_model, normalize_program, save_inference_model
    from .metric import accuracy, auc
    from .mode import data, default_main_program, default_startup_program, program_guard
    from .nn.print import Print, py_func
    from .parameters import create_global_var, create_parameter
    from .places import cpu_places, device_guard, name_scope
    from .program import Program
    from .scope import Scope, global_scope, scope_guard
    from .serialize import (
        deserialize_persistables,
        deserialize_program,
        load_from_file,
        save_to_file,
        serialize_persistables,
        serialize_program,
    )
    from .state import load, load_program_state, save, set_program_state
    from .training import append_backward, gradients
    from .variable import Parameter, Variable
    from .weight_norm import WeightNormParamAttr

# module -> names
_PUBLIC = {
    "average": "ExponentialMovingAverage",
    "block": "Block Operator",
    "compiled": "BuildStrategy CompiledProgram ExecutionStrategy",
    "executor": "Executor",
    "io": "load_inference_model normalize_program save_inference_model",
    "metric": "accuracy auc",
    "mode": "data default_main_program default_startup_program program_guard",
    "nn.print": "Print py_func",
    "parameters": "create_global_var create_parameter",
    "places": "cpu_places device_guard name_scope",
    "program": "Program",
    "scope": "Scope global_scope scope_guard",
    "serialize": """
        deserialize_persistables deserialize_program load_from_file save_to_file
        serialize_persistables serialize_program
    """,
    "state": "load load_program_state save set_program_state",
    "training": "append_backward gradients",
    "variable": "Parameter Variable",
    "weight_norm": "WeightNormParamAttr",
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = [
    "Block",
    "BuildStrategy",
    "CompiledProgram",
    "ExecutionStrategy",
    "Executor",
    "ExponentialMovingAverage",
    "InputSpec",
    "Operator",
    "Parameter",
    "Print",
    "Program",
    "Scope",
    "Variable",
    "WeightNormParamAttr",
    "accuracy",
    "append_backward",
    "auc",
    "cpu_places",
    "create_global_var",
    "create_parameter",
    "data",
    "default_main_program",
    "default_startup_program",
    "deserialize_persistables",
    "deserialize_program",
    "device_guard",
    "global_scope",
    "gradients",
    "load",
    "load_from_file",
    "load_inference_model",
    "load_program_state",
    "name_scope",
    "nn",
    "normalize_program",
    "program_guard",
    "py_func",
    "save",
    "save_inference_model",
    "save_to_file",
    "scope_guard",
    "serialize_persistables",
    "serialize_program",
    "set_program_state",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module(".nn", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value
