"""Sizes that a run finds: how many elements of a mask are true.

The op `true_positions` gives as many positions as there are true elements. Its attribute `size` is
a symbol that no input shows: the run gives it its value there, and later ops have it in their types
and attributes. So they depend on that op as on one whose output they read (`Found.needs`).
Memory is planned before the run, for the bound that each such size has (`Found.ceiling`). A guard
on such a size is an op, `check_size`, in front of the op that needs it.

A branch of `cond` may find a size, for ops behind the `cond` too. In a run that does not take the
branch the size is some number within its bound, and nobody looks at what has it. The attribute
`sizes` of a `cond`, [size, in the true branch, in the false one, ...], lets a result have the dims
of the branch that is taken: each symbol stands for these two dims. What a round of
`while` finds stays in the round, but for the sizes that the loop carries: its attribute `sizes`
names symbols that are dims of its block's arguments, and become what a round makes of them. They
never grow, so that the memory of what comes in has room for all rounds.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from .dims import Dim, SymDim, always_le, dim_max, dim_min, product, symbol, symbols_of
from .monomials import Atom
from .program import Block, OpDesc, Program, Variable

FINDER: Final = "true_positions"
CHECK: Final = "check_size"
Range = tuple[Dim, Dim]


def found_by(op: OpDesc) -> str | None:
    """The name of the size that a `true_positions` finds."""
    size = op.attrs["size"] if op.type == FINDER else None
    return str(size) if isinstance(size, SymDim) else None


def loop_sizes(op: OpDesc) -> dict[str, tuple[Dim, Dim]]:
    """The sizes that a `while` carries: what each is before the first round, and after a round."""
    if op.type != "while" or not op.attrs.get("sizes"):
        return {}
    block: Block = op.attrs["block"]
    places = [
        (str(size), index, axis)
        for size in op.attrs["sizes"]
        for index, arg in enumerate(block.args)
        for axis, dim in enumerate(arg.shape)
        if dim == size
    ]
    carries = op.inputs.get("X", [])
    return {
        name: (carries[i].shape[axis], block.results[1 + i].shape[axis])
        for name, i, axis in reversed(places)
    }


def branch_sizes(op: OpDesc) -> dict[str, tuple[Dim, Dim]]:
    """The sizes that a `cond` gives: what each is in the true branch, and in the false one."""
    triples = iter(op.attrs.get("sizes", []) if op.type == "cond" else [])
    return {str(size): (yes, no) for size, yes, no in zip(triples, triples, triples, strict=True)}


def own_sizes(op: OpDesc) -> dict[str, tuple[Dim, Dim]]:
    """The sizes that a `while` or a `cond` gives values to itself: the two that it takes."""
    return {**loop_sizes(op), **branch_sizes(op)}


def check_of(op: OpDesc) -> tuple[Dim, str, Dim]:
    """The relation that a `check_size` checks."""
    return op.attrs["left"], op.attrs["relation"], op.attrs["right"]


def found_in(block: Block) -> list[str]:
    """The names of the sizes that the block's ops and their sub-blocks find, each once."""
    names: dict[str, None] = {}
    for op in block.ops:
        own = found_by(op)
        names.update({own: None} if own else {})
        names.update(dict.fromkeys(own_sizes(op)))
        for sub in op.blocks:
            names.update(dict.fromkeys(found_in(sub)))
    return list(names)


def dims_in(value: Any) -> list[SymDim]:
    """The symbolic dims in an attribute."""
    if isinstance(value, list):
        return [dim for one in value for dim in dims_in(one)]
    return [value] if isinstance(value, SymDim) else []


def mentioned(op: OpDesc) -> Iterator[str]:
    """The symbols in an op's types and attributes, and in those of its sub-blocks."""
    for var in (*op.in_vars, *op.out_vars):
        for dim in var.shape:
            yield from symbols_of(dim)
    for value in op.attrs.values():
        for dim in dims_in(value):
            yield from symbols_of(dim)
    for block in op.blocks:
        for var in block.args:
            for dim in var.shape:
                yield from symbols_of(dim)
        for inner in block.ops:
            yield from mentioned(inner)


def bounds_by(op: OpDesc, bounds: Mapping[str, Dim]) -> dict[str, Dim]:
    """What the sizes that the op itself finds are at most, where others are at most `bounds`."""
    found = {name: ceiling(start, bounds) for name, (start, _) in loop_sizes(op).items()}
    for size, sides in branch_sizes(op).items():
        found[size] = dim_max(*(ceiling(side, bounds) for side in sides))
    name = found_by(op)
    if name is not None:
        found[name] = ceiling(product(op.in_vars[0].shape), bounds)
    return found


