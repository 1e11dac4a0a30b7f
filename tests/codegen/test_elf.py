"""The linker: what LLVM emits becomes a shared object that the system's tools and loader accept."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from wherry.codegen.elf import Table, link
from wherry.schema import elf_format as elf
from wherry.schema.errors import TargetError

# Calls across objects, an imported function, a table of pointers, all kinds of data, constants.
MAIN = """
@weights = external hidden constant [4 x i32]
@table = hidden constant [2 x ptr] [ptr @one, ptr @two]
@counter = internal global i32 5
@zeros = internal global [64 x i32] zeroinitializer
declare hidden i32 @helper(i32)
declare ptr @memcpy(ptr, ptr, i64)

define hidden i32 @one(i32 %x) { ret i32 %x }
define hidden i32 @two(i32 %x) { %y = mul i32 %x, 2 ret i32 %y }

define i32 @add_weight(i32 %i) {
  %p = getelementptr [4 x i32], ptr @weights, i32 0, i32 %i
  %w = load i32, ptr %p
  %c = load i32, ptr @counter
  %next = add i32 %c, 1
  store i32 %next, ptr @counter
  %s = add i32 %w, %c
  %h = call i32 @helper(i32 %s)
  ret i32 %h
}

define i32 @through_table(i32 %which, i32 %x) {
  %p = getelementptr [2 x ptr], ptr @table, i32 0, i32 %which
  %f = load ptr, ptr %p
  %r = call i32 %f(i32 %x)
  ret i32 %r
}

define i32 @copied(i32 %x) {
  %a = alloca i32
  store i32 %x, ptr %a
  %size = sext i32 4 to i64
  call ptr @memcpy(ptr getelementptr (i8, ptr @zeros, i64 128), ptr %a, i64 %size)
  %r = load i32, ptr getelementptr (i8, ptr @zeros, i64 128)
  ret i32 %r
}

define double @half(double %x) { %y = fmul double %x, 0.5 ret double %y }
"""
HELPER = """
@shared = global i32 7
define hidden i32 @helper(i32 %x) {
  %s = load i32, ptr @shared
  %y = add i32 %x, %s
  ret i32 %y
}
"""
WEIGHTS = struct.pack("<4i", 10, 20, 30, 40)
EXPORTS = ["add_weight", "through_table", "copied", "half", "numbers"]
NUMBERS = Table("numbers", bytes(16), {8: ("weights", 4)})


def compiled(text: str, triple: str, opt: int = 0) -> bytes:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(reloc="pic", codemodel="small", opt=opt)
    return bytes(machine.emit_object(llvm.parse_assembly(text)))


def linked(triple: str = "x86_64-unknown-linux-gnu", opt: int = 0) -> bytearray:
    objects = [("main", compiled(MAIN, triple, opt)), ("", compiled(HELPER, triple, opt))]
    weights = {"weights": WEIGHTS, "more": bytes(100)}
    return link(objects, soname="test.so", exports=EXPORTS, weights=weights, tables=[NUMBERS])


RUN = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
assert lib.add_weight(2) == 30 + 5 + 7 and lib.add_weight(0) == 10 + 6 + 7
assert lib.through_table(0, 21) == 21 and lib.through_table(1, 21) == 42
assert lib.copied(77) == 77
lib.half.restype, lib.half.argtypes = ctypes.c_double, [ctypes.c_double]
assert lib.half(3.0) == 1.5
numbers = ctypes.c_uint64.in_dll(lib, "numbers")
second = ctypes.c_uint64.from_address(ctypes.addressof(numbers) + 8).value
assert ctypes.c_int32.from_address(second).value == 20 and (second - 4) % 4096 == 0
assert not hasattr(lib, "helper") and not hasattr(lib, "weights")
print("ok")
"""


