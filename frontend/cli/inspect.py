"""`wherry inspect NET`: inputs, outputs, ops with source lines, parameters, memory, kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wherry.aot import model_prefix
from wherry.ir.infer import show
from wherry.ir.program import OpDesc, Program, Variable
from wherry.ir.serialize import load_program
from wherry.ir.text import to_text
from wherry.schema.errors import CompilerMissingError

if TYPE_CHECKING:
    from wherry.codegen import CompiledModule

Row = Sequence[str]


def inspect_command(net: str, *, text: bool) -> int:
    """Print what a saved model consists of, or its Program in the compact text form."""
    program, _ = load_program(str(model_prefix(net)))
    print(to_text(program) if text else "\n".join(report(program)))
    return 0


def report(program: Program) -> Iterator[str]:
    """The lines of the report."""
    yield from table("inputs", [variable_row(var) for var in program.inputs])
    yield from table("outputs", [variable_row(var) for var in program.outputs])
    yield from table("parameters", [variable_row(var) for var in program.persistables])
    yield from table("ops", [op_row(op) for op in program.all_ops()])
    try:
        yield from compiled_report(program)
    except CompilerMissingError as error:
        yield f"kernels and memory: {error}"


def compiled_report(program: Program) -> Iterator[str]:
    """What compiling makes of it: needs the compiler."""
    from wherry.codegen import compile_program

    module = compile_program(program, embed=program.values, inference=True)
    yield from table("kernels, in the order in which they run", list(kernel_rows(module)))
    parameters = sum(program.values[var.name].nbytes for var in program.persistables)
    yield "memory"
    yield f"  {parameters} bytes of parameters, {len(module.weights)} in native code"
    yield f"  {module.memory.arena_size} bytes for what lies between the ops of a call"
    yield f"  {len(module.object_code)} bytes of native code, {module.kernels} different kernels"


def kernel_rows(module: CompiledModule) -> Iterator[Row]:
    """One row per op that is left after all passes: what it does, what it makes, where from."""
    from wherry.codegen.kernels.views import VIEWS

    inside = {
        part
        for op in module.program.all_ops()
        if op.type == "fusion"
        for part in op.attrs["block"].ops
    }
    for op in module.program.all_ops():
        if op.type == "fusion":
            inner = " ".join(part.type for part in op.attrs["block"].ops)
            yield (f"{op.attrs['kind']}: {inner}", types(op.out_vars), place(op))
        elif op not in inside and op.type not in VIEWS:
            yield (op.type, types(op.out_vars), place(op))


def variable_row(var: Variable) -> Row:
    return (var.name, var.dtype.name, show(var.shape))


def op_row(op: OpDesc) -> Row:
    inputs = shorten(", ".join(var.name for var in op.in_vars))
    return (op.type, inputs, types(op.out_vars[:1]), place(op))


def shorten(text: str, width: int = 56) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def types(variables: Sequence[Variable]) -> str:
    return ", ".join(str(var.type) for var in variables)


def place(op: OpDesc) -> str:
    """The user's line, as `net.py:12  x = self.conv(x)`."""
    return f"{op.loc.file}:{op.loc.line}  {op.loc.text}" if op.loc else ""


def table(title: str, rows: Sequence[Row]) -> Iterator[str]:
    """A titled block of aligned columns."""
    yield title
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()
    yield ""
