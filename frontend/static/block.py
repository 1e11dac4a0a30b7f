"""Block and Operator: a Program's content as Paddle shows it, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wherry.ir import program as ir
from wherry.ir.show import show_block, show_op

from ..jit.modes import RNG_NAME
from .variable import Parameter, Variable

if TYPE_CHECKING:
    from .program import Program


class Operator:
    """An op of a Program: its type, the names of its Variables by slot, and its attributes."""

    def __init__(self, desc: ir.OpDesc, block: Block) -> None:
        self.desc, self.block = desc, block

    @property
    def type(self) -> str:
        return self.desc.type

    def input(self, name: str) -> list[str]:
        """The names of the Variables in an input slot."""
        return self._names(self.desc.inputs.get(name, []))

    def output(self, name: str) -> list[str]:
        """The names of the Variables in an output slot."""
        return self._names(self.desc.outputs.get(name, []))

    def _names(self, found: list[ir.Variable]) -> list[str]:
        stored = self.block.program.stored_names()
        return [stored.get(var, var.base_name) for var in found]

    @property
    def input_names(self) -> list[str]:
        """The input slots that hold something."""
        return sorted(slot for slot, found in self.desc.inputs.items() if found)

    @property
    def output_names(self) -> list[str]:
        """The output slots that hold something."""
        return sorted(slot for slot, found in self.desc.outputs.items() if found)

    @property
    def input_arg_names(self) -> list[str]:
        """The names of all inputs."""
        return [name for slot in self.input_names for name in self.input(slot)]

    @property
    def output_arg_names(self) -> list[str]:
        """The names of all outputs."""
        return [name for slot in self.output_names for name in self.output(slot)]

    @property
    def attr_names(self) -> list[str]:
        return sorted(self.all_attrs())

    def all_attrs(self) -> dict[str, Any]:
        """The attributes by name; a sub-block is a Block."""
        program = self.block.program
        return {
            name: program.block(value.idx) if isinstance(value, ir.Block) else value
            for name, value in {"op_role": 0, **self.desc.attrs}.items()
        }

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes by name."""
        return self.all_attrs()

    def has_attr(self, name: str) -> bool:
        return name in self.all_attrs()

    def attr(self, name: str) -> Any:
        """An attribute. ValueError for a name that the op has not."""
        found = self.all_attrs()
        if name not in found:
            raise ValueError(f"{self.type} has no attribute {name!r}, only {sorted(found)}")
        return found[name]

    def to_string(self, throw_on_error: bool = False, with_details: bool = False) -> str:
        """What `print` shows."""
        return str(self)

    def __str__(self) -> str:
        return show_op(self.desc, self.block.program.stored_names())

    __repr__ = __str__


class Block:
    """Ops in their order, and the Variables by name. Block 0 is the global block."""

    def __init__(self, program: Program, idx: int) -> None:
        self.program, self.idx = program, idx

    @property
    def desc(self) -> ir.Block:
        """The Block of the IR."""
        return self.program.desc.blocks[self.idx]

    @property
    def parent_idx(self) -> int:
        return self.desc.parent.idx if self.desc.parent else -1

    @property
    def ops(self) -> list[Operator]:
        return [Operator(op, self) for op in self.desc.ops if op.type != "rng_advance"]

    @property
    def vars(self) -> dict[str, Variable]:
        """The Variables by name."""
        stored, found = self.program.stored_names(), dict[str, Variable]()
        for var in self.desc.vars.values():
            counts_draws = var.name == RNG_NAME or (var.op and var.op.type == "rng_advance")
            if var not in stored and not counts_draws:
                found.setdefault(var.base_name, self.program.variable_of(var))
        return found

    def has_var(self, name: str) -> bool:
        return name in self.desc.vars

    def var(self, name: str) -> Variable:
        """The Variable of this name. ValueError if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"var require string as parameter, but get {type(name).__name__}")
        if name not in self.desc.vars:
            raise ValueError(f"var {name} not in this block")
        return self.program.variable_of(self.desc.vars[name])

    def all_parameters(self) -> list[Parameter]:
        """The Variables that layers made to be trained."""
        return list(self.iter_parameters())

    def iter_parameters(self) -> Iterator[Parameter]:
        """The same, one by one."""
        made = map(self.program.variable_of, self.desc.vars.values())
        return (var for var in made if isinstance(var, Parameter))

    def to_string(self, throw_on_error: bool = False, with_details: bool = False) -> str:
        """What `print` shows."""
        return str(self)

    def __str__(self) -> str:
        return show_block(self.desc, self.program.stored_names(), self.program.attrs.keys())

    __repr__ = __str__
