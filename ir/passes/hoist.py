"""hoist: what depends on persistables alone is computed apart, once for many calls.

    p = pack_filter(w)                  prepare:  p = pack_filter(w); yield p
    out = conv2d_blocked(x, p)    ->    main:     persist p; out = conv2d_blocked(x, p)

Where weights are constants fold_constants does the same when compiling. In the process that trains
them they change now and then, and whoever calls `main` runs `prepare` again when they did.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..found import mentioned
from ..program import Block, OpDesc, Program, Variable
from ..work import byte_size
from .base import is_pure, rename
from .dce import Dce
from .fold_constants import unassigned, worth_keeping
from .fusion import VIEWS

# Less than this is computed in each call: a second native function costs more than it saves.
_LEAST_BYTES = 1 << 14
_RANDOM = frozenset({"rng_bits", "rng_advance"})


def steady(program: Program) -> set[Variable]:
    """What is the same in each call until a persistable is written from outside.

    These are values of block 0. One that would take much more memory than what it is computed from
    is not among them: it is cheaper to compute than to keep.
    """
    found = set(unassigned(program))
    for op in program.global_block.ops:
        if found.issuperset(op.in_vars) and _may_move(op):
            found.update(op.out_vars)
    return found


def split_prepared(program: Program) -> tuple[Program | None, Program]:
    """(prepare, main): two Programs for one that was decomposed and not yet fused.

    `prepare` has no inputs; its outputs are persistables of `main` with the same names. It is None,
    and `main` the Program itself, where there is too little to compute.
    """
    held = _held(program.global_block, steady(program), set(unassigned(program)))
    if sum(int(byte_size(var)) for var in held) < _LEAST_BYTES:
        return None, program
    names = [var.name for var in held]
    return _prepare(program.clone(), names), _main(program.clone(), names)


def _may_move(op: OpDesc) -> bool:
    if op.type in _RANDOM or op.blocks or not is_pure(op) or any(mentioned(op)):
        return False
    static = all(var.type.is_static for var in op.out_vars)
    return static and worth_keeping(_bytes(op.out_vars), _bytes(op.in_vars))


def _bytes(vars_: Iterable[Variable]) -> int:
    return sum(int(byte_size(var)) for var in vars_)


def _held(block: Block, fixed: set[Variable], sources: set[Variable]) -> list[Variable]:
    """The steady values that are not free, and that something which is not steady reads.

    Persistables are at hand, a view of one costs nothing, and what depends on none is code that is
    smaller than its data. A result of the Program is computed where callers look for it.
    """
    costly: set[Variable] = set()
    for op in block.ops:
        if fixed.issuperset(op.out_vars) and (sources | costly).intersection(op.in_vars):
            costly.update(op.out_vars)
    stays = [op for op in block.ops if not fixed.issuperset(op.out_vars) or not op.out_vars]
    read = [_viewed(var) for op in stays for var in op.in_vars]
    read += [_viewed(var) for result in block.results for var in _inputs(result)]
    return [var for var in dict.fromkeys(read) if var in costly and var not in block.results]


def _inputs(var: Variable) -> list[Variable]:
    return var.op.in_vars if var.op is not None else []


def _viewed(var: Variable) -> Variable:
    """What a view is a view of."""
    while var.op is not None and var.op.type in VIEWS:
        var = var.op.in_vars[0]
    return var


def _prepare(copy: Program, names: list[str]) -> Program:
    block = copy.global_block
    block.results[:] = [block.vars[name] for name in names]
    effects = [op for op in block.ops if not is_pure(op)]
    for var in [*block.args, *(var for op in effects for var in op.out_vars)]:
        block.drop_var(var)
    block.ops[:] = [op for op in block.ops if op not in effects]
    block.args, copy.guards = [], []
    Dce().run(copy)
    return copy


def _main(copy: Program, names: list[str]) -> Program:
    block = copy.global_block
    made: dict[Variable, Variable] = {}
    for var in [block.vars[name] for name in names]:
        name = copy.unique(var.name)
        made[var] = block.create_var(name, var.shape, var.dtype, persistable=True)
    block.replace_uses(made)
    Dce().run(copy)
    for name, var in zip(names, made.values(), strict=True):
        rename(block, var, name)
    return copy
