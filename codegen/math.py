"""Scalar functions as LLVM instructions: `LLVMScalars` builds an op's formula into native code.

Everything is straight-line code with selects, without calls, so that LLVM's loop vectorizer takes
loops that contain it (exceptions: `pow` of integers and the remainders of floats have small loops
inside, and vectors a branch for what is rare: far arguments of sin and cos, special cases of pow).
With `width` the values are vectors of that many elements.

What a value is made of: float32, float64 and integers are themselves, bool is an i1 (a byte in
memory), float16 is a `float` (its 16 bits in memory): arithmetic on float16 is float32's, rounded
when stored.

Decided here, for the whole compiler:

- float to int: towards zero; what does not fit gives the end of the range that it passed, NaN gives
  0 (as `wherry.ir.numerics` says). To bool: x != 0, so NaN is true.
- integers wrap; `abs` and `neg` of the smallest one are itself; smallest // -1 too, and % gives 0.
- a shift by a negative count or by the width or more gives 0; `shr` of a negative number gives -1.
- an integer division by zero gives the dividend (floordiv) or 0 (mod) and enters its condition in
  `LLVMScalars.failed`, which the kernel turns into an error record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from wherry.ir.scalar import Operand, Scalar, ScalarBuilder
from wherry.schema.dtypes import DType, bool_, float32, float64, int32, int64

from . import (
    math_exp,
    math_float32,
    math_float32_power,
    math_float32_trig,
    math_half,
    math_int,
    math_pow,
    math_sincos,
    math_trig,
)
from .constant import repeated
from .hidden import hidden
from .machine import Machine
from .math_int import instruction

# AVX-512's instruction takes so many lanes; of the widest one the rounding is an operand.
_SCALED_LANES, _CURRENT_ROUNDING = (4, 8, 16), 4
_FLOAT_TYPES = {"float16": ir.FloatType(), "float32": ir.FloatType(), "float64": ir.DoubleType()}


def value_type(dtype: DType, width: int = 0) -> ir.Type:
    """The LLVM type of a value in a register: i1 for bool, float for float16."""
    if dtype.is_float:
        kind: ir.Type = _FLOAT_TYPES[dtype.name]
    else:
        kind = ir.IntType(1 if dtype is bool_ else dtype.itemsize * 8)
    return ir.VectorType(kind, width) if width else kind


def storage_type(dtype: DType, width: int = 0) -> ir.Type:
    """The LLVM type of an element in memory: i8 for bool, i16 for float16."""
    if dtype.is_float and dtype.itemsize > 2:
        return value_type(dtype, width)
    kind = ir.IntType(dtype.itemsize * 8)
    return ir.VectorType(kind, width) if width else kind


class LLVMScalars(ScalarBuilder):
    """Scalars that stand for LLVM values; instructions go where `builder` stands.

    `failed` collects an i1 for each integer division built (in vectors: per lane), true where it
    divided by zero. What it has instructions for says the machine; without one, it has none.
    """

    def __init__(
        self, builder: ir.IRBuilder, width: int = 0, machine: Machine | None = None
    ) -> None:
        self.builder, self.width, self.machine = builder, width, machine
        self.scales = machine is not None and machine.scales and width in _SCALED_LANES
        self.halves = machine is not None and machine.halves
        self.failed: list[ir.Value] = []
        # The 16 bits of a float16, by the id of the value that was made of them, with the value.
        self._halves: dict[int, tuple[ir.Value, ir.Value]] = {}

    # -- the interface of ScalarBuilder ------------------------------------------------------------

    def emit(self, name: str, operands: list[Scalar], dtype: DType) -> ir.Value:
        if name == "select":
            return self.builder.select(*(x.value for x in operands))
        if dtype.name == "float16":
            operands = [Scalar(self, x.value, float32) for x in operands]
        if name in _COMPARE:
            return self._compare(_COMPARE[name], *operands)
        table = _FLOAT if dtype.is_float else math_int.BOOL if dtype is bool_ else math_int.INT
        if name not in table:
            raise TypeError(f"{name} is not defined for {dtype.name}")
        return table[name](self, *operands).value

    def constant(self, value: bool | int | float, dtype: DType) -> ir.Constant:
        if dtype.is_float:
            with np.errstate(over="ignore"):
                return self.splat(float(dtype.numpy.type(value)), value_type(dtype))
        number = int(bool(value)) if dtype is bool_ else int(value)
        return self.splat(number, value_type(dtype))

    def convert(self, operand: Scalar, dtype: DType) -> ir.Value:
        if dtype is bool_:
            return self.ne(operand, 0).value
        if dtype.name == "float16":
            return self.from_storage(math_half.from_number(self, operand), dtype).value
        source = operand.dtype
        if source.is_float:
            return self._from_float(operand, dtype)
        if source is bool_ and dtype.is_float:
            one, zero = (self.const(number, dtype) for number in (1, 0))
            return self.select(operand, one, zero).value
        if dtype.is_float:
            unsigned = source.numpy.kind == "u"
            cast = self.builder.uitofp if unsigned else self.builder.sitofp
            return cast(operand.value, value_type(dtype, self.width))
        return self.resize(operand, dtype).value

    # -- memory --------------------------------------------------------------------------------

    def from_storage(self, value: ir.Value, dtype: DType) -> Scalar:
        """The Scalar of an element just loaded (an i8 for bool, an i16 for float16)."""
        if dtype is bool_:
            zero = self.splat(0, ir.IntType(8))
            return Scalar(self, self.builder.icmp_unsigned("!=", value, zero), dtype)
        if dtype.name == "float16":
            found = math_half.to_float(self, value)
            self._halves[id(found)] = found, value
            return Scalar(self, found, dtype)
        return Scalar(self, value, dtype)

    def to_storage(self, scalar: Scalar) -> ir.Value:
        """The element to store for a Scalar."""
        if scalar.dtype is bool_:
            return self.builder.zext(scalar.value, storage_type(bool_, self.width))
        if scalar.dtype.name == "float16":
            _, known = self._halves.get(id(scalar.value), (None, None))
            single = Scalar(self, scalar.value, float32)
            return math_half.from_number(self, single) if known is None else known
        return scalar.value

    # -- pieces for the formulas ----------------------------------------------------------------

    def wrap(self, value: ir.Value, dtype: DType) -> Scalar:
        return Scalar(self, value, dtype)

    def splat(self, number: Any, element: ir.Type) -> ir.Constant:
        """A constant of an element type, repeated for vectors."""
        if not self.width:
            return ir.Constant(element, number)
        return repeated(element, number, self.width)

    def intrinsic(self, name: str, *operands: Scalar, flags: Sequence[str] = ()) -> Scalar:
        """`llvm.name` on operands of one type, giving that type; `flags` are fast-math flags."""
        kind = value_type(operands[0].dtype, self.width)
        suffix = ("f" if operands[0].dtype.is_float else "i") + str(operands[0].dtype.itemsize * 8)
        full = f"llvm.{name}." + (f"v{self.width}{suffix}" if self.width else suffix)
        module = self.builder.module
        function = module.globals.get(full)
        if function is None:
            function = ir.Function(module, ir.FunctionType(kind, [kind] * len(operands)), full)
        call = self.builder.call(function, [x.value for x in operands], fastmath=flags)
        return Scalar(self, call, operands[0].dtype)

    def fma(self, x: Scalar, y: Operand, z: Operand) -> Scalar:
        """x * y + z, rounded once where the target does that in one instruction."""
        y, z = (v if isinstance(v, Scalar) else self.const(v, x.dtype) for v in (y, z))
        return self.intrinsic("fmuladd", x, y, z)

    def poly(self, x: Scalar, coefficients: Sequence[float]) -> Scalar:
        """The polynomial in x; the highest power's coefficient comes first."""
        total = self.const(coefficients[0], x.dtype)
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, coefficient)
        return total

    def bits(self, x: Scalar) -> Scalar:
        """The bits of a float as an integer of its width."""
        dtype = int32 if x.dtype is float32 else int64
        return Scalar(self, self.builder.bitcast(x.value, value_type(dtype, self.width)), dtype)

    def from_bits(self, i: Scalar) -> Scalar:
        """The float that has these bits."""
        dtype = float32 if i.dtype is int32 else float64
        return Scalar(self, self.builder.bitcast(i.value, value_type(dtype, self.width)), dtype)

    def shift(self, instruction: str, i: Scalar, count: int) -> Scalar:
        """`shl`, `ashr` or `lshr` by a constant."""
        amount = self.splat(count, ir.IntType(i.dtype.itemsize * 8))
        return Scalar(self, getattr(self.builder, instruction)(i.value, amount), i.dtype)

    def scaled(self, x: Scalar, k: Scalar) -> Scalar:
        """x * 2**k, rounded once, for a k without fraction; only where `scales`."""
        kind, module = x.value.type, self.builder.module
        mask = ir.IntType(max(self.width, 8))
        rounding = [ir.Constant(ir.IntType(32), _CURRENT_ROUNDING)] * (self.width == 16)
        name = f"llvm.x86.avx512.mask.scalef.ps.{self.width * 32}"
        types = [kind, kind, kind, mask, *(one.type for one in rounding)]
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(kind, types), name
        )
        rest = [ir.Constant(mask, -1), *rounding]
        return self.wrap(self.builder.call(function, [x.value, k.value, x.value, *rest]), x.dtype)

    def opaque(self, vector: ir.Value) -> ir.Value:
        """The same vector, of which LLVM does not know where it is from."""
        assert self.machine is not None
        if self.width < 2 or self.width * 4 > self.machine.vector_bytes:
            return vector  # it is a number, or takes several registers
        return hidden(self.builder, vector, self.machine.constraint)

    def copysign(self, magnitude: Scalar, sign: Scalar) -> Scalar:
        return self.intrinsic("copysign", magnitude, sign)

    def resize(self, i: Scalar, dtype: DType) -> Scalar:
        """An integer or bool in another integer type: extended by its own sign, or cut off."""
        kind = value_type(dtype, self.width)
        have = 1 if i.dtype is bool_ else i.dtype.itemsize * 8
        if have == dtype.itemsize * 8:
            return Scalar(self, i.value, dtype)
        if have > dtype.itemsize * 8:
            return Scalar(self, self.builder.trunc(i.value, kind), dtype)
        unsigned = i.dtype is bool_ or i.dtype.numpy.kind == "u"
        extend = self.builder.zext if unsigned else self.builder.sext
        return Scalar(self, extend(i.value, kind), dtype)

    def rarely(
        self, condition: Scalar, values: Sequence[Scalar], compute: Callable[[], Sequence[Scalar]]
    ) -> list[Scalar]:
        """`compute()` where the condition is true in any lane, behind a branch; else the values."""
        before = self.builder.block
        inside, done = (self.builder.append_basic_block(name) for name in ("rare", "done"))
        branch = self.builder.cbranch(self.any_lane(condition.value), inside, done)
        branch.set_weights([1, 1000])
        self.builder.position_at_end(inside)
        computed = compute()
        self.builder.branch(done)
        end = self.builder.block
        self.builder.position_at_end(done)
        merged = []
        for usual, rare in zip(values, computed, strict=True):
            phi = self.builder.phi(usual.value.type)
            phi.add_incoming(usual.value, before)
            phi.add_incoming(rare.value, end)
            merged.append(self.wrap(phi, usual.dtype))
        return merged

    def any_lane(self, condition: ir.Value) -> ir.Value:
        """One i1: true where the condition is, in any lane."""
        if not self.width:
            return condition
        kind = ir.VectorType(ir.IntType(1), self.width)
        name = f"llvm.vector.reduce.or.v{self.width}i1"
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(ir.IntType(1), [kind]), name)
        return self.builder.call(function, [condition])

    def _compare(self, sign: str, x: Scalar, y: Scalar) -> ir.Value:
        if x.dtype.is_float:
            ordered = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
            return ordered(sign, x.value, y.value)
        signed = x.dtype.numpy.kind == "i"
        compare = self.builder.icmp_signed if signed else self.builder.icmp_unsigned
        return compare(sign, x.value, y.value)

    def _from_float(self, x: Scalar, dtype: DType) -> ir.Value:
        kind = value_type(dtype, self.width)
        if not dtype.is_float:
            return self._float_to_int(x, dtype)
        if x.value.type == kind:
            return x.value
        cast = self.builder.fpext if dtype is float64 else self.builder.fptrunc
        return cast(x.value, kind)

    def _float_to_int(self, x: Scalar, dtype: DType) -> ir.Value:
        if x.dtype.name == "float16":
            x = Scalar(self, x.value, float32)
        unsigned = dtype.numpy.kind == "u"
        lanes = f"v{self.width}" if self.width else ""
        name = (
            f"llvm.fpto{'ui' if unsigned else 'si'}.sat"
            f".{lanes}i{dtype.itemsize * 8}.{lanes}f{x.dtype.itemsize * 8}"
        )
        kind = ir.FunctionType(value_type(dtype, self.width), [x.value.type])
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, [x.value])


