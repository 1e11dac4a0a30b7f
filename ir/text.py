"""The compact text form of a Program: it prints, and parses back to an equal Program.

    program(image: data float32[B, 784]) {
      persist trainable fc.w: grad float32[784, 10]
      persist scale: float32[] = 0.5
      guard <B> <= <64> "needs at most 64 rows"
      tmp: grad float32[B, 10] = matmul_v2(X=image, Y=fc.w) @ net.py:7 "x = self.fc(x)"
      out: grad float32[B, 10] = elementwise_mul(X=tmp, Y=scale, axis=-1) @ net.py:8
      yield out
    }

A line is `outputs = type(inputs, attributes)`. Outputs carry their type, after flags: `grad`
(stop_gradient is False), `data`, `persist`, `trainable`. The slot of the outputs is left out where
the op has only one; else it reads `Out=x: float32[2], Mask=m: uint8[2] = dropout(...)`, and several
Variables of one slot stand in brackets. Attributes at their declared default are left out. An
attribute is a number, `true`, `"text"`, `none`, a dtype, a dim `<2*B>`, a list of these, or a
sub-block `block(a: float32[2]) { ... }`. A name that would read as something else is written
`%"so"`. Arrays of `program.values` are shown up to 16 elements, longer ones as `...`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from wherry.schema.dtypes import DTYPES, DType
from wherry.schema.errors import Loc

from .dims import SymDim
from .found import note_found
from .infer import Guard
from .opdef import OPS, REQUIRED, get_op
from .program import Block, OpDesc, Program, Variable

RESERVED: Final = frozenset(
    ["persist", "trainable", "yield", "guard", "block", "true", "false", "none", "nan", "inf"]
    + [dtype.name for dtype in DTYPES]
)
SHOWN_ELEMENTS: Final = 16
_BARE_NAME: Final = re.compile(r"[^\W\d][\w.@/]*")


def to_text(program: Program, *, locs: bool = True) -> str:
    """The Program's text; `locs=False` leaves the source lines out."""
    return "\n".join(_Printer(locs).program(program)) + "\n"


def parse_text(text: str) -> Program:
    """The Program that a text form describes.

    Raises ValueError naming the line, what was expected and what came.
    """
    from .text_parse import Parser

    get_op("fusion")  # fills the table of ops, so that defaults are known
    program = Parser(text).program()
    note_found(program)
    return program


def name_text(name: str) -> str:
    """A Variable's name, quoted where it would read as something else."""
    bare = _BARE_NAME.fullmatch(name) and name not in RESERVED
    return name if bare else "%" + json.dumps(name)


def default_output_slot(op_type: str) -> str:
    """The output slot whose name is left out: the only one that the op has, else `Out`."""
    if op_type not in OPS:
        return "Out"
    outputs = OPS[op_type].outputs
    return outputs[0].name if len(outputs) == 1 else ""


def full_attrs(op: OpDesc) -> dict[str, Any]:
    """The op's attributes with declared defaults filled in (required ones may still miss)."""
    declared = OPS[op.type].attrs if op.type in OPS else {}
    return {**{k: v for k, v in declared.items() if v is not REQUIRED}, **op.attrs}


def attr_key(value: Any) -> Any:
    """What equal attributes have in common: 1, 1.0 and True differ, NaN equals NaN."""
    if isinstance(value, (list, tuple)):
        return tuple(attr_key(one) for one in value)
    return type(value).__name__, repr(value)


