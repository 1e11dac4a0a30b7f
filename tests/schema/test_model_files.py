"""The portable files: what is read equals what was written, and nothing else is ever read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wherry.ir.program import Program
from wherry.ir.serialize import load_program, save_program
from wherry.ir.text import to_text
from wherry.schema import commit
from wherry.schema.errors import ModelFormatError
from wherry.schema.model import read_model

Save = Callable[..., Path]
SUFFIXES = (".pdmodel", ".pdiparams", ".pdiparams.info")


def factor_of(prefix: Path) -> float:
    """Which model is loaded: meta and parameters must tell the same."""
    program, found = load_program(prefix)
    assert program.values["w"][0] == found.meta["factor"]
    return float(found.meta["factor"])


def test_a_model_comes_back_whole(save: Save, program: Program) -> None:
    loaded, found = load_program(save())
    assert to_text(loaded) == to_text(program)
    assert [op.loc for op in loaded.all_ops()] == [op.loc for op in program.all_ops()]
    assert loaded.guards == program.guards
    np.testing.assert_array_equal(loaded.values["w"], program.values["w"])
    assert not loaded.values["w"].flags.writeable
    assert loaded.values["w"].ctypes.data % 64 == 0
    assert found.meta == {"inputs": ["x"], "factor": 1.0}
    assert found.info["w"]["structured_name"] == "lin.w" and len(found.info["w"]["sha256"]) == 64


def test_a_saved_model_has_no_source_when_stripped(tmp_path: Path, program: Program) -> None:
    save_program(tmp_path / "net", program, strip_source=True)
    loaded, _ = load_program(tmp_path / "net")
    assert all(op.loc is None for op in loaded.all_ops())
    assert b"net.py" not in (tmp_path / "net.pdmodel").read_bytes()


def test_equal_models_have_equal_bytes(save: Save, tmp_path: Path) -> None:
    one, two = save(), save(prefix=tmp_path / "other")
    for suffix in SUFFIXES:
        assert Path(f"{one}{suffix}").read_bytes() == Path(f"{two}{suffix}").read_bytes()


def test_the_suffix_decides_nothing(save: Save) -> None:
    prefix = save()
    Path(f"{prefix}.pdmodel").rename(f"{prefix}.pdimodel")
    assert factor_of(prefix) == 1.0
    assert factor_of(Path(f"{prefix}.pdimodel")) == 1.0


def test_a_model_without_parameters_is_one_file(save: Save, tmp_path: Path) -> None:
    prefix = save()
    save_program(prefix, Program())
    assert [path.name for path in tmp_path.iterdir()] == ["net.pdmodel"]
    assert load_program(prefix)[0].values == {}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_flipped_bit_passes(save: Save, suffix: str) -> None:
    prefix = save()
    path = Path(f"{prefix}{suffix}")
    good = path.read_bytes()
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ModelFormatError, match=r"net\.pd.*: at byte \d+: expected "):
            load_program(prefix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_truncated_file_passes(save: Save, suffix: str) -> None:
    prefix = save()
    path = Path(f"{prefix}{suffix}")
    good = path.read_bytes()
    for length in [*range(0, len(good), 7), len(good) - 1]:
        path.write_bytes(good[:length])
        with pytest.raises(ModelFormatError):
            load_program(prefix)
    path.write_bytes(good + b"\0")
    with pytest.raises(ModelFormatError):
        load_program(prefix)


def test_messages_say_what_was_expected(save: Save) -> None:
    prefix = save()
    path = Path(f"{prefix}.pdmodel")
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(ModelFormatError, match="expected a wherry model, got an empty file"):
        read_model(prefix)
    path.write_bytes(good[:8] + b"\x07" + good[9:])
    with pytest.raises(ModelFormatError, match="byte 8: expected version 1 of the format, got ver"):
        read_model(prefix)
    path.write_bytes(b"\n\x88\x01" + good)
    with pytest.raises(ModelFormatError, match=r"byte 0: expected a wherry model .*, got b'"):
        read_model(prefix)


def test_a_missing_file_is_named(save: Save, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"The ``path`` \(nope\) to load model not exists"):
        read_model("nope")
    prefix = save()
    Path(f"{prefix}.pdiparams").unlink()
    with pytest.raises(ModelFormatError, match=r"net\.pdiparams: .* there is no such file"):
        read_model(prefix)


def test_parameters_of_another_model_are_refused(save: Save, tmp_path: Path) -> None:
    one, two = save(1.0), save(2.0, tmp_path / "two")
    os.replace(f"{two}.pdiparams", f"{one}.pdiparams")
    with pytest.raises(ModelFormatError, match=r"the parameters .* that the model names, got"):
        read_model(one)


def test_info_is_for_training_only(save: Save) -> None:
    prefix = save()
    Path(f"{prefix}.pdiparams.info").unlink()
    assert read_model(prefix).info == {}


class Crash(BaseException):
    """The process dies here."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Die at the given one of the steps that change the disk; tells how many steps were made.

    After the crash nothing may tidy up: unlink dies as well.
    """
    made = [0]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if made[0] >= step:
                raise Crash
            made[0] += 1
            return real(*args, **kwargs)

        return wrapped

    monkeypatch.setattr(commit.os, "replace", dying(os.replace))
    monkeypatch.setattr(commit.os, "fsync", dying(os.fsync))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    return lambda: made[0]


@pytest.mark.parametrize("readable", [True, False])
def test_a_crash_at_any_step_leaves_a_model(save: Save, tmp_path: Path, readable: bool) -> None:
    seen = set()
    for step in range(100):
        prefix = save(1.0)
        with pytest.MonkeyPatch.context() as patch:
            steps = crash_at(patch, step)
            try:
                save(2.0)
            except Crash:
                assert steps() == step
            else:
                break
        with pytest.MonkeyPatch.context() as patch:
            if not readable:  # a reader that may not rename
                patch.setattr(commit.os, "replace", refuse_to_write)
            first = factor_of(prefix)
        assert factor_of(prefix) == first
        seen.add(first)
        save(3.0)
        assert factor_of(prefix) == 3.0
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            f"net{suffix}" for suffix in SUFFIXES
        )
    assert seen == {1.0, 2.0} and step > 8


def refuse_to_write(*_: Any) -> None:
    raise PermissionError("read-only")


def test_saving_the_same_again_after_a_crash_is_safe(save: Save) -> None:
    """The pending file that a reader still needs is not lost to a second writer that dies."""
    for first in range(30):
        prefix = save(1.0)
        for step in (first, 0, 1, 2, 3, 4):
            with pytest.MonkeyPatch.context() as patch:
                crash_at(patch, step)
                with suppress(Crash):
                    save(2.0)
        assert factor_of(prefix) in (1.0, 2.0)


def test_readers_and_writers_at_once(save: Save) -> None:
    """Whatever two writers do, each reader finds one whole model."""
    prefix = save(1.0)
    writing = threading.Event()
    failures: list[BaseException] = []

    def write(first: float) -> None:
        for i in range(15):
            save(first + i)

    def read() -> None:
        while not writing.is_set():
            try:
                factor_of(prefix)
            except BaseException as error:  # shown by the assertion below
                failures.append(error)
                return

    writers = [threading.Thread(target=write, args=(first,)) for first in (10.0, 100.0)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.set()
    for thread in readers:
        thread.join()
    assert not failures
    assert factor_of(prefix) in (24.0, 114.0)


def test_an_unwritable_path_leaves_the_old_files(save: Save, monkeypatch: Any) -> None:
    prefix = save(1.0)
    before = {path: path.read_bytes() for path in prefix.parent.iterdir()}
    for failing in range(3):
        count = [0]

        def full(descriptor: int, at: int = failing, count: list[int] = count) -> None:
            count[0] += 1
            if count[0] > at:
                raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(commit.os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                save(2.0)
        assert {path: path.read_bytes() for path in prefix.parent.iterdir()} == before


def test_missing_folders_are_made(save: Save, tmp_path: Path) -> None:
    assert factor_of(save(2.0, tmp_path / "a" / "b" / "net")) == 2.0


def test_values_must_fit_the_program(tmp_path: Path, program: Program) -> None:
    with pytest.raises(ValueError, match=r"w needs float32\[3\], got float64\[2\]"):
        save_program(tmp_path / "net", program, {"w": np.zeros(2)})
    program.values.clear()
    with pytest.raises(ValueError, match=r"got none for \['w'\]"):
        save_program(tmp_path / "net", program)
    assert not list(tmp_path.iterdir())
