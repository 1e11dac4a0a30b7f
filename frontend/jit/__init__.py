"""From dynamic Python to Programs: to_static, saving and loading models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .convert_call import ignore_module, not_to_static
    from .decorate import to_static
    from .logging import set_code_level, set_verbosity
    from .save_load import load, save
    from .static_function import StaticFunction, enable_to_static
    from .translated_layer import TranslatedLayer

_PUBLIC = {
    "StaticFunction": "static_function", "TranslatedLayer": "translated_layer",
    "enable_to_static": "static_function", "ignore_module": "convert_call", "load": "save_load",
    "not_to_static": "convert_call", "save": "save_load", "set_code_level": "logging",
    "set_verbosity": "logging", "to_static": "decorate",
}  # fmt: skip

__all__ = [
    "StaticFunction",
    "TranslatedLayer",
    "enable_to_static",
    "ignore_module",
    "load",
    "not_to_static",
    "save",
    "set_code_level",
    "set_verbosity",
    "to_static",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = found
    return found
