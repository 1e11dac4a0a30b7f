"""Models for inference: the part of a Program that gives some Variables from some inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wherry.ir import program as ir
from wherry.ir.passes.dce import Dce
from wherry.ir.serialize import load_program, save_program
from wherry.schema.errors import InputError, ModelFormatError

from ..jit.modes import RNG_NAME, for_inference
from ..tensor import Array
from .mode import default_main_program
from .program import Program, keep_guards, without_training
from .scope import global_scope
from .variable import Variable


def normalize_program(program: Program, feed_vars: Any, fetch_vars: Any, **kwargs: Any) -> Program:
    """A copy that holds what gives `fetch_vars` from `feed_vars`, for inference."""
    if not isinstance(program, Program):
        raise TypeError(f"program must be a Program, but received {type(program).__name__}")
    pruned = pruned_program(program, feed_vars, fetch_vars)
    pruned.global_block.results = []
    made = Program.of(pruned, {n: t for n, t in program.tensors().items() if n in pruned.names})
    made.attrs = {name: attr for name, attr in program.attrs.items() if name in pruned.names}
    return made


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
    pruned = pruned_program(program, feed_vars, fetch_vars)
    save_program(prefix, pruned, persistable_values(program, pruned))


def persistable_values(program: Program, pruned: ir.Program) -> dict[str, Array]:
    """The arrays of what a part of a Program reads. ValueError for a parameter without a value."""
    names = {var.name for var in pruned.persistables}
    state = program.state_dict(names=names)
    return {**pruned.values, **{name: tensor.array for name, tensor in state.items()}}


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
    if any(var.is_hidden for var in source.inputs):
        raise ModelFormatError(
            f"{path}: the model has a list whose length depends on a tensor, which an Executor has "
            "no sizes for; load it with paddle.jit.load, or compile it"
        )
    names = [var.name for var in source.inputs]
    outputs = source.outputs
    for var in source.persistables:
        if var.name != RNG_NAME:
            global_scope().put(var.name, np.array(source.values.pop(var.name)))
    source.global_block.results = []
    program = Program.of(source)
    return [program, names, [program.variable_of(var) for var in outputs]]


def _variables(argument: str, given: Any) -> list[Variable]:
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if not listed or not all(isinstance(one, Variable) for one in listed):
        raise ValueError(f"'{argument}' should be a Variable or a list of Variable.")
    return listed


def pruned_program(program: Program, feed_vars: Any, fetch_vars: Any) -> ir.Program:
    """A plain copy for inference, with the feeds as inputs and the fetches as results.

    Raises ValueError for what are no Variables of the Program, and for feeds that do not suffice.
    """
    feeds, fetches = _variables("feed_vars", feed_vars), _variables("fetch_vars", fetch_vars)
    names = [one.name for one in (*feeds, *fetches)]
    unknown = [name for name in names if name not in program.desc.global_block.vars]
    if unknown:
        raise InputError(f"the Program has no Variables {unknown}; pass program= of theirs")
    complete = program.complete([one.name for one in fetches])
    without_training(complete)
    copy = for_inference(complete, complete.outputs[: len(fetches)])
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
    for var in [var for var in copy.persistables if var not in read]:
        block.drop_var(var)
    block.args = [block.vars[one.name] for one in feeds]
    keep_guards(copy)
    return copy
