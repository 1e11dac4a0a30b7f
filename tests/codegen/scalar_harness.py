"""Runs scalar formulas as native loops over numpy arrays, for the tests of `codegen.math`."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from wherry.codegen.machine import Machine
from wherry.codegen.math import LLVMScalars, storage_type
from wherry.codegen.target import Target
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import as_dtype

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

Array = np.ndarray[Any, Any]
Formula = Callable[..., Scalar]
POINTER, I64 = ir.PointerType(), ir.IntType(64)


def build(
    formula: Formula, ins: list[str], out: str, width: int = 0, machine: Machine | None = None
) -> ir.Module:
    """void f(out, in..., n): a loop that applies the formula element by element (by vectors)."""
    module = ir.Module("m")
    module.triple = llvm.get_process_triple()
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * (len(ins) + 1) + [I64])
    function = ir.Function(module, kind, "f")
    for argument in function.args[:-1]:
        argument.add_attribute("noalias")
    entry, head, body, done = (function.append_basic_block(n) for n in "abcd")
    ir.IRBuilder(entry).branch(head)
    b = ir.IRBuilder(head)
    i = b.phi(I64)
    i.add_incoming(ir.Constant(I64, 0), entry)
    b.cbranch(b.icmp_signed("<", i, function.args[-1]), body, done)
    b.position_at_end(body)
    scalars = LLVMScalars(b, width, machine)
    operands = []
    for argument, name in zip(function.args[1:], ins, strict=False):
        dtype = as_dtype(name)
        place = b.gep(argument, [i], source_etype=storage_type(dtype))
        stored = b.load(place, typ=storage_type(dtype, width))
        stored.align = dtype.itemsize
        operands.append(scalars.from_storage(stored, dtype))
    result = formula(scalars, *operands)
    place = b.gep(function.args[0], [i], source_etype=storage_type(as_dtype(out)))
    b.store(scalars.to_storage(result), place, align=as_dtype(out).itemsize)
    i.add_incoming(b.add(i, ir.Constant(I64, max(width, 1))), b.block)
    b.branch(head)
    ir.IRBuilder(done).ret_void()
    return module


def optimized(module: ir.Module, cpu: str, features: str) -> tuple[Any, Any]:
    target = llvm.Target.from_triple(module.triple)
    machine = target.create_target_machine(cpu, features, opt=3)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return parsed, machine


def run(
    formula: Formula, *arrays: Array, out: str | None = None, width: int = 0, level: str = "host"
) -> Array:
    """The formula on arrays of one length, in native code for this machine (or for a level)."""
    call = compiled(formula, [a.dtype.name for a in arrays], out, width, level)
    return call(*arrays)


def compiled(
    formula: Formula, ins: list[str], out: str | None = None, width: int = 0, level: str = "host"
) -> Callable[..., Array]:
    """The same as a function, for calling it often."""
    out = out or ins[0]
    target = Target.host() if level == "host" else Target.named(level)
    module = build(formula, ins, out, width, target.vectors)
    module, machine = optimized(module, target.cpu, target.features)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(ins) + 1), ctypes.c_int64)
    native = kind(engine.get_function_address("f"))

    def call(*arrays: Array, engine: Any = engine) -> Array:  # the engine owns the code
        arrays = tuple(np.ascontiguousarray(a) for a in arrays)
        result = np.empty(arrays[0].shape, as_dtype(out).numpy)
        native(result.ctypes.data, *(a.ctypes.data for a in arrays), result.size)
        return result

    return call


def named(name: str) -> Formula:
    return lambda b, *operands: b.call(name, *operands)


def ulp_error(got: Array, want: Array) -> float:
    """The largest error in units of the last place of the true result; `want` has more digits."""
    rounded = want.astype(got.dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    np.testing.assert_array_equal(got[np.isinf(rounded)], rounded[np.isinf(rounded)])
    with np.errstate(over="ignore"):
        # A result that rounds to infinity from just below the largest number counts as that number.
        top = np.finfo(got.dtype).max
        bounded = np.where(np.isinf(got), np.copysign(top, got), got)
    unit = np.spacing(np.abs(rounded[finite])).astype(want.dtype)
    error = np.abs(bounded[finite].astype(want.dtype) - want[finite]) / unit
    return float(error.max(initial=0.0))


def assembly(
    formula: Formula, ins: list[str], cpu: str, width: int = 0, triple: str | None = None
) -> str:
    """The machine code of the formula's loop for an x86-64 level, or another triple's cpu."""
    # LLVM halves the widest vectors unless it is told not to.
    features = "-prefer-256-bit" if width == 16 else ""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = build(formula, ins, ins[0], width, Target.named("aarch64" if triple else cpu).vectors)
    module.triple = triple or module.triple
    optimized_module, machine = optimized(module, cpu, features)
    return str(machine.emit_assembly(optimized_module))
