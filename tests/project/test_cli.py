"""The command line: what a user sees who gets it right, and who gets it wrong."""

import re
import subprocess
import sys

import pytest

import wherry as paddle


@pytest.fixture
def saved(tmp_path):
    """Save a small model under a name; gives the path of its Program."""

    def save(name: str):
        net = paddle.nn.Linear(2, 1)
        spec = [paddle.static.InputSpec([None, 2], "float32", "x")]
        paddle.jit.save(net, str(tmp_path / name), input_spec=spec)
        return tmp_path / f"{name}.pdmodel"

    return save


@pytest.fixture
def wherry(tmp_path):
    """Run `python -m wherry ...` in an empty folder."""

    def run(*args: str, **options) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wherry", *args]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=600, **options
        )

    return run


def test_help_shows_examples(wherry):
    for command in ([], ["run"], ["compile"], ["inspect"]):
        done = wherry(*command, "--help")
        assert done.returncode == 0
        assert "example" in done.stdout


def test_it_says_its_version(wherry):
    assert re.fullmatch(r"wherry \d+\.\d+\.\d+\n", wherry("--version").stdout)


def test_without_a_command_it_says_how_to_use_it(wherry):
    done = wherry()
    assert done.returncode == 2
    assert "usage: wherry" in done.stderr


@pytest.mark.parametrize("command", ["run", "compile", "inspect"])
def test_a_missing_file_is_named_without_a_traceback(wherry, command):
    done = wherry(command, "nowhere/net")
    assert done.returncode == 1
    assert "nowhere/net" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_gives_a_script_wherry_as_paddle_and_its_arguments(wherry, tmp_path):
    (tmp_path / "helper.py").write_text("import paddle.nn as nn\n")
    (tmp_path / "script.py").write_text(
        "import sys, helper, paddle, wherry\n"
        "import paddle.nn.functional as F\n"
        "from paddle.jit import to_static\n"
        "import __main__\n"
        "print(__name__, sys.argv[1:], paddle is wherry, F is wherry.nn.functional)\n"
        "print(__main__.sys is sys, wherry.nn.__spec__.name, helper.nn is wherry.nn)\n"
    )
    done = wherry("run", "script.py", "--epochs", "3")
    assert done.stdout.splitlines() == [
        "__main__ ['--epochs', '3'] True True",
        "True wherry.nn True",
    ], done.stderr


def test_child_processes_of_a_script_find_paddle_too(wherry, tmp_path):
    (tmp_path / "script.py").write_text(
        "import subprocess, sys\n"
        "code = 'import paddle, paddle.nn, wherry; print(paddle is wherry, paddle.nn.Linear)'\n"
        "print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True))\n"
    )
    done = wherry("run", "script.py")
    assert "True <class" in done.stdout, done.stdout + done.stderr


def test_a_scripts_own_error_shows_its_frames_only(wherry, tmp_path):
    (tmp_path / "script.py").write_text(
        "import paddle\n\ndef f(x):\n    return paddle.matmul(x, x)\n\nf(paddle.ones([2, 3]))\n"
    )
    done = wherry("run", "script.py")
    assert done.returncode == 1
    assert "return paddle.matmul(x, x)" in done.stderr
    assert "matmul" in done.stderr.splitlines()[-2]
    assert "frontend/" not in done.stderr
    shown = wherry("run", "script.py", env={"WHERRY_DEBUG": "1", "PATH": ""})
    assert "frontend/" in shown.stderr


def test_a_module_that_paddle_does_not_have_is_an_import_error(wherry, tmp_path):
    (tmp_path / "script.py").write_text("import paddle.nonsense\n")
    done = wherry("run", "script.py")
    assert "ModuleNotFoundError: No module named 'paddle.nonsense'" in done.stderr


def test_with_the_real_paddle_loaded_it_refuses(tmp_path):
    (tmp_path / "paddle.py").write_text("")
    (tmp_path / "script.py").write_text("")
    code = (
        "import paddle; from wherry.cli import main; raise SystemExit(main(['run', 'script.py']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1
    assert "the real paddle is already imported" in done.stderr


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(wherry, saved):
    saved("net").with_name("file").write_text("no folder")
    done = wherry("compile", "net", "-o", "file/net.so")
    assert done.returncode == 1
    assert done.stderr == "wherry compile: file: File exists\n"


def test_missing_folders_are_made(wherry, saved, tmp_path):
    saved("net")
    assert wherry("compile", "net", "-o", "some/where/net.so").returncode == 0
    assert (tmp_path / "some/where/net.so").exists()


@pytest.mark.parametrize(
    ("begin", "what"),
    [
        (b"\x7fELF", "wherry.runtime.load"),
        (b"\n\xb0\x10\x08", "PaddlePaddle"),
        (b"\x80\x04\x95", "paddle.load"),
    ],
)
def test_a_file_of_another_kind_is_told_from_a_damaged_one(wherry, tmp_path, begin, what):
    (tmp_path / "net.pdmodel").write_bytes(begin + bytes(100))
    done = wherry("inspect", "net")
    assert done.returncode == 1
    assert what in done.stderr
