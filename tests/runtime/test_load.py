"""wherry.runtime.load: the right code for this CPU; refusals come before any code is mapped."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry.runtime
from wherry.runtime import cpu
from wherry.schema.errors import InputError, ModelFormatError, RunError, TargetError

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or cpu.machine() != "x86-64", reason="the tiny model is x86-64 code"
)


@pytest.fixture(scope="session")
def image(artifact: Callable[..., bytes]) -> bytes:
    return artifact()


@pytest.fixture
def path(tmp_path: Path, image: bytes) -> Path:
    (tmp_path / "tiny.so").write_bytes(image)
    return tmp_path / "tiny.so"


def rows(count: int) -> Any:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


def sealed(image: bytes) -> bytes:
    """An altered image with the crc of what it holds now."""
    return image[:-8] + struct.pack("<II", zlib.crc32(image[:-8]), 0)


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_a_loaded_model_predicts(path: Path, count: int) -> None:
    predict = wherry.runtime.load(path)
    np.testing.assert_array_equal(predict(rows(count)), rows(count) * 2 + np.float32(0.5))


def test_inputs_by_position_and_by_name(path: Path) -> None:
    predict = wherry.runtime.load(str(path))
    want = predict(rows(2))
    assert isinstance(want, np.ndarray)
    for got in (predict(x=rows(2)), *predict.run({"x": rows(2)}), *predict.run([rows(2)])):
        np.testing.assert_array_equal(got, want)


def test_the_model_describes_itself(path: Path) -> None:
    predict = wherry.runtime.load(path)
    assert predict.input_names == ["x"] and predict.output_names == ["y"]
    assert predict.input_shapes == predict.output_shapes == [(None, 3)]
    assert predict.input_dtypes == predict.output_dtypes == [np.dtype("float32")]
    assert repr(predict) == f"<Predictor tiny ({predict.target}): x -> y>"


def test_calls_that_do_not_fit_are_refused(path: Path) -> None:
    predict = wherry.runtime.load(path)

    def says(*args: Any, **named: Any) -> str:
        with pytest.raises(InputError) as caught:
            predict(*args, **named)
        return str(caught.value)

    assert says(rows(1), rows(1)) == "tiny needs 1 input(s), x; got 2"
    assert says() == "tiny needs 1 input(s), x; got 0"
    assert says(rows(1), x=rows(1)) == "tiny needs x once each, got input 'x' twice"
    assert says(image=rows(1)) == "tiny has no input 'image'; it has 'x'"
    with pytest.raises(InputError, match="tiny needs input 'x', which is missing; got none"):
        predict.run({})
    with pytest.raises(InputError, match="a dict by name or a list in order, got NoneType"):
        predict.run(None)  # type: ignore[arg-type]
    assert says(rows(1).astype(int)) == "input 'x' needs dtype float32, got int64"


def test_errors_in_the_data_name_the_line(path: Path) -> None:
    predict = wherry.runtime.load(path)
    with pytest.raises(RunError, match=r"gather: index 99 .*\n  at model.py:7: y = table\[x\]"):
        predict(np.full((1, 3), -1, np.float32))
    with pytest.raises(InputError, match=r"at most 1000 rows \(size 0 of x is 1001\)\n  at model"):
        predict(rows(1001))


def test_the_best_level_that_the_cpu_has_is_taken(path: Path, monkeypatch: Any) -> None:
    for level in cpu.supported_levels():
        monkeypatch.setattr(cpu, "features", lambda level=level: frozenset(cpu.LEVELS[level]))
        predict = wherry.runtime.load(path)
        assert predict.target == level
        np.testing.assert_array_equal(predict(rows(1)), rows(1) * 2 + np.float32(0.5))


def test_a_cpu_without_the_features_is_refused(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cpu, "features", lambda: frozenset(cpu.LEVELS["x86-64-v2"][1:]))
    with pytest.raises(TargetError, match="this CPU lacks cx16 for x86-64-v2: compile the model"):
        wherry.runtime.load(path)


def test_another_architecture_is_refused(path: Path, image: bytes) -> None:
    for code, name in ((183, "aarch64"), (8, "machine 8")):
        path.write_bytes(image[:18] + struct.pack("<H", code) + image[20:])
        with pytest.raises(TargetError, match=f"for the architecture {name}; this process is x86"):
            wherry.runtime.load(path)
    path.write_bytes(image[:4] + b"\x01" + image[5:])
    with pytest.raises(TargetError, match="for the architecture 32-bit x86-64; this process"):
        wherry.runtime.load(path)


def test_another_system_is_refused(path: Path, image: bytes) -> None:
    path.write_bytes(image[:7] + b"\x09" + image[8:])
    with pytest.raises(TargetError, match="for the operating system system 9; this is linux"):
        wherry.runtime.load(path)


def test_what_is_no_artifact_is_refused(path: Path, image: bytes) -> None:
    def says(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(ModelFormatError, match=r"tiny\.so: at byte \d+: expected ") as caught:
            wherry.runtime.load(path)
        return str(caught.value)

    assert says(b"").endswith("made by `wherry compile`, got an empty file")
    assert says(b"PK\3\4" + image).endswith(r"got b'PK\x03\x04\x7fELF'")
    assert says(image[:30]).endswith(r"got b'\x7fELF\x02\x01\x01\x00'")
    assert "trailer that ends a file" in says(image[: len(image) // 2])
    assert "expected a file of" in says(b"\x7fELF" + image[4:-24] + b"\0" + image[-24:])
    assert "make one with `wherry compile`" in says(b"wherryMD" + bytes(80))
    other = Path(np.__file__).parent.glob("_core/_multiarray_umath*.so")
    assert "not made by it" in says(next(other).read_bytes())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`wherry compile NET` writes NET.so.*nope"):
        wherry.runtime.load(tmp_path / "nope.so")


def test_no_flipped_bit_passes(path: Path, image: bytes) -> None:
    """Nothing between the header's identity and the last byte may be altered."""
    step = max(1, len(image) // 1500)
    places = [*range(64), *range(64, len(image) - 64, step), *range(len(image) - 64, len(image))]
    for place in places:
        damaged = bytearray(image)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises((ModelFormatError, TargetError)):
            wherry.runtime.load(path)


def test_another_abi_is_refused(path: Path, image: bytes) -> None:
    """A file whose crc is right, made by another version of the compiler."""
    at = image.index(struct.pack("<2Q", 1, 3))
    path.write_bytes(sealed(image[:at] + struct.pack("<Q", 2) + image[at + 8 :]))
    with pytest.raises(ModelFormatError, match="version 1 of the ABI, got version 2"):
        wherry.runtime.load(path)


def test_a_file_without_the_entry_is_refused(path: Path, image: bytes) -> None:
    path.write_bytes(sealed(image.replace(b"wherry_abi_v1", b"wherry_abi_v9")))
    with pytest.raises(ModelFormatError, match=r"the table wherry_abi_v1 of .* \(no such symbol\)"):
        wherry.runtime.load(path)


def test_a_file_that_was_replaced_is_loaded_anew(
    path: Path, tmp_path: Path, artifact: Callable[..., bytes]
) -> None:
    """The system's loader would give the old code for a path that it knows."""
    zero = np.zeros((1, 3), np.float32)
    first = wherry.runtime.load(path)
    for bias in (2.0, 3.0):
        (tmp_path / "new").write_bytes(artifact(bias))
        os.replace(tmp_path / "new", path)
        assert wherry.runtime.load(path)(zero)[0, 0] == bias
    assert first(zero)[0, 0] == 0.5


def test_sixteen_threads_agree(path: Path) -> None:
    predict = wherry.runtime.load(path)
    wrong: list[int] = []

    def work(i: int) -> None:
        want = rows(1 + i) * 2 + np.float32(0.5)
        wrong.extend(i for _ in range(30) if not np.array_equal(predict(rows(1 + i)), want))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FRESH = """
import sys
for missing in ("llvmlite", "gast", "wherry.ir", "wherry.codegen"):
    sys.modules[missing] = None
import numpy as np, wherry.runtime
predict = wherry.runtime.load(sys.argv[1])
assert (predict(np.zeros((2, 3), np.float32)) == 0.5).all()
print(sorted(name for name, module in sys.modules.items() if name.startswith("wherry") and module))
"""


def test_a_fresh_process_needs_the_runtime_only(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FRESH, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(eval(done.stdout))
    assert {name.split(".")[1] for name in loaded if "." in name} == {"runtime", "schema"}
