"""Relocations of x86-64 and aarch64: how a symbol's address enters code and data.

S  the symbol's address     A  the addend     P  the place that is patched
G  the address of the symbol's slot in the table of addresses (GOT)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wherry.schema.elf_format import MACHINE_AARCH64, MACHINE_X86_64
from wherry.schema.errors import TargetError

# What a relocation needs: the symbol's own address (or its stub, for a call of an imported
# function), its slot in the GOT, or the address as data, which the loader has to complete.
DIRECT, GOT_SLOT, ABSOLUTE = "direct", "slot", "absolute"

Patch = Callable[[bytearray, int, int, int], None]


@dataclass(frozen=True)
class Machine:
    """What differs between the architectures. `patches`: kind -> (what it needs, how to write it).

    A patch gets the bytes, the offset of the place, S + A (or G + A) and P. `relative` and
    `symbolic` are the kinds that the loader applies; `stub(slot, at)` is code that jumps through a
    GOT slot.
    """

    name: str
    page: int
    patches: dict[int, tuple[str, Patch]]
    relative: int
    symbolic: int
    stub: Callable[[int, int], bytes]


STUB_SIZE: Final = 16


def _relative(form: str) -> Patch:
    """P-relative, in a plain integer."""

    def patch(data: bytearray, at: int, target: int, place: int) -> None:
        try:
            struct.pack_into(form, data, at, target - place)
        except struct.error:
            raise TargetError(
                f"code and data are {target - place:+,} bytes apart, more than an instruction can "
                "name; a model with more than 2 GB of weights cannot embed them"
            ) from None

    return patch


def _nothing(data: bytearray, at: int, target: int, place: int) -> None:
    """The loader writes the place."""


def _branch(bits: int, shift: int) -> Patch:
    """An aarch64 branch: a word-scaled distance in `bits` bits of the instruction."""

    def patch(data: bytearray, at: int, target: int, place: int) -> None:
        words = (target - place) >> 2
        if not -(1 << (bits - 1)) <= words < 1 << (bits - 1):
            raise TargetError(f"a branch over {target - place:+,} bytes is out of reach")
        _insert(data, at, (words & ((1 << bits) - 1)) << shift)

    return patch


def _page_of(data: bytearray, at: int, target: int, place: int) -> None:
    """adrp: the distance in 4 KB pages, 2 low bits at 29 and 19 at 5."""
    pages = (target >> 12) - (place >> 12)
    if not -(1 << 20) <= pages < 1 << 20:
        raise TargetError(f"an address {target - place:+,} bytes away is out of reach")
    _insert(data, at, (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5)


def _low_bits(scale: int) -> Patch:
    """The low 12 bits of the address, in units of the access, at bit 10."""

    def patch(data: bytearray, at: int, target: int, place: int) -> None:
        if target & ((1 << scale) - 1):
            raise TargetError(f"a load of {1 << scale} bytes needs an aligned address")
        _insert(data, at, (target & 0xFFF) >> scale << 10)

    return patch


def _insert(data: bytearray, at: int, bits: int) -> None:
    (word,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, word | bits)


def _x86_stub(slot: int, at: int) -> bytes:
    """jmp *slot(%rip)"""
    return (b"\xff\x25" + struct.pack("<i", slot - at - 6)).ljust(STUB_SIZE, b"\xcc")


def _arm_stub(slot: int, at: int) -> bytes:
    """adrp x16, slot; ldr x17, [x16, slot]; br x17"""
    code = bytearray(struct.pack("<4I", 0x90000010, 0xF9400211, 0xD61F0220, 0xD503201F))
    _page_of(code, 0, slot, at)
    _low_bits(3)(code, 4, slot, at + 4)
    return bytes(code)


_X86_64: Final = Machine(
    "x86-64",
    0x1000,
    {
        1: (ABSOLUTE, _nothing),  # R_X86_64_64
        2: (DIRECT, _relative("<i")),  # PC32
        4: (DIRECT, _relative("<i")),  # PLT32
        9: (GOT_SLOT, _relative("<i")),  # GOTPCREL
        24: (DIRECT, _relative("<q")),  # PC64
        41: (GOT_SLOT, _relative("<i")),  # GOTPCRELX
        42: (GOT_SLOT, _relative("<i")),  # REX_GOTPCRELX
    },
    relative=8,
    symbolic=6,
    stub=_x86_stub,
)

_AARCH64: Final = Machine(
    "aarch64",
    0x10000,
    {
        257: (ABSOLUTE, _nothing),  # R_AARCH64_ABS64
        260: (DIRECT, _relative("<q")),  # PREL64
        261: (DIRECT, _relative("<i")),  # PREL32
        275: (DIRECT, _page_of),  # ADR_PREL_PG_HI21
        277: (DIRECT, _low_bits(0)),  # ADD_ABS_LO12_NC
        278: (DIRECT, _low_bits(0)),  # LDST8_ABS_LO12_NC
        279: (DIRECT, _branch(14, 5)),  # TSTBR14
        280: (DIRECT, _branch(19, 5)),  # CONDBR19
        282: (DIRECT, _branch(26, 0)),  # JUMP26
        283: (DIRECT, _branch(26, 0)),  # CALL26
        284: (DIRECT, _low_bits(1)),  # LDST16_ABS_LO12_NC
        285: (DIRECT, _low_bits(2)),  # LDST32_ABS_LO12_NC
        286: (DIRECT, _low_bits(3)),  # LDST64_ABS_LO12_NC
        299: (DIRECT, _low_bits(4)),  # LDST128_ABS_LO12_NC
        311: (GOT_SLOT, _page_of),  # ADR_GOT_PAGE
        312: (GOT_SLOT, _low_bits(3)),  # LD64_GOT_LO12_NC
    },
    relative=1027,
    symbolic=1025,
    stub=_arm_stub,
)

MACHINES: Final = {MACHINE_X86_64: _X86_64, MACHINE_AARCH64: _AARCH64}
