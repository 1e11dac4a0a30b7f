"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import wherry as paddle

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "frontend": "wherry", "ir": "wherry.ir", "codegen": "wherry.codegen",
    "schema": "wherry.schema", "runtime": "wherry.runtime",
}  # fmt: skip


def modules_with_examples() -> Iterator[str]:
    for folder, package in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in file.read_text():
                below = file.relative_to(ROOT / folder).with_suffix("").parts
                yield ".".join((package, *(part for part in below if part != "__init__")))


def examples(name: str) -> list[doctest.DocTest]:
    """The examples of what a module defines, also of functions that a factory made."""
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    # As a user's module: to_static leaves functions of wherry's own modules unconverted.
    names = {**vars(module), "__name__": "__main__"}
    found = [doctest.DocTestParser().get_doctest(module.__doc__ or "", names, name, name, 0)]
    for key, value in vars(module).items():
        if getattr(value, "__module__", None) == name:
            found += finder.find(value, key, module=False, globs=names)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tests = examples(name)
    assert tests, "the examples were not found"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        paddle.seed(1)
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
