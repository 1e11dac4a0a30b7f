"""The records of 64-bit little-endian ELF files: the linker writes, the runtime reads them."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

MAGIC: Final = b"\x7fELF"
# Class 64, little-endian, version 1, System V.
IDENT: Final = MAGIC + b"\x02\x01\x01" + bytes(9)
MACHINES: Final = {62: "x86-64", 183: "aarch64", 40: "arm", 3: "x86", 243: "riscv64"}
MACHINE_X86_64: Final = 62
MACHINE_AARCH64: Final = 183
ET_REL: Final = 1
ET_DYN: Final = 3

HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT: Final = struct.Struct("<IIQQQQQQ")
SECTION: Final = struct.Struct("<IIQQQQIIQQ")
SYMBOL: Final = struct.Struct("<IBBHQQ")
RELA: Final = struct.Struct("<QQq")
DYNAMIC: Final = struct.Struct("<qQ")

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
PF_X, PF_W, PF_R = 1, 2, 4

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_HASH, SHT_DYNAMIC = 1, 2, 3, 4, 5, 6
SHT_NOBITS, SHT_DYNSYM = 8, 11
SHF_WRITE, SHF_ALLOC, SHF_EXEC, SHF_TLS = 1, 2, 4, 0x400
SHN_UNDEF, SHN_ABS, SHN_COMMON = 0, 0xFFF1, 0xFFF2

DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA = 0, 1, 4, 5, 6, 7
DT_RELASZ, DT_RELAENT, DT_STRSZ, DT_SYMENT, DT_SONAME = 8, 9, 10, 11, 14
DT_FLAGS, DT_FLAGS_1, DT_RELACOUNT = 30, 0x6FFFFFFB, 0x6FFFFFF9
DF_BIND_NOW, DF_1_NOW = 8, 1


class Header(NamedTuple):
    """The first 64 bytes of an ELF file."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    segments_at: int
    sections_at: int
    flags: int
    size: int
    segment_size: int
    segment_count: int
    section_size: int
    section_count: int
    names_index: int


class SectionHeader(NamedTuple):
    """One row of the section table."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class SymbolEntry(NamedTuple):
    """One symbol."""

    name: int
    info: int
    other: int
    section: int
    value: int
    size: int


def text_at(table: bytes | memoryview, at: int) -> str:
    """The NUL-terminated string at an offset of a string table."""
    raw = bytes(table[at:])
    return raw[: raw.index(b"\0")].decode("utf-8")


def sysv_hash(name: str) -> int:
    """The hash of a symbol's name in a .hash section."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value
