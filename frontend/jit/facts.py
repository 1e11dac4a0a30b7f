"""What a branch knows of the conditions around it, and of what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.ir.program import Variable

from ..traced import Traced

if TYPE_CHECKING:
    from .tracer import ProgramTracer


class Facts:
    """Bool tensors whose value is known where code is traced: the conditions of the branches.

    A fact holds in the block in which it was learned, and in those inside of it.
    """

    def __init__(self, build: ProgramTracer) -> None:
        self.build = build
        self._ignored = False
        # What stands for numbers of Python (see `numbers`).
        self.numbers: set[Variable] = set()

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Know nothing inside."""
        self._ignored = True
        try:
            yield
        finally:
            self._ignored = False

    def learn(self, flag: Traced, value: bool) -> None:
        """From here to the end of the block the flag is known."""
        self._learn(flag.variable, value)

    def get(self, flag: Traced) -> bool | None:
        """The flag's value, None where it is open."""
        return None if self._ignored else self._get(flag.variable)

    def _learn(self, var: Variable, value: bool) -> None:
        var = self._origin(var)
        self.build.frames[-1].facts[var] = value
        op = var.op
        if op is None:
            return
        if op.type == "logical_not":
            self._learn(op.in_vars[0], not value)
        elif op.type == "assign":
            self._learn(op.in_vars[0], value)
        elif op.type in ("logical_and", "logical_or") and value == (op.type == "logical_and"):
            for part in op.in_vars:
                self._learn(part, value)

    def _get(self, var: Variable) -> bool | None:
        var = self._origin(var)
        for frame in reversed(self.build.frames):
            if var in frame.facts:
                return frame.facts[var]
        op = var.op
        if op is None or op.type not in ("assign", "logical_not"):
            return None
        found = self._get(op.in_vars[0])
        return found if found is None or op.type == "assign" else not found

    def _origin(self, var: Variable) -> Variable:
        """The Variable of the outermost block that this one, an argument perhaps, stands for."""
        for frame in reversed(self.build.frames):
            if frame.captured and frame.block.vars.get(var.name) is var:
                for outer, arg in frame.captured.items():
                    if arg is var:
                        var = outer
                        break
        return var
