"""The cache of compiled code: what is found again, what is not, and what may go wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wherry.codegen import cache as cache_module
from wherry.codegen import compile_program, driver, jit
from wherry.codegen.cache import CodeCache, code_cache, key_of
from wherry.ir.emit import BlockEmitter
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc, RunError

F32, I64 = as_dtype("float32"), as_dtype("int64")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("WHERRY_CACHE", "1")
    monkeypatch.setenv("WHERRY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def emissions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the targets for which code was made."""
    made: list[str] = []
    emit = driver.emit_object

    def noted(text: str, target: Any) -> bytes:
        made.append(target.name)
        return emit(text, target)

    monkeypatch.setattr(driver, "emit_object", noted)
    return made


def division(line: int = 1, by: float = 2.0) -> Program:
    """x // y and scale(x), written at some line of the user's file."""
    program = Program()
    block = program.global_block
    x, y = block.add_arg("x", (3,), I64), block.add_arg("y", (3,), I64)
    F = BlockEmitter(block, Loc("net.py", line, "x // y"))
    block.results.extend(
        [F.elementwise_floordiv(x, y), F.scale(F.cast(x, out_dtype=F32), scale=by)]
    )
    return program


def test_equal_programs_are_compiled_once(folder: Path, emissions: list[str]) -> None:
    x, y = np.array([7, 8, 9]), np.array([2, 2, 2])
    for _ in range(2):
        quotient, scaled = jit(division())([x, y])
        assert quotient.tolist() == [3, 4, 4]
        assert scaled.tolist() == [14, 16, 18]
    assert emissions == ["host"]
    jit(division(by=3.0))
    assert emissions == ["host", "host"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in folder.iterdir())


@pytest.mark.usefixtures("folder")
def test_errors_name_the_line_of_this_program(emissions: list[str]) -> None:
    """The lines are not part of the code: text above a function may change."""
    for line in (5, 77):
        with pytest.raises(RunError, match=f"division by zero(.|\n)*net.py:{line}:"):
            jit(division(line))([np.arange(3), np.zeros(3, np.int64)])
    assert emissions == ["host"]


@pytest.mark.usefixtures("folder")
def test_what_is_found_is_like_what_was_made() -> None:
    made, found = compile_program(division()), compile_program(division())
    assert replace(made, program=found.program) == found
    assert made.memory.arena_size == found.memory.arena_size


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_entry_is_made_anew(folder: Path, emissions: list[str], damage: str) -> None:
    jit(division())
    (entry,) = folder.iterdir()
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    changed = {"flip": data, "cut": data[:-9], "empty": b"", "other": b"x" * 100}[damage]
    entry.write_bytes(changed)
    for _ in range(2):
        assert jit(division())([np.ones(3, np.int64)] * 2)[0].tolist() == [1, 1, 1]
    assert emissions == ["host", "host"]


def test_many_writers_and_readers(folder: Path) -> None:
    """Every reader finds nothing or everything."""
    cache = CodeCache(folder)
    contents = [bytes([i]) * 50_000 for i in range(4)]

    def work(number: int) -> None:
        for _ in range(40):
            cache.put("key", contents[number])
            assert cache.get("key") in contents

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert [entry.name for entry in folder.iterdir()] == ["key"]


def test_processes_share_the_cache(folder: Path) -> None:
    code = (
        "from wherry.codegen.cache import code_cache, key_of\n"
        "code_cache().put(key_of('a', 'b'), b'content')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    cache = code_cache()
    assert cache is not None
    assert cache.get(key_of("a", "b")) == b"content"
    assert cache.get(key_of("ab", "")) is None


def test_processes_may_compile_the_same_at_once(folder: Path) -> None:
    """One of them may find what another one wrote; each has code that runs, and one entry stays."""
    code = (
        "import sys, numpy as np\n"
        "from wherry.codegen import jit\n"
        "from wherry.ir.text import parse_text\n"
        "text = 'program(x: float32[3]) { y: float32[3] = exp(X=x)  yield y }'\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(jit(parse_text(text))([np.zeros(3, np.float32)])[0].tolist())\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers: list[Any] = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(4)]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 4
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=600)[0] for writer in writers] == ["[1.0, 1.0, 1.0]\n"] * 4
    (entry,) = folder.iterdir()
    assert CodeCache(folder).get(entry.name) is not None


def test_the_oldest_entries_go(folder: Path) -> None:
    cache = CodeCache(folder, limit=10_000)
    for number in range(9):
        cache.put(f"entry{number}", bytes(1000))
        os.utime(folder / f"entry{number}", (number, number))
    assert cache.get("entry0") is not None, "what is used stays"
    cache.put("large", bytes(3000))
    left = sorted(entry.name for entry in folder.iterdir())
    assert left == ["entry0", "entry6", "entry7", "entry8", "large"]
    assert sum(entry.stat().st_size for entry in folder.iterdir()) <= 10_000


@pytest.fixture
def fresh_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_warned", set())


@pytest.mark.usefixtures("fresh_warnings")
def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, emissions: list[str]) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others may write to it; set WHERRY_CACHE_DIR"):
        jit(division())
    jit(division())
    assert emissions == ["host", "host"]
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("fresh_warnings")
def test_a_folder_of_somebody_else_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jit(division())
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.warns(RuntimeWarning, match="it belongs to user"):
        assert CodeCache(folder).get(next(folder.iterdir()).name) is None


@pytest.mark.usefixtures("fresh_warnings", "folder")
def test_a_full_disk_gives_one_warning(
    emissions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.tempfile, "NamedTemporaryFile", full)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            assert jit(division())([np.ones(3, np.int64)] * 2)[0].tolist() == [1, 1, 1]
    (message,) = [str(one.message) for one in told]
    assert "No space left on device; set WHERRY_CACHE_DIR" in message
    assert emissions == ["host"] * 3


def test_the_environment_chooses_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen() -> Path | None:
        cache = code_cache()
        return None if cache is None else cache.folder

    monkeypatch.delenv("WHERRY_CACHE", raising=False)
    monkeypatch.delenv("WHERRY_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert chosen() == Path("/somewhere/wherry")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert chosen() == Path("/home/me/.cache/wherry")
    monkeypatch.setenv("WHERRY_CACHE_DIR", "here")
    assert chosen() == Path("here")
    monkeypatch.setenv("WHERRY_CACHE", "0")
    assert chosen() is None
