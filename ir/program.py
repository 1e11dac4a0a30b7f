"""Program, Block, OpDesc and Variable: Paddle's ProgramDesc, in SSA form.

Every Variable is defined exactly once: by an op, as a block's argument, or as a persistable. A
sub-block sees nothing of its parent: what it reads from outside comes in through its arguments,
which the owning op lists among its inputs. `print(program)` gives the specification's format
(`wherry.ir.show`), and `wherry.ir.text` a compact form that parses back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import numpy as np

from wherry.schema.dtypes import DType
from wherry.schema.errors import Loc

from .dims import Dim
from .infer import Guard, Shape, TensorType

Slots = dict[str, list["Variable"]]


class Flags(TypedDict, total=False):
    """What a new Variable may be told beside its type."""

    persistable: bool
    stop_gradient: bool
    trainable: bool
    is_data: bool
    is_hidden: bool


@dataclass(eq=False, slots=True)
class Variable:
    """A value of the Program: a name that is unique in it, and a type. Compared by identity.

    An input that `is_hidden` is not the user's: its size is one that the caller guesses.
    """

    name: str
    shape: Shape
    dtype: DType
    persistable: bool = False
    stop_gradient: bool = True
    trainable: bool = False
    is_data: bool = False
    is_hidden: bool = False
    op: OpDesc | None = field(default=None, repr=False)

    @property
    def type(self) -> TensorType:
        return TensorType(self.shape, self.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def base_name(self) -> str:
        """The name without its version: `x` for `x@2`, the third value that was `x`."""
        head, _, version = self.name.rpartition("@")
        return head if head and version.isdigit() else self.name


@dataclass(eq=False, slots=True)
class OpDesc:
    """One op: its type, the Variables in its slots, its attributes and the user's line.

    Attributes are bool, int, float, str, DType, SymDim, Block, None or lists of these. Those that
    the declaration does not name (`op_role`, `op_namescope`) change no result.
    """

    type: str
    inputs: Slots
    outputs: Slots
    attrs: dict[str, Any] = field(default_factory=dict)
    loc: Loc | None = None

    def input(self, slot: str) -> Variable | None:
        """The single Variable in an input slot, None where the slot is empty."""
        found = self.inputs.get(slot, [])
        return found[0] if found else None

    def output(self, slot: str = "Out") -> Variable:
        """The single Variable in an output slot."""
        return self.outputs[slot][0]

    @property
    def in_vars(self) -> list[Variable]:
        """All inputs, slot by slot."""
        return [var for slot in self.inputs.values() for var in slot]

    @property
    def out_vars(self) -> list[Variable]:
        """All outputs, slot by slot."""
        return [var for slot in self.outputs.values() for var in slot]

    @property
    def blocks(self) -> list[Block]:
        """The sub-blocks that the op owns."""
        return [value for value in self.attrs.values() if isinstance(value, Block)]

    def replace_inputs(self, mapping: Mapping[Variable, Variable]) -> bool:
        """Read other Variables instead; True if one of them was read."""
        touched = any(var in mapping for var in self.in_vars)
        if touched:
            self.inputs = {s: [mapping.get(v, v) for v in vs] for s, vs in self.inputs.items()}
        return touched


@dataclass(eq=False)
class Block:
    """A list of ops with arguments and results. Block 0 is the global block."""

    program: Program = field(repr=False)
    idx: int
    parent: Block | None = field(default=None, repr=False)
    args: list[Variable] = field(default_factory=list)
    ops: list[OpDesc] = field(default_factory=list)
    results: list[Variable] = field(default_factory=list)
    vars: dict[str, Variable] = field(default_factory=dict)

    def create_var(
        self, name: str, shape: Sequence[Any], dtype: DType, **flags: Unpack[Flags]
    ) -> Variable:
        """A new Variable of this block. Raises ValueError for a name that the Program has.

        `Program.unique` gives one that it has not.
        """
        if name in self.program.names:
            raise ValueError(f"Variable {name!r} has been created before")
        var = Variable(name, tuple(shape), dtype, **flags)
        self.vars[name] = var
        self.program.names.add(name)
        return var

    def __call__(self) -> Block:
        """This block: Paddle writes `program.global_block()`."""
        return self

    def add_arg(
        self, name: str, shape: Sequence[Any], dtype: DType, **flags: Unpack[Flags]
    ) -> Variable:
        """A new argument of this block."""
        var = self.create_var(name, shape, dtype, **flags)
        self.args.append(var)
        return var

    def append(self, op: OpDesc) -> OpDesc:
        """Add an op at the end; its outputs become defined by it."""
        return self.insert(len(self.ops), op)

    def insert(self, index: int, op: OpDesc) -> OpDesc:
        """Add an op before position `index`."""
        self.ops.insert(index, op)
        for var in op.out_vars:
            var.op = op
        return op

    def remove(self, op: OpDesc) -> None:
        """Take an op and the Variables that it defines out of the block."""
        self.ops.remove(op)
        for var in op.out_vars:
            self.drop_var(var)

    def drop_var(self, var: Variable) -> None:
        """Forget a Variable that nothing uses."""
        self.vars.pop(var.name, None)
        self.program.names.discard(var.name)

    def replace_uses(self, mapping: Mapping[Variable, Variable]) -> None:
        """Let ops and results of this block read other Variables instead."""
        for op in self.ops:
            op.replace_inputs(mapping)
        self.results[:] = [mapping.get(var, var) for var in self.results]

    def users(self) -> dict[Variable, list[OpDesc]]:
        """For each Variable the ops of this block that read it, in order."""
        found: dict[Variable, list[OpDesc]] = {}
        for op in self.ops:
            for var in dict.fromkeys(op.in_vars):
                found.setdefault(var, []).append(op)
        return found


class Program:
    """Blocks of ops, the guards on their sizes, and the data of persistables where it is known.

    The inputs are `global_block.args`, the outputs `global_block.results`; persistables are
    Variables of the global block that no op defines. `values` holds their arrays by name: for
    parameters of a model that is saved or loaded, and for constants that a pass folded. `found` are
    the sizes that a run finds, with what they are at most (see `ir/found.py`).
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._counters: dict[str, int] = {}
        self.guards: list[Guard] = []
        self.found: dict[str, Dim] = {}
        self.values: dict[str, np.ndarray[Any, Any]] = {}
        self.blocks: list[Block] = [Block(self, 0)]

    @property
    def global_block(self) -> Block:
        return self.blocks[0]

    @property
    def inputs(self) -> list[Variable]:
        return self.global_block.args

    @property
    def outputs(self) -> list[Variable]:
        return self.global_block.results

    @property
    def persistables(self) -> list[Variable]:
        """Parameters, buffers and folded constants, in the order of their creation."""
        return [var for var in self.global_block.vars.values() if var.persistable]

    def create_block(self, parent: Block | None) -> Block:
        """A new, empty sub-block."""
        block = Block(self, len(self.blocks), parent)
        self.blocks.append(block)
        return block

    def unique(self, base: str) -> str:
        """A name that is new in the Program: `base`, then `base_1`, `base_2`, ..."""
        if base not in self.names:
            return base
        while True:
            self._counters[base] = self._counters.get(base, 0) + 1
            name = f"{base}_{self._counters[base]}"
            if name not in self.names:
                return name

    def number(self, op_type: str) -> str:
        """The op's type with the number of its use: `relu_0`, then `relu_1`, ..."""
        while True:
            number = self._counters.get(op_type, 0)
            self._counters[op_type] = number + 1
            if f"{op_type}_{number}.tmp_0" not in self.names:
                return f"{op_type}_{number}"

    def add_constant(self, base: str, value: np.ndarray[Any, Any], dtype: DType) -> Variable:
        """A persistable that holds this array."""
        name = self.unique(base)
        var = self.global_block.create_var(name, value.shape, dtype, persistable=True)
        self.values[name] = value
        return var

    def all_ops(self) -> Iterator[OpDesc]:
        """The ops of all blocks, each op before those of its sub-blocks."""

        def walk(block: Block) -> Iterator[OpDesc]:
            for op in block.ops:
                yield op
                for sub in op.blocks:
                    yield from walk(sub)

        return walk(self.global_block)

    def clone(self) -> Program:
        """A deep copy of the structure; the arrays in `values` are shared."""
        return _Cloner(self).run()

    def __str__(self) -> str:
        from .show import show_program

        return show_program(self)


