"""Program -> loop nests -> LLVM IR -> machine code.

    jit(program, values) -> Executable          compile for this process
    jit_in_parts(program, values) -> (prepare, main)    what weights give apart, for inference
    compile_program(program, ...) -> CompiledModule     object code and its signature
    build_shared_object(program, values, targets, name) -> bytes     an ELF file for the runtime

The compiler needs llvmlite, which `pip install 'wherry[compile]'` brings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wherry.schema.errors import CompilerMissingError

if not __name__.startswith("wherry"):
    raise ImportError("import it as `wherry.codegen`; `codegen` alone would load a second copy")

if TYPE_CHECKING:
    from .driver import CompiledModule, compile_count, compile_program
    from .inprocess import jit, jit_in_parts
    from .shared_object import build_shared_object
    from .target import Target

_PUBLIC = {
    "CompiledModule": "driver",
    "Target": "target",
    "build_shared_object": "shared_object",
    "compile_count": "driver",
    "compile_program": "driver",
    "jit": "inprocess",
    "jit_in_parts": "inprocess",
}

__all__ = [
    "CompiledModule",
    "Target",
    "build_shared_object",
    "compile_count",
    "compile_program",
    "jit",
    "jit_in_parts",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("llvmlite"):
            raise
        raise CompilerMissingError(
            "compiling needs llvmlite, which is not installed: pip install 'wherry[compile]'"
        ) from error
