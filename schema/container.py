"""The frame of our files: magic, version, length, and named sections with a crc32 each.

Nothing in a file is believed before the crc of its section is right, so no flipped bit passes.
Every section starts at a multiple of 64 bytes; what lies between sections is zero, and that is
checked too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .flat import Where

VERSION: Final = 1
ALIGNMENT: Final = 64
MODEL_MAGIC: Final = b"wherryMD"
PARAMS_MAGIC: Final = b"wherryPA"
_WHAT: Final = {MODEL_MAGIC: "a wherry model", PARAMS_MAGIC: "a file of wherry parameters"}
# How files begin that users take for ours.
_OTHERS: Final = {
    b"\x7fELF": "compiled code, which wherry.runtime.load takes",
    b"\x80": "a pickle, as paddle.save writes it and paddle.load reads it",
    b"\n": "a model that PaddlePaddle itself saved, which wherry cannot read: save it with wherry",
}
_HEAD: Final = struct.Struct("<8sIIQ")
_ENTRY: Final = struct.Struct("<16sQQII")
_CRC: Final = struct.Struct("<I")
_MOST_SECTIONS: Final = 16

Chunk = bytes | memoryview


@dataclass(frozen=True)
class Section:
    """A named part of a file, as the pieces that are written one after the other."""

    name: str
    chunks: Sequence[Chunk]

    @property
    def size(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)


def frame(magic: bytes, sections: Sequence[Section]) -> Iterator[Chunk]:
    """The bytes of a file with these sections, piece by piece: large arrays are never copied."""
    at = _HEAD.size + _ENTRY.size * len(sections) + _CRC.size
    entries = []
    for section in sections:
        at = _aligned(at)
        name = section.name.encode("ascii")
        entries.append(_ENTRY.pack(name, at, section.size, _crc(section.chunks), 0))
        at += section.size
    head = _HEAD.pack(magic, VERSION, len(sections), at) + b"".join(entries)
    head += _CRC.pack(zlib.crc32(head))
    yield head
    done = len(head)
    for section in sections:
        yield bytes(_aligned(done) - done)
        yield from section.chunks
        done = _aligned(done) + section.size


def _hint(data: memoryview) -> str:
    begin = bytes(data[:4])
    found = (what for key, what in _OTHERS.items() if begin.startswith(key))
    return "".join(f"; it may be {what}" for what in found)


def unframe(data: memoryview, magic: bytes, where: Where) -> dict[str, tuple[int, memoryview]]:
    """The sections by name: their offset and their bytes, all crcs checked.

    Raises ModelFormatError for a file that is empty, cut off, of another kind or version, or
    altered.
    """
    if not len(data):
        where.bad(f"{_WHAT[magic]}, got an empty file")
    if bytes(data[:8]) != magic:
        where.bad(f"{_WHAT[magic]} ({magic!r}), got {bytes(data[:8])!r}{_hint(data)}")
    if len(data) < _HEAD.size:
        where.bad(f"a header of {_HEAD.size} bytes, got {len(data)} bytes", len(data))
    _, version, count, total = _HEAD.unpack_from(data)
    if version != VERSION:
        where.bad(f"version {VERSION} of the format, got version {version}", 8)
    if total != len(data):
        where.bad(f"a file of {total} bytes, got {len(data)} bytes", 16)
    end = _HEAD.size + _ENTRY.size * count
    if count > _MOST_SECTIONS or end + _CRC.size > total:
        where.bad(f"at most {_MOST_SECTIONS} sections, got {count}", 12)
    if _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        where.bad("a header with its crc32: the file is damaged or altered", end)
    return _read_sections(data, count, where)


def _read_sections(data: memoryview, count: int, where: Where) -> dict[str, tuple[int, memoryview]]:
    done = _HEAD.size + _ENTRY.size * count + _CRC.size
    found: dict[str, tuple[int, memoryview]] = {}
    for i in range(count):
        entry_at = _HEAD.size + _ENTRY.size * i
        raw, at, size, crc, _ = _ENTRY.unpack_from(data, entry_at)
        name = raw.rstrip(b"\0").decode("ascii", "replace")
        if at != _aligned(done) or at + size > len(data) or name in found:
            where.bad(f"section {name!r} at byte {_aligned(done)}, inside the file", entry_at)
        if any(data[done:at]):
            where.bad("zeros between sections", done)
        if zlib.crc32(data[at : at + size]) != crc:
            where.bad(f"section {name!r} with its crc32: the file is damaged or altered", at)
        found[name] = (at, data[at : at + size])
        done = at + size
    if done != len(data):
        where.bad("the end of the file after its last section", done)
    return found


def _aligned(at: int) -> int:
    return -(-at // ALIGNMENT) * ALIGNMENT


def _crc(chunks: Iterable[Chunk]) -> int:
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
    return crc
