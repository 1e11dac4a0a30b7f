"""The signature of compiled code: inputs and outputs, size symbols, guards and error sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from .dtypes import DType, dtype_from_code
from .errors import Loc
from .flat import FlatTable, LocTable, Numbers, Strings, Where
from .generated import native_generated


class TensorSpec(NamedTuple):
    """A tensor's name, dtype and dims.

    A dim is an int, or the text of a symbol (in inputs) or of an expression (in outputs).
    """

    name: str
    dtype: DType
    dims: tuple[int | str, ...]


class SymbolSource(NamedTuple):
    """Where a symbol's value is read at the call: the size of an input along an axis.

    `input` counts through the inputs, then the persistables.
    """

    name: str
    input: int
    axis: int


class GuardSite(NamedTuple):
    """What the caller is told when guard i does not hold."""

    message: str
    loc: Loc | None = None


class Site(NamedTuple):
    """A place in the Program that may stop with an error, or print, or asks the caller.

    `message` is the print's or the assert's; the attributes, as JSON, of what the caller computes.
    """

    op: str
    loc: Loc | None = None
    message: str = ""


@dataclass
class Signature:
    """How compiled code is called (see wherry.runtime.abi).

    `inputs` are the user's; `persistables` follow them in the table of pointers. `outputs` are the
    user's; the new values of the persistables named in `assigned` follow them. `hidden` are the
    inputs that the user does not give, the last ones: only their size is used, which the caller
    guesses (see wherry.runtime.guesses). `found` are the sizes that the call finds: how many
    elements of masks are true. Their values follow those of the symbols.
    """

    name: str = "model"
    inputs: list[TensorSpec] = field(default_factory=list)
    persistables: list[TensorSpec] = field(default_factory=list)
    outputs: list[TensorSpec] = field(default_factory=list)
    assigned: list[str] = field(default_factory=list)
    symbols: list[SymbolSource] = field(default_factory=list)
    guards: list[GuardSite] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def shown_inputs(self) -> list[TensorSpec]:
        """The user's inputs."""
        return self.inputs[: len(self.inputs) - len(self.hidden)]

    def pack(self) -> bytes:
        """The signature as a flatbuffer."""
        strings = Strings()
        locs = LocTable(strings)
        return NATIVE.write(_vectors(self, strings, locs) | locs.vectors() | strings.vectors())

    @staticmethod
    def unpack(data: bytes | memoryview, where: Where | None = None) -> Signature:
        """The inverse of `pack`. Raises ModelFormatError for bytes that are no signature."""
        where = where or Where("signature")
        return _unpack(Numbers(NATIVE.read(data, where), where))


NATIVE: Final = FlatTable(
    native_generated, "Native", b"WHNA",
    {
        "strings": "u1", "string_ends": "u4", "name": "u4", "counts": "u4",
        "spec_name": "u4", "spec_dtype": "u1", "spec_rank": "u4", "spec_dims": "i8",
        "assigned": "u4", "symbol_name": "u4", "symbol_input": "u4", "symbol_axis": "u4",
        "guard_message": "u4", "guard_loc": "i4", "site_op": "u4", "site_message": "u4",
        "site_loc": "i4", "loc_file": "u4", "loc_line": "i8", "loc_text": "u4",
        "hidden": "u4", "found": "u4",
    },
)  # fmt: skip


def _vectors(signature: Signature, strings: Strings, locs: LocTable) -> dict[str, Any]:
    """All fields except the source lines and the strings, which come last."""
    groups = (signature.inputs, signature.persistables, signature.outputs)
    specs = [spec for group in groups for spec in group]
    return {
        "name": [strings(signature.name)],
        "counts": [len(group) for group in groups],
        **spec_vectors(specs, strings),
        "assigned": [strings(name) for name in signature.assigned],
        "symbol_name": [strings(symbol.name) for symbol in signature.symbols],
        "symbol_input": [symbol.input for symbol in signature.symbols],
        "symbol_axis": [symbol.axis for symbol in signature.symbols],
        "guard_message": [strings(guard.message) for guard in signature.guards],
        "guard_loc": [locs(guard.loc) for guard in signature.guards],
        "site_op": [strings(site.op) for site in signature.sites],
        "site_message": [strings(site.message) for site in signature.sites],
        "site_loc": [locs(site.loc) for site in signature.sites],
        "hidden": range(len(signature.shown_inputs), len(signature.inputs)),
        "found": [strings(name) for name in signature.found],
    }


