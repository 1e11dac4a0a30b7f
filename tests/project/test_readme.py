"""Every snippet of the README runs, in the order in which a reader meets them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def snippets(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def promised_output(snippet: str) -> list[str]:
    """What the comments behind print(...) lines say that they print, up to an explanation."""
    comments = re.findall(r"^print\(.*\)  # (.*)$", snippet, re.M)
    return [re.split(r", from |: ", comment)[0] for comment in comments]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def test_the_python_and_shell_snippets_do_what_they_say(folder):
    (folder / "build").mkdir()
    first, second = snippets("python")
    (folder / "first.py").write_text(first)
    assert run([sys.executable, "first.py"], folder).split("\n")[:-1] == promised_output(first)
    for line in snippets("sh")[1].strip().splitlines():
        program, *args = shlex.split(line, comments=True)
        assert program == "wherry"
        run([sys.executable, "-m", "wherry", *args], folder)
    printed = run([sys.executable, "-c", second], folder).split("\n")[:-1]
    assert printed == promised_output(second)


def test_the_make_targets_of_the_quick_start_exist():
    makefile = (ROOT / "Makefile").read_text()
    for line in snippets("sh")[0].strip().splitlines():
        assert re.search(rf"^{line.split()[1]}:", makefile, re.M)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
