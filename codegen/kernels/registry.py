"""The table of lowerings: op type -> how its kernel is built.

    @lowers("transpose2")
    def transpose(kb: KernelBuilder) -> None: ...

A lowering emits the kernel's body; the function's frame, error record and return are the builder's.
`inplace=True` says that each element of an input is read before (or when) the element of the same
index is written, so that an output of the same shape and item size may take a dying input's memory
(or a function of the op gives the inputs of which that is so). `scratch` gives the bytes of working
memory in the arena that the kernel needs, as a Dim (`kb.scratch` points to it, aligned to 64), or
None. `placed` gives for an op one that reads its first input from an element on, and that element's
number: ops that differ in it only share a kernel, as the slices of a sequence do.

A head is an op behind which pointwise ops may stand in a `fusion` of the kind "contract": its one
output goes through a `Result`, and through nothing else.

    @lowers_head("matmul_v2", scratch=...)
    def matmul(kb: KernelBuilder, result: Result) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from wherry.ir.dims import Dim
from wherry.ir.opdef import get_op
from wherry.ir.program import OpDesc, Variable
from wherry.schema.errors import UnknownOpError

if TYPE_CHECKING:
    from ..builder import KernelBuilder
    from ..epilogue import Result

EmitKernel = Callable[["KernelBuilder"], None]
EmitHead = Callable[["KernelBuilder", "Result"], None]
Scratch = Callable[[OpDesc], "Dim | None"]
Inplace = Callable[[OpDesc], Collection[Variable]]
Placed = Callable[[OpDesc], "tuple[OpDesc, Dim]"]


@dataclass(frozen=True)
class Lowering:
    """How the kernel of an op type is built; `head` is how, where its results have an epilogue."""

    emit: EmitKernel
    inplace: Inplace
    scratch: Scratch
    head: EmitHead | None = None
    placed: Placed = lambda op: (op, 0)


LOWERINGS: Final[dict[str, Lowering]] = {}


def lowers(
    *types: str,
    inplace: bool | Inplace = False,
    scratch: Scratch = lambda op: None,
    placed: Placed = Lowering.placed,
) -> Callable[[EmitKernel], EmitKernel]:
    """Register the decorated function as the lowering of these op types."""
    may_share = inplace if callable(inplace) else lambda op: op.in_vars if inplace else ()

    def register(emit: EmitKernel) -> EmitKernel:
        for type in types:
            _register(type, Lowering(emit, may_share, scratch, placed=placed))
        return emit

    return register


def lowers_head(*types: str, scratch: Scratch = lambda op: None) -> Callable[[EmitHead], EmitHead]:
    """Register the decorated function as the lowering of these op types, alone and as heads."""

    def register(emit: EmitHead) -> EmitHead:
        def alone(kb: KernelBuilder) -> None:
            from ..epilogue import Result

            emit(kb, Result.plain(kb))

        for type in types:
            _register(type, Lowering(alone, lambda op: (), scratch, emit))
        return emit

    return register


def _register(type: str, lowering: Lowering) -> None:
    if type in LOWERINGS:
        raise ValueError(f"op {type!r} has two lowerings")
    LOWERINGS[type] = lowering


def find_lowering(op: OpDesc) -> Lowering:
    """The lowering of an op; every pointwise op has the generic one.

    Raises UnknownOpError naming the op and the user's line.
    """
    load_lowerings()
    if op.type in LOWERINGS:
        return LOWERINGS[op.type]
    if get_op(op.type).is_map:
        return LOWERINGS["map"]
    place = f"\n  at {op.loc}" if op.loc else ""
    raise UnknownOpError(f"op {op.type!r} cannot be compiled: it has no lowering{place}")


@cache
def load_lowerings() -> None:
    """Import every module of `codegen/kernels`, which fills the table."""
    from .. import kernels

    for module in iter_modules(kernels.__path__):
        import_module(f"{kernels.__name__}.{module.name}")
