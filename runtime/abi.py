"""ABI v1: what compiled code and its callers agree on. The compiler emits it, the runtime calls it.

Every field is 8 bytes, little-endian. A compiled model is two functions:

    int32 plan(const int64 *dims, int64 *out_dims, int64 memory[2])
    int32 run(ctx *)

`plan` is pure: from the values of the Signature's symbols it gives the sizes of all outputs (one
after the other), the bytes of the arena, and how many more it needs for each thread but the first;
it returns 0, or 1 + i when guard i does not hold.
`run` returns 0, or an ERROR_* code with the error fields of ctx filled. It reads from ctx where the
pointers to inputs lie (the user's, then the persistables) and to outputs (the user's, then the
assigned persistables), all C-contiguous; the symbols' values; and the arena, aligned to
ARENA_ALIGNMENT. The first 8 bytes of a new arena are 0; what a call leaves in it is for the next.

A Program may find sizes: how many elements of a mask are true. The Signature names them; `run`
writes their values behind those of the symbols, so that each call needs dims of its own. For them
`plan` gives what the outputs' sizes are at most, and `run` writes to `sizes` what they are.

`signals` points into a page of bytes: a loop goes on while there is 0, passes over the numbers of
signals, and ends the call with ERROR_INTERRUPT at that of SIGINT.

`ctx` says on how many threads the call may run, and gives the pool: 0 for none, or the address of a
struct that begins with `void (*fork_join)(pool *, task, void *args, int64 shares, int64 threads)`.
One pool serves a process, whichever model brought it.

In a shared object the symbol ENTRY is a constant table:

    u64 abi_version, u64 level_count, const u8 *signature, u64 signature_bytes,
    const u8 *weights, u64 weight_bytes, pool *, then per level, the most demanding first:
    const char *name, const char *features, void *plan, void *run

and the file ends in a TRAILER, which names its length and the crc32 of all bytes before the crc.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Final

VERSION: Final = 1
ENTRY: Final = "wherry_abi_v1"
ARENA_ALIGNMENT: Final = 64

# The fields of ctx, in order; the offset of a field is 8 times its index.
CTX_FIELDS: Final = (
    "version", "pool", "alloc", "free", "print", "host_call",
    "error_site", "error_code", "error_index", "error_value", "threads",
    "inputs", "outputs", "dims", "arena", "sizes", "signals",
)  # fmt: skip
ERROR_FIELDS: Final = CTX_FIELDS[6:10]

ERROR_INDEX: Final = 1
ERROR_DIVISION: Final = 2
ERROR_ASSERT: Final = 3
ERROR_MEMORY: Final = 4
ERROR_SIZE: Final = 5
ERROR_INTERRUPT: Final = 6
ERROR_HOST: Final = 7

# A loop looks at the byte that `signals` points to, in a page of this size: a signal's number or 0.
SIGNALS_PAGE: Final = 4096
INTERRUPT: Final = 2

ENTRY_HEAD: Final = struct.Struct("<7Q")
ENTRY_LEVEL: Final = struct.Struct("<4Q")

TRAILER: Final = struct.Struct("<8sQII")
TRAILER_MAGIC: Final = b"wherrySO"


def ctx_offset(field: str) -> int:
    """The byte offset of a field of ctx."""
    return 8 * CTX_FIELDS.index(field)


class Ctx(ctypes.Structure):
    """The first argument of `run`."""

    _fields_ = [(name, ctypes.c_int64) for name in CTX_FIELDS]


# void *alloc(ctx *, i64 bytes); void free(ctx *, void *)
AllocFunction: Final = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
FreeFunction: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
# void print(ctx *, i64 site, i64 dtype_code, i64 ndim, const i64 *dims, const void *data)
PrintFunction: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
    ctypes.POINTER(ctypes.c_int64), ctypes.c_void_p,
)  # fmt: skip
# int32 host_call(ctx *, i64 site, const i64 *table): 0, or ERROR_HOST. The table holds the numbers
# of inputs and outputs, then for each: the address of its data, its dtype's code, rank and dims.
HostFunction: Final = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)
)
PlanFunction: Final = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
RunFunction: Final = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
