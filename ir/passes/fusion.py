"""What the fusing passes share: which ops may be fused, and the `fusion` op around some of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..dims import SymDim
from ..opdef import get_op
from ..program import Block, OpDesc, Program, Variable
from .base import live_blocks, rule_attrs

MAX_OPS = 48
MAX_INPUTS = 24
REDUCTIONS = frozenset(
    f"reduce_{name}" for name in ("sum", "max", "min", "prod", "any", "all")
)  # fmt: skip

VIEWS = frozenset({"reshape2", "squeeze2", "unsqueeze2", "flatten_contiguous_range"})


def is_fusible(op: OpDesc) -> bool:
    """Pointwise, with one output; `axis` is aligned already."""
    return get_op(op.type).is_map and len(op.out_vars) == 1 and op.attrs.get("axis", -1) == -1


def may_fail(op: OpDesc) -> bool:
    """Whether a pointwise op may end the call with an error: integers are not divided by zero."""
    divides = op.type in ("elementwise_floordiv", "elementwise_mod")
    return divides and not op.output().dtype.is_float


def is_constant(var: Variable) -> bool:
    """Whether it is one number that is known: a fusion holds it itself."""
    op = var.op
    if op is None or op.type != "fill_constant" or op.in_vars or var.shape != ():
        return False
    return not isinstance(op.attrs["value"], SymDim)


def unfused_blocks(program: Program) -> list[Block]:
    """The live blocks but for those of fusions."""
    fused = {sub for op in program.all_ops() if op.type == "fusion" for sub in op.blocks}
    return [block for block in live_blocks(program) if block not in fused]


class Readers:
    """Who reads what in a block, and where each op stands."""

    def __init__(self, block: Block) -> None:
        self.users, self.results = block.users(), set(block.results)
        self.position = {op: index for index, op in enumerate(block.ops)}

    def all_among(self, var: Variable, ops: set[OpDesc]) -> bool:
        """Whether nothing but these ops reads the Variable."""
        return var not in self.results and ops.issuperset(self.users.get(var, []))


def drop_unread(block: Block) -> None:
    """Remove pointwise ops and constants that were copied into all that read them."""
    needed, ops = set(block.results), []
    for op in reversed(block.ops):
        copied = is_fusible(op) or op.type == "fill_constant"
        if copied and not needed.intersection(op.out_vars):
            for var in op.out_vars:
                block.drop_var(var)
        else:
            needed.update(op.in_vars)
            ops.append(op)
    block.ops[:] = reversed(ops)


def make_fusion(
    block: Block, members: Sequence[OpDesc], kind: str, outputs: Sequence[Variable]
) -> OpDesc:
    """A `fusion` op around copies of these ops; the caller puts it into the block.

    A constant that they read is copied too, in front of the first that reads it.
    """
    return _Maker(block, members).make(kind, outputs)


class _Maker:
    """Builds the sub-block; `inner` maps what stands outside to what stands inside."""

    def __init__(self, block: Block, members: Sequence[OpDesc]) -> None:
        self.program, self.members = block.program, members
        self.sub = self.program.create_block(block)
        self.inner: dict[Variable, Variable] = {}
        self.inputs: list[Variable] = []

    def make(self, kind: str, outputs: Sequence[Variable]) -> OpDesc:
        for op in self.members:
            self.copy(op)
        self.sub.results.extend(self.inner[var] for var in outputs)
        attrs = {"kind": kind, "block": self.sub}
        fusion = OpDesc("fusion", {"X": self.inputs}, {"Out": list(outputs)}, attrs)
        fusion.loc = next((op.loc for op in reversed(self.members) if op.loc), None)
        for var in outputs:
            var.op = fusion
        return fusion

    def copy(self, op: OpDesc) -> None:
        reads = {slot: [self.read(var) for var in vars_] for slot, vars_ in op.inputs.items()}
        writes: dict[str, list[Variable]] = {}
        for slot, vars_ in op.outputs.items():
            writes[slot] = [self.write(var) for var in vars_]
        self.sub.append(OpDesc(op.type, reads, writes, rule_attrs(op), op.loc))

    def write(self, var: Variable) -> Variable:
        name = self.program.unique(f"{var.name}.of")
        self.inner[var] = self.sub.create_var(name, var.shape, var.dtype)
        return self.inner[var]

    def read(self, var: Variable) -> Variable:
        if var not in self.inner:
            if is_constant(var) and var.op is not None:
                self.copy(var.op)
            else:
                self.inputs.append(var)
                name = self.program.unique(f"{var.name}.in")
                self.inner[var] = self.sub.add_arg(name, var.shape, var.dtype)
        return self.inner[var]
