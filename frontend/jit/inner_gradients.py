"""A gradient that is taken inside of a branch or loop on a tensor.

What leads from the sources to the targets may stand in the blocks around, of which the gradient's
block sees no ops. All of it is computed again at the end of that block, so that one walk through
one block gives the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wherry.ir.gradients import BlockCopier
from wherry.ir.program import OpDesc, Variable
from wherry.schema.errors import ConversionError

from .state import at_line

if TYPE_CHECKING:
    from .tracer import ProgramTracer


class InnerPath:
    """Copies of what depends on the sources and leads to the targets, in the innermost block."""

    def __init__(
        self, build: ProgramTracer, sources: Sequence[Variable], targets: Sequence[Variable]
    ) -> None:
        self.build = build
        inner = [(arg, var) for frame in build.frames for var, arg in frame.captured.items()]
        self.outer = dict(inner)
        self.sources = [self._origin(var) for var in sources]
        self.copies = {var: build.seen_here(var) for var in self.sources}
        self._copy([self._origin(var) for var in targets])

    def here(self, var: Variable) -> Variable:
        """The Variable in the innermost block: its copy, if it depends on a source."""
        var = self._origin(var)
        return self.copies[var] if var in self.copies else self.build.seen_here(var)

    def _origin(self, var: Variable) -> Variable:
        """For a block's argument that stands for a Variable outside, that one."""
        while var in self.outer:
            var = self.outer[var]
        return var

    def _copy(self, targets: list[Variable]) -> None:
        dependent, needed = self._dependent(self.sources), set(targets)
        path = []
        for op in reversed(self._ops()):
            outs = needed.intersection(op.out_vars)
            if outs & dependent - self.copies.keys():
                path.append(op)
            if any(not var.stop_gradient for var in outs):
                needed |= {self._origin(var) for var in op.in_vars}
        self._need_no_carry(needed)
        self._need_own_start(needed)
        copier = BlockCopier(self.build.frames[-1].block)
        for op in reversed(path):
            copier.vars.update({var: self.here(var) for var in op.in_vars})
            copier.ops([op])
            self.copies.update({var: copier.vars[var] for var in op.out_vars})

    def _ops(self) -> list[OpDesc]:
        return [op for frame in self.build.frames for op in frame.block.ops]

    def _dependent(self, sources: Sequence[Variable]) -> set[Variable]:
        """What a gradient by the sources goes through."""
        found = set(sources)
        for op in self._ops():
            if any(self._origin(var) in found for var in op.in_vars):
                found |= {var for var in op.out_vars if not var.stop_gradient}
        return found

    def _need_own_start(self, needed: set[Variable]) -> None:
        """Refuse a gradient by what a loop carries, if it is in the first round a tensor that the
        targets depend on otherwise too: that round would have another gradient.
        """
        starts = {arg: var for frame in self.build.frames for arg, var in frame.starts.items()}
        for source in self.sources:
            if source in starts and self._dependent([self._origin(starts[source])]) & needed:
                raise ConversionError(
                    "a gradient by a variable of a loop on a tensor, that starts as a tensor from "
                    "which other things in the gradient come: let it start as a copy of its own, "
                    f"as x.clone(){at_line()}"
                )

    def _need_no_carry(self, needed: set[Variable]) -> None:
        """Refuse what came out of earlier rounds of a loop, if a source is older than the round."""
        frames = self.build.frames
        for depth, frame in enumerate(frames[1:], 1):
            carries = [v for v in frame.block.args if v not in self.outer and v not in self.copies]
            older = any(one.owns(source) for source in self.sources for one in frames[:depth])
            if older and any(var in needed and not var.stop_gradient for var in carries):
                raise ConversionError(
                    "a gradient inside of a loop on a tensor, through what earlier rounds of the "
                    "loop computed, is not converted; take it after the loop, or by what the "
                    f"round starts from{at_line()}"
                )
