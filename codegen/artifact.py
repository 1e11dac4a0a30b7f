"""The shared object of a model: code for several ISA levels, signature, weights, in one file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wherry.runtime import abi, cpu
from wherry.schema.errors import TargetError
from wherry.schema.native import Signature

from .elf import Table, link
from .pool import POOL

_SIGNATURE, _TEXTS = "wherry_signature", "wherry_texts"


@dataclass(frozen=True)
class LevelCode:
    """An object for one ISA level (a name of runtime.cpu.LEVELS), and its two functions."""

    level: str
    object_code: bytes
    plan: str
    run: str


def build_artifact(
    levels: Sequence[LevelCode],
    signature: Signature,
    weights: Mapping[str, bytes | memoryview],
    soname: str,
    pool: bytes = b"",
) -> bytes:
    """The bytes of a shared object that `wherry.runtime.load` loads.

    The objects may refer to `weights` by name as hidden symbols; all levels share them. `pool` is
    the thread pool's object; without it calls run on one thread. Raises TargetError for an unknown
    level and for objects that cannot be linked.
    """
    unknown = [code.level for code in levels if code.level not in cpu.LEVELS]
    if unknown or not levels:
        raise TargetError(
            f"needs ISA levels out of {', '.join(cpu.LEVELS)}, got {unknown or 'none'}"
        )
    ordered = sorted(levels, key=lambda code: -len(cpu.LEVELS[code.level]))
    image = link(
        [*((code.level, code.object_code) for code in ordered), *([("", pool)] if pool else [])],
        soname=soname,
        exports=[abi.ENTRY],
        weights=weights,
        tables=_tables(ordered, signature, weights, bool(pool)),
    )
    image += _trailer(image)
    return bytes(image)


def _tables(
    levels: Sequence[LevelCode],
    signature: Signature,
    weights: Mapping[str, bytes | memoryview],
    pool: bool,
) -> list[Table]:
    packed, texts = signature.pack(), bytearray()
    sizes = [memoryview(data).nbytes for data in weights.values()]
    content = bytearray(
        abi.ENTRY_HEAD.pack(abi.VERSION, len(levels), 0, len(packed), 0, sum(sizes), 0)
    )
    pointers = {16: (_SIGNATURE, 0)}
    if weights:
        pointers[32] = (next(iter(weights)), 0)
    if pool:
        pointers[48] = (POOL, 0)
    for code in levels:
        at = len(content)
        for offset, text in ((0, code.level), (8, " ".join(cpu.LEVELS[code.level]))):
            pointers[at + offset] = (_TEXTS, len(texts))
            texts += text.encode() + b"\0"
        pointers[at + 16], pointers[at + 24] = (code.plan, 0), (code.run, 0)
        content += bytes(abi.ENTRY_LEVEL.size)
    return [
        Table(_SIGNATURE, packed),
        Table(_TEXTS, bytes(texts)),
        Table(abi.ENTRY, bytes(content), pointers),
    ]


def _trailer(image: bytearray) -> bytes:
    length = len(image) + abi.TRAILER.size
    head = struct.pack("<8sQ", abi.TRAILER_MAGIC, length)
    return abi.TRAILER.pack(abi.TRAILER_MAGIC, length, zlib.crc32(head, zlib.crc32(image)), 0)
