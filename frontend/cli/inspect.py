"""`wherry inspect NET`: inputs, outputs, ops with source lines, parameters, memory, kernels.

With `--kernels`: what each kernel does, how much work it is and from which lines it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wherry.aot import model_prefix
from wherry.ir.dims import Dim
from wherry.ir.infer import show
from wherry.ir.program import OpDesc, Program, Variable
from wherry.ir.serialize import load_program
from wherry.ir.text import to_text
from wherry.ir.work import Work, work_of
from wherry.schema.errors import CompilerMissingError

if TYPE_CHECKING:
    from wherry.codegen import CompiledModule
    from wherry.codegen.memory import MemoryPlan

Row = Sequence[str]
TYPICAL = 64


def inspect_command(net: str, *, text: bool, kernels: bool) -> int:
    """Print what a saved model consists of, its Program as text, or the kernels it compiles to."""
    program, _ = load_program(str(model_prefix(net)))
    if text:
        print(to_text(program))
    else:
        print("\n".join(kernel_report(program) if kernels else report(program)))
    return 0


def report(program: Program) -> Iterator[str]:
    """The lines of the report."""
    yield from table("inputs", [variable_row(v) for v in program.inputs if not v.is_hidden])
    yield from table("outputs", [variable_row(var) for var in program.outputs])
    yield from table("parameters", [variable_row(var) for var in program.persistables])
    yield from table("ops", [op_row(op) for op in program.all_ops()])
    try:
        yield from compiled_report(program)
    except CompilerMissingError as error:
        yield f"kernels and memory: {error}"


def compiled_report(program: Program) -> Iterator[str]:
    """What compiling makes of it: needs the compiler."""
    module = compiled(program)
    rows = [(what(op), types(op.out_vars), place(op)) for op in kernel_ops(module)]
    yield from table("kernels, in the order in which they run", rows)
    parameters = sum(program.values[var.name].nbytes for var in program.persistables)
    yield "memory"
    yield f"  {parameters} bytes of parameters, {len(module.weights)} in native code"
    symbols = dict.fromkeys(module.memory.symbols, TYPICAL)
    given = "".join(f", {name} = {value}" for name, value in symbols.items())
    size = module.memory.laid_out(symbols)[1]
    yield f"  {size} bytes for what lies between the ops of a call{given}"
    yield f"  {len(module.object_code)} bytes of native code, {module.kernels} different kernels"


def compiled(program: Program) -> CompiledModule:
    from wherry.codegen import compile_program

    return compile_program(program, embed=program.values, inference=True)


def kernel_report(program: Program) -> Iterator[str]:
    """Each kernel with its work and its source lines, and what memory a call takes."""
    module = compiled(program)
    yield "kernels, in the order in which they run"
    total = Work(0, 0)
    for number, op in enumerate(kernel_ops(module), 1):
        work = work_of(op)
        total = Work(total.flops + work.flops, total.bytes + work.bytes)
        yield f"{number:>4}  {what(op)} -> {types(op.out_vars)}"
        yield f"      {amount(work.flops)} FLOPs, {amount(work.bytes)} bytes moved"
        yield from (f"      {line}" for line in source_lines(op))
    yield f"in all {amount(total.flops)} FLOPs, {amount(total.bytes)} bytes moved"
    yield from arena_lines(module.memory)


def arena_lines(memory: MemoryPlan) -> Iterator[str]:
    """The arena beside the most that is needed at once; symbols count as `TYPICAL`."""
    symbols = dict.fromkeys(memory.symbols, TYPICAL)
    (_, size), live = memory.laid_out(symbols), memory.largest_live_set(symbols)
    given = ", where " + ", ".join(f"{k} = {v}" for k, v in symbols.items()) if symbols else ""
    share = f": {size / live:.2f} times as much" if live else ""
    yield f"the largest live set: {amount(live)} bytes, the arena {amount(size)}{given}{share}"
    if symbols:
        yield "each call with other sizes lays out the arena anew"


def amount(number: Dim) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def kernel_ops(module: CompiledModule) -> list[OpDesc]:
    """The ops that are left after all passes and have a kernel, those in branches and loops too."""
    from wherry.codegen.kernels.views import EFFECTS, VIEWS

    ops = list(module.program.all_ops())
    inside = {part for op in ops if op.type == "fusion" for part in op.attrs["block"].ops}
    silent = {*VIEWS, *EFFECTS, "cond", "while"}
    return [op for op in ops if op not in inside and op.type not in silent]


def what(op: OpDesc) -> str:
    """An op's type, or a fusion's kind and ops."""
    if op.type != "fusion":
        return op.type
    return f"{op.attrs['kind']}: " + " ".join(part.type for part in op.attrs["block"].ops)


def source_lines(op: OpDesc) -> list[str]:
    """The user's lines that the kernel comes from, in the order in which they run, each once."""
    parts = op.attrs["block"].ops if op.type == "fusion" else [op]
    return list(dict.fromkeys(filter(None, map(place, parts)))) or list(filter(None, [place(op)]))


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
