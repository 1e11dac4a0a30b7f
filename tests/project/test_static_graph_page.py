"""The snippets of docs/static_graph.md are one script, which prints what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "static_graph.md").read_text()


def test_the_snippets_do_what_they_say(tmp_path: Path) -> None:
    script = "".join(re.findall(r"```python\n(.*?)```", PAGE, re.S))
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "-m", "wherry", "run", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", script, re.M)
    wanted = [line for comment in promised for line in comment.split(", then ")]
    assert done.stdout.splitlines() == wanted


def test_the_layers_it_names_are_those_there_are() -> None:
    from wherry.static import nn

    sentence = PAGE.partition("`static.nn` has ")[2].partition(", which make")[0]
    functions = {"case", "cond", "create_parameter", "py_func", "switch_case", "while_loop"}
    assert set(re.findall(r"`(\w+)`", sentence)) == set(nn.__all__) - functions