def via_float64(fn: Callable[..., Scalar]) -> Callable[..., Scalar]:
    """A function of float64 that also takes float32, by computing in float64."""

    def call(b: LLVMScalars, *operands: Scalar) -> Scalar:
        if operands[0].dtype is float64:
            return fn(b, *operands)
        return b.cast(fn(b, *(b.cast(x, float64) for x in operands)), float32)

    return call


def by_dtype(single: Callable[..., Scalar], double: Callable[..., Scalar]) -> Callable[..., Scalar]:
    """A function with a formula for float32 and one for float64."""
    return lambda b, *x: (single if x[0].dtype is float32 else double)(b, *x)


def _intrinsic(name: str) -> Callable[..., Scalar]:
    return lambda b, *operands: b.intrinsic(name, *operands)


def _extremum(name: str) -> Callable[..., Scalar]:
    """min or max; NaN where an operand is. Which zero of two is the larger one is not said."""
    return lambda b, x, y: b.intrinsic(name, x, y, flags=("nsz",))


def _sign(b: LLVMScalars, x: Scalar) -> Scalar:
    one, zero = b.const(1.0, x.dtype), b.const(0.0, x.dtype)
    return b.select(x > 0, one, b.select(x < 0, -one, b.select(x == 0, zero, x)))


def _isnan(b: LLVMScalars, x: Scalar) -> Scalar:
    return b.wrap(b.builder.fcmp_unordered("uno", x.value, x.value), bool_)


