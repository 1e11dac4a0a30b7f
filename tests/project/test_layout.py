"""The house: who imports whom, which packages are shipped, what a room loads."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = ("schema", "runtime", "ir", "codegen", "frontend")
MAY_IMPORT = {
    "schema": {"schema"},
    "runtime": {"runtime", "schema"},
    "ir": {"ir", "schema"},
    "codegen": {"codegen", "ir", "schema", "runtime"},
    "frontend": set(ROOMS),
}
LIBRARIES = {"llvmlite": "codegen", "gast": "frontend", "flatbuffers": "schema"}


@cache
def sources(room: str) -> list[Path]:
    return [path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts]


@cache
def imported_modules(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: str) -> str | None:
    root, _, rest = module.partition(".")
    if root != "wherry":
        return None
    first = rest.partition(".")[0]
    return first if first in ROOMS else "frontend"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_before_it(room):
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imported_modules(path)
        if room_of(module) not in (None, *MAY_IMPORT[room])
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_inside_a_room_imports_are_relative(room):
    package = "wherry" if room == "frontend" else f"wherry.{room}"
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imported_modules(path)
        if room != "frontend" and (module + ".").startswith(package + ".")
        and "generated" not in path.parts
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library, room", LIBRARIES.items())
def test_a_library_appears_in_its_room_only(library, room):
    users = {
        other
        for other in ROOMS
        for path in sources(other)
        if any(module.partition(".")[0] == library for module in imported_modules(path))
    }
    assert users == {room}


def test_codegen_takes_only_the_abi_and_the_executable_from_runtime():
    taken = {
        module.split(".")[2]
        for path in sources("codegen")
        for module in imported_modules(path)
        if module.startswith("wherry.runtime.")
    }
    assert taken <= {"abi", "executable", "cpu"}


def test_the_packages_shipped_are_the_folders_with_an_init():
    folders = PROJECT["tool"]["setuptools"]["package-dir"]
    found = set()
    for package, folder in folders.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            if "shim" not in parts:
                found.add(".".join((package, *parts)))
    assert sorted(found) == sorted(PROJECT["tool"]["setuptools"]["packages"])


def test_the_frontend_shadows_no_room():
    names = {path.stem for path in (ROOT / "frontend").iterdir()}
    assert not names & {"ir", "codegen", "runtime", "schema"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_refuses_to_load_under_its_bare_name(room):
    done = run_python(f"import {room}")
    assert done.returncode == 1
    assert f"`{room}` alone would load a second copy" in done.stderr


def test_the_runtime_loads_neither_the_frontend_nor_the_compiler():
    done = run_python(
        "import sys, wherry.runtime\n"
        "heavy = ('wherry.ir', 'wherry.codegen', 'wherry.jit', 'wherry.nn', 'wherry.tensor')\n"
        "print([name for name in sys.modules if name in heavy or name in ('llvmlite', 'gast')])"
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
