"""A portable model: three files that are written and read as one. Data, never code; no pickle.

`net.pdmodel` holds the Program's tables, the caller's `meta` and the hashes of the others;
`net.pdiparams` the arrays; `net.pdiparams.info` what belongs to each array by name, as JSON for
people and tools.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .commit import commit, directory_lock, map_file, read_companion
from .container import MODEL_MAGIC, Section, frame, unframe
from .errors import ModelFormatError
from .flat import Vector, Where
from .params import ParamsImage, parse_json, read_params
from .program import PROGRAM

Array = np.ndarray[Any, Any]


@dataclass
class ModelFile:
    """What the files of a model hold.

    `tables` are the Program's vectors and `where` is their place in the file, for messages.
    `params` are read-only and mapped. `info` is by parameter name; it is empty where
    `net.pdiparams.info` is missing, which only training needs.
    """

    tables: dict[str, Vector]
    params: dict[str, Array]
    meta: dict[str, Any]
    info: dict[str, dict[str, Any]]
    where: Where


def write_model(
    prefix: str | Path,
    tables: Mapping[str, Any],
    params: Mapping[str, Array],
    info: Mapping[str, Mapping[str, Any]] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write `prefix.pdmodel`, `prefix.pdiparams` and `prefix.pdiparams.info` as one.

    A model without parameters has the first file only. Missing folders are made. Raises OSError
    where a file cannot be written: the old files are then as they were.
    """
    model, params_path, info_path = model_paths(prefix)
    image = ParamsImage(params)
    info_text = _info_text(image, info or {})
    files = {
        "params": image.hash if params else None,
        "info": hashlib.sha256(info_text).hexdigest() if params else None,
    }
    sections = [
        Section("program", [PROGRAM.write(tables)]),
        Section("meta", [json.dumps(dict(meta or {})).encode()]),
        Section("files", [json.dumps(files).encode()]),
    ]
    content = list(frame(MODEL_MAGIC, sections))
    if not params:
        commit(model, content, {}, [params_path, info_path])
        return
    info_hash = hashlib.sha256(info_text).hexdigest()
    companions = {params_path: (image.hash, image.chunks()), info_path: (info_hash, [info_text])}
    commit(model, content, companions)


def read_model(path: str | Path, params: str | Path | None = None) -> ModelFile:
    """Read the model `path`: a prefix, or the model's file itself under whatever suffix.

    `params` names the file of parameters where it does not stand beside the model. Raises
    ModelFormatError, with the file, the byte and what was expected, for files that are missing,
    altered, cut off, of another version or of different models.
    """
    model = find_model(path)
    beside = Path(params) if params else model.with_suffix(".pdiparams")
    try:
        return _read(model, beside, finish=False)
    except (ModelFormatError, FileNotFoundError):
        # A writer may be at work, or have died at it: look again where no writer can be.
        with directory_lock(model.parent):
            return _read(model, beside, finish=True)


def model_paths(prefix: str | Path) -> tuple[Path, Path, Path]:
    """The model's file, its parameters and their info for a prefix as `jit.save` takes it."""
    text = str(prefix)
    return Path(text + ".pdmodel"), Path(text + ".pdiparams"), Path(text + ".pdiparams.info")


def find_model(path: str | Path) -> Path:
    """The model's file for a prefix or a file's path."""
    for candidate in (Path(f"{path}.pdmodel"), Path(f"{path}.pdimodel"), Path(path)):
        if candidate.is_file():
            return candidate
    raise ModelFormatError(
        f"The ``path`` ({path}) to load model not exists. Please make sure that *.pdmodel exists "
        "or don't using ``skip_forward=True`` to jit.save."
    )


def _info_text(image: ParamsImage, info: Mapping[str, Mapping[str, Any]]) -> bytes:
    rows = {name: {**info.get(name, {}), "sha256": h} for name, h in image.hashes.items()}
    return json.dumps({"params": image.hash, "arrays": rows}, indent=1).encode()


def _read(model: Path, params: Path, finish: bool) -> ModelFile:
    where = Where(str(model))
    sections = unframe(map_file(model), MODEL_MAGIC, where)
    if list(sections) != ["program", "meta", "files"]:
        where.bad("the sections 'program', 'meta' and 'files'", 24)
    meta, files = (_json_object(sections[name], where) for name in ("meta", "files"))
    at, data = sections["program"]
    found = ModelFile(PROGRAM.read(data, where.shifted(at)), {}, meta, {}, where.shifted(at))
    if isinstance(files.get("params"), str):
        found.params = _read_params(params, files["params"], finish)
        found.info = _read_info(Path(f"{params}.info"), str(files.get("info")), finish)
    return found


def _json_object(section: tuple[int, memoryview], where: Where) -> dict[str, Any]:
    value = parse_json(section[1], where.shifted(section[0]))
    if not isinstance(value, dict):
        where.bad("a JSON object", section[0])
    return value


def _read_params(path: Path, digest: str, finish: bool) -> dict[str, Array]:
    def read(candidate: Path) -> dict[str, Array]:
        where = Where(str(candidate))
        found, arrays = read_params(map_file(candidate), where)
        if found != digest:
            where.bad(f"the parameters {digest[:16]}... that the model names, got {found[:16]}...")
        return arrays

    try:
        return read_companion(path, digest, read, finish)
    except FileNotFoundError:
        Where(str(path)).bad("the parameters that the model belongs with, there is no such file")


def _read_info(path: Path, digest: str, finish: bool) -> dict[str, dict[str, Any]]:
    def read(candidate: Path) -> dict[str, dict[str, Any]]:
        where, data = Where(str(candidate)), candidate.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            where.bad(f"the info {digest[:16]}... that the model names, got {found[:16]}...")
        arrays = parse_json(memoryview(data), where).get("arrays")
        return {str(name): dict(row) for name, row in arrays.items()}

    try:
        return read_companion(path, digest, read, finish)
    except FileNotFoundError:
        if not finish:
            raise
        return {}
