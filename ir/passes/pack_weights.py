"""pack_weights: products with weights read them from panels, which are made once.

                                        p = reshape2(pad(w, ...), [K, N / 32, 32])
    out = matmul_v2(x, w)         ->    p = transpose2(p, [1, 0, 2])
                                        out = matmul_panels(x, p, columns=N)

Else each call, and each round of a loop, would read long rows of the weights piece by piece, or
pack them by itself. The ops that lay them out stand in block 0. They are folded where weights are
constants; `hoist` takes them out of the calls where they may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..emit import BlockEmitter
from ..ops.panels import PANEL_DTYPES, panel_width
from ..program import Block, OpDesc, Program, Variable
from ..work import byte_size
from .base import live_blocks
from .dce import Dce
from .hoist import steady

# Smaller weights lie in the first-level cache; they are read as they lie.
_LEAST_BYTES = 1 << 14

# The slots whose values ops pass to their blocks, the same each time.
_PASSED = {"while": "Extra", "cond": "X"}

# Weights in panels, as products read them with `trans_y` and without.
Panels = Mapping[bool, Variable]


class PackWeights:
    """For inference. Weights that something else reads, too, stay: they would be there twice."""

    name = "pack_weights"

    def run(self, program: Program) -> bool:
        packer = _Packer(program)
        changed = [packer.pack(var) for var in packer.weights()]
        if any(changed):
            Dce().run(program)  # arguments of blocks that nobody reads
        return any(changed)


class _Packer:
    def __init__(self, program: Program) -> None:
        self.block = program.global_block
        self.users: dict[Variable, list[OpDesc]] = {}
        self.results: set[Variable] = set()
        for block in live_blocks(program):
            self.users.update(block.users())
            self.results.update(block.results)

    def weights(self) -> list[Variable]:
        """What is the same in each call, and only products read, which gain from panels."""
        program = self.block.program
        made = [var for op in self.block.ops for var in op.out_vars]
        known = steady(program)
        return [v for v in [*program.persistables, *made] if v in known and self.is_ours(v)]

    def is_ours(self, weights: Variable) -> bool:
        """Whether nothing but such products reads them, in loops and branches too."""
        return weights not in self.results and all(
            gains(op, weights) or (_passes(op, weights) and all(map(self.is_ours, inner)))
            for op, inner in self.readers(weights)
        )

    def readers(self, weights: Variable) -> Iterator[tuple[OpDesc, list[Variable]]]:
        """The ops that read them, each with the arguments of its blocks that are they."""
        for op in self.users.get(weights, []):
            yield op, [arg for block in op.blocks for arg in _arguments(op, block, weights)]

    def pack(self, weights: Variable) -> bool:
        """Let all products with the weights read panels."""
        products = list(self.products(weights))
        panels: dict[bool, Variable] = {}
        for op in products:
            if (trans := op.attrs["trans_y"]) not in panels:
                at = self.block.ops.index(self.users[weights][0])
                panels[trans] = _in_panels(BlockEmitter(self.block, op.loc, at), weights, trans)
        if products:
            self.hand_down(weights, panels)
        return bool(products)

    def products(self, weights: Variable) -> Iterator[OpDesc]:
        for op, inner in self.readers(weights):
            if op.type == "matmul_v2":
                yield op
            for arg in inner:
                yield from self.products(arg)

    def hand_down(self, weights: Variable, panels: Panels) -> None:
        """Give the panels to the products, and to the blocks that have some."""
        for op in self.users.get(weights, []):
            if op.type == "matmul_v2":
                _read_panels(op, weights, panels)
                continue
            for block in op.blocks:
                inner = {trans: _add_argument(block, var) for trans, var in panels.items()}
                for arg in _arguments(op, block, weights):
                    self.hand_down(arg, inner)
            slot = _PASSED[op.type]
            op.inputs = {**op.inputs, slot: [*op.inputs.get(slot, []), *panels.values()]}


def gains(op: OpDesc, weights: Variable) -> bool:
    """Whether it is a product that is faster with these weights in panels."""
    if op.type != "matmul_v2" or op.attrs["trans_x"] or op.in_vars.count(weights) > 1:
        return False
    x, y = op.in_vars
    if y is not weights or x.ndim < 2 or y.ndim != 2 or not y.type.is_static:
        return False
    # Of few columns most of a panel would be empty.
    _, columns = _sizes(y, op.attrs["trans_y"])
    is_wide = y.dtype in PANEL_DTYPES and columns > panel_width(y.dtype) // 2
    return is_wide and int(byte_size(y)) >= _LEAST_BYTES


def _in_panels(F: BlockEmitter, weights: Variable, trans: bool) -> Variable:
    """The weights in panels."""
    depth, columns = _sizes(weights, trans)
    width = panel_width(weights.dtype)
    panels = -(-columns // width)
    missing = panels * width - columns
    pads = [0, missing, 0, 0] if trans else [0, 0, 0, missing]
    whole = F.pad(weights, paddings=pads) if missing else weights
    shape, axis = (
        ([panels, width, depth], [0, 2, 1]) if trans else ([depth, panels, width], [1, 0, 2])
    )
    found: Variable = F.transpose2(F.reshape2(whole, shape=shape), axis=axis)
    return found


def _read_panels(op: OpDesc, weights: Variable, panels: Panels) -> None:
    """Make a product one with panels."""
    trans = op.attrs["trans_y"]
    others = {name: value for name, value in op.attrs.items() if not name.startswith("trans_")}
    op.type, op.attrs = "matmul_panels", {"columns": _sizes(weights, trans)[1], **others}
    op.inputs = {**op.inputs, "Y": [panels[trans]]}


def _add_argument(block: Block, like: Variable) -> Variable:
    name = block.program.unique(like.name)
    return block.add_arg(name, like.shape, like.dtype, stop_gradient=like.stop_gradient)


def _passes(op: OpDesc, var: Variable) -> bool:
    """Whether an op does nothing with a value but to pass it to its blocks, the same each time."""
    passed = op.inputs.get(_PASSED.get(op.type, ""), [])
    return var in passed and op.in_vars.count(var) == passed.count(var)


def _arguments(op: OpDesc, block: Block, var: Variable) -> list[Variable]:
    """The arguments of a block of an op that are this value."""
    if not _passes(op, var):
        return []
    passed = op.inputs[_PASSED[op.type]]
    # A loop's carries come first.
    start = len(op.inputs["X"]) if op.type == "while" else 0
    return [block.args[start + i] for i, one in enumerate(passed) if one is var]


def _sizes(weights: Variable, trans: bool) -> tuple[int, int]:
    """K and N."""
    rows, columns = (int(dim) for dim in weights.shape)
    return (columns, rows) if trans else (rows, columns)
