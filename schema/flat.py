"""Flatbuffers whose root table holds nothing but vectors of numbers: written, and read with every
bound checked.

Python's flatbuffers has no verifier, and a table per op costs 34 us to read. So our schemas are one
root table of scalar vectors each, which `np.frombuffer` reads, and one verifier here covers them
all. What the numbers mean (string numbers, counts, references) is checked by whoever reads them,
through `Numbers`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

import flatbuffers
import numpy as np

from .errors import Loc, ModelFormatError

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Where:
    """Which file is read, and at which byte of it the data at hand begins."""

    file: str
    offset: int = 0

    def bad(self, expected: str, at: int = 0) -> NoReturn:
        """Refuse the file: says the byte offset and what was expected there."""
        raise ModelFormatError(f"{self.file}: at byte {self.offset + at}: expected {expected}")

    def shifted(self, by: int) -> Where:
        return Where(self.file, self.offset + by)


@dataclass(frozen=True)
class FlatTable:
    """A root table: flatc's module for it, its name, the file identifier, the vectors' dtypes."""

    module: ModuleType
    name: str
    identifier: bytes
    fields: Mapping[str, str]

    def write(self, values: Mapping[str, Any]) -> bytes:
        """The flatbuffer with these vectors; each field must be there."""
        arrays = {f: np.asarray(values[f], np.dtype(t)) for f, t in self.fields.items()}
        builder = flatbuffers.Builder(1024 + sum(a.nbytes + 16 for a in arrays.values()))
        offsets = {field: builder.CreateNumpyVector(array) for field, array in arrays.items()}
        getattr(self.module, f"{self.name}Start")(builder)
        for field, offset in offsets.items():
            getattr(self.module, f"{self.name}Add{_camel(field)}")(builder, offset)
        root = getattr(self.module, f"{self.name}End")(builder)
        builder.Finish(root, file_identifier=self.identifier)
        return bytes(builder.Output())

    def read(self, data: bytes | memoryview, where: Where) -> dict[str, Vector]:
        """The vectors by field. Raises ModelFormatError for anything that is not such a table."""
        self._verify(data, where)
        root = getattr(self.module, self.name).GetRootAs(data, 0)
        vectors = {f: getattr(root, f"{_camel(f)}AsNumpy")() for f in self.fields}
        empty = {f: np.zeros(0, np.dtype(t)) for f, t in self.fields.items()}
        return {f: empty[f] if isinstance(v, int) else v for f, v in vectors.items()}

    def _verify(self, data: bytes | memoryview, where: Where) -> None:
        size = len(data)
        if size < 8 or bytes(data[4:8]) != self.identifier:
            where.bad(f"a flatbuffer marked {self.identifier.decode()}", 4)
        root = _get("<I", data, 0, where)
        vtable = root - _get("<i", data, root, where)
        length = _get("<H", data, vtable, where)
        if length < 4 or length % 2 or vtable + length > size:
            where.bad("a table whose field list lies inside the section", vtable)
        if length > 4 + 2 * len(self.fields):
            where.bad(f"a table of at most {len(self.fields)} fields", vtable)
        for i, dtype in enumerate(self.fields.values()):
            at = _get("<H", data, vtable + 4 + 2 * i, where) if 6 + 2 * i <= length else 0
            if at:
                _check_vector(data, root + at, np.dtype(dtype).itemsize, where)


def _camel(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_"))


def _get(form: str, data: bytes | memoryview, at: int, where: Where) -> int:
    if not 0 <= at <= len(data) - struct.calcsize(form):
        where.bad(f"an offset inside the section of {len(data)} bytes", max(at, 0))
    return int(struct.unpack_from(form, data, at)[0])


def _check_vector(data: bytes | memoryview, at: int, itemsize: int, where: Where) -> None:
    start = at + _get("<I", data, at, where)
    count = _get("<I", data, start, where)
    if start + 4 + count * itemsize > len(data):
        where.bad(f"a vector of {count} elements that ends inside the section", start)
    if (start + 4) % itemsize:
        where.bad(f"a vector aligned to {itemsize} bytes", start)


class Strings:
    """The string table while writing: each text gets a number, equal texts the same one."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.index.setdefault(text, len(self.index))

    def vectors(self) -> dict[str, Any]:
        """The fields `strings` and `string_ends`."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in self.index]
        ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
        return {
            "strings": np.frombuffer(b"".join(encoded), np.uint8),
            "string_ends": ends.astype(np.uint32),
        }


class Numbers:
    """The vectors of a table while reading; every access is checked and says what it needed."""

    def __init__(self, vectors: Mapping[str, Vector], where: Where) -> None:
        self.where = where
        self.lists = {f: v.tolist() for f, v in vectors.items() if f != "strings"}
        self.texts = self._decode(vectors["strings"].tobytes(), self.lists["string_ends"])

    def _decode(self, data: bytes, ends: list[int]) -> list[str]:
        starts = [0, *ends][:-1]
        if any(a > b for a, b in zip(starts, ends, strict=True)) or (ends or [0])[-1] != len(data):
            self.where.bad("strings that lie one after the other and fill their table")
        try:
            pairs = zip(starts, ends, strict=True)
            return [data[a:b].decode("utf-8", "surrogatepass") for a, b in pairs]
        except UnicodeDecodeError:
            self.where.bad("strings in utf-8")

    def same_length(self, *fields: str) -> int:
        """The common length of these vectors."""
        lengths = {len(self.lists[field]) for field in fields}
        if len(lengths) != 1:
            self.where.bad(f"vectors of one length: {', '.join(fields)}")
        return lengths.pop()

    def text(self, index: int) -> str:
        """The string of this number."""
        if not 0 <= index < len(self.texts):
            self.where.bad(f"string number below {len(self.texts)}, got {index}")
        return self.texts[index]

    def strings_of(self, field: str) -> list[str]:
        """A vector of string numbers as texts."""
        return [self.text(index) for index in self.lists[field]]

    def within(self, index: int, count: int, what: str) -> int:
        """The index, if it is one of `count` things."""
        if not 0 <= index < count:
            self.where.bad(f"{what} number below {count}, got {index}")
        return index

    def groups(self, counts: Sequence[int], values: Sequence[Any], what: str) -> list[list[Any]]:
        """The values cut into runs of these lengths, which must use them up."""
        if sum(counts) != len(values) or any(count < 0 for count in counts):
            self.where.bad(f"counts of {what} that add up to {len(values)}, got {sum(counts)}")
        stop, out = 0, []
        for count in counts:
            out.append(list(values[stop : stop + count]))
            stop += count
        return out

    def dim(self, code: int) -> int | str:
        """A dim: its size, or the text of its expression."""
        return code if code >= 0 else self.text(-1 - code)

    def locs(self) -> list[Loc]:
        """The source lines that others refer to."""
        self.same_length("loc_file", "loc_line", "loc_text")
        columns = (self.strings_of("loc_file"), self.lists["loc_line"], self.strings_of("loc_text"))
        return [Loc(*row) for row in zip(*columns, strict=True)]


class LocTable:
    """The source lines while writing: each gets a number, -1 stands for none."""

    def __init__(self, strings: Strings) -> None:
        self.strings, self.index = strings, dict[Loc, int]()

    def __call__(self, loc: Loc | None) -> int:
        return -1 if loc is None else self.index.setdefault(loc, len(self.index))

    def vectors(self) -> dict[str, Any]:
        """The fields `loc_file`, `loc_line` and `loc_text`."""
        return {
            "loc_file": [self.strings(loc.file) for loc in self.index],
            "loc_line": [loc.line for loc in self.index],
            "loc_text": [self.strings(loc.text) for loc in self.index],
        }
