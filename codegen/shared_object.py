"""Ahead of time: a Program and its values as a shared object for `wherry.runtime.load`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program
from wherry.runtime import cpu
from wherry.schema.errors import TargetError

from .artifact import LevelCode, build_artifact
from .driver import CompiledModule, compile_prepared
from .entry import WEIGHTS
from .target import Target

Array = np.ndarray[Any, Any]


def build_shared_object(
    program: Program,
    values: Mapping[str, Array],
    targets: Sequence[str] | None = None,
    name: str = "model",
) -> bytes:
    """The bytes of a shared object with code for each target and the values as its weights.

    `targets` are ISA levels of one architecture; by default all that this kind of machine has. The
    Program is not changed.

    Raises TargetError for a target that is none, for levels of two architectures and for a Program
    that writes its persistables, UnknownOpError for an op that has no lowering.
    """
    levels = _levels(targets)
    source = program.clone()
    source.values.update(values)
    prepared = prepare_for_codegen(source, inference=True)
    modules = {
        level: compile_prepared(prepared, prepared.values, target, name, f"_{i}")
        for i, (level, target) in enumerate(levels.items())
    }
    first = next(iter(modules.values()))
    _refuse_state(first)
    codes = [
        LevelCode(level, module.object_code, module.plan_symbol, module.run_symbol)
        for level, module in modules.items()
    ]
    return build_artifact(codes, first.signature, {WEIGHTS: first.weights}, f"{name}.so")


def _levels(names: Sequence[str] | None) -> dict[str, Target]:
    """The targets by name, of one architecture."""
    if names is None:
        ours = cpu.machine()
        names = [level for level in cpu.LEVELS if level.startswith(ours)]
        if not names:
            raise TargetError(f"no target for a machine of type {ours}; name one of {_known()}")
    found = {name: Target.named(name) for name in names}
    kinds = {target.triple for target in found.values()}
    if len(kinds) != 1:
        got = ", ".join(names) or "none"
        raise TargetError(
            f"a shared object is for one architecture, got the targets {got}: compile one for each"
        )
    return found


def _refuse_state(module: CompiledModule) -> None:
    state = [spec.name for spec in module.signature.persistables]
    if state:
        raise TargetError(
            "a shared object holds constants only, but the model needs or changes "
            f"{', '.join(state)}: save it in eval mode"
        )


def _known() -> str:
    return ", ".join(cpu.LEVELS)
