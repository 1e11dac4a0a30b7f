"""Programs in files: a Program as flat tables and back, and models as the three portable files.

What schema has read is checked bytes; here the numbers get their meaning, and `verify` has the last
word.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from wherry.schema.dtypes import DType
from wherry.schema.errors import Loc, UnknownOpError
from wherry.schema.flat import LocTable, Numbers, Strings
from wherry.schema.model import ModelFile, read_model, write_model
from wherry.schema.native import TensorSpec, read_dtype, read_specs, spec_vectors

from .dims import Dim, SymDim, parse_dim
from .found import note_found
from .infer import Guard
from .opdef import get_op
from .program import Block, OpDesc, Program, Slots, Variable
from .verify import verify

_FLAGS: Final = ("persistable", "stop_gradient", "trainable", "is_data", "is_hidden")
# The kinds of attribute values; a kind's number in files is its place here, so the order is fixed.
_KINDS: Final = (
    "none", "false", "true", "int", "float", "text", "dtype", "dim", "block", "list", "long",
)  # fmt: skip
_DEEPEST_LIST: Final = 16
_LONGEST_DIM: Final = 10_000
_RELATIONS: Final = ("==", "<=", "1 or ==", "broadcast")


def save_program(
    prefix: str | Path,
    program: Program,
    values: Mapping[str, np.ndarray[Any, Any]] | None = None,
    info: Mapping[str, Mapping[str, Any]] | None = None,
    meta: Mapping[str, Any] | None = None,
    strip_source: bool = False,
) -> None:
    """Write a Program and the arrays of its persistables as `prefix.pdmodel` and its companions.

    `values` are the arrays by name, `program.values` by default; each persistable needs one. `info`
    says more about them by name (structured_name, stop_gradient, trainable); `meta` is any
    JSON-able dict for whoever loads the model. Raises OSError where a file cannot be written; the
    old files stay.
    """
    found = {**program.values, **(values or {})}
    missing = [var.name for var in program.persistables if var.name not in found]
    if missing:
        raise ValueError(f"a model needs the values of its persistables, got none for {missing}")
    arrays = {var.name: found[var.name] for var in program.persistables}
    for var in program.persistables:
        have = arrays[var.name]
        if tuple(have.shape) != var.shape or have.dtype != var.dtype.numpy:
            raise ValueError(f"{var.name} needs {var.type}, got {have.dtype}{list(have.shape)}")
    write_model(prefix, program_to_tables(program, strip_source), arrays, info, meta)


def load_program(path: str | Path, params: str | Path | None = None) -> tuple[Program, ModelFile]:
    """Read a model: the Program, with memory-mapped read-only arrays in `values`, and the file's
    rest.

    Raises ModelFormatError for files that are missing, damaged, or that hold no valid Program, and
    UnknownOpError for an op that this version does not declare.
    """
    found = read_model(path, params)
    program = tables_to_program(Numbers(found.tables, found.where))
    for var in program.persistables:
        array = found.params.get(var.name)
        if array is None or tuple(array.shape) != var.shape or array.dtype != var.dtype.numpy:
            got = "none" if array is None else f"{array.dtype}{list(array.shape)}"
            found.where.bad(f"parameters with {var.name} as {var.type}, got {got}")
        program.values[var.name] = array
    return program, found


def program_to_tables(program: Program, strip_source: bool = False) -> dict[str, Any]:
    """The vectors of schema/program.fbs. `strip_source` leaves the user's lines out."""
    return _Writer(program, strip_source).run()


def tables_to_program(numbers: Numbers) -> Program:
    """The inverse of `program_to_tables`; the result is verified.

    Raises UnknownOpError for an op that is not declared, else ModelFormatError.
    """
    program = _Reader(numbers).run()
    try:
        for op in program.all_ops():
            get_op(op.type)
        note_found(program)
        verify(program)
    except UnknownOpError:
        raise
    except Exception as error:  # a shape rule may stumble in any way over attributes that lie
        numbers.where.bad(f"a valid Program ({error})")
    return program


