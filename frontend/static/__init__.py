"""Static graph mode, and the descriptions of inputs for `to_static` (`paddle.static`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .input_spec import InputSpec

if TYPE_CHECKING:
    from .executor import Executor
    from .io import load_inference_model, normalize_program, save_inference_model
    from .mode import data, default_main_program, default_startup_program, program_guard
    from .program import Program
    from .scope import Scope, global_scope, scope_guard
    from .training import append_backward, gradients
    from .variable import Variable

_PUBLIC = {
    "Executor": "executor", "Program": "program", "Scope": "scope", "Variable": "variable",
    "append_backward": "training", "gradients": "training",
    "data": "mode", "default_main_program": "mode", "default_startup_program": "mode",
    "load_inference_model": "io", "normalize_program": "io", "save_inference_model": "io",
    "global_scope": "scope", "program_guard": "mode", "scope_guard": "scope",
}  # fmt: skip

__all__ = [
    "Executor",
    "InputSpec",
    "Program",
    "Scope",
    "Variable",
    "append_backward",
    "data",
    "default_main_program",
    "default_startup_program",
    "global_scope",
    "gradients",
    "load_inference_model",
    "nn",
    "normalize_program",
    "program_guard",
    "save_inference_model",
    "scope_guard",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module(".nn", __name__)
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value
