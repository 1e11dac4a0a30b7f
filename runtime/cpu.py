"""What this CPU can do, and what each ISA level needs. Names of features are the kernel's."""

from __future__ import annotations

import os
from functools import cache
from typing import Final

_V2: Final = ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3")
_V3: Final = (*_V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")
_V4: Final = (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")

# The levels of the x86-64 psABI, and the baseline of 64-bit Arm.
LEVELS: Final = {
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
    "aarch64": ("asimd", "fp"),
}


def machine() -> str:
    """The architecture of this process: x86-64, aarch64, or what the system calls another one."""
    name = os.uname().machine if hasattr(os, "uname") else "unknown"
    return {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "aarch64"}.get(name, name)


@cache
def features() -> frozenset[str]:
    """The features that the CPU has and the system lets programs use; empty where none are told."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                key, _, values = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    return frozenset(values.split())
    except OSError:
        return frozenset()
    return frozenset()


def supported_levels() -> list[str]:
    """The levels that this CPU can run, the most demanding first."""
    have = features()
    found = [level for level, needs in LEVELS.items() if have.issuperset(needs)]
    return sorted(found, key=lambda level: -len(LEVELS[level]))
