"""From a Program to object code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from wherry.ir.found import Found
from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program, Variable
from wherry.ir.text import to_text
from wherry.ir.work import byte_size
from wherry.schema.native import Signature

from .cache import kept
from .entry import RunEmitter, emit_plan
from .memory import MemoryPlan, plan_memory
from .module import ModuleBuilder
from .progress import progress
from .signature import make_signature, make_site
from .target import Target, emit_object, shows_code

Array = np.ndarray[Any, Any]
_ALIGNMENT = 64
_counter = {"programs": 0}


@dataclass(frozen=True)
class CompiledModule:
    """Object code with the functions `plan_symbol` and `run_symbol`, and how they are called.

    `weights` is what the code expects at the symbol `wherry_weights`: the values of the
    persistables that are `embedded`. `program` is what was compiled, after all passes. `is_shared`
    says whether it may ask for the thread pool.
    """

    object_code: bytes
    signature: Signature
    plan_symbol: str
    run_symbol: str
    program: Program = field(repr=False)
    embedded: frozenset[str] = frozenset()
    kernels: int = 0
    weights: bytes = field(default=b"", repr=False)
    is_shared: bool = False
    overwrites: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def memory(self) -> MemoryPlan:
        """Where each value lies during a call."""
        return _Interface(self.program, self.embedded, self.overwrites).plan()


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
    overwrites: Mapping[int, int] | None = None,
) -> CompiledModule:
    """Compile a Program (before decomposition; it is not changed).

    `embed` holds the values of persistables that become part of the code's weights, as do then
    the constants that passes make. `overwrites` are the outputs, by number, that the caller wants
    in the memory of an input. Raises UnknownOpError for an op that has no lowering.
    """
    count_compilation()
    prepared = prepare_for_codegen(program, inference=inference)
    values = {} if embed is None else {**prepared.values, **embed}
    host = target or Target.host()
    return compile_prepared(prepared, values, host, name, suffix, overwrites)


def compile_prepared(
    program: Program, embed: Mapping[str, Array], target: Target, name: str, suffix: str,
    overwrites: Mapping[int, int] | None = None,
) -> CompiledModule:  # fmt: skip
    """Compile a Program that consists of maps, fusions and primitives, or find its code."""
    found = _Interface(program, frozenset(embed), overwrites)
    signature = make_signature(program, name, found.persistables, found.assigned)
    code = _cached(found, signature, target, suffix)
    ops = list(program.all_ops())
    signature.sites = [make_site(ops[number]) for number in code.sites]
    weights = pack_weights([embed[var.name] for var in found.constants], found.constants)
    plan, run = _symbols(name, suffix)
    return CompiledModule(
        code.object_code, signature, plan, run, program, found.embedded, code.kernels, weights,
        code.is_shared, found.overwrites,
    )  # fmt: skip


class _Interface:
    """What the code for a Program is called with; the `embedded` persistables are its own."""

    def __init__(
        self, program: Program, embedded: frozenset[str], overwrites: Mapping[int, int] | None
    ) -> None:
        targets = assignments(program)
        self.overwrites = dict(overwrites or {})
        written = {var.name for var, _ in targets.values()}
        self.program, self.embedded = program, embedded
        self.assigned = [var for var, _ in targets.values()]
        self.constants = [
            v for v in program.persistables if v.name in embedded and v.name not in written
        ]
        self.persistables = [v for v in program.persistables if v not in self.constants]
        self.outputs = [*program.outputs, *(value for _, value in targets.values())]

    def plan(self) -> MemoryPlan:
        inputs = [*self.program.inputs, *self.persistables]
        return plan_memory(self.program, self.outputs, inputs, self.constants, self.overwrites)


class _Code(NamedTuple):
    """What emission gives. `sites` are the places among all ops of those that the code names."""

    object_code: bytes
    sites: list[int]
    kernels: int
    is_shared: bool

    def pack(self) -> bytes:
        """The content of an entry of the cache: a line of JSON, then the object."""
        return json.dumps(self[1:]).encode() + b"\n" + self.object_code

    @staticmethod
    def unpack(data: bytes) -> _Code:
        head, _, object_code = data.partition(b"\n")
        return _Code(object_code, *json.loads(head))


def _cached(found: _Interface, signature: Signature, target: Target, suffix: str) -> _Code:
    """The code from the cache, where it is made if need be."""

    def make() -> bytes:
        return _emit(found, signature, target, suffix).pack()

    if shows_code():
        return _Code.unpack(make())
    text = to_text(found.program, locs=False)
    constants = ",".join(var.name for var in found.constants)
    asked = constants, repr(target), signature.name, suffix, repr(found.overwrites)
    return _Code.unpack(kept(make, text, *asked))


def _emit(found: _Interface, signature: Signature, target: Target, suffix: str) -> _Code:
    program, plan, sizes = found.program, found.plan(), Found(found.program)
    shown = {symbol.name: i for i, symbol in enumerate(signature.symbols)}
    places = {**shown, **{name: len(shown) + i for i, name in enumerate(signature.found)}}
    machine = target.machine()
    layout = str(machine.target_data)
    with progress(f"compiling {signature.name} for {target.name}"):
        module = ModuleBuilder(signature.name, machine.triple, layout, target.vectors, places)
        plan_name, run_name = _symbols(signature.name, suffix)
        emitter = RunEmitter(module, run_name, plan, weight_offsets(found.constants), sizes)
        emitter.begin_sizes(shown)
        sites = emitter.run(program, found.outputs)
        shapes = [sizes.ceiling(dim) for var in found.outputs for dim in var.shape]
        emit_plan(
            module, plan_name, shown, program.guards, shapes, plan, emitter.lay_out, emitter.spare
        )
        code = emit_object(str(module.module), target)
    numbers = {op: number for number, op in enumerate(program.all_ops())}
    return _Code(code, [numbers[op] for op in sites], module.kernel_count, module.is_shared)


def _symbols(name: str, suffix: str) -> tuple[str, str]:
    """The names of plan and run."""
    return f"{name}_plan{suffix}", f"{name}_run{suffix}"


def assignments(program: Program) -> dict[str, tuple[Variable, Variable]]:
    """What the Program writes: persistable's name -> (persistable, its new value)."""
    found: dict[str, tuple[Variable, Variable]] = {}
    for op in program.global_block.ops:
        if op.type == "assign_persistable":
            value, target = op.in_vars
            found[target.name] = (target, value)
    return found


def weight_offsets(vars_: Sequence[Variable]) -> list[int]:
    """Where each constant begins in the weights: one after the other, at multiples of 64 bytes."""
    offsets, end = [], 0
    for var in vars_:
        offsets.append(-(-end // _ALIGNMENT) * _ALIGNMENT)
        end = offsets[-1] + int(byte_size(var))
    return offsets


def pack_weights(values: Sequence[Array], vars_: Sequence[Variable]) -> bytes:
    """The arrays, each where `weight_offsets` says."""
    blob = bytearray()
    for value, var, offset in zip(values, vars_, weight_offsets(vars_), strict=True):
        blob.extend(bytes(offset - len(blob)))
        blob.extend(np.ascontiguousarray(value, var.dtype.numpy).tobytes())
    return bytes(blob)
