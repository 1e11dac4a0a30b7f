"""What native code asks of its caller: a function of `wherry.schema.host`, on native memory."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from wherry.schema.dtypes import dtype_from_code
from wherry.schema.host import HOST

Array = np.ndarray[Any, Any]


def compute(op: str, attrs: str, table: Any) -> None:
    """Run an op with its attributes (JSON) on the arrays of a table (see `abi.HostFunction`)."""
    arrays = list(_arrays(table))
    inputs, outputs = arrays[: table[0]], arrays[table[0] :]
    # Copies: what a function keeps or warns of later must not point to memory of the call.
    results = HOST[op](*(np.array(array) for array in inputs), **json.loads(attrs))
    for target, result in zip(outputs, results, strict=True):
        assert target.shape == result.shape, f"{op} gave {result.shape} for {target.shape}"
        target[...] = result


def _arrays(table: Any) -> Iterator[Array]:
    at = 2
    for _ in range(table[0] + table[1]):
        address, code, rank = table[at : at + 3]
        shape = tuple(table[at + 3 : at + 3 + rank])
        at += 3 + rank
        dtype = dtype_from_code(code).numpy
        count = int(np.prod(shape, dtype=np.int64))
        memory: Any = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
        yield np.frombuffer(memory, dtype, count).reshape(shape)