def _isfinite(b: LLVMScalars, x: Scalar) -> Scalar:
    return b.abs(x) < float("inf")


_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

_FLOAT: dict[str, Callable[..., Scalar]] = {
    "add": instruction("fadd"), "sub": instruction("fsub"), "mul": instruction("fmul"),
    "div": instruction("fdiv"), "neg": instruction("fneg"), "abs": _intrinsic("fabs"),
    "sqrt": _intrinsic("sqrt"), "rsqrt": lambda b, x: 1 / b.sqrt(x), "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"), "round": _intrinsic("rint"), "trunc": _intrinsic("trunc"),
    "min": _extremum("minimum"), "max": _extremum("maximum"), "sign": _sign, "isnan": _isnan,
    "isinf": lambda b, x: b.abs(x) == float("inf"), "isfinite": _isfinite,
    "fmod": via_float64(math_pow.fmod), "mod": via_float64(math_pow.mod),
    "floordiv": via_float64(math_pow.floordiv),
    **{
        name: by_dtype(getattr(single, name), getattr(double, name))
        for single, double, names in (
            (math_float32, math_exp, "exp expm1 log log1p tanh erf sigmoid gelu"),
            (math_float32_power, math_exp, "log2 log10 sinh cosh asinh acosh atanh"),
            (math_float32_trig, math_trig, "asin acos atan atan2"),
            (math_sincos, math_trig, "sin cos tan"),
        )
        for name in names.split()
    },
    "pow": by_dtype(math_float32_power.power, math_pow.power),
}  # fmt: skip
