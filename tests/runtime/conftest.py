"""A tiny hand-written native model: y[B, 3] = 2 * x[B, 3] + w[0], through the arena.

It fails with an index error where an element of x is -1, and its guard wants B <= 1000.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from wherry.codegen.artifact import LevelCode, build_artifact
from wherry.runtime.executable import Executable
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc
from wherry.schema.native import GuardSite, Signature, Site, SymbolSource, TensorSpec

MODEL = """
define i32 @plan{suffix}(ptr %dims, ptr %out, ptr %arena) {{
  %b = load i64, ptr %dims
  store i64 %b, ptr %out
  %out1 = getelementptr i64, ptr %out, i64 1
  store i64 3, ptr %out1
  %bytes = mul i64 %b, 12
  store i64 %bytes, ptr %arena
  %big = icmp sgt i64 %b, 1000
  %code = zext i1 %big to i32
  ret i32 %code
}}

define i32 @run{suffix}(ptr %ctx) {{
entry:
  %in.at = getelementptr i64, ptr %ctx, i64 11
  %in = load ptr, ptr %in.at
  %out.at = getelementptr i64, ptr %ctx, i64 12
  %out = load ptr, ptr %out.at
  %dims.at = getelementptr i64, ptr %ctx, i64 13
  %dims = load ptr, ptr %dims.at
  %arena.at = getelementptr i64, ptr %ctx, i64 14
  %arena = load ptr, ptr %arena.at
  %b = load i64, ptr %dims
  %n = mul i64 %b, 3
  %x = load ptr, ptr %in
  {weight}
  %bias = load float, ptr %w
  %y = load ptr, ptr %out
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %go ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %xp = getelementptr float, ptr %x, i64 %i
  %v = load float, ptr %xp
  %bad = fcmp oeq float %v, -1.0
  br i1 %bad, label %fail, label %go
go:
  %ap = getelementptr float, ptr %arena, i64 %i
  store float %v, ptr %ap
  %u = load float, ptr %ap
  %d = fmul float %u, 2.0
  %s = fadd float %d, %bias
  %yp = getelementptr float, ptr %y, i64 %i
  store float %s, ptr %yp
  %next = add i64 %i, 1
  br label %head
fail:
  %site = getelementptr i64, ptr %ctx, i64 6
  store i64 0, ptr %site
  %index = getelementptr i64, ptr %ctx, i64 8
  store i64 %i, ptr %index
  %value = getelementptr i64, ptr %ctx, i64 9
  store i64 99, ptr %value
  ret i32 1
done:
  ret i32 0
}}
"""
WEIGHT_INPUT = "%p1 = getelementptr ptr, ptr %in, i64 1\n  %w = load ptr, ptr %p1"
WEIGHT_EMBEDDED = "%w = getelementptr i8, ptr @weight_w, i64 0"
F32 = as_dtype("float32")


def signature(embedded: bool = False) -> Signature:
    """What the hand-written model takes and gives."""
    loc = Loc("model.py", 7, "y = table[x]")
    return Signature(
        "tiny",
        [TensorSpec("x", F32, ("B", 3))],
        [] if embedded else [TensorSpec("w", F32, (1,))],
        [TensorSpec("y", F32, ("B", 3))],
        symbols=[SymbolSource("B", 0, 0)],
        guards=[GuardSite("needs at most 1000 rows", Loc("model.py", 5, "x = squeeze(x)"))],
        sites=[Site("gather", loc)],
    )


def target_machine(triple: str | None = None) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = triple or llvm.get_process_triple()
    return llvm.Target.from_triple(triple).create_target_machine(reloc="pic", codemodel="small")


def object_code(suffix: str = "", triple: str | None = None) -> bytes:
    """The model with its weight outside, as a relocatable object."""
    text = "@weight_w = external hidden global i8\n" + MODEL.format(
        suffix=suffix, weight=WEIGHT_EMBEDDED
    )
    return bytes(target_machine(triple).emit_object(llvm.parse_assembly(text)))


@pytest.fixture(scope="session")
def jitted() -> Any:
    """The model as machine code in this process: the engine and the addresses of plan and run."""
    module = llvm.parse_assembly(MODEL.format(suffix="", weight=WEIGHT_INPUT))
    engine = llvm.create_mcjit_compiler(module, target_machine())
    engine.finalize_object()
    return engine, engine.get_function_address("plan"), engine.get_function_address("run")


@pytest.fixture
def weight() -> Any:
    return np.array([0.5], np.float32)


@pytest.fixture
def executable(jitted: Any, weight: Any) -> Executable:
    engine, plan, run = jitted
    return Executable(signature(), plan, run, engine, [weight])


def build(bias: float = 0.5) -> bytes:
    """The tiny model as a shared object for all x86-64 levels (of equal, generic code)."""
    levels = [
        LevelCode(name, object_code(f"_{i}"), f"plan_{i}", f"run_{i}")
        for i, name in enumerate(("x86-64-v2", "x86-64-v3", "x86-64-v4"))
    ]
    weights = {"weight_w": np.array([bias], np.float32).tobytes()}
    return build_artifact(levels, signature(embedded=True), weights, "tiny.so")


@pytest.fixture(scope="session")
def artifact() -> Callable[..., bytes]:
    """Builds the tiny model's shared object with a given bias."""
    return build
