"""Links objects into a shared object, without a linker: lays out, patches, and writes the ELF file.

    R   headers, .hash, .dynsym, .dynstr, .rela.dyn, .rodata
    RX  .text, one section per label, and stubs for imported functions
    R   .weights, each at 64 bytes, the first at a page
    RW  .data.rel.ro, .got and .dynamic (read-only once loaded), then .data and .bss

File offsets equal addresses, so the file is its own memory image. Nothing but `exports` is visible
from outside; imports are the few functions of the C library that LLVM may call by itself, and those
of the thread pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wherry.schema.elf_format import MACHINES as NAMES
from wherry.schema.elf_format import SHF_ALLOC, SHF_EXEC, SHF_WRITE
from wherry.schema.errors import TargetError

from .elf_image import Image, OutputSection
from .elf_object import Chunk, Relocation, Symbol, read_object
from .elf_reloc import ABSOLUTE, GOT_SLOT, MACHINES, STUB_SIZE, Machine

# pthread_create and syscall are the thread pool's.
IMPORTS: Final = (
    "free", "malloc", "memcmp", "memcpy", "memmove", "memset", "pthread_create", "syscall",
)  # fmt: skip
WEIGHT_ALIGNMENT: Final = 64


@dataclass(frozen=True)
class Table:
    """Constant data with pointers in it: at a byte's offset, a symbol's address plus an addend."""

    name: str
    content: bytes
    pointers: Mapping[int, tuple[str, int]] = field(default_factory=dict)


def link(
    objects: Sequence[tuple[str, bytes]],
    *,
    soname: str,
    exports: Sequence[str],
    weights: Mapping[str, bytes | memoryview] | None = None,
    tables: Sequence[Table] = (),
) -> bytearray:
    """The bytes of a shared object made of relocatable objects, each with a label for its code.

    `weights` and `tables` define symbols that the objects may refer to as hidden ones. Raises
    TargetError for symbols that nobody defines or that two define, and for what the objects need
    beyond that.
    """
    return _Link(objects, soname, exports, weights or {}, tables).run()


class _Link:
    """The state of one link, in the order of its steps."""

    def __init__(
        self,
        objects: Sequence[tuple[str, bytes]],
        soname: str,
        exports: Sequence[str],
        weights: Mapping[str, bytes | memoryview],
        tables: Sequence[Table],
    ) -> None:
        files = [(label, read_object(data)) for label, data in objects]
        codes = {file.machine for _, file in files}
        if len(codes) != 1 or not codes <= set(MACHINES):
            got = (
                " and ".join(NAMES.get(code, f"machine {code}") for code in sorted(codes)) or "none"
            )
            raise TargetError(
                f"a shared object is for one architecture, x86-64 or aarch64, got code for {got}: "
                "compile one file for each"
            )
        self.code = codes.pop()
        self.machine: Machine = MACHINES[self.code]
        self.soname, self.exports = soname, exports
        self.globals: dict[str, Symbol] = {}
        self.labelled = [(label, chunk) for label, file in files for chunk in file.chunks]
        for _, file in files:
            for symbol in file.symbols:
                self._define(symbol)
        self.weights = [self._weight(name, data) for name, data in weights.items()]
        for table in tables:
            self.labelled.append(("", self._table(table)))
        self.chunks = [chunk for _, chunk in self.labelled] + self.weights
        self.slots: dict[str, Symbol] = {}
        self.imports: dict[str, Symbol] = {}
        self.absolute: list[tuple[Chunk, Relocation]] = []

    def run(self) -> bytearray:
        for chunk in self.chunks:
            for relocation in chunk.relocations:
                self._scan(chunk, relocation)
        got = _zeros(".got", SHF_ALLOC | SHF_WRITE, 8 * len(self.slots))
        stubs = _zeros(".plt", SHF_ALLOC | SHF_EXEC, STUB_SIZE * len(self.imports))
        image = Image(self.code, self.machine, self.soname)
        image.exports = [self._exported(name) for name in self.exports]
        image.imports = list(self.imports)
        image.relocation_count = len(self.absolute) + len(self.slots)
        image.lay_out(self._sections(got, stubs))
        self._patch(image, got, stubs)
        return image.write()

    def _define(self, symbol: Symbol) -> None:
        """Enter a global symbol; a weak definition yields to another."""
        if symbol.is_local or symbol.chunk is None:
            return
        before = self.globals.get(symbol.name)
        if before is None or before.is_weak:
            self.globals[symbol.name] = symbol
        elif not symbol.is_weak:
            raise TargetError(f"two objects define {symbol.name!r}")

    def _weight(self, name: str, data: bytes | memoryview) -> Chunk:
        plain = memoryview(data).cast("B")
        chunk = Chunk(".weights", SHF_ALLOC, WEIGHT_ALIGNMENT, plain.nbytes, plain)
        self._define(Symbol(name, chunk, 0, plain.nbytes))
        return chunk

    def _table(self, table: Table) -> Chunk:
        size = len(table.content)
        where = (
            (".data.rel.ro", SHF_ALLOC | SHF_WRITE) if table.pointers else (".rodata", SHF_ALLOC)
        )
        chunk = Chunk(*where, 16, size, table.content)
        absolute = next(k for k, (need, _) in self.machine.patches.items() if need == ABSOLUTE)
        chunk.relocations = [
            Relocation(at, absolute, Symbol(name), addend)
            for at, (name, addend) in table.pointers.items()
        ]
        self._define(Symbol(table.name, chunk, 0, size))
        return chunk

    def _find(self, symbol: Symbol) -> Symbol | None:
        """The definition that a reference means; None for one that is imported."""
        if symbol.is_local:
            return symbol
        found = self.globals.get(symbol.name)
        if found is None and symbol.name not in IMPORTS:
            raise TargetError(
                f"the code needs {symbol.name!r}, which nothing defines and which is no import "
                f"that is allowed ({', '.join(IMPORTS)})"
            )
        return found

    def _scan(self, chunk: Chunk, relocation: Relocation) -> None:
        """Note what a relocation needs: a slot, a stub, or the loader's help."""
        if relocation.kind not in self.machine.patches:
            raise TargetError(f"{self.machine.name}: no support for relocation {relocation.kind}")
        need, _ = self.machine.patches[relocation.kind]
        name, found = relocation.symbol.name, self._find(relocation.symbol)
        if need == ABSOLUTE:
            if not chunk.is_writable or found is None:
                raise TargetError(f"{chunk.name} holds the address of {name!r}: not relocatable")
            self.absolute.append((chunk, relocation))
            return
        if found is None:
            self.imports.setdefault(name, relocation.symbol)
        if need == GOT_SLOT or found is None:
            self.slots.setdefault(self._slot_key(relocation.symbol), found or relocation.symbol)

    def _slot_key(self, symbol: Symbol) -> str:
        return f"{symbol.name}@{id(symbol)}" if symbol.is_local else symbol.name

    def _exported(self, name: str) -> Symbol:
        if name not in self.globals:
            raise TargetError(f"the export {name!r} is defined by none of the objects")
        return self.globals[name]

    def _sections(self, got: Chunk, stubs: Chunk) -> list[OutputSection]:
        """The output sections in the order of the image."""
        code: dict[str, list[Chunk]] = {}
        relro = [got] if got.size else []
        plain: list[Chunk] = []
        data: list[Chunk] = []
        zero: list[Chunk] = []
        for label, chunk in self.labelled:
            if chunk.is_code:
                code.setdefault(f".text.{label}" if label else ".text", []).append(chunk)
            elif not chunk.is_writable:
                plain.append(chunk)
            elif chunk.content is None:
                zero.append(chunk)
            else:
                (relro if chunk.name.startswith(".data.rel.ro") else data).append(chunk)
        if stubs.size:
            code[".plt"] = [stubs]
        groups = [
            (".rodata", "read", plain),
            *((name, "code", chunks) for name, chunks in code.items()),
            (".weights", "weights", self.weights),
            (".data.rel.ro", "relro", relro),
            (".data", "data", data),
            (".bss", "zero", zero),
        ]
        return [OutputSection(name, kind, chunks) for name, kind, chunks in groups if chunks]

    def _patch(self, image: Image, got: Chunk, stubs: Chunk) -> None:
        """Write addresses into the image and list what the loader has to do."""
        slot_at = {key: got.address + 8 * i for i, key in enumerate(self.slots)}
        stub_at = {name: stubs.address + STUB_SIZE * i for i, name in enumerate(self.imports)}
        for key, symbol in self.slots.items():
            if key in self.imports:
                image.import_at(slot_at[key], key)
            else:
                image.relative_at(slot_at[key], symbol.address)
        for name, at in stub_at.items():
            image.put(at, self.machine.stub(slot_at[name], at))
        for chunk, relocation in self.absolute:
            found = self._find(relocation.symbol)
            assert found is not None
            image.relative_at(chunk.address + relocation.offset, found.address + relocation.addend)
        for chunk in self.chunks:
            for relocation in chunk.relocations:
                need, patch = self.machine.patches[relocation.kind]
                place = chunk.address + relocation.offset
                if need == GOT_SLOT:
                    target = slot_at[self._slot_key(relocation.symbol)]
                else:
                    found = self._find(relocation.symbol)
                    target = found.address if found else stub_at[relocation.symbol.name]
                patch(image.data, place, target + relocation.addend, place)


def _zeros(name: str, flags: int, size: int) -> Chunk:
    return Chunk(name, flags, 16, size, bytes(size))
