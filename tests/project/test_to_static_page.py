"""Every snippet of docs/to_static.md and docs/migrating.md prints what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUN_ALL = """\
import runpy, sys
for name in sys.argv[1:]:
    print("#", name)
    runpy.run_path(name)
"""


def promised(snippet: str) -> list[str]:
    """What the comments behind print(...) lines say that they print."""
    return re.findall(r"^ *print\(.*\)  # (.*)$", snippet, re.M)


@pytest.mark.parametrize("page", ["to_static.md", "migrating.md"])
def test_the_snippets_print_what_they_say(page: str, tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S)
    names = [f"snippet_{i}.py" for i in range(len(snippets))]
    for name, snippet in zip(names, snippets, strict=True):
        (tmp_path / name).write_text(snippet)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *names], cwd=tmp_path, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = [line for name, text in zip(names, snippets, strict=True)
              for line in (f"# {name}", *promised(text))]  # fmt: skip
    assert done.stdout.splitlines() == wanted
    assert len(wanted) > 2 * len(names)