@pytest.mark.parametrize("opt", [0, 3])
def test_what_is_linked_runs_in_a_fresh_process(tmp_path: Path, opt: int) -> None:
    triple = llvm.get_process_triple()
    path = tmp_path / "test.so"
    path.write_bytes(linked(triple, opt))
    done = subprocess.run([sys.executable, "-c", RUN, str(path)], capture_output=True, text=True)
    assert done.stdout.strip() == "ok", done.stderr


def sections(image: bytearray) -> dict[str, elf.SectionHeader]:
    header = elf.Header(*elf.HEADER.unpack_from(image))
    rows = [
        elf.SectionHeader(*elf.SECTION.unpack_from(image, header.sections_at + i * 64))
        for i in range(header.section_count)
    ]
    names = rows[header.names_index]
    table = image[names.offset : names.offset + names.size]
    return {elf.text_at(table, row.name): row for row in rows}


def segments(image: bytearray) -> list[tuple[int, ...]]:
    header = elf.Header(*elf.HEADER.unpack_from(image))
    return [elf.SEGMENT.unpack_from(image, 64 + i * 56) for i in range(header.segment_count)]


@pytest.mark.parametrize("triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"])
def test_the_image_is_laid_out_safely(triple: str) -> None:
    image = linked(triple)
    page = 0x10000 if "aarch64" in triple else 0x1000
    stack = [row for row in segments(image) if row[0] == elf.PT_GNU_STACK]
    assert len(stack) == 1 and not stack[0][1] & elf.PF_X
    loads = [row for row in segments(image) if row[0] == elf.PT_LOAD]
    end = 0
    for _, rights, offset, address, _, stored, memory, alignment in loads:
        assert rights & (elf.PF_W | elf.PF_X) != elf.PF_W | elf.PF_X
        assert offset == address and address % page == 0 and alignment == page
        assert address >= end and stored <= memory
        end = address + memory
    found = sections(image)
    assert found[".weights"].address % page == 0
    assert {".text.main", ".text", ".plt", ".dynsym", ".hash", ".dynamic"} <= set(found)
    assert found[".bss"].type == elf.SHT_NOBITS and found[".bss"].size == 256


def dynamic_symbols(image: bytearray) -> dict[str, elf.SymbolEntry]:
    found = sections(image)
    table, names = found[".dynsym"], found[".dynstr"]
    text = image[names.offset : names.offset + names.size]
    raw = image[table.offset : table.offset + table.size]
    entries = [elf.SymbolEntry(*row) for row in elf.SYMBOL.iter_unpack(raw)]
    return {elf.text_at(text, entry.name): entry for entry in entries if entry.name}


@pytest.mark.parametrize("triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"])
def test_only_exports_and_allowed_imports_are_visible(triple: str) -> None:
    symbols = dynamic_symbols(linked(triple))
    assert sorted(symbols) == sorted([*EXPORTS, "memcpy"])
    assert [name for name, entry in symbols.items() if entry.section == elf.SHN_UNDEF] == ["memcpy"]


def test_an_image_without_imports_needs_no_library() -> None:
    code = compiled("define i32 @f() { ret i32 3 }", "x86_64-unknown-linux-gnu")
    image = link([("", code)], soname="f.so", exports=["f"])
    at = sections(image)[".dynamic"]
    rows = list(elf.DYNAMIC.iter_unpack(image[at.offset : at.offset + at.size]))
    assert not [tag for tag, _ in rows if tag == elf.DT_NEEDED]
    assert [tag for tag, _ in rows if tag == elf.DT_SONAME]


def aarch64_target(image: bytearray, at: int) -> int:
    """The address that an `adrp` at `at` and the instruction after it compute."""
    first, second = struct.unpack_from("<2I", image, at)
    assert first & 0x9F000000 == 0x90000000
    pages = (first >> 5 & 0x7FFFF) << 2 | first >> 29 & 3
    pages -= (pages & 1 << 20) * 2
    low = second >> 10 & 0xFFF
    is_load = second & 0x3B000000 == 0x39000000
    return (at >> 12 << 12) + (pages << 12) + (low << (second >> 30) if is_load else low)


