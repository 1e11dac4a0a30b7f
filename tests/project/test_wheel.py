"""What `pip wheel .` makes: it holds nothing but wherry, and its base install runs models."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "frontend",
    "ir",
    "codegen",
    "runtime",
    "schema",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy so that the build leaves nothing in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", "dist", "."], cwd=folder, check=True, timeout=600)
    (built,) = (folder / "dist").glob("wherry-*.whl")
    return built


def test_it_holds_nothing_but_wherry(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"wherry"}
    assert "wherry/py.typed" in names
    assert "wherry/cli/shim/paddle/__init__.py" in names


def test_it_holds_every_module(wheel):
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for room in ("ir", "codegen", "runtime", "schema"):
        for path in (ROOT / room).rglob("*.py"):
            assert f"wherry/{path.relative_to(ROOT)}" in shipped
    for path in (ROOT / "frontend").rglob("*.py"):
        assert f"wherry/{path.relative_to(ROOT / 'frontend')}" in shipped


def test_installed_it_imports_without_the_repository(wheel, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(tmp_path), str(wheel)], check=True, timeout=600)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        "import wherry.runtime, wherry; print(wherry.runtime.__file__, wherry.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.startswith(str(tmp_path)), done.stdout + done.stderr
