"""A debugger stops in the user's own lines of a function that to_static converts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
import pdb

import wherry as paddle


class Net(paddle.nn.Layer):
    @paddle.jit.to_static
    def forward(self, x):
        doubled = x * 2
        {stop}
        if doubled.sum() > 0:
            inside = doubled + 1
        else:
            inside = doubled - 1
        return inside


print("result", Net()(paddle.ones([2])).tolist())
"""


def run(folder: Path, stop: str, arguments: list[str], commands: str) -> str:
    script = folder / "script.py"
    script.write_text(SCRIPT.replace("{stop}", stop))
    done = subprocess.run(
        [sys.executable, *arguments, str(script)], input=commands, capture_output=True, text=True,
        timeout=600, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("stop", ["pdb.set_trace()", "breakpoint()"])
def test_a_breakpoint_in_the_code_stops_there(tmp_path: Path, stop: str) -> None:
    out = run(tmp_path, stop, [], "where\np doubled.dtype\np self.training\nnext\nnext\ncontinue\n")
    assert "script.py(11)forward()" in out and "-> if doubled.sum() > 0:" in out
    assert "(Pdb) paddle.float32" in out and "(Pdb) True" in out
    assert "result [3.0, 3.0]" in out


def test_a_breakpoint_by_line_stops_inside_a_branch(tmp_path: Path) -> None:
    commands = "b script.py:12\ncontinue\np doubled\nclear 1\ncontinue\nq\n"
    out = run(tmp_path, "pass", ["-m", "pdb"], commands)
    assert "script.py(12)forward()" in out and "-> inside = doubled + 1" in out
    assert ".dtype(float32).stop_gradient" in out and "result [3.0, 3.0]" in out