def note_found(program: Program) -> None:
    """Enter the sizes that the Program finds into it: who builds one without an emitter does so."""
    _collect(program.global_block, program.found)


def _collect(block: Block, bounds: dict[str, Dim]) -> None:
    """Enter the bounds of a block: those of a loop before its body's, of a `cond` behind them."""
    for op in block.ops:
        if op.type != "cond":
            bounds.update(bounds_by(op, bounds))
        for sub in op.blocks:
            _collect(sub, bounds)
        if op.type == "cond":
            bounds.update(bounds_by(op, bounds))


def mentions(found: Container[str], *dims: Dim) -> bool:
    """Whether one of the sizes occurs in one of the dims."""
    return any(name in found for dim in dims for name in symbols_of(dim))


class Found:
    """The sizes that a Program's run finds, and at most how large they are."""

    def __init__(self, program: Program) -> None:
        self.bounds: dict[str, Dim] = {}
        shapes = [var.shape for var in program.inputs]
        self._shown = {name for shape in shapes for dim in shape for name in symbols_of(dim)}
        if program.found:
            _collect(program.global_block, self.bounds)

    def __bool__(self) -> bool:
        return bool(self.bounds)

    @property
    def names(self) -> list[str]:
        return list(self.bounds)

    @property
    def unknown(self) -> list[str]:
        """The names of those that no input shows: a backward Program finds some anew."""
        return [name for name in self.bounds if name not in self._shown]

    def uses(self, op: OpDesc) -> set[str]:
        """The sizes that the op mentions, but for those that it finds itself."""
        if not self.bounds:
            return set()
        return self.bounds.keys() & set(mentioned(op)) - self.finds(op)

    def finds(self, op: OpDesc) -> set[str]:
        """The sizes that the op or its sub-blocks find."""
        if not self.bounds:
            return set()
        own = found_by(op)
        inner = (name for block in op.blocks for name in found_in(block))
        return {*inner, *own_sizes(op), *([own] if own else [])}

    def needs(self, op: OpDesc) -> list[Variable | str]:
        """What the op depends on: its inputs, and the names of the sizes that it mentions."""
        return [*op.in_vars, *self.uses(op)]

    def gives(self, op: OpDesc) -> list[Variable | str]:
        """What may depend on the op: its outputs, and the names of the sizes that it finds."""
        return [*op.out_vars, *self.finds(op)]

    def ceiling(self, dim: Dim) -> Dim:
        """What the dim is at most, in sizes that are known before the run."""
        return ceiling(dim, self.bounds)


def ceiling(dim: Dim, bounds: Mapping[str, Dim]) -> Dim:
    """What the dim is at most, where the symbols in `bounds` are at most that."""
    return _range(dim, bounds)[1] if mentions(bounds, dim) else dim


def _range(dim: Dim, bounds: Mapping[str, Dim]) -> Range:
    """The least and the largest value for all sizes from 0 to their bounds."""
    if not isinstance(dim, SymDim):
        return dim, dim
    low: Dim = 0
    high: Dim = 0
    for monomial, factor in dim.terms:
        term: Range = (1, 1)
        for atom in monomial:
            term = _times(term, _atom_range(atom, bounds))
        least, most = term if factor > 0 else term[::-1]
        low, high = low + least * factor, high + most * factor
    return low, high


def _times(a: Range, b: Range) -> Range:
    corners = [x * y for x in dict.fromkeys(a) for y in dict.fromkeys(b)]
    low = high = corners[0]
    for corner in corners[1:]:
        low, high = dim_min(low, corner), dim_max(high, corner)
    return low, high


def _atom_range(atom: Atom, bounds: Mapping[str, Dim]) -> Range:
    if not atom.fn:
        bound = bounds.get(atom.name)
        return (symbol(atom.name),) * 2 if bound is None else (0, bound)
    a, b = (_range(arg, bounds) for arg in atom.args)
    if atom.fn == "min":
        return dim_min(a[0], b[0]), dim_min(a[1], b[1])
    if atom.fn == "max":
        return dim_max(a[0], b[0]), dim_max(a[1], b[1])
    if atom.fn == "%":
        return 0, dim_max(b[1] - 1, 0)
    if b[0] == b[1] and always_le(1, b[0]):
        return a[0] // b[0], a[1] // b[0]
    # Divided by something that is at least 1, nothing gets farther from 0.
    return dim_min(a[0], 0), dim_max(a[1], 0)
