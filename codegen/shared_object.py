"""Compile a Program ahead of time: one shared object with code for several ISA levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program
from wherry.runtime import cpu
from wherry.schema.errors import InputError

from .artifact import LevelCode, build_artifact
from .driver import Array, assignments, compile_prepared, count_compilation
from .entry import WEIGHTS
from .pool import pool_object
from .target import Target


def build_shared_object(
    program: Program,
    values: Mapping[str, Array],
    targets: Sequence[str] | None = None,
    name: str = "model",
) -> bytes:
    """The bytes of an ELF file that `wherry.runtime.load` loads; the Program is not changed.

    `values` are the persistables' arrays, which become part of the file. `targets` are ISA levels;
    by default those of this kind of machine. Raises TargetError for a target that there is not,
    InputError for a persistable without a value, or one that the Program writes: such a Program is
    for training, not for serving.
    """
    count_compilation()
    prepared = prepare_for_codegen(program, inference=True)
    embed = {**prepared.values, **values}
    _check(prepared, embed)
    chosen = [Target.named(target) for target in targets or default_levels()]
    compiled = [
        compile_prepared(prepared, embed, target, name, "_" + target.name.replace("-", "_"))
        for target in chosen
    ]
    levels = [
        LevelCode(target.name, module.object_code, module.plan_symbol, module.run_symbol)
        for target, module in zip(chosen, compiled, strict=True)
    ]
    weights = {WEIGHTS: compiled[0].weights} if compiled[0].weights else {}
    pool = pool_object(_least(chosen))
    return build_artifact(levels, compiled[0].signature, weights, f"{name}.so", pool)


def default_levels() -> list[str]:
    """The levels of this machine's architecture."""
    if cpu.machine() == "aarch64":
        return ["aarch64"]
    return ["x86-64-v2", "x86-64-v3", "x86-64-v4"]


def _least(targets: Sequence[Target]) -> Target:
    """The level whose code runs wherever that of one of the others does."""
    return min(targets, key=lambda target: len(cpu.LEVELS[target.name]))


def _check(program: Program, values: Mapping[str, Array]) -> None:
    missing = [var.name for var in program.persistables if var.name not in values]
    if missing:
        raise InputError(f"needs values for the persistables {', '.join(missing)}, got none")
    written = list(assignments(program))
    if written:
        raise InputError(
            f"a shared object keeps its weights, got a Program that writes {', '.join(written)}: "
            "save the network in eval mode, without random numbers in its forward"
        )
