"""The Signature of a Program: what compiled code takes and gives (see `wherry.schema.native`)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wherry.ir.dims import SymDim, symbol, symbols_of
from wherry.ir.found import Found
from wherry.ir.opdef import get_op
from wherry.ir.program import OpDesc, Program, Variable
from wherry.schema.errors import OpError
from wherry.schema.host import HOST
from wherry.schema.native import GuardSite, Signature, Site, SymbolSource, TensorSpec


def make_signature(
    program: Program, name: str, persistables: Sequence[Variable], assigned: Sequence[Variable]
) -> Signature:
    """The Signature without its sites, which the emission of code finds."""
    found = Found(program).names
    symbols = _symbols(program, [*program.inputs, *persistables], found)
    return Signature(
        name=name,
        inputs=[_spec(var) for var in program.inputs],
        persistables=[_spec(var) for var in persistables],
        outputs=[_spec(var) for var in program.outputs],
        assigned=[var.name for var in assigned],
        symbols=symbols,
        guards=[GuardSite(guard.message, guard.loc) for guard in program.guards],
        hidden=[var.name for var in program.inputs if var.is_hidden],
        found=found,
    )


def make_site(op: OpDesc) -> Site:
    """What the runtime says of an op that fails or prints, and needs for one that it computes."""
    name = op.type
    if name == "assert" and op.attrs["error"] != "AssertionError":
        name = f"raise {op.attrs['error']}"
    if name in HOST:
        attrs = {key: op.attrs[key] for key in get_op(name).attrs}
        return Site(name, op.loc, json.dumps(attrs))
    return Site(name, op.loc, str(op.attrs.get("message") or ""))


def _spec(var: Variable) -> TensorSpec:
    dims = tuple(str(dim) if isinstance(dim, SymDim) else dim for dim in var.shape)
    return TensorSpec(var.name, var.dtype, dims)


def _symbols(
    program: Program, sources: Sequence[Variable], late: Sequence[str]
) -> list[SymbolSource]:
    """Where each symbol of the Program is read, but for those that the run finds.

    Raises OpError for one that no input shows.
    """
    found: dict[str, SymbolSource] = {}
    for index, var in enumerate(sources):
        for axis, dim in enumerate(var.shape):
            for name in symbols_of(dim):
                if dim == symbol(name) and name not in found:
                    found[name] = SymbolSource(name, index, axis)
    for name, user in _used(program).items():
        if name not in found and name not in late:
            raise OpError(f"needs the size {name} (in {user}) to be a size of an input, it is none")
    return list(found.values())


def _used(program: Program) -> dict[str, str]:
    """The symbols in types and guards, with something that uses each."""
    used: dict[str, str] = {}
    for block in program.blocks:
        for var in block.vars.values():
            for dim in var.shape:
                used.update(dict.fromkeys(symbols_of(dim), var.name))
    for guard in program.guards:
        for side in (guard.left, guard.right):
            used.update(dict.fromkeys(symbols_of(side), "a guard"))
    return used
