"""Ahead of time: from the portable files of a saved model to a native shared object."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def model_prefix(path: str | os.PathLike[str]) -> Path:
    """The prefix of a saved model's files: `net` for `net`, `net.pdmodel` and `net.pdimodel`."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".pdmodel", ".pdimodel") else path


def compile_model(
    path: str | os.PathLike[str],
    targets: Sequence[str] | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Compile what `jit.save` wrote to a shared object that `wherry.runtime.load` loads.

    `targets` are instruction set levels, all kept in the one file ("x86-64-v3", "x86-64-v4",
    "aarch64"); by default the levels of this kind of machine. Writes `path`.so, or `output`; on an
    error the old file stays as it was. Returns the path written.

    Raises ModelFormatError for damaged files, TargetError for a target that cannot be compiled for,
    CompilerMissingError without `wherry[compile]`, OSError where the file cannot be written.

    >>> compile_model("build/digits", targets=["x86-64-v3"])  # doctest: +SKIP
    PosixPath('build/digits.so')
    """
    from wherry.codegen import build_shared_object
    from wherry.ir.serialize import load_program

    prefix = model_prefix(path)
    program, _ = load_program(str(prefix))
    data = build_shared_object(program, program.values, targets, name=prefix.name)
    destination = Path(output) if output else prefix.with_name(prefix.name + ".so")
    write_atomically(destination, data)
    return destination


def write_atomically(destination: Path, data: bytes) -> None:
    """Write a file beside its place and move it there, so that no reader sees half of it.

    Missing folders are made. Raises OSError, which names the destination or the folder.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, pending = tempfile.mkstemp(dir=destination.parent, prefix=destination.name + ".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(pending, 0o644)
            os.replace(pending, destination)
        except BaseException:
            os.unlink(pending)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(destination)) from error
