"""Make build/dev/wherry: links that show the folders of the repository as the package `wherry`.

Type checkers do not read setuptools' package-dir, so they read this farm (mypy_path in
pyproject.toml).
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Rebuild the farm from the package-dir table of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders: dict[str, str] = project["tool"]["setuptools"]["package-dir"]
    farm = ROOT / "build" / "dev" / "wherry"
    shutil.rmtree(farm, ignore_errors=True)
    farm.mkdir(parents=True)
    for item in sorted((ROOT / folders["wherry"]).iterdir()):
        if item.name != "__pycache__":
            (farm / item.name).symlink_to(item)
    for package, folder in folders.items():
        if package != "wherry":
            (farm / package.removeprefix("wherry.")).symlink_to(ROOT / folder)


if __name__ == "__main__":
    main()