class _Printer:
    def __init__(self, locs: bool) -> None:
        self.locs = locs

    def program(self, program: Program) -> list[str]:
        get_op("fusion")  # fills the table of ops, so that defaults are known
        head = [*self._persistables(program), *(f"  {self._guard(g)}" for g in program.guards)]
        return self._block("program", program.global_block, head)

    def _block(self, keyword: str, block: Block, head: Sequence[str] = ()) -> list[str]:
        args = ", ".join(map(self._declare, block.args))
        body = [line for op in block.ops for line in self.op(op)]
        results = "yield " + ", ".join(name_text(var.name) for var in block.results)
        lines = [*head, *(f"  {line}" for line in body), f"  {results.strip()}"]
        return [f"{keyword}({args}) {{", *lines, "}"]

    def _persistables(self, program: Program) -> Iterator[str]:
        for var in program.persistables:
            if var.op is None:
                words = "persist trainable" if var.trainable else "persist"
                flags = "grad " if not var.stop_gradient else ""
                value = _array_text(program.values.get(var.name))
                yield f"  {words} {name_text(var.name)}: {flags}{var.type}{value}"

    def _guard(self, guard: Guard) -> str:
        left, relation, right, message, loc = guard
        return f"guard <{left}> {relation} <{right}> {_quoted(message)}{self._loc(loc)}"

    def _declare(self, var: Variable) -> str:
        flags = {
            "persist": var.persistable, "trainable": var.trainable,
            "data": var.is_data, "hidden": var.is_hidden, "grad": not var.stop_gradient,
        }  # fmt: skip
        words = "".join(f"{flag} " for flag, is_set in flags.items() if is_set)
        return f"{name_text(var.name)}: {words}{var.type}"

    def op(self, op: OpDesc) -> list[str]:
        """The lines of one op; more than one where it owns sub-blocks."""
        slots = {slot: vars_ for slot, vars_ in op.outputs.items() if vars_}
        bare = default_output_slot(op.type)
        outputs = ", ".join(
            ("" if slot == bare else f"{slot}=") + _bracketed([self._declare(v) for v in vars_])
            for slot, vars_ in slots.items()
        )
        inputs = [
            f"{slot}={_bracketed([name_text(v.name) for v in vars_])}"
            for slot, vars_ in op.inputs.items() if vars_
        ]  # fmt: skip
        attrs = [f"{name}={text}" for name, text in self._attrs(op)]
        head = f"{outputs} = " if outputs else ""
        return f"{head}{op.type}({', '.join([*inputs, *attrs])}){self._loc(op.loc)}".split("\n")

    def _attrs(self, op: OpDesc) -> Iterator[tuple[str, str]]:
        declared: Mapping[str, Any] = OPS[op.type].attrs if op.type in OPS else {}
        ordered = [
            *(n for n in declared if n in op.attrs),
            *(n for n in op.attrs if n not in declared),
        ]
        for name, value in ((name, op.attrs[name]) for name in ordered):
            if name not in declared or attr_key(value) != attr_key(declared[name]):
                yield name, self._attr(value)

    def _attr(self, value: Any) -> str:
        if isinstance(value, Block):
            return "\n".join(self._block("block", value))
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(self._attr, value)) + "]"
        if value is None or isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, DType):
            return value.name
        if isinstance(value, SymDim):
            return f"<{value}>"
        if isinstance(value, str):
            return _quoted(value)
        if type(value) in (int, float):
            return repr(value)
        raise TypeError(f"no text form for an attribute of type {type(value).__name__}: {value!r}")

    def _loc(self, loc: Loc | None) -> str:
        if loc is None or not self.locs:
            return ""
        file = loc.file if re.fullmatch(r'[^\s"]+', loc.file) else _quoted(loc.file)
        return f" @ {file}:{loc.line}" + (f" {_quoted(loc.text)}" if loc.text else "")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bracketed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else "[" + ", ".join(parts) + "]"


def _array_text(array: np.ndarray[Any, Any] | None) -> str:
    if array is None:
        return ""
    return f" = {_nested(array)}" if array.size <= SHOWN_ELEMENTS else " = ..."


def _nested(array: Any) -> str:
    if array.ndim:
        return "[" + ", ".join(map(_nested, array)) + "]"
    # str of a numpy float is the shortest text that reads back to the same float of its width.
    return str(array[()]).lower()


def equal(a: Program, b: Program, *, locs: bool = False, values: bool = False) -> bool:
    """Whether two Programs have the same structure: names, types, flags, ops, attributes, guards.

    `locs` compares the source lines too, `values` the arrays of the persistables.
    """
    if values and not _same_values(a, b):
        return False
    get_op("fusion")
    same: bool = _program_key(a, locs) == _program_key(b, locs)
    return same


def _same_values(a: Program, b: Program) -> bool:
    return a.values.keys() == b.values.keys() and all(
        x.dtype == b.values[name].dtype and x.shape == b.values[name].shape
        and x.tobytes() == b.values[name].tobytes()
        for name, x in a.values.items()
    )  # fmt: skip


def _program_key(program: Program, locs: bool) -> Any:
    guards = [(*g[:4], g.loc if locs else None) for g in program.guards]
    persistables = [_var_key(v) for v in program.persistables if v.op is None]
    return persistables, guards, _block_key(program.global_block, locs)


def _block_key(block: Block, locs: bool) -> Any:
    return (
        [_var_key(v) for v in block.args],
        [_op_key(op, locs) for op in block.ops],
        [v.name for v in block.results],
    )


def _op_key(op: OpDesc, locs: bool) -> Any:
    attrs = {
        name: _block_key(value, locs) if isinstance(value, Block) else attr_key(value)
        for name, value in full_attrs(op).items()
    }
    inputs = {slot: [v.name for v in vars_] for slot, vars_ in op.inputs.items() if vars_}
    outputs = {slot: [_var_key(v) for v in vars_] for slot, vars_ in op.outputs.items() if vars_}
    return op.type, inputs, outputs, attrs, op.loc if locs else None


def _var_key(var: Variable) -> Any:
    flags = var.persistable, var.stop_gradient, var.trainable, var.is_data, var.is_hidden
    return var.name, str(var.type), flags