def spec_vectors(specs: Sequence[TensorSpec], strings: Strings) -> dict[str, Any]:
    """The fields `spec_name`, `spec_dtype`, `spec_rank` and `spec_dims`."""
    return {
        "spec_name": [strings(spec.name) for spec in specs],
        "spec_dtype": [spec.dtype.code for spec in specs],
        "spec_rank": [len(spec.dims) for spec in specs],
        "spec_dims": [
            -1 - strings(dim) if isinstance(dim, str) else dim for s in specs for dim in s.dims
        ],
    }


def read_specs(numbers: Numbers) -> list[TensorSpec]:
    """The inverse of `spec_vectors`."""
    lists = numbers.lists
    numbers.same_length("spec_name", "spec_dtype", "spec_rank")
    dims = numbers.groups(lists["spec_rank"], lists["spec_dims"], "dims")
    rows = zip(numbers.strings_of("spec_name"), lists["spec_dtype"], dims, strict=True)
    return [
        TensorSpec(name, read_dtype(numbers, code), tuple(numbers.dim(dim) for dim in row))
        for name, code, row in rows
    ]


def read_dtype(numbers: Numbers, code: int) -> DType:
    """The DType of a VarType number."""
    try:
        return dtype_from_code(code)
    except KeyError:
        numbers.where.bad(f"the number of a dtype, got {code}")


def _unpack(numbers: Numbers) -> Signature:
    if len(numbers.lists["counts"]) != 3 or len(numbers.lists["name"]) != 1:
        numbers.where.bad("a signature with one name and three counts of tensors")
    inputs, persistables, outputs = numbers.groups(
        numbers.lists["counts"], read_specs(numbers), "tensors"
    )
    locs = numbers.locs()
    hidden = numbers.lists["hidden"]
    if hidden != [*range(len(inputs) - len(hidden), len(inputs))] or len(hidden) > len(inputs):
        numbers.where.bad("hidden inputs that are the last ones")
    return Signature(
        numbers.strings_of("name")[0], inputs, persistables, outputs,
        numbers.strings_of("assigned"),
        _read_symbols(numbers, [*inputs, *persistables]),
        [GuardSite(*row) for row in _rows(numbers, locs, "guard_message", "guard_loc")],
        [
            Site(op, loc, message)
            for op, message, loc in _rows(numbers, locs, "site_op", "site_message", "site_loc")
        ],
        [inputs[i].name for i in hidden], numbers.strings_of("found"),
    )  # fmt: skip


def _read_symbols(numbers: Numbers, sources: Sequence[TensorSpec]) -> list[SymbolSource]:
    numbers.same_length("symbol_name", "symbol_input", "symbol_axis")
    columns = numbers.strings_of("symbol_name"), numbers.lists["symbol_input"]
    symbols = []
    for name, index, axis in zip(*columns, numbers.lists["symbol_axis"], strict=True):
        numbers.within(index, len(sources), "tensor")
        numbers.within(axis, len(sources[index].dims), "axis")
        symbols.append(SymbolSource(name, index, axis))
    return symbols


def _rows(numbers: Numbers, locs: Sequence[Loc], *fields: str) -> list[Any]:
    """Rows of texts that end in a source line, which is None where its number is -1."""
    numbers.same_length(*fields)
    found = [
        None if i == -1 else locs[numbers.within(i, len(locs), "source line")]
        for i in numbers.lists[fields[-1]]
    ]
    return list(zip(*(numbers.strings_of(f) for f in fields[:-1]), found, strict=True))
