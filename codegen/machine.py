"""What kernels must know of the machine that they are made for: one table, no branches."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.schema.dtypes import DType


@dataclass(frozen=True)
class Machine:
    """The vectors of a target, and the tiles of registers that contractions work in.

    A tile is `tile_rows` broadcast numbers by `tile_vectors` vectors: its sums, the vectors and one
    broadcast fit into the registers without a spill; at most `tile_steps` of its steps stand in the
    innermost loop, for a scheduler mixes them. A direct convolution shapes its tile by the
    image, and has at most `conv_sums` vectors of sums; a reduction along rows has at most
    `row_sums` vectors of partial results at a time. `masked_bytes` is the size of the smallest
    element of which some of a vector can be loaded and stored in one instruction; 0 if none can.
    `scales` says that one instruction multiplies a vector of float32 by powers of two. `constraint`
    is the letter by which LLVM's assembly statements name a register for a vector; `rare_call` the
    calling convention by which a function leaves whole vectors in their registers (with AVX-512
    half of them: none leaves all). `takes_numbers`
    says that most instructions take a vector of numbers from memory, as LLVM gives it to them
    (with AVX it spends one more to repeat a number); `halves` that there are instructions between
    float16 and float32.
    """

    name: str
    vector_bytes: int
    registers: int
    tile_rows: int
    tile_vectors: int
    tile_steps: int
    conv_sums: int
    row_sums: int
    constraint: str
    rare_call: str = "preserve_allcc"
    masked_bytes: int = 0
    scales: bool = False
    takes_numbers: bool = False
    halves: bool = True

    def lanes(self, dtype: DType) -> int:
        """Elements of the dtype in one vector."""
        return self.vector_bytes // dtype.itemsize


MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            "avx512", vector_bytes=64, registers=32, tile_rows=14, tile_vectors=2, tile_steps=4,
            conv_sums=28, row_sums=16, constraint="v", masked_bytes=1, scales=True,
            rare_call="intel_ocl_bicc",
        ),
        Machine(
            "avx2", vector_bytes=32, registers=16, tile_rows=6, tile_vectors=2, tile_steps=4,
            conv_sums=12, row_sums=8, constraint="x", masked_bytes=4,
        ),
        Machine(
            "sse", vector_bytes=16, registers=16, tile_rows=4, tile_vectors=2, tile_steps=1,
            conv_sums=10, row_sums=4, constraint="x", takes_numbers=True, halves=False,
        ),
        Machine(
            "neon", vector_bytes=16, registers=32, tile_rows=8, tile_vectors=3, tile_steps=4,
            conv_sums=24, row_sums=8, constraint="w",
        ),
    )
}  # fmt: skip
_LEVELS = {"x86-64-v2": "sse", "x86-64-v3": "avx2", "x86-64-v4": "avx512", "aarch64": "neon"}
# What LLVM says of this CPU, from the strongest on.
_FEATURES = {"avx512": "+avx512vl", "avx2": "+fma", "neon": "+neon"}


def machine_of(target: str, features: str) -> Machine:
    """The machine of an ISA level by name; of the host by LLVM's list of its features."""
    if target in _LEVELS:
        return MACHINES[_LEVELS[target]]
    present = set(features.split(","))
    found = (name for name, feature in _FEATURES.items() if feature in present)
    return MACHINES[next(found, "sse")]