class _Writer:
    """Numbers blocks, Variables, strings and source lines, and lists what refers to them."""

    def __init__(self, program: Program, strip_source: bool) -> None:
        self.program, self.strip = program, strip_source
        self.strings = Strings()
        self.locs = LocTable(self.strings)
        self.blocks = list(_reachable(program.global_block))
        self.block_index = {id(block): i for i, block in enumerate(self.blocks)}
        self.vars = [var for block in self.blocks for var in block.vars.values()]
        self.var_index = {id(var): i for i, var in enumerate(self.vars)}
        self.out: dict[str, list[int]] = {
            name: []
            for name in (
                "op_type", "op_loc", "op_inputs", "op_outputs", "op_attrs", "slot_name",
                "slot_size", "slot_var", "attr_name", "value_kind", "value_data",
            )
        }  # fmt: skip

    def run(self) -> dict[str, Any]:
        for block in self.blocks:
            for op in block.ops:
                self._op(op)
        tables: dict[str, Any] = {**self.out, **self._blocks(), **self._vars(), **self._guards()}
        return tables | self.locs.vectors() | self.strings.vectors()

    def _blocks(self) -> dict[str, Any]:
        blocks = self.blocks
        return {
            "block_parent": [
                self.block_index.get(id(block.parent), -1) if block.parent else -1
                for block in blocks
            ],
            "block_vars": [len(block.vars) for block in blocks],
            "block_ops": [len(block.ops) for block in blocks],
            "block_args": [len(block.args) for block in blocks],
            "block_results": [len(block.results) for block in blocks],
            "arg_var": [self._var(var) for block in blocks for var in block.args],
            "result_var": [self._var(var) for block in blocks for var in block.results],
        }

    def _vars(self) -> dict[str, Any]:
        specs = [TensorSpec(v.name, v.dtype, tuple(map(_plain_dim, v.shape))) for v in self.vars]
        flags = [sum(getattr(v, flag) << i for i, flag in enumerate(_FLAGS)) for v in self.vars]
        return {**spec_vectors(specs, self.strings), "var_flags": flags}

    def _guards(self) -> dict[str, Any]:
        guards = self.program.guards
        return {
            "guard_left": [self.strings(str(guard.left)) for guard in guards],
            "guard_relation": [self.strings(guard.relation) for guard in guards],
            "guard_right": [self.strings(str(guard.right)) for guard in guards],
            "guard_message": [self.strings(guard.message) for guard in guards],
            "guard_loc": [self._loc(guard.loc) for guard in guards],
        }

    def _op(self, op: OpDesc) -> None:
        self.out["op_type"].append(self.strings(op.type))
        self.out["op_loc"].append(self._loc(op.loc))
        for field, slots in (("op_inputs", op.inputs), ("op_outputs", op.outputs)):
            self.out[field].append(len(slots))
            for name, variables in slots.items():
                self.out["slot_name"].append(self.strings(name))
                self.out["slot_size"].append(len(variables))
                self.out["slot_var"] += [self._var(var) for var in variables]
        self.out["op_attrs"].append(len(op.attrs))
        for name, value in op.attrs.items():
            self.out["attr_name"].append(self.strings(name))
            try:
                self._value(value)
            except TypeError as error:
                raise TypeError(f"{op.type}: attribute {name!r}: {error}") from None

    def _value(self, value: Any) -> None:
        if isinstance(value, np.generic):
            value = value.item()
        kind, data = self._encode(value)
        self.out["value_kind"].append(_KINDS.index(kind))
        self.out["value_data"].append(data)
        if kind == "list":
            for element in value:
                self._value(element)

    def _encode(self, value: Any) -> tuple[str, int]:
        match value:
            case None:
                return "none", 0
            case bool():
                return str(value).lower(), 0
            case int() if -(2**63) <= value < 2**63:
                return "int", value
            case int():
                return "long", self.strings(str(value))
            case float():
                return "float", struct.unpack("<q", struct.pack("<d", value))[0]
            case str():
                return "text", self.strings(value)
            case DType():
                return "dtype", value.code
            case SymDim():
                return "dim", self.strings(str(value))
            case Block():
                return "block", self.block_index[id(value)]
            case list() | tuple():
                return "list", len(value)
        raise TypeError(f"a value of type {type(value).__name__} has no place in a model file")

    def _var(self, var: Variable) -> int:
        return self.var_index[id(var)]

    def _loc(self, loc: Loc | None) -> int:
        return self.locs(None if self.strip else loc)


