"""Relocatable ELF objects, as LLVM emits them: what the linker lays out and patches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from wherry.schema.elf_format import (
    ET_REL,
    HEADER,
    MAGIC,
    RELA,
    SECTION,
    SHF_ALLOC,
    SHF_EXEC,
    SHF_TLS,
    SHF_WRITE,
    SHN_ABS,
    SHN_COMMON,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_RELA,
    SHT_SYMTAB,
    SYMBOL,
    Header,
    SectionHeader,
    SymbolEntry,
    text_at,
)
from wherry.schema.errors import TargetError

# Unwind tables: our code throws nothing, and without them no start-up work is needed.
_LEFT_OUT = (".eh_frame",)


@dataclass(eq=False)
class Chunk:
    """A piece of memory to be laid out: a section of an object, weights, or a table of pointers."""

    name: str
    flags: int
    alignment: int
    size: int
    content: bytes | memoryview | None = None
    relocations: list[Relocation] = field(default_factory=list)
    address: int = 0

    @property
    def is_code(self) -> bool:
        return bool(self.flags & SHF_EXEC)

    @property
    def is_writable(self) -> bool:
        return bool(self.flags & SHF_WRITE)


@dataclass(eq=False)
class Symbol:
    """A name for a place in a chunk; `chunk` is None until something defines it."""

    name: str
    chunk: Chunk | None = None
    value: int = 0
    size: int = 0
    is_local: bool = False
    is_weak: bool = False
    is_function: bool = False

    @property
    def address(self) -> int:
        """Where it is, once chunks have addresses."""
        assert self.chunk is not None, f"{self.name} has no address"
        return self.chunk.address + self.value


class Relocation(NamedTuple):
    """A place in a chunk that holds a symbol's address in a form that `kind` says."""

    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass
class ObjectFile:
    """The allocated sections and the symbols of one object."""

    machine: int
    chunks: list[Chunk]
    symbols: list[Symbol]


def read_object(data: bytes) -> ObjectFile:
    """Read a relocatable object. Raises TargetError for what the linker has no meaning for."""
    header = Header(*HEADER.unpack_from(data))
    if header.ident[:6] != MAGIC + b"\x02\x01" or header.type != ET_REL:
        raise TargetError("the linker needs a relocatable 64-bit little-endian ELF object")
    sections = [
        SectionHeader(*SECTION.unpack_from(data, header.sections_at + i * SECTION.size))
        for i in range(header.section_count)
    ]
    names = _bytes_of(data, sections[header.names_index])
    chunks = {
        i: _chunk(data, section, text_at(names, section.name))
        for i, section in enumerate(sections)
        if section.flags & SHF_ALLOC and text_at(names, section.name) not in _LEFT_OUT
    }
    symbols = _symbols(data, sections, chunks)
    for section in sections:
        if section.type == SHT_RELA and section.info in chunks:
            chunks[section.info].relocations = _relocations(_bytes_of(data, section), symbols)
    return ObjectFile(header.machine, list(chunks.values()), symbols)


def _bytes_of(data: bytes, section: SectionHeader) -> bytes:
    return data[section.offset : section.offset + section.size]


def _chunk(data: bytes, section: SectionHeader, name: str) -> Chunk:
    if section.flags & SHF_TLS:
        _refuse(f"thread-local data ({name})")
    content = None if section.type == SHT_NOBITS else _bytes_of(data, section)
    return Chunk(name, section.flags, max(section.alignment, 1), section.size, content)


def _symbols(data: bytes, sections: list[SectionHeader], chunks: dict[int, Chunk]) -> list[Symbol]:
    table = next((s for s in sections if s.type == SHT_SYMTAB), None)
    if table is None:
        return []
    names = _bytes_of(data, sections[table.link])
    return [
        _symbol(SymbolEntry(*fields), names, chunks)
        for fields in SYMBOL.iter_unpack(_bytes_of(data, table))
    ]


def _symbol(entry: SymbolEntry, names: bytes, chunks: dict[int, Chunk]) -> Symbol:
    name, kind, binding = text_at(names, entry.name), entry.info & 15, entry.info >> 4
    if entry.section == SHN_COMMON or kind == 10:
        _refuse(f"the symbol {name!r}, which is common or indirect")
    undefined = entry.section in (SHN_UNDEF, SHN_ABS)
    return Symbol(
        name,
        None if undefined else chunks.get(entry.section),
        entry.value,
        entry.size,
        is_local=binding == 0,
        is_weak=binding == 2,
        is_function=kind == 2,
    )


def _relocations(data: bytes, symbols: list[Symbol]) -> list[Relocation]:
    return [
        Relocation(offset, info & 0xFFFFFFFF, symbols[info >> 32], addend)
        for offset, info, addend in RELA.iter_unpack(data)
    ]


def _refuse(what: str) -> NoReturn:
    raise TargetError(f"the linker has no support for {what}")
