"""Scripts as Paddle's documentation has them print the same under `wherry run`.

scripts/*.txt is what Paddle 2.6.2 printed for scripts/*.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_script_prints_what_paddle_prints(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wherry", "run", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == script.with_suffix(".txt").read_text().splitlines()
