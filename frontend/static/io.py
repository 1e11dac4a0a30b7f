"""Programs in files: `paddle.save` of a Program, and models for inference."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wherry.ir import program as ir
from wherry.ir.passes.dce import Dce
from wherry.ir.serialize import (
    load_program,
    program_to_tables,
    save_program,
    tables_to_program,
)
from wherry.schema.container import MODEL_MAGIC, Section, frame
from wherry.schema.errors import InputError
from wherry.schema.flat import Numbers
from wherry.schema.model import read_model
from wherry.schema.program import PROGRAM

from ..jit.modes import RNG_NAME, for_inference
from .mode import default_main_program
from .program import Program, keep_guards
from .scope import global_scope
from .variable import Variable


def program_bytes(program: ir.Program) -> bytes:
    """The file of a Program without the values of its persistables."""
    complete = program.complete() if isinstance(program, Program) else program
    sections = [
        Section("program", [PROGRAM.write(program_to_tables(complete))]),
        Section("meta", [json.dumps({}).encode()]),
        Section("files", [json.dumps({"params": None, "info": None}).encode()]),
    ]
    return b"".join(bytes(chunk) for chunk in frame(MODEL_MAGIC, sections))


def program_from_file(path: str) -> Program:
    """The Program in a file of whatever suffix. ModelFormatError where there is no valid one."""
    found = read_model(path)
    return Program.of(tables_to_program(Numbers(found.tables, found.where)))


def normalize_program(program: Program, feed_vars: Any, fetch_vars: Any, **kwargs: Any) -> Program:
    """A copy that holds what gives `fetch_vars` from `feed_vars`, for inference."""
    pruned = _pruned(program, _variables("feed_vars", feed_vars), _variables("fetch_vars",
                     fetch_vars))  # fmt: skip
    pruned.global_block.results = []
    return Program.of(pruned, {n: t for n, t in program.tensors().items() if n in pruned.names})


def save_inference_model(
    path_prefix: str | os.PathLike[str],
    feed_vars: Variable | Sequence[Variable],
    fetch_vars: Variable | Sequence[Variable],
    executor: Any,
    **kwargs: Any,
) -> None:
    """Write the part of a Program that gives `fetch_vars`, as the files that `jit.save` writes.

    `program` names another Program than the default one. Raises ValueError for feeds that do not
    suffice and for parameters without a value.
    """
    unknown = kwargs.keys() - {"program", "clip_extra", "legacy_format"}
    if unknown:
        raise ValueError(f"save_inference_model has no options {sorted(unknown)}")
    prefix = os.fspath(path_prefix)
    if not os.path.basename(prefix):
        raise ValueError(
            "The path_prefix MUST be format of dirname/file_prefix, but received "
            f"{prefix!r}: the file_prefix is empty"
        )
    program = kwargs.get("program") or default_main_program()
    if not isinstance(program, Program):
        raise TypeError(f"program must be a Program, but received {type(program).__name__}")
    feeds, fetches = _variables("feed_vars", feed_vars), _variables("fetch_vars", fetch_vars)
    pruned = _pruned(program, feeds, fetches)
    state = program.state_dict()
    values = {**pruned.values, **{n: t.array for n, t in state.items() if n in pruned.names}}
    save_program(prefix, pruned, values)


def load_inference_model(
    path_prefix: str | os.PathLike[str], executor: Any, **kwargs: Any
) -> list[Any]:
    """Read a model: [the Program, the names of its inputs, the Variables of its outputs].

    The parameters go into the global scope. Raises ValueError (ModelFormatError) for files that are
    missing or damaged. `model_filename` and `params_filename` name files in the folder
    `path_prefix`.
    """
    unknown = kwargs.keys() - {"model_filename", "params_filename"}
    if unknown:
        raise ValueError(f"load_inference_model has no options {sorted(unknown)}")
    path, params = Path(path_prefix), kwargs.get("params_filename")
    if kwargs.get("model_filename"):
        path = path / kwargs["model_filename"]
    source, _ = load_program(path, Path(path_prefix) / params if params else None)
    names = [var.name for var in source.inputs]
    outputs = source.outputs
    for var in source.persistables:
        if var.name != RNG_NAME:
            global_scope().put(var.name, source.values.pop(var.name))
    source.global_block.results = []
    program = Program.of(source)
    return [program, names, [program.tracer.traced(var) for var in outputs]]


def _variables(argument: str, given: Any) -> list[Variable]:
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if not listed or not all(isinstance(one, Variable) for one in listed):
        raise ValueError(f"'{argument}' should be a Variable or a list of Variable.")
    return listed


def _pruned(program: Program, feeds: Sequence[Variable], fetches: Sequence[Variable]) -> ir.Program:
    """A plain copy for inference, with the feeds as inputs and the fetches as results."""
    names = [one.name for one in (*feeds, *fetches)]
    unknown = [name for name in names if name not in program.global_block.vars]
    if unknown:
        raise InputError(f"the Program has no Variables {unknown}; pass program= of theirs")
    complete = program.complete([one.name for one in fetches])
    copy = for_inference(complete, len(fetches))
    block = copy.global_block
    # An inference model gives its results and writes nothing.
    block.ops[:] = [op for op in block.ops if op.type != "assign_persistable"]
    Dce().run(copy)
    read = {*block.results, *(var for op in block.ops for var in op.in_vars)}
    fed = {one.name for one in feeds}
    missing = [var.name for var in block.args if var in read and var.name not in fed]
    if missing:
        raise InputError(f"fetch_vars depend on {missing}, which feed_vars does not name")
    for var in [var for var in block.args if var.name not in fed]:
        block.drop_var(var)
    block.args = [block.vars[one.name] for one in feeds]
    keep_guards(copy)
    return copy


__all__ = [
    "load_inference_model",
    "normalize_program",
    "program_bytes",
    "program_from_file",
    "save_inference_model",
]
