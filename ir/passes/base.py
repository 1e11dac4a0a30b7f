"""What passes share: what a pass is, which ops may be moved or merged, small edits of a block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ..emit import BlockEmitter
from ..opdef import get_op
from ..program import Block, OpDesc, Program, Variable


class Pass(Protocol):
    """Takes a valid Program and leaves a valid Program; `run` says whether it changed something."""

    name: str

    def run(self, program: Program) -> bool: ...


def live_blocks(program: Program) -> list[Block]:
    """The global block and the sub-blocks that ops own, a block after the one that holds its op."""

    def walk(block: Block) -> Iterator[Block]:
        yield block
        for op in block.ops:
            for sub in op.blocks:
                yield from walk(sub)

    return list(walk(program.global_block))


def each_block(program: Program, visit: Callable[[Block], bool]) -> bool:
    """Visit every live block; True if one of the visits was."""
    visited = [visit(block) for block in live_blocks(program)]
    return any(visited)


def is_pure(op: OpDesc) -> bool:
    """Whether the op does nothing but compute its outputs from its inputs."""
    if op.type == "gradient_hook":  # its block runs in the gradient only
        return True
    opdef = get_op(op.type)
    return not opdef.side_effect and all(map(is_pure_block, op.blocks))


def is_pure_block(block: Block) -> bool:
    return all(map(is_pure, block.ops))


def rule_attrs(op: OpDesc) -> dict[str, Any]:
    """The op's declared attributes, as its rules take them."""
    return get_op(op.type).bind(op.attrs)


def packed_inputs(op: OpDesc) -> list[Any]:
    """The op's input Variables, as its rules take them: by slot a Variable, None or a list."""
    return get_op(op.type).pack(op.inputs)


def rename(block: Block, var: Variable, name: str) -> None:
    """Give an op's output in this block another name, which must be free."""
    block.drop_var(var)
    var.name = name
    block.vars[name] = var
    block.program.names.add(name)


Rewrite = Callable[[BlockEmitter, OpDesc], "Sequence[Variable | None] | None"]


def rewrite(block: Block, rule: Rewrite) -> bool:
    """Walk the ops in order and let `rule` replace them; what it emits is walked too.

    `rule(F, op)` returns None to keep the op, or one Variable for each of `op.out_vars` (None for
    one that nobody reads). A replacement that was emitted takes over the name of what it replaces.
    True if an op was replaced. A replacement of another type is refused: the op stays.
    """
    return _Rewriter(block, rule).run()


class _Rewriter:
    """Rebuilds the list of ops of a block; `mapping` says what replaced which Variable."""

    def __init__(self, block: Block, rule: Rewrite) -> None:
        self.block, self.rule = block, rule
        self.mapping: dict[Variable, Variable] = {}

    def run(self) -> bool:
        pending = deque(self.block.ops)
        self.block.ops = []
        changed = False
        while pending:
            op = pending.popleft()
            op.replace_inputs({v: self.final(v) for v in op.in_vars if v in self.mapping})
            made = self.replace(op)
            changed |= made is not None
            if made is None:
                self.block.ops.append(op)
            else:
                pending.extendleft(reversed(made))
        self.block.results[:] = [self.final(var) for var in self.block.results]
        return changed

    def final(self, var: Variable) -> Variable:
        while var in self.mapping:
            var = self.mapping[var]
        return var

    def replace(self, op: OpDesc) -> list[OpDesc] | None:
        """The ops that stand for `op`, or None if it stays."""
        start = len(self.block.ops)
        declared = get_op(op.type).attrs
        extra = {name: value for name, value in op.attrs.items() if name not in declared}
        new = self.rule(BlockEmitter(self.block, op.loc, extra=extra), op)
        made = self.block.ops[start:]
        del self.block.ops[start:]
        if new is None or not self.fits(op, new):
            for var in [var for one in made for var in one.out_vars]:
                self.block.drop_var(var)
            return None
        fresh = {var for one in made for var in one.out_vars}
        for was, now in zip(op.out_vars, new, strict=True):
            self.block.drop_var(was)
            if now is None:
                continue
            self.mapping[was] = now
            if now in fresh:
                fresh.discard(now)
                rename(self.block, now, was.name)
                now.stop_gradient = was.stop_gradient
        return made

    @staticmethod
    def fits(op: OpDesc, new: Sequence[Variable | None]) -> bool:
        pairs = zip(op.out_vars, new, strict=True)
        return all(now is None or now.type == was.type for was, now in pairs)
