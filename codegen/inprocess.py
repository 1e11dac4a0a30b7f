"""Compile a Program and make it callable in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wherry.ir.passes import prepare_in_parts
from wherry.ir.program import Program
from wherry.runtime.executable import Executable
from wherry.schema.errors import InputError

from .driver import CompiledModule, compile_prepared, compile_program, count_compilation
from .pool import host_pool
from .target import Target

Array = np.ndarray[Any, Any]


def jit(
    program: Program,
    values: Mapping[str, Array] | None = None,
    *,
    name: str = "model",
    inference: bool = False,
    overwrites: Mapping[int, int] | None = None,
) -> Executable:
    """A callable for the Program: lists of arrays in, lists of arrays out.

    `values` are the persistables' arrays by name (the Program's own `values` serve for the rest);
    they are read, and where the Program assigns them written, in place. The outputs that overwrite
    an input (by their numbers) are written to its array, and are no results.

    Raises InputError for a persistable without a value.
    """
    compiled = compile_program(program, name=name, inference=inference, overwrites=overwrites)
    known = {**compiled.program.values, **dict(values or {})}
    return load(compiled, known)


def jit_in_parts(
    program: Program, values: Mapping[str, Array], *, name: str = "model"
) -> tuple[Executable | None, Executable]:
    """(prepare, main): a Program for inference with weights that may change between calls.

    What `prepare` gives, from the persistables alone, are persistables of `main` with the names of
    its outputs; `main` itself is loaded with zeros for them. `prepare` is None where there is
    little to compute. `values` and InputError: see `jit`.
    """
    count_compilation()
    prepare, main = prepare_in_parts(program)
    made: dict[str, Array] = {}
    first = None
    if prepare is not None:
        first = _load_part(prepare, values, f"{name}_prepare")
        made = {var.name: np.zeros(var.shape, var.dtype.numpy) for var in prepare.outputs}
    return first, _load_part(main, {**values, **made}, name)


def _load_part(program: Program, values: Mapping[str, Array], name: str) -> Executable:
    compiled = compile_prepared(program, {}, Target.host(), name, "")
    return load(compiled, {**program.values, **values})


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
    has_loops = any(op.type == "while" for op in compiled.program.all_ops())
    return Executable(
        compiled.signature, plan, run, (engine, tracker), arrays, pool, has_loops,
        compiled.overwrites,
    )  # fmt: skip
