"""A tensor seen along one axis: what lies before it, the axis, what lies behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wherry.ir.dims import Dim, product
from wherry.ir.infer import Shape, axis_in

from ..builder import KernelBuilder
from ..index import Index
from ..nest import rounds


@dataclass(frozen=True)
class Lines:
    """The lines of a tensor along an axis: `outer` * `inner` of them, each of `size` elements."""

    kb: KernelBuilder
    outer: Dim
    size: Dim
    inner: Dim

    @staticmethod
    def of(kb: KernelBuilder, shape: Shape, axis: int) -> Lines:
        """A 0-d tensor is one line of one element."""
        if not shape:
            return Lines(kb, 1, 1, 1)
        at = axis_in(axis, len(shape))
        return Lines(kb, product(shape[:at]), shape[at], product(shape[at + 1 :]))

    @contextmanager
    def each(self) -> Iterator[tuple[Index, Index]]:
        """(outer, inner) for each line: the kernel's parallel loop."""
        with rounds(self.kb, [self.outer, self.inner], parallel=True) as (o, i):
            yield o, i

    def at(self, outer: Index, place: Index, inner: Index) -> Index:
        """The element at a place of a line, counted from the tensor's start."""
        kb = self.kb
        line = kb.add(kb.mul(outer, kb.dim(self.size)), place)
        return kb.add(kb.mul(line, kb.dim(self.inner)), inner)
