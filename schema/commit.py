"""Three files written as one, so that whatever moment a crash picks, the old or the new model
loads.

The companions (parameters, info) go to pending files whose names hold their hash; then the model's
file, which names its companions by hash, is renamed into place: that is the commit. Then the
pending files take their places. A reader that finds other companions finishes the renames, or,
where it may not write, reads the pending files.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from .container import Chunk
from .errors import ModelFormatError

T = TypeVar("T")


def pending_path(path: Path, digest: str) -> Path:
    """Where the next content of a companion waits for the commit."""
    return path.with_name(f"{path.name}.{digest[:16]}.pending")


def commit(
    model: Path,
    content: Iterable[Chunk],
    companions: Mapping[Path, tuple[str, Iterable[Chunk]]],
    obsolete: Iterable[Path] = (),
) -> None:
    """Write `model` and its companions (path -> hash, content) as one; then remove what is
    obsolete.

    Raises OSError where a file cannot be written; then the old files are as they were.
    """
    model.parent.mkdir(parents=True, exist_ok=True)
    with directory_lock(model.parent):
        written: list[Path] = []
        try:
            for path, (digest, chunks) in companions.items():
                _write(pending_path(path, digest), chunks, written)
            staged = model.with_name(model.name + ".pending")
            _write(staged, content, written)
            _sync_directory(model.parent)
            os.replace(staged, model)
        except BaseException:
            for path in written:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        _sync_directory(model.parent)
        for path, (digest, _) in companions.items():
            os.replace(pending_path(path, digest), path)
        _clean(model, [*companions, *obsolete], obsolete)
        _sync_directory(model.parent)


def read_companion(path: Path, digest: str, read: Callable[[Path], T], finish: bool) -> T:
    """What `read` makes of the companion with this hash.

    With `finish`, under the folder's lock, a pending file takes its place first where `path` is not
    the right one, and is read where it is if this process may not write. `read` raises
    ModelFormatError or FileNotFoundError for a file that is not the right one.
    """
    try:
        return read(path)
    except (ModelFormatError, FileNotFoundError):
        pending = pending_path(path, digest)
        if not finish or not pending.exists():
            raise
    result = read(pending)
    with suppress(OSError):
        os.replace(pending, path)
    return result


def map_file(path: Path) -> memoryview:
    """The bytes of a file, mapped into memory: they are read when they are used."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


@contextmanager
def directory_lock(folder: Path) -> Iterator[None]:
    """One writer at a time in a folder, across processes, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        yield
        return
    with ExitStack() as stack:
        # Some network file systems have no locks, and a folder may not be listed: then two
        # writers at once are the user's care.
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _write(path: Path, chunks: Iterable[Chunk], written: list[Path]) -> None:
    """Write a file whole or not at all; what must go if the commit fails is appended to `written`.

    A pending file that is there already has this very content, and the model at hand may still need
    it.
    """
    draft = path.with_name(path.name + ".draft")
    written.append(draft)
    if not path.exists():
        written.append(path)
    with draft.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _sync_directory(folder: Path) -> None:
    """Make renames last through a power cut, where the system lets a folder be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _clean(model: Path, paths: Iterable[Path], obsolete: Iterable[Path]) -> None:
    """Remove what a writer that crashed left, and companions that the model no longer has."""
    names = tuple(f"{path.name}." for path in [model, *paths])
    with suppress(OSError):  # a folder that may not be listed keeps them
        for path in model.parent.iterdir():
            if path.name.startswith(names) and path.name.endswith((".pending", ".draft")):
                path.unlink(missing_ok=True)
    for path in obsolete:
        path.unlink(missing_ok=True)
