"""Programs and parameters as bytes: `serialize_*`, `deserialize_*`, and `paddle.save` of a Program.

The bytes are data, never code: sections with lengths and crc32, all of which are checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any

import numpy as np

from wherry.ir.serialize import program_to_tables, tables_to_program
from wherry.schema.container import MODEL_MAGIC, Section, frame, unframe
from wherry.schema.flat import Numbers, Where
from wherry.schema.model import ModelFile, read_model
from wherry.schema.params import ParamsImage, parse_json, read_params
from wherry.schema.program import PROGRAM

from ..param_attr import ParamAttr
from ..serialization import write_whole
from ..tensor import Array
from .io import normalize_program, persistable_values, pruned_program
from .mode import default_main_program
from .program import Program
from .scope import fits, global_scope


def program_bytes(program: Program) -> bytes:
    """The file of a Program. The values of its persistables are not in it, constants are."""
    complete = program.complete()
    meta = {
        "constants": base64.b64encode(_params_bytes(complete.values)).decode(),
        "parameters": [parameter.name for parameter in program.all_parameters()],
        "random_seed": program.random_seed,
    }
    sections = [
        Section("program", [PROGRAM.write(program_to_tables(complete))]),
        Section("meta", [json.dumps(meta).encode()]),
        Section("files", [json.dumps({"params": None, "info": None}).encode()]),
    ]
    return b"".join(bytes(chunk) for chunk in frame(MODEL_MAGIC, sections))


def _params_bytes(values: dict[str, Array]) -> bytes:
    return b"".join(bytes(chunk) for chunk in ParamsImage(values).chunks())


def program_from_file(path: str) -> Program:
    """The Program in a file of whatever suffix. ModelFormatError where there is no valid one."""
    return _program_of(read_model(path))


def _program_of(found: ModelFile) -> Program:
    source = tables_to_program(Numbers(found.tables, found.where))
    source.values.update(_constants(found))
    for name, array in source.values.items():
        var = source.global_block.vars.get(name)
        reason = fits(var, array) if var is not None else f"there is no Variable {name}"
        if reason:
            found.where.bad(f"constants of the Program's own types: {reason}")
    program = Program.of(source)
    for name in found.meta.get("parameters", []):
        program.attrs[str(name)] = ParamAttr(name=str(name))
    program.random_seed = int(found.meta.get("random_seed", 0))
    return program


def _constants(found: ModelFile) -> dict[str, Array]:
    text = found.meta.get("constants")
    if not isinstance(text, str):
        return {}
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        found.where.bad(f"constants in base64 ({error})")
    return read_params(memoryview(data), found.where)[1]


def serialize_program(feed_vars: Any, fetch_vars: Any, **kwargs: Any) -> bytes:
    """The part of a Program that gives `fetch_vars` from `feed_vars`, for inference, as bytes.

    `program` names another Program than the default one. Raises ValueError for feeds that do not
    suffice.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     x = paddle.static.data("x", [None, 4])
    ...     data = paddle.static.serialize_program([x], [x * 2])
    >>> [op.type for op in paddle.static.deserialize_program(data).global_block().ops]
    ['scale']
    >>> paddle.disable_static()
    """
    program = normalize_program(_program_argument(kwargs), feed_vars, fetch_vars)
    return program_bytes(program)


def serialize_persistables(feed_vars: Any, fetch_vars: Any, executor: Any, **kwargs: Any) -> bytes:
    """The parameters that `serialize_program` of the same arguments needs, as bytes."""
    program = _program_argument(kwargs)
    pruned = pruned_program(program, feed_vars, fetch_vars)
    constants = pruned.values.keys()
    values = persistable_values(program, pruned)
    return _params_bytes({name: value for name, value in values.items() if name not in constants})


def _program_argument(kwargs: dict[str, Any]) -> Program:
    unknown = kwargs.keys() - {"program", "legacy_format"}
    if unknown:
        raise ValueError(f"there are no options {sorted(unknown)}")
    program = kwargs.get("program") or default_main_program()
    if not isinstance(program, Program):
        raise TypeError(f"program must be a Program, but received {type(program).__name__}")
    return program


def deserialize_program(data: bytes) -> Program:
    """The Program in what `serialize_program` gave. ModelFormatError (a ValueError) for others."""
    where = Where("the serialized Program")
    sections = unframe(memoryview(data), MODEL_MAGIC, where)
    if list(sections) != ["program", "meta", "files"]:
        where.bad("the sections 'program', 'meta' and 'files'", 24)
    at, tables = sections["program"]
    meta = parse_json(sections["meta"][1], where)
    if not isinstance(meta, dict):
        where.bad("a JSON object", sections["meta"][0])
    return _program_of(
        ModelFile(PROGRAM.read(tables, where.shifted(at)), {}, meta, {}, where.shifted(at))
    )


def deserialize_persistables(program: Program, data: bytes, executor: Any) -> None:
    """Put the parameters in what `serialize_persistables` gave into the global scope.

    Raises ValueError (ModelFormatError) for other data, and for arrays that the Program's
    parameters do not fit.
    """
    where = Where("the serialized parameters")
    _, arrays = read_params(memoryview(data), where)
    known = {var.name: var for var in program.desc.persistables}
    for name, array in arrays.items():
        reason = fits(known[name], array) if name in known else f"the Program has no {name}"
        if reason:
            where.bad(f"parameters of the Program: {reason}")
        global_scope().put(name, np.array(array))


def save_to_file(path: str, content: bytes) -> None:
    """Write bytes to a file, which appears whole or not at all."""
    if not isinstance(content, bytes):
        raise ValueError("'content' type should be bytes.")
    write_whole(os.fspath(path), content)


def load_from_file(path: str) -> bytes:
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()
