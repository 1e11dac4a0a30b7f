"""Access to the fields of the call's context (see `wherry.runtime.abi`) from generated code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from wherry.runtime.abi import ctx_offset

from .index import I8, I32, I64, POINTER, Index, IndexBuilder, Value, i64

HOST_TYPE = ir.FunctionType(I32, [POINTER, I64, POINTER])
PRINT_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, I64, POINTER, POINTER])
# A dtype's code, dims, data.
Array = tuple[int, Sequence[Index], Value]


class CtxFields:
    """Reads and writes the struct that `pointer` points to."""

    def __init__(self, builder: IndexBuilder, pointer: Value) -> None:
        self.builder, self.pointer = builder, pointer

    def address(self, field: str) -> Value:
        place = ir.Constant(I64, ctx_offset(field))
        return self.builder.b.gep(self.pointer, [place], True, source_etype=I8)

    def load(self, field: str, type: Any) -> Value:
        return self.builder.b.load(self.address(field), typ=type)

    def store(self, field: str, value: Index) -> None:
        self.builder.b.store(i64(value), self.address(field))

    def record_error(self, site: Index, code: int, element: Index, value: Index) -> None:
        """Fill the error record: which op, what went wrong, at which element, with what value."""
        fields = zip(("error_site", "error_code", "error_index", "error_value"),
                     (site, code, element, value), strict=True)  # fmt: skip
        for field, content in fields:
            self.store(field, content)

    def print_tensor(self, site: Index, code: int, dims: Sequence[Index], data: Value) -> None:
        """Hand a tensor to the caller's print function; nothing where there is none."""
        b = self.builder.b
        sizes = self.builder.alloca(I64, max(len(dims), 1), align=8)
        for axis, size in enumerate(dims):
            b.store(i64(size), b.gep(sizes, [i64(axis)], True, source_etype=I64))
        function = self.load("print", PRINT_TYPE.as_pointer())
        with b.if_then(b.icmp_unsigned("!=", function, ir.Constant(function.type, None))):
            b.call(function, [self.pointer, i64(site), i64(code), i64(len(dims)), sizes, data])

    def host_call(self, site: Index, inputs: Sequence[Array], outputs: Sequence[Array]) -> Value:
        """Let the caller compute arrays from others; gives 0, or an error code.

        The table that it gets is described at `abi.HostFunction`.
        """
        b = self.builder.b
        fields: list[Index] = [len(inputs), len(outputs)]
        for code, dims, data in (*inputs, *outputs):
            fields += [b.ptrtoint(data, I64), code, len(dims), *dims]
        table = self.builder.alloca(I64, len(fields), align=8)
        for place, value in enumerate(fields):
            b.store(i64(value), b.gep(table, [i64(place)], True, source_etype=I64))
        function = self.load("host_call", HOST_TYPE.as_pointer())
        return b.call(function, [self.pointer, i64(site), table])
