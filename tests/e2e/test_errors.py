"""Bad input gets one clear error and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry import nn
from wherry.runtime import cpu
from wherry.schema.errors import (
    InputError,
    ModelFormatError,
    OpError,
    OpTypeError,
    TargetError,
    UnknownOpError,
)
from wherry.static import InputSpec


def image(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


def says(error, *parts: str) -> None:
    for part in parts:
        assert part in str(error.value), str(error.value)


# --- into a layer


def test_a_layer_names_op_shapes_and_line():
    with pytest.raises(OpError) as error:
        nn.Linear(10, 3)(paddle.ones([2, 4]))  # the line
    says(error, "matmul", "[2, 4]", "[10, 3]", "test_errors.py", "nn.Linear(10, 3)")


def test_a_layer_names_the_rank_it_needs():
    with pytest.raises(OpError) as error:
        nn.Conv2D(1, 4, 3)(paddle.ones([8, 8]))
    says(error, "conv2d", "4", "[8, 8]", "test_errors.py")


def test_a_layer_names_the_dtype_it_needs():
    with pytest.raises(OpTypeError) as error:
        nn.Linear(4, 3)(paddle.ones([2, 4], dtype="float64"))
    says(error, "float64", "float32", "test_errors.py")


# --- into a loaded model and the runtime


@pytest.fixture(params=["jit.load", "runtime.load"])
def loaded(request, saved):
    if request.param == "jit.load":
        return paddle.jit.load(str(saved.prefix))
    return wherry.runtime.load(str(saved.so))


@pytest.mark.parametrize(
    "bad, parts",
    [
        (image(2, 8, 8), ["image", "[2, 8, 8]", "[-1, 1, 8, 8]"]),
        (image(2, 1, 8, 9), ["image", "[2, 1, 8, 9]", "[-1, 1, 8, 8]"]),
        (image(2, 1, 8, 8, dtype="float64"), ["image", "float64", "float32"]),
    ],
)
def test_a_loaded_model_names_the_input(loaded, bad, parts):
    with pytest.raises(InputError) as error:
        loaded(bad)
    says(error, *parts)


def test_the_runtime_names_missing_and_unknown_inputs(saved):
    predict = wherry.runtime.load(str(saved.so))
    with pytest.raises(InputError) as error:
        predict.run({})
    says(error, "image", "missing")
    with pytest.raises(InputError) as error:
        predict.run({"image": image(1, 1, 8, 8), "picture": image(1)})
    says(error, "picture", "image")
    with pytest.raises(InputError) as error:
        predict(image(1, 1, 8, 8), image(1))
    says(error, "1", "2")


# --- a spec that contradicts the network


def test_a_contradicting_spec_names_the_line_and_writes_nothing(tmp_path):
    with pytest.raises(OpError) as error:
        spec = [InputSpec([None, 3], "float32", "x")]
        paddle.jit.save(nn.Linear(10, 3), str(tmp_path / "net"), input_spec=spec)
    says(error, "matmul", "[-1, 3]", "[10, 3]")
    assert not list(tmp_path.iterdir())


def test_an_op_without_a_declaration_is_named():
    from wherry.ir.opdef import get_op

    with pytest.raises(UnknownOpError) as error:
        get_op("conv9d")
    says(error, "conv9d", "ir/ops")


# --- damaged files


def copy_of(saved, folder: Path) -> Path:
    for path in saved.prefix.parent.glob("net*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / "net"


DAMAGE = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "altered": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "no model at all": lambda data: b"PK\x03\x04" + data[4:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("suffix", ["pdmodel", "pdiparams"])
def test_a_damaged_portable_file_is_refused(saved, tmp_path, suffix, damage):
    prefix = copy_of(saved, tmp_path)
    path = Path(f"{prefix}.{suffix}")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(ModelFormatError) as error:
        paddle.jit.load(str(prefix))
    says(error, path.name)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shared_object_is_refused(saved, tmp_path, damage):
    path = tmp_path / "net.so"
    path.write_bytes(DAMAGE[damage](saved.so.read_bytes()))
    with pytest.raises(ModelFormatError) as error:
        wherry.runtime.load(str(path))
    says(error, "net.so")


def test_a_missing_params_file_is_named(saved, tmp_path):
    prefix = copy_of(saved, tmp_path)
    Path(f"{prefix}.pdiparams").unlink()
    with pytest.raises(ModelFormatError) as error:
        paddle.jit.load(str(prefix))
    says(error, "net.pdiparams")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="nope"):
        paddle.jit.load(str(tmp_path / "nope"))
    with pytest.raises((ValueError, OSError), match="nope"):
        wherry.runtime.load(str(tmp_path / "nope.so"))


def test_the_runtime_says_what_to_do_with_a_portable_file(saved):
    with pytest.raises(ModelFormatError, match="wherry compile"):
        wherry.runtime.load(f"{saved.prefix}.pdmodel")


# --- paths that cannot be written


def test_an_unwritable_path_leaves_the_old_files_as_they_were(saved, tmp_path):
    prefix = copy_of(saved, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    os.replace(f"{prefix}.pdmodel", tmp_path / "kept")
    os.mkdir(f"{prefix}.pdmodel")  # a folder in the way: the last rename must fail
    with pytest.raises(OSError):
        paddle.jit.save(saved.net, str(prefix), input_spec=[InputSpec([2, 1, 8, 8], name="image")])
    os.rmdir(f"{prefix}.pdmodel")
    os.replace(tmp_path / "kept", f"{prefix}.pdmodel")
    loaded = paddle.jit.load(str(prefix))
    x = np.random.RandomState(0).rand(3, 1, 8, 8).astype("float32")
    assert np.abs(loaded(x).numpy() - saved.dynamic(x)).max() <= 1e-6
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_a_folder_that_is_a_file_is_an_os_error(saved, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        paddle.jit.save(
            saved.net, str(tmp_path / "file" / "net"), input_spec=[InputSpec([2, 1, 8, 8])]
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- the compiler and the machine


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
import numpy as np
import wherry as paddle
class Net(paddle.nn.Layer):
    def forward(self, x):
        return paddle.nn.functional.relu(x)
net = Net()
assert net(paddle.ones([2, 4])).shape == [2, 4]
try:
    paddle.jit.to_static(net)(paddle.ones([2, 4]))
except ImportError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("library", ["llvmlite", "gast"])
def test_without_the_extra_the_compiler_says_how_to_install_it(library, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WITHOUT)
    command = [sys.executable, str(script), library]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert "CompilerMissingError" in done.stdout, done.stdout + done.stderr
    assert "pip install 'wherry[compile]'" in done.stdout


def test_a_loaded_model_runs_without_the_compiler(saved, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nsys.modules['llvmlite'] = sys.modules['gast'] = None\n"
        "import numpy as np, wherry as paddle\n"
        "x = np.random.RandomState(0).rand(2, 1, 8, 8).astype('float32')\n"
        "np.save(sys.argv[2], paddle.jit.load(sys.argv[1])(x).numpy())\n"
    )
    command = [sys.executable, str(script), str(saved.prefix), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True, timeout=600)
    x = np.random.RandomState(0).rand(2, 1, 8, 8).astype("float32")
    assert np.abs(np.load(tmp_path / "out.npy") - saved.dynamic(x)).max() <= 1e-5


def test_a_shared_object_for_another_architecture_is_refused(saved, tmp_path):
    data = bytearray(saved.so.read_bytes())
    data[18:20] = (8).to_bytes(2, "little")  # e_machine: MIPS
    (tmp_path / "net.so").write_bytes(data)
    with pytest.raises(TargetError, match="architecture"):
        wherry.runtime.load(str(tmp_path / "net.so"))


def test_a_cpu_without_the_features_is_refused(saved, monkeypatch):
    monkeypatch.setattr(cpu, "features", lambda: frozenset({"sse2"}))
    with pytest.raises(TargetError, match="x86-64-v"):
        wherry.runtime.load(str(saved.so))


def test_compile_refuses_an_unknown_target_by_name(saved, tmp_path):
    from wherry.aot import compile_model

    with pytest.raises(TargetError, match="z80"):
        compile_model(saved.prefix, ["z80"], tmp_path / "net.so")
    assert not list(tmp_path.iterdir())
