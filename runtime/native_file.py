"""Shared objects made by `wherry compile`: all is checked before a byte of code is mapped."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from wherry.schema import elf_format as elf
from wherry.schema.container import MODEL_MAGIC
from wherry.schema.errors import TargetError
from wherry.schema.flat import Where
from wherry.schema.native import Signature

from . import abi, cpu


class Level(NamedTuple):
    """Code for one ISA level: its name, the CPU features it needs, its place among the levels."""

    name: str
    features: tuple[str, ...]
    number: int


@dataclass(frozen=True)
class NativeFile:
    """What a shared object says of itself."""

    path: str
    signature: Signature
    levels: list[Level]
    weight_bytes: int


def read_native(path: str) -> NativeFile:
    """Check a shared object for this machine and read its description; maps no code.

    Raises FileNotFoundError, ModelFormatError for a file that is damaged or no such object, and
    TargetError for one of another system or architecture.
    """
    where = Where(path)
    if not os.path.exists(path):
        raise FileNotFoundError(
            errno.ENOENT, "no such file (`wherry compile NET` writes NET.so)", path
        )
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            where.bad("a shared object made by `wherry compile`, got an empty file")
        # Closed when the last view of it goes: an exception's frames may still hold one.
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    _check_kind(data, where)
    _check_machine(elf.Header(*elf.HEADER.unpack_from(data)), path)
    _check_trailer(data, where)
    return _describe(data, where)


def choose_level(found: NativeFile) -> Level:
    """The most demanding level that this CPU can run. Raises TargetError where it can run none."""
    have = cpu.features()
    for level in found.levels:
        if have.issuperset(level.features):
            return level
    least = found.levels[-1]
    lacking = ", ".join(sorted(set(least.features) - have))
    names = ", ".join(level.name for level in found.levels)
    raise TargetError(
        f"{found.path} holds code for {names}; this CPU lacks {lacking} for {least.name}: "
        "compile the model for this CPU with `wherry compile --target`"
    )


class Mapped(NamedTuple):
    """Code in memory: the addresses of plan, run and the thread pool; the library must stay."""

    plan: int
    run: int
    pool: int
    library: object


def load_functions(found: NativeFile, level: Level) -> Mapped:
    """Map the code. Raises TargetError where the system cannot."""
    try:
        library = ctypes.CDLL(_fresh_name(found.path))
    except OSError as error:
        raise TargetError(f"{found.path}: the system cannot load it: {error}") from error
    entry = ctypes.addressof(ctypes.c_char.in_dll(library, abi.ENTRY))
    at = entry + abi.ENTRY_HEAD.size + level.number * abi.ENTRY_LEVEL.size
    raw = ctypes.string_at(at, abi.ENTRY_LEVEL.size)
    _, _, plan, run = abi.ENTRY_LEVEL.unpack(raw)
    *_, pool = abi.ENTRY_HEAD.unpack(ctypes.string_at(entry, abi.ENTRY_HEAD.size))
    return Mapped(plan, run, pool, library)


_names: dict[str, list[tuple[int, int, int]]] = {}


def _fresh_name(path: str) -> str:
    """The path, spelt in a new way for each file that has been at it.

    The loader takes a path that it knows for the file that it knows, also when a new one is there.
    """
    path = os.path.abspath(path)
    stat = os.stat(path)
    identity = (stat.st_dev, stat.st_ino, stat.st_mtime_ns)
    seen = _names.setdefault(path, [])
    if identity not in seen:
        seen.append(identity)
    folder, name = os.path.split(path)
    return os.path.join(folder, *(["."] * seen.index(identity)), name)


def _check_kind(data: memoryview, where: Where) -> None:
    if bytes(data[:8]) == MODEL_MAGIC:
        where.bad(
            "a shared object, got a portable model: make one with `wherry compile`, "
            "or load this with wherry.jit.load"
        )
    if bytes(data[:4]) != elf.MAGIC or len(data) < elf.HEADER.size:
        where.bad(f"a shared object made by `wherry compile`, got {bytes(data[:8])!r}")


def _check_machine(header: elf.Header, path: str) -> None:
    ours = cpu.machine()
    machine = elf.MACHINES.get(header.machine, f"machine {header.machine}")
    bits = {1: "32-bit", 2: "64-bit"}.get(header.ident[4], "unknown")
    order = {1: "", 2: " big-endian"}.get(header.ident[5], " unknown byte order")
    theirs = machine if (bits, order) == ("64-bit", "") else f"{bits}{order} {machine}"
    if theirs != ours:
        raise TargetError(f"{path} is for the architecture {theirs}; this process is {ours}")
    if sys.platform != "linux" or header.ident[7] not in (0, 3):
        system = "linux" if header.ident[7] in (0, 3) else f"system {header.ident[7]}"
        raise TargetError(f"{path} is for the operating system {system}; this is {sys.platform}")


def _check_trailer(data: memoryview, where: Where) -> None:
    at = len(data) - abi.TRAILER.size
    if bytes(data[at : at + 8]) != abi.TRAILER_MAGIC:
        where.bad(
            "the trailer that ends a file of `wherry compile`: it is cut off or not made by it", at
        )
    _, length, crc, zero = abi.TRAILER.unpack_from(data, at)
    if length != len(data):
        where.bad(f"a file of {length} bytes, got {len(data)} bytes", at + 8)
    if zero or crc != zlib.crc32(data[: at + 16]):
        where.bad("a file with its crc32: it is damaged or altered", at + 16)


def _describe(data: memoryview, where: Where) -> NativeFile:
    """The entry table of a file whose crc is right; addresses in it are offsets in the file."""
    try:
        entry = _entry_at(data)
        head = abi.ENTRY_HEAD.unpack_from(data, entry)
        if head[0] != abi.VERSION:
            where.bad(f"version {abi.VERSION} of the ABI, got version {head[0]}", entry)
        _, count, signature_at, signature_bytes, _, weight_bytes, _ = head
        levels = []
        for index in range(count):
            at = entry + abi.ENTRY_HEAD.size + index * abi.ENTRY_LEVEL.size
            name, features, _, _ = abi.ENTRY_LEVEL.unpack_from(data, at)
            needs = tuple(elf.text_at(data[features : features + 4096], 0).split())
            levels.append(Level(elf.text_at(data[name : name + 64], 0), needs, index))
        packed = bytes(data[signature_at : signature_at + signature_bytes])
    except (struct.error, ValueError, StopIteration, IndexError) as error:
        where.bad(f"the table {abi.ENTRY} of a shared object made by `wherry compile` ({error})")
    signature = Signature.unpack(packed, where.shifted(signature_at))
    return NativeFile(where.file, signature, levels, weight_bytes)


def _entry_at(data: memoryview) -> int:
    """The offset of the symbol abi.ENTRY, from .dynsym."""
    header = elf.Header(*elf.HEADER.unpack_from(data))
    sections = [
        elf.SectionHeader(*elf.SECTION.unpack_from(data, header.sections_at + i * elf.SECTION.size))
        for i in range(header.section_count)
    ]
    symbols = next(section for section in sections if section.type == elf.SHT_DYNSYM)
    names_at = sections[symbols.link].offset
    names = data[names_at : names_at + sections[symbols.link].size]
    table = data[symbols.offset : symbols.offset + symbols.size]
    entries = (elf.SymbolEntry(*fields) for fields in elf.SYMBOL.iter_unpack(table))
    for entry in entries:
        if elf.text_at(names, entry.name) == abi.ENTRY:
            return entry.value
    raise ValueError("no such symbol")
