"""The file of parameters: raw little-endian arrays at 64-byte alignment, mapped and not read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .container import ALIGNMENT, PARAMS_MAGIC, Chunk, Section, frame, unframe
from .dtypes import as_dtype
from .flat import Where

Array = np.ndarray[Any, Any]


class ParamsImage:
    """Parameters ready to be written: the file's pieces, its hash, and the hash of each array."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        chunks: list[Chunk] = []
        rows, at = [], 0
        self.hashes: dict[str, str] = {}
        for name, array in arrays.items():
            data = _raw(array)
            self.hashes[name] = hashlib.sha256(data).hexdigest()
            rows.append(
                {
                    "name": name, "dtype": as_dtype(array.dtype).name, "shape": list(array.shape),
                    "offset": at, "sha256": self.hashes[name],
                }
            )  # fmt: skip
            padding = -len(data) % ALIGNMENT
            chunks += [data, bytes(padding)]
            at += len(data) + padding
        index = json.dumps(rows).encode()
        self.hash = hashlib.sha256(index).hexdigest()
        self._sections = [Section("index", [index]), Section("data", chunks)]

    def chunks(self) -> Iterator[Chunk]:
        """The pieces of the file, in order."""
        return frame(PARAMS_MAGIC, self._sections)


def read_params(data: memoryview, where: Where) -> tuple[str, dict[str, Array]]:
    """The file's hash and its arrays, which are read-only views of `data`.

    Raises ModelFormatError for anything that `ParamsImage` did not write.
    """
    sections = unframe(data, PARAMS_MAGIC, where)
    if list(sections) != ["index", "data"]:
        where.bad("the sections 'index' and 'data'", 24)
    at, index = sections["index"]
    start, raw = sections["data"]
    rows = parse_json(index, where.shifted(at))
    if not isinstance(rows, list):
        where.bad("a list of arrays", at)
    arrays: dict[str, Array] = {}
    for row in rows:
        name, array = _read_row(row, raw, where.shifted(at), where.shifted(start))
        if name in arrays:
            where.bad(f"one array named {name!r}, got two", at)
        arrays[name] = array
    return hashlib.sha256(index).hexdigest(), arrays


def parse_json(data: memoryview, where: Where) -> Any:
    """The JSON text of a section. Raises ModelFormatError where it is none."""
    try:
        return json.loads(bytes(data).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        where.bad(f"JSON text ({error})")


def _raw(array: Array) -> memoryview:
    """The bytes of an array, little-endian and C-contiguous; copied only if they are not."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8).data


def _read_row(row: Any, raw: memoryview, row_at: Where, data_at: Where) -> tuple[str, Array]:
    keys = {"name": str, "dtype": str, "shape": list, "offset": int, "sha256": str}
    if not isinstance(row, dict) or any(type(row.get(k)) is not t for k, t in keys.items()):
        row_at.bad(f"an array's {', '.join(keys)}")
    name, shape, offset = row["name"], row["shape"], row["offset"]
    if any(type(size) is not int or size < 0 for size in shape) or len(shape) > 32:
        row_at.bad(f"the shape of {name!r}, got {shape}")
    try:
        dtype = as_dtype(row["dtype"])
    except TypeError:
        row_at.bad(f"the dtype of {name!r}, got {row['dtype']!r}")
    count = 1
    for size in shape:
        count *= size
    if offset < 0 or offset % ALIGNMENT or offset + count * dtype.itemsize > len(raw):
        data_at.bad(f"{name!r} inside the data, aligned to {ALIGNMENT} bytes", max(offset, 0))
    little = dtype.numpy.newbyteorder("<")
    flat = np.frombuffer(raw[offset : offset + count * dtype.itemsize], little)
    return name, flat.reshape(shape)
