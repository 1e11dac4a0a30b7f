"""Compiled code on disk: per user, found by a hash of all that it was made from.

    WHERRY_CACHE_DIR    the folder; else $XDG_CACHE_HOME/wherry, else ~/.cache/wherry
    WHERRY_CACHE=0      no cache

An entry is a file: a hash of its content, then the content. It is written under another name and
renamed, so that readers see all of it or nothing; one that does not fit its hash is no entry. What
is in the folder runs in this process: a folder that belongs to somebody else, or that others may
write to, is not used. Beyond a size the entries that were not used for longest go.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import llvmlite
import llvmlite.binding as llvm

LIMIT: Final = 256 << 20
_warned: set[str] = set()


class CodeCache:
    """The entries in a folder, at most `limit` bytes of them."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit

    def get(self, key: str) -> bytes | None:
        """The content of an entry; None where there is none, or a damaged one."""
        path = self.folder / key
        try:
            _check_owner(self.folder)
            data = path.read_bytes()
            if _digest(data[32:]) != data[:32]:
                return None
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(error)
            return None
        return data[32:]

    def put(self, key: str, content: bytes) -> None:
        """Write an entry. Where that cannot be there is a warning, once for a folder."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_owner(self.folder)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(_digest(content) + content)
            os.replace(file.name, self.folder / key)
            self._evict()
        except OSError as error:
            self._warn(error)

    def _evict(self) -> None:
        """Remove what was not used for longest, down to three quarters of the limit."""
        files = sorted(self._files(), reverse=True)
        total = 0
        full = sum(size for _, size, _ in files) > self.limit
        for _, size, path in files:
            total += size
            if full and total > self.limit * 3 // 4:
                Path(path).unlink(missing_ok=True)  # another process may have been faster

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """When each file was used last, its size, its path."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield found.st_mtime_ns, found.st_size, entry.path

    def _warn(self, error: OSError) -> None:
        if str(self.folder) not in _warned:
            _warned.add(str(self.folder))
            warnings.warn(
                f"compiled code is not kept in {self.folder}: {error.strerror or error}; set "
                "WHERRY_CACHE_DIR to a folder of yours, or WHERRY_CACHE=0",
                RuntimeWarning,
                stacklevel=2,
            )


def code_cache() -> CodeCache | None:
    """The cache that the environment asks for; None where it wants none, or has no place for it."""
    setting = os.environ.get("WHERRY_CACHE_DIR")
    if os.environ.get("WHERRY_CACHE") == "0":
        return None
    if setting:
        return CodeCache(Path(setting))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return CodeCache(Path(base) / "wherry") if os.path.isabs(base) else None


def kept(make: Callable[[], bytes], *parts: str) -> bytes:
    """What `make` gives; these texts and the compiler determine it. From the cache if there."""
    cache = code_cache()
    if cache is None:
        return make()
    key = key_of(*parts)
    found = cache.get(key)
    if found is None:
        found = make()
        cache.put(key, found)
    return found


def key_of(*parts: str) -> str:
    """The name of the entry for what was made from these texts by this compiler."""
    hashed = hashlib.sha256()
    for part in (compiler_stamp(), *parts):
        data = part.encode()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()


@cache
def compiler_stamp() -> str:
    """A text that changes with the compiler: with any of its sources, with LLVM's version."""
    root = Path(__file__).parent
    folders = [root, root / "kernels", root.parent / "ir", root.parent / "ir" / "ops"]
    found = [f"llvmlite {llvmlite.__version__} LLVM {llvm.llvm_version_info}"]
    for folder in (*folders, root.parent / "runtime", root.parent / "schema"):
        with os.scandir(folder) as entries:
            sources = sorted((entry.name, entry.stat()) for entry in entries if entry.is_file())
        found += [f"{name} {info.st_size} {info.st_mtime_ns}" for name, info in sources]
    return "\n".join(found)


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()


def _check_owner(folder: Path) -> None:
    """Raises PermissionError for a folder that is not the user's alone, OSError for none."""
    found = folder.stat()
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise PermissionError(f"it belongs to user {found.st_uid}")
    if os.name == "posix" and found.st_mode & 0o022:
        raise PermissionError("others may write to it")
