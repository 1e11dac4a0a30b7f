"""The file of a shared object: sections at addresses, dynamic tables, headers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from wherry.schema import elf_format as elf

from .elf_object import Chunk, Symbol
from .elf_reloc import Machine

# The kinds of output sections and the rights of their memory; "relro" is read-only once loaded.
_RIGHTS = {
    "read": elf.PF_R,
    "code": elf.PF_R | elf.PF_X,
    "weights": elf.PF_R,
    "relro": elf.PF_R | elf.PF_W,
    "data": elf.PF_R | elf.PF_W,
    "zero": elf.PF_R | elf.PF_W,
}
# Kinds that share one mapping, and kinds that begin a page of their own.
_MAPPING = {"read": 0, "code": 1, "weights": 2, "relro": 3, "data": 3, "zero": 3}
_OWN_PAGE = {"code": "code", "weights": "weights", "relro": "relro", "data": "rest", "zero": "rest"}


@dataclass(eq=False)
class OutputSection:
    """Chunks that lie together, or (without chunks) one of the dynamic tables."""

    name: str
    kind: str
    chunks: Sequence[Chunk]
    type: int = elf.SHT_PROGBITS
    link: str = ""
    entry_size: int = 0
    address: int = 0
    size: int = 0
    info: int = 0

    @property
    def end(self) -> int:
        return self.address + self.size


class Image:
    """Say what is exported, imported and relocated; then lay out, patch, write."""

    def __init__(self, code: int, machine: Machine, soname: str) -> None:
        self.code, self.machine, self.soname = code, machine, soname
        self.exports: list[Symbol] = []
        self.imports: list[str] = []
        self.relocation_count = 0
        self.data = bytearray()
        self._relative: list[bytes] = []
        self._symbolic: list[bytes] = []
        self._sections: list[OutputSection] = []

    def lay_out(self, sections: Sequence[OutputSection]) -> None:
        """Give every section and chunk its address, and copy the contents."""
        self._names = _StringTable(_libraries(self.imports), self.soname)
        for name in [*self.imports, *(symbol.name for symbol in self.exports)]:
            self._names.add(name)
        self._sections = [*self._tables(), *sections]
        # .dynamic belongs with what is read-only after loading.
        place = next((i for i, s in enumerate(self._sections) if s.kind in ("data", "zero")), None)
        dynamic = OutputSection(".dynamic", "relro", [], elf.SHT_DYNAMIC, ".dynstr", 16)
        dynamic.size = elf.DYNAMIC.size * len(self._dynamic_rows(lambda name: 0))
        index = len(self._sections) if place is None else place
        self._sections.insert(index, dynamic)
        self._assign()
        self.data = bytearray(self._file_end())
        for section in self._sections:
            for chunk in section.chunks:
                if chunk.content is not None:
                    self.data[chunk.address : chunk.address + chunk.size] = chunk.content

    def put(self, at: int, content: bytes) -> None:
        """Write bytes at an address."""
        self.data[at : at + len(content)] = content

    def relative_at(self, at: int, target: int) -> None:
        """A pointer to our own memory: the loader adds where the file was mapped."""
        self.put(at, struct.pack("<Q", target))
        self._relative.append(elf.RELA.pack(at, self.machine.relative, target))

    def import_at(self, at: int, name: str) -> None:
        """A pointer to an imported function."""
        index = 1 + self.imports.index(name)
        self._symbolic.append(elf.RELA.pack(at, index << 32 | self.machine.symbolic, 0))

    def write(self) -> bytearray:
        """The finished file, in place: with large weights a copy would be felt."""
        found = self._section
        self.put(found(".hash").address, self._hash())
        self.put(found(".dynsym").address, self._symbols())
        self.put(found(".dynstr").address, self._names.content())
        self.put(found(".rela.dyn").address, b"".join([*self._relative, *self._symbolic]))
        rows = self._dynamic_rows(lambda name: found(name).address)
        packed = b"".join(elf.DYNAMIC.pack(*row) for row in rows)
        self.put(found(".dynamic").address, packed)
        self.put(elf.HEADER.size, b"".join(elf.SEGMENT.pack(*row) for row in self._segments()))
        names = _StringTable([], *(section.name for section in self._sections), ".shstrtab")
        at = len(self.data)
        table_at = -(-(at + len(names.content())) // 8) * 8
        self.data += names.content().ljust(table_at - at, b"\0")
        self.data += self._section_table(names, at)
        self.put(0, self._header(table_at))
        return self.data

    def _section(self, name: str) -> OutputSection:
        return next(section for section in self._sections if section.name == name)

    def _tables(self) -> list[OutputSection]:
        """The dynamic tables, with their sizes."""
        count = 1 + len(self.imports) + len(self.exports)
        sizes = [
            (".hash", elf.SHT_HASH, ".dynsym", 4, 4 * (2 + _buckets(count) + count)),
            (".dynsym", elf.SHT_DYNSYM, ".dynstr", elf.SYMBOL.size, elf.SYMBOL.size * count),
            (".dynstr", elf.SHT_STRTAB, "", 0, len(self._names.content())),
            (".rela.dyn", elf.SHT_RELA, ".dynsym", elf.RELA.size,
             elf.RELA.size * self.relocation_count),
        ]  # fmt: skip
        return [
            OutputSection(name, "read", [], kind, link, entry, size=size, info=name == ".dynsym")
            for name, kind, link, entry, size in sizes
        ]

    def _assign(self) -> None:
        at = elf.HEADER.size + elf.SEGMENT.size * self._segment_count()
        page_of = "read"
        for section in self._sections:
            wanted = _OWN_PAGE.get(section.kind, "read")
            at = _aligned(at, self.machine.page if wanted != page_of else _alignment(section))
            page_of, section.address = wanted, at
            for chunk in section.chunks:
                chunk.address = at = _aligned(at, chunk.alignment)
                at += chunk.size
            section.size = at - section.address if section.chunks else section.size
            at = section.end

    def _mappings(self) -> list[list[OutputSection]]:
        groups = groupby(self._sections, lambda section: _MAPPING[section.kind])
        return [list(group) for _, group in groups]

    def _segment_count(self) -> int:
        return len(self._mappings()) + 3

    def _segments(self) -> list[tuple[int, ...]]:
        rows: list[tuple[int, ...]] = []
        for group in self._mappings():
            start = 0 if group[0].name == ".hash" else group[0].address
            stored = [section.end for section in group if section.kind != "zero"]
            rights = _RIGHTS[group[0].kind]
            file_size = max(stored, default=start) - start
            memory = group[-1].end - start
            rows.append(
                (elf.PT_LOAD, rights, start, start, start, file_size, memory, self.machine.page)
            )
        dynamic = self._section(".dynamic")
        at, size = dynamic.address, dynamic.size
        rows.append((elf.PT_DYNAMIC, elf.PF_R | elf.PF_W, at, at, at, size, size, 8))
        first = next(section for section in self._sections if section.kind == "relro").address
        # The loader protects whole pages only: what follows begins a page.
        size = _aligned(dynamic.end, self.machine.page) - first
        rows.append((elf.PT_GNU_RELRO, elf.PF_R, first, first, first, dynamic.end - first, size, 1))
        rows.append((elf.PT_GNU_STACK, elf.PF_R | elf.PF_W, 0, 0, 0, 0, 0, 16))
        return rows

    def _dynamic_rows(self, at: Callable[[str], int]) -> list[tuple[int, int]]:
        return [
            *((elf.DT_NEEDED, self._names.add(name)) for name in _libraries(self.imports)),
            (elf.DT_SONAME, self._names.add(self.soname)),
            (elf.DT_HASH, at(".hash")),
            (elf.DT_STRTAB, at(".dynstr")),
            (elf.DT_STRSZ, len(self._names.content())),
            (elf.DT_SYMTAB, at(".dynsym")),
            (elf.DT_SYMENT, elf.SYMBOL.size),
            (elf.DT_RELA, at(".rela.dyn")),
            (elf.DT_RELASZ, elf.RELA.size * self.relocation_count),
            (elf.DT_RELAENT, elf.RELA.size),
            (elf.DT_RELACOUNT, len(self._relative)),
            (elf.DT_FLAGS, elf.DF_BIND_NOW),
            (elf.DT_FLAGS_1, elf.DF_1_NOW),
            (elf.DT_NULL, 0),
        ]

    def _symbols(self) -> bytes:
        """.dynsym: the null symbol, imports, exports; a symbol's section is that of its address."""
        rows = [elf.SYMBOL.pack(0, 0, 0, 0, 0, 0)]
        names = map(self._names.add, self.imports)
        rows += [elf.SYMBOL.pack(name, 0x12, 0, elf.SHN_UNDEF, 0, 0) for name in names]
        for symbol in self.exports:
            info = 0x12 if symbol.is_function else 0x11
            index = 1 + next(
                i for i, section in enumerate(self._sections) if symbol.chunk in section.chunks
            )
            at = self._names.add(symbol.name)
            rows.append(elf.SYMBOL.pack(at, info, 0, index, symbol.address, symbol.size))
        return b"".join(rows)

    def _hash(self) -> bytes:
        names = [*self.imports, *(symbol.name for symbol in self.exports)]
        count = 1 + len(names)
        buckets, chain = [0] * _buckets(count), [0] * count
        for index, name in enumerate(names, 1):
            place = elf.sysv_hash(name) % len(buckets)
            chain[index], buckets[place] = buckets[place], index
        return struct.pack(f"<{2 + len(buckets) + count}I", len(buckets), count, *buckets, *chain)

    def _section_table(self, names: _StringTable, names_at: int) -> bytes:
        index = {section.name: i for i, section in enumerate(self._sections, 1)}
        rows: list[tuple[int, ...]] = [(0,) * 10]
        for s in self._sections:
            rights = _RIGHTS[s.kind]
            flags = elf.SHF_ALLOC | (elf.SHF_WRITE if rights & elf.PF_W else 0)
            flags |= elf.SHF_EXEC if rights & elf.PF_X else 0
            kind = elf.SHT_NOBITS if s.kind == "zero" else s.type
            offset = min(s.address, self._file_end())
            rows.append(
                (names.add(s.name), kind, flags, s.address, offset, s.size,
                 index.get(s.link, 0), s.info, _alignment(s), s.entry_size)
            )  # fmt: skip
        size = len(names.content())
        rows.append((names.add(".shstrtab"), elf.SHT_STRTAB, 0, 0, names_at, size, 0, 0, 1, 0))
        return b"".join(elf.SECTION.pack(*row) for row in rows)

    def _file_end(self) -> int:
        return max(section.end for section in self._sections if section.kind != "zero")

    def _header(self, sections_at: int) -> bytes:
        count = len(self._sections) + 2
        return elf.HEADER.pack(
            elf.IDENT, elf.ET_DYN, self.code, 1, 0, elf.HEADER.size, sections_at, 0,
            elf.HEADER.size, elf.SEGMENT.size, self._segment_count(), elf.SECTION.size, count,
            count - 1,
        )  # fmt: skip


def _libraries(imports: Sequence[str]) -> list[str]:
    """Where the imports are. Before glibc 2.34 threads were in a library of their own."""
    found = ["libc.so.6"] if imports else []
    return [*found, "libpthread.so.0"] if "pthread_create" in imports else found


class _StringTable:
    """NUL-terminated strings; `add` gives a string's offset, the same each time."""

    def __init__(self, first: Sequence[str], *more: str) -> None:
        self._at = {"": 0}
        self._data = bytearray(b"\0")
        for text in [*first, *more]:
            self.add(text)

    def add(self, text: str) -> int:
        if text not in self._at:
            self._at[text] = len(self._data)
            self._data += text.encode() + b"\0"
        return self._at[text]

    def content(self) -> bytes:
        return bytes(self._data)


def _aligned(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment


def _alignment(section: OutputSection) -> int:
    return max([chunk.alignment for chunk in section.chunks], default=8)


def _buckets(count: int) -> int:
    return max(1, count // 2)
