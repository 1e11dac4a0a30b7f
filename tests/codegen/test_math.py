"""Scalar functions in native code: errors in units of the last place, special values, vectorization."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
import scipy.special
from llvmlite import ir

from wherry.codegen.math import LLVMScalars, storage_type
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import as_dtype

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

Array = np.ndarray[Any, Any]
Formula = Callable[..., Scalar]
POINTER, I64 = ir.PointerType(), ir.IntType(64)


def build(formula: Formula, ins: list[str], out: str, width: int = 0) -> ir.Module:
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
    scalars = LLVMScalars(b, width)
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
    formula: Formula, *arrays: Array, out: str | None = None, width: int = 0, baseline: bool = False
) -> Array:
    """The formula on arrays of one length, in native code for this machine (or for x86-64-v2)."""
    ins = [a.dtype.name for a in arrays]
    out = out or ins[0]
    cpu = "x86-64-v2" if baseline else llvm.get_host_cpu_name()
    features = "" if baseline else llvm.get_host_cpu_features().flatten()
    module, machine = optimized(build(formula, ins, out, width), cpu, features)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    arrays = tuple(np.ascontiguousarray(a) for a in arrays)
    result = np.empty(arrays[0].shape, as_dtype(out).numpy)
    address = engine.get_function_address("f")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + 1), ctypes.c_int64)(address)
    call(result.ctypes.data, *(a.ctypes.data for a in arrays), result.size)
    return result


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


def grid(low: float, high: float, dtype: Any, count: int = 200_000) -> Array:
    """Points of (low, high): evenly spaced, and by magnitude down to the denormals."""
    rng = np.random.default_rng(5)
    info = np.finfo(dtype)
    top = max(abs(low), abs(high))
    exponents = rng.uniform(np.log2(float(info.tiny)) - 10, np.log2(top), count // 2)
    by_magnitude = 2.0**exponents * rng.choice([-1.0, 1.0], count // 2)
    even = rng.uniform(low, high, count)
    points = np.concatenate([even, by_magnitude[(by_magnitude > low) & (by_magnitude < high)]])
    return points.astype(dtype)


ONE_OPERAND = {
    "exp": (-104.0, 89.0, np.exp),
    "expm1": (-104.0, 88.0, np.expm1),
    "log": (0.0, 1e30, np.log),
    "log1p": (-1.0, 1e30, np.log1p),
    "log2": (0.0, 1e30, np.log2),
    "log10": (0.0, 1e30, np.log10),
    "sin": (-1e5, 1e5, np.sin),
    "cos": (-1e5, 1e5, np.cos),
    "tan": (-1e5, 1e5, np.tan),
    "asin": (-1.0, 1.0, np.arcsin),
    "acos": (-1.0, 1.0, np.arccos),
    "atan": (-1e5, 1e5, np.arctan),
    "sinh": (-90.0, 90.0, np.sinh),
    "cosh": (-90.0, 90.0, np.cosh),
    "tanh": (-20.0, 20.0, np.tanh),
    "asinh": (-1e30, 1e30, np.arcsinh),
    "acosh": (1.0, 1e30, np.arccosh),
    "atanh": (-1.0, 1.0, np.arctanh),
    "erf": (-7.0, 7.0, scipy.special.erf),
    "sqrt": (0.0, 1e30, np.sqrt),
}
# float64 is compared with long double, which has 11 bits more; erf's oracle is a double itself.
WIDE = {"exp": (-746, 710), "expm1": (-100, 710), "sin": (-1e6, 1e6), "cos": (-1e6, 1e6),
        "tan": (-1e6, 1e6), "sinh": (-711, 711), "cosh": (-711, 711)}  # fmt: skip


@pytest.mark.parametrize("baseline", [False, True])
@pytest.mark.parametrize("name", ONE_OPERAND)
def test_float32_is_within_two_units(name: str, baseline: bool) -> None:
    low, high, oracle = ONE_OPERAND[name]
    x = np.concatenate([grid(low, high, np.float32), grid(max(low, -3), min(high, 3), np.float32)])
    with np.errstate(all="ignore"):
        want = oracle(x.astype(np.float64))
        assert ulp_error(run(named(name), x, baseline=baseline), want) <= 2.0


@pytest.mark.parametrize("baseline", [False, True])
@pytest.mark.parametrize("name", ONE_OPERAND)
def test_float64_is_within_four_units(name: str, baseline: bool) -> None:
    low, high, oracle = ONE_OPERAND[name]
    low, high = WIDE.get(name, (low, high))
    x = np.concatenate([grid(low, high, np.float64), grid(max(low, -3), min(high, 3), np.float64)])
    with np.errstate(all="ignore"):
        want = oracle(x if name == "erf" else x.astype(np.longdouble))
        assert ulp_error(run(named(name), x, baseline=baseline), want) <= 4.0