class _Reader:
    """Builds the Program; every number is checked before it is followed."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers, self.lists, self.where = numbers, numbers.lists, numbers.where
        self.locs = numbers.locs()
        self.program = Program()
        self.vars: list[Variable] = []
        self.owned = {0}

    def run(self) -> Program:
        self._make_blocks()
        self._make_vars()
        self._make_ops()
        for block, args, results in zip(
            self.program.blocks, self._runs("block_args", "arg_var"),
            self._runs("block_results", "result_var"), strict=True,
        ):  # fmt: skip
            block.args = [self._var(index) for index in args]
            block.results = [self._var(index) for index in results]
        self._make_guards()
        return self.program

    def _make_blocks(self) -> None:
        fields = "block_parent", "block_vars", "block_ops", "block_args", "block_results"
        count = self.numbers.same_length(*fields)
        if not count or self.lists["block_parent"][0] != -1:
            self.where.bad("a global block without a parent")
        for index in range(1, count):
            parent = self.lists["block_parent"][index]
            known = None if parent == -1 else self.numbers.within(parent, count, "block")
            block = self.program.create_block(None)
            if known is not None:
                self.numbers.within(known, index, "block that comes before")
                block.parent = self.program.blocks[known]

    def _make_vars(self) -> None:
        specs, flags = read_specs(self.numbers), self.lists["var_flags"]
        if len(specs) != len(flags):
            self.where.bad("flags for each Variable")
        counts = self.lists["block_vars"]
        rows = self.numbers.groups(counts, list(zip(specs, flags, strict=True)), "Variables")
        for block, row in zip(self.program.blocks, rows, strict=True):
            for spec, bits in row:
                if spec.name in self.program.names or bits >= 1 << len(_FLAGS):
                    self.where.bad(f"a Variable with flags and a new name, got {spec.name!r}")
                named = {flag: bool(bits >> i & 1) for i, flag in enumerate(_FLAGS)}
                shape = [self._dim(dim) for dim in spec.dims]
                self.vars.append(block.create_var(spec.name, shape, spec.dtype, **named))

    def _make_ops(self) -> None:
        fields = "op_type", "op_loc", "op_inputs", "op_outputs", "op_attrs"
        self.numbers.same_length(*fields)
        columns = (
            self.numbers.strings_of("op_type"), map(self._loc, self.lists["op_loc"]),
            self._slots(), self._attrs(),
        )  # fmt: skip
        ops = [OpDesc(t, *slots, attrs, loc) for t, loc, slots, attrs in zip(*columns, strict=True)]
        groups = self.numbers.groups(self.lists["block_ops"], ops, "ops")
        for block, row in zip(self.program.blocks, groups, strict=True):
            for op in row:
                block.append(op)

    def _slots(self) -> Iterator[tuple[Slots, Slots]]:
        """The input and output slots of each op."""
        names = self.numbers.strings_of("slot_name")
        self.numbers.same_length("slot_name", "slot_size")
        variables = [list(map(self._var, row)) for row in self._runs("slot_size", "slot_var")]
        pairs = list(zip(names, variables, strict=True))
        ins, outs = self.lists["op_inputs"], self.lists["op_outputs"]
        counts = [count for pair in zip(ins, outs, strict=True) for count in pair]
        runs = iter(self.numbers.groups(counts, pairs, "slots"))
        for inputs, outputs in zip(runs, runs, strict=True):
            if len(dict(inputs)) != len(inputs) or len(dict(outputs)) != len(outputs):
                self.where.bad("slots of different names in one op")
            yield dict(inputs), dict(outputs)

    def _attrs(self) -> list[dict[str, Any]]:
        """The attributes of each op."""
        self.numbers.same_length("value_kind", "value_data")
        stream = zip(self.lists["value_kind"], self.lists["value_data"], strict=True)
        names = self.numbers.strings_of("attr_name")
        pairs = [(name, self._value(stream, 0)) for name in names]
        if next(stream, None) is not None:
            self.where.bad("one value for each attribute")
        groups = self.numbers.groups(self.lists["op_attrs"], pairs, "attributes")
        return [dict(group) for group in groups]

    def _value(self, stream: Iterator[tuple[int, int]], depth: int) -> Any:
        kind, data = next(stream, (len(_KINDS), 0))
        if kind >= len(_KINDS) or depth > _DEEPEST_LIST:
            self.where.bad(f"a value of a known kind, at most {_DEEPEST_LIST} lists deep")
        match _KINDS[kind]:
            case "list":
                if not 0 <= data <= len(self.lists["value_kind"]):
                    self.where.bad(f"a list inside the values, got {data} elements")
                return [self._value(stream, depth + 1) for _ in range(data)]
            case "block":
                return self._owned_block(data)
            case name:
                return self._scalar(name, data)

    def _owned_block(self, index: int) -> Block:
        """A sub-block; each has one owner, so that blocks form a tree."""
        self._inside(index, self.program.blocks, "block")
        if index in self.owned:
            self.where.bad(f"one owner for block {index}, which is not the global one")
        self.owned.add(index)
        return self.program.blocks[index]

    def _scalar(self, kind: str, data: int) -> Any:
        match kind:
            case "int":
                return data
            case "float":
                return struct.unpack("<d", struct.pack("<q", data))[0]
            case "text":
                return self.numbers.text(data)
            case "dtype":
                return read_dtype(self.numbers, data)
            case "dim":
                return self._dim(self.numbers.text(data))
            case "long":
                return self._integer(self.numbers.text(data))
        return {"none": None, "false": False, "true": True}[kind]

    def _make_guards(self) -> None:
        fields = "guard_left", "guard_relation", "guard_right", "guard_message", "guard_loc"
        self.numbers.same_length(*fields)
        columns = [self.numbers.strings_of(field) for field in fields[:-1]]
        for left, relation, right, message, loc in zip(
            *columns, map(self._loc, self.lists["guard_loc"]), strict=True
        ):
            if relation not in _RELATIONS:
                self.where.bad(f"a relation of dims, got {relation!r}")
            sides = self._dim(left), self._dim(right)
            self.program.guards.append(Guard(sides[0], relation, sides[1], message, loc))

    def _runs(self, counts: str, values: str) -> list[list[int]]:
        return self.numbers.groups(self.lists[counts], self.lists[values], values)

    def _inside(self, index: int, things: Sequence[Any], what: str) -> int:
        return self.numbers.within(index, len(things), what)

    def _var(self, index: int) -> Variable:
        return self.vars[self._inside(index, self.vars, "Variable")]

    def _loc(self, index: int) -> Loc | None:
        return None if index == -1 else self.locs[self._inside(index, self.locs, "source line")]

    def _dim(self, dim: int | str) -> Dim:
        if isinstance(dim, int):
            return dim
        try:
            if len(dim) > _LONGEST_DIM:
                raise ValueError("too long")
            return parse_dim(dim)
        except (ValueError, TypeError, RecursionError, MemoryError):
            self.where.bad(f"the text of a dim, got {dim[:80]!r}")

    def _integer(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            self.where.bad(f"the text of an integer, got {text[:80]!r}")


def _reachable(block: Block) -> Iterator[Block]:
    """The block and those that its ops own, each before its own."""
    yield block
    for op in block.ops:
        for sub in op.blocks:
            yield from _reachable(sub)


def _plain_dim(dim: Dim) -> int | str:
    """A dim as TensorSpec has it: a size, or the text of anything else."""
    return dim if isinstance(dim, int) and dim >= 0 else str(dim)