class _Cloner:
    """Copies a Program: Variables and Blocks are mapped one to one."""

    def __init__(self, source: Program) -> None:
        self.source, self.copy = source, Program()
        self.vars: dict[Variable, Variable] = {}
        self.blocks: dict[int, Block] = {0: self.copy.global_block}

    def run(self) -> Program:
        copy, source = self.copy, self.source
        copy.guards, copy.values = list(source.guards), dict(source.values)
        copy.found = dict(source.found)
        copy._counters = dict(source._counters)
        for block in source.blocks[1:]:
            self.blocks[block.idx] = copy.create_block(None)
        for block in source.blocks:
            self._copy_vars(block)
        for block in source.blocks:
            self._copy_ops(block)
        return copy

    def _copy_vars(self, block: Block) -> None:
        twin = self.blocks[block.idx]
        twin.parent = self.blocks[block.parent.idx] if block.parent else None
        for var in block.vars.values():
            self.vars[var] = twin.vars[var.name] = Variable(
                var.name, var.shape, var.dtype, var.persistable,
                var.stop_gradient, var.trainable, var.is_data, var.is_hidden,
            )  # fmt: skip
            self.copy.names.add(var.name)
        twin.args = [self.vars[var] for var in block.args]

    def _copy_ops(self, block: Block) -> None:
        twin = self.blocks[block.idx]
        for op in block.ops:
            attrs = {name: self._attr(value) for name, value in op.attrs.items()}
            twin.append(
                OpDesc(op.type, self._slots(op.inputs), self._slots(op.outputs), attrs, op.loc)
            )
        twin.results = [self.vars[var] for var in block.results]

    def _slots(self, slots: Slots) -> Slots:
        return {slot: [self.vars[var] for var in vars_] for slot, vars_ in slots.items()}

    def _attr(self, value: Any) -> Any:
        if isinstance(value, Block):
            return self.blocks[value.idx]
        return list(value) if isinstance(value, list) else value