def test_aarch64_code_finds_its_data() -> None:
    """Decoded by hand: `adrp` + `ldr` of a global's slot; the slot is relocated to the global."""
    text = "@x = global i32 5\ndefine ptr @f() { ret ptr @x }"
    code = compiled(text, "aarch64-unknown-linux-gnu")
    image = link([("", code)], soname="f.so", exports=["f", "x"])
    symbols = dynamic_symbols(image)
    slot = aarch64_target(image, symbols["f"].value)
    (held,) = struct.unpack_from("<Q", image, slot)
    assert held == symbols["x"].value
    at = sections(image)[".rela.dyn"]
    rows = list(elf.RELA.iter_unpack(image[at.offset : at.offset + at.size]))
    assert (slot, 1027, held) in rows


def test_aarch64_branches_reach_functions_and_stubs() -> None:
    image = linked("aarch64-unknown-linux-gnu", opt=3)
    text, plt = sections(image)[".text.main"], sections(image)[".plt"]
    helper = sections(image)[".text"].address
    words = struct.unpack_from(f"<{text.size // 4}I", image, text.offset)
    branches = {
        text.address + 4 * (i + (word & 0x3FFFFFF) - ((word & 0x2000000) << 1))
        for i, word in enumerate(words)
        if word >> 26 in (0b100101, 0b000101)
    }
    assert {helper, plt.address} <= branches
    slot = aarch64_target(image, plt.address)
    at = sections(image)[".rela.dyn"]
    rows = list(elf.RELA.iter_unpack(image[at.offset : at.offset + at.size]))
    assert [info for place, info, _ in rows if place == slot] == [1 << 32 | 1025]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("declare double @sin(double)\ndefine double @f(double %x) "
         "{ %y = call double @sin(double %x) ret double %y }", "needs 'sin', which nothing"),
        ("@t = thread_local global i32 1\ndefine ptr @f() { ret ptr @t }", "thread-local data"),
        ("define i32 @g() { ret i32 1 }", "the export 'f' is defined by none"),
    ],
)  # fmt: skip
def test_what_cannot_be_linked_is_refused_by_name(text: str, message: str) -> None:
    code = compiled(text, "x86_64-unknown-linux-gnu")
    with pytest.raises(TargetError, match=message):
        link([("", code)], soname="f.so", exports=["f"])


def test_two_definitions_are_refused() -> None:
    code = compiled("define i32 @f() { ret i32 1 }", "x86_64-unknown-linux-gnu")
    with pytest.raises(TargetError, match="two objects define 'f'"):
        link([("a", code), ("b", code)], soname="f.so", exports=["f"])


def test_one_file_is_for_one_architecture() -> None:
    triples = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
    objects = [("", compiled("define i32 @f() { ret i32 1 }", triple)) for triple in triples]
    with pytest.raises(TargetError, match="got code for x86-64 and aarch64: compile one file"):
        link(objects, soname="f.so", exports=["f"])


def test_linking_is_deterministic() -> None:
    assert linked() == linked()


def test_readelf_finds_nothing_wrong(tmp_path: Path) -> None:
    tool = shutil.which("readelf")
    if tool is None:
        return  # the checks above read the same tables by hand
    for triple in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"):
        path = tmp_path / "test.so"
        path.write_bytes(linked(triple))
        done = subprocess.run([tool, "-aW", str(path)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert "Library soname: [test.so]" in done.stdout


def test_a_linker_takes_it_as_a_library(tmp_path: Path) -> None:
    tool = shutil.which("ld")
    if tool is None or "x86_64" not in llvm.get_process_triple():
        return  # no linker here to ask
    caller = "declare i32 @copied(i32)\ndefine i32 @g() { %r = call i32 @copied(i32 1) ret i32 %r }"
    (tmp_path / "caller.o").write_bytes(compiled(caller, "x86_64-unknown-linux-gnu"))
    (tmp_path / "libtest.so").write_bytes(linked())
    command = [tool, "-shared", "-z", "defs", "caller.o", "libtest.so", "-o", "out.so"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
