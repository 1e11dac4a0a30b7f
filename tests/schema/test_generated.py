"""The accessors that flatc generated are those of the schemas, and our tables name all fields."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import wherry.schema
from wherry.schema.flat import FlatTable
from wherry.schema.native import NATIVE
from wherry.schema.program import PROGRAM

FOLDER = Path(wherry.schema.__file__).parent
TYPES = {"ubyte": "u1", "uint32": "u4", "int32": "i4", "int64": "i8"}


def test_every_schema_is_in_use() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.fbs")) == ["native", "program"]


@pytest.mark.parametrize("name", ["native", "program"])
def test_flatc_generates_what_is_checked_in(tmp_path: Path, name: str) -> None:
    flatc = Path(sys.executable).with_name("flatc")
    command = [flatc, "--python", "--gen-onefile", "-o", tmp_path, FOLDER / f"{name}.fbs"]
    subprocess.run(command, check=True)
    fresh = (tmp_path / f"{name}_generated.py").read_text()
    assert (FOLDER / "generated" / f"{name}_generated.py").read_text() == fresh


@pytest.mark.parametrize(("name", "table"), [("native", NATIVE), ("program", PROGRAM)])
def test_tables_have_the_fields_of_their_schema(name: str, table: FlatTable) -> None:
    text = (FOLDER / f"{name}.fbs").read_text()
    fields = re.findall(r"^  (\w+): \[(\w+)\];", text, re.MULTILINE)
    assert [(field, TYPES[kind]) for field, kind in fields] == list(table.fields.items())
    assert f'file_identifier "{table.identifier.decode()}"' in text
