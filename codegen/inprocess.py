"""Compile a Program and make it callable in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wherry.ir.program import Program
from wherry.runtime.executable import Executable
from wherry.schema.errors import InputError

from .driver import CompiledModule, compile_program
from .pool import host_pool
from .target import Target

Array = np.ndarray[Any, Any]


def jit(
    program: Program,
    values: Mapping[str, Array] | None = None,
    *,
    name: str = "model",
    inference: bool = False,
) -> Executable:
    """A callable for the Program: lists of arrays in, lists of arrays out.

    `values` are the persistables' arrays by name (the Program's own `values` serve for the rest);
    they are read, and where the Program assigns them written, in place.

    Raises InputError for a persistable without a value.
    """
    compiled = compile_program(program, name=name, inference=inference)
    known = {**compiled.program.values, **dict(values or {})}
    return load(compiled, known)


def load(compiled: CompiledModule, values: Mapping[str, Array]) -> Executable:
    """Link object code into this process."""
    missing = [s.name for s in compiled.signature.persistables if s.name not in values]
    if missing:
        raise InputError(f"needs values for the persistables {', '.join(missing)}, got none")
    arrays = [values[spec.name] for spec in compiled.signature.persistables]
    engine = llvm.create_lljit_compiler(Target.host().machine())
    library = llvm.JITLibraryBuilder().add_object_img(compiled.object_code).add_current_process()
    for symbol in (compiled.plan_symbol, compiled.run_symbol):
        library.export_symbol(symbol)
    tracker = library.link(engine, compiled.signature.name)
    plan, run = tracker[compiled.plan_symbol], tracker[compiled.run_symbol]
    pool = host_pool if compiled.is_shared else None
    return Executable(compiled.signature, plan, run, (engine, tracker), arrays, pool)
