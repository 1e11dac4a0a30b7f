"""From a Program to object code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program, Variable
from wherry.schema.native import Signature

from .entry import RunEmitter, emit_plan
from .memory import MemoryPlan, plan_memory
from .module import ModuleBuilder
from .signature import make_signature
from .target import Target, emit_object

Array = np.ndarray[Any, Any]
_ALIGNMENT = 64
_counter = {"programs": 0}


@dataclass(frozen=True)
class CompiledModule:
    """Object code with the functions `plan_symbol` and `run_symbol`, and how they are called.

    `persistables` names what the caller hands over after the inputs; `weights` is what the code
    expects at the symbol `wherry_weights`. `program` is what was compiled, after all passes.
    `is_shared` says whether it may ask for the thread pool.
    """

    object_code: bytes
    signature: Signature
    plan_symbol: str
    run_symbol: str
    program: Program = field(repr=False)
    memory: MemoryPlan = field(repr=False)
    kernels: int = 0
    weights: bytes = field(default=b"", repr=False)
    is_shared: bool = False


def compile_count() -> int:
    """How many Programs this process has compiled."""
    return _counter["programs"]


def count_compilation() -> None:
    """Note that one more Program is compiled, for however many targets."""
    _counter["programs"] += 1


def compile_program(
    program: Program,
    *,
    embed: Mapping[str, Array] | None = None,
    target: Target | None = None,
    name: str = "model",
    suffix: str = "",
    inference: bool = False,
) -> CompiledModule:
    """Compile a Program (before decomposition; it is not changed).

    `embed` holds the values of persistables that become part of the code's weights, as do then
    the constants that passes make. Raises UnknownOpError for an op that has no lowering.
    """
    count_compilation()
    prepared = prepare_for_codegen(program, inference=inference)
    values = {} if embed is None else {**prepared.values, **embed}
    return compile_prepared(prepared, values, target or Target.host(), name, suffix)


def compile_prepared(
    program: Program, embed: Mapping[str, Array], target: Target, name: str, suffix: str
) -> CompiledModule:
    """Compile a Program that consists of maps, fusions and primitives."""
    targets = assignments(program)
    assigned = [var for var, _ in targets.values()]
    written = {var.name for var, _ in targets.values()}
    constants = [v for v in program.persistables if v.name in embed and v.name not in written]
    persistables = [v for v in program.persistables if v not in constants]
    outputs = [*program.outputs, *(value for _, value in targets.values())]
    signature = make_signature(program, name, persistables, assigned)
    plan = plan_memory(program, outputs, [*program.inputs, *persistables], constants)
    places = {symbol.name: i for i, symbol in enumerate(signature.symbols)}
    machine = target.machine()
    module = ModuleBuilder(name, machine.triple, str(machine.target_data), target.vectors, places)
    plan_name, run_name = f"{name}_plan{suffix}", f"{name}_run{suffix}"
    weights, offsets = pack_weights([embed[var.name] for var in constants], constants)
    emitter = RunEmitter(module, run_name, plan, offsets)
    signature.sites = emitter.run(program, outputs)
    emit_plan(module, plan_name, program.guards, outputs, plan.arena_size, emitter.spare)
    code = emit_object(str(module.module), target)
    return CompiledModule(
        code, signature, plan_name, run_name, program, plan, module.kernel_count, weights,
        module.is_shared,
    )  # fmt: skip


def assignments(program: Program) -> dict[str, tuple[Variable, Variable]]:
    """What the Program writes: persistable's name -> (persistable, its new value)."""
    found: dict[str, tuple[Variable, Variable]] = {}
    for op in program.global_block.ops:
        if op.type == "assign_persistable":
            value, target = op.in_vars
            found[target.name] = (target, value)
    return found


def pack_weights(values: Sequence[Array], vars_: Sequence[Variable]) -> tuple[bytes, list[int]]:
    """The arrays one after the other, each at a multiple of 64 bytes, and where each begins."""
    blob = bytearray()
    offsets = []
    for value, var in zip(values, vars_, strict=True):
        blob.extend(bytes(-len(blob) % _ALIGNMENT))
        offsets.append(len(blob))
        blob.extend(np.ascontiguousarray(value, var.dtype.numpy).tobytes())
    return bytes(blob), offsets
