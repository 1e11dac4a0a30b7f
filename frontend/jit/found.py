"""Sizes that the run finds (see `wherry.ir.found`), while a Program is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wherry.ir.dims import Dim, SymDim, symbol, symbols_of
from wherry.ir.found import ceiling
from wherry.ir.passes.base import is_pure, rule_attrs
from wherry.ir.program import Variable
from wherry.ir.text import attr_key

from ..traced import Traced

if TYPE_CHECKING:
    from .tracer import ProgramTracer

NAME: Final = "found"
# How many ops back two masks are compared.
_DEPTH: Final = 8


def positions_of(build: ProgramTracer, mask: Traced) -> Traced:
    """The positions of the true elements of a mask.

    Those of one mask are listed once, so that all that it selects has one size.
    """
    for frame in build.frames:
        for known, positions in frame.found.items():
            if is_same(known, mask.variable):
                return positions
    size = symbol(build.free_size(NAME))
    made: Traced = build.emit("true_positions", mask, size=size)
    build.frames[-1].found[mask.variable] = made
    return made


def new_size(build: ProgramTracer, bound: Dim) -> SymDim:
    """A size that the run will find, and that is at most the bound."""
    name, found = build.free_size(NAME), build.program.found
    found[name] = ceiling(bound, found)
    return symbol(name)


def is_found(build: ProgramTracer, dim: Dim) -> bool:
    """Whether the run finds the dim, whatever the sizes of the inputs are known to be."""
    return all(name in build.program.found for name in symbols_of(dim))


def is_same(a: Variable, b: Variable, depth: int = _DEPTH) -> bool:
    """Whether the same ops compute both from the same values."""
    if a is b:
        return True
    one, two = a.op, b.op
    if one is None or two is None or not depth or one.type != two.type:
        return False
    if one.blocks or not is_pure(one) or a.type != b.type or len(one.in_vars) != len(two.in_vars):
        return False
    mine, other = rule_attrs(one), rule_attrs(two)
    alike = all(attr_key(value) == attr_key(other[name]) for name, value in mine.items())
    slots = [[(name, len(found)) for name, found in op.inputs.items()] for op in (one, two)]
    placed = one.out_vars.index(a) == two.out_vars.index(b)
    return (
        alike
        and placed
        and slots[0] == slots[1]
        and all(is_same(x, y, depth - 1) for x, y in zip(one.in_vars, two.in_vars, strict=True))
    )
