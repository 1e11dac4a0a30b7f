"""Scalar functions, and the builder on which a pointwise op states its formula.

A pointwise op's `scalar(b, x, ...)` is written once, on `Scalar` values; what they stand for is the
builder's business: machine code (`wherry.codegen`), a cost count, or numpy arrays (`NumpyScalars`,
the tests' check that formula and reference agree).

>>> relu = lambda b, x: b.max(x, 0)
>>> NumpyScalars().run(relu, np.float32([-1.0, 2.0]))
array([0., 2.], dtype=float32)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias, Union

import numpy as np

from wherry.schema.dtypes import DType, as_dtype, bool_

from .numerics import convert, erf, gelu, power, sigmoid

# name -> number of operands. Operands of one call have one dtype (`select`: of the last two).
ARITHMETIC = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "floordiv": 2, "mod": 2, "fmod": 2, "neg": 1, "abs": 1,
    "sign": 1, "min": 2, "max": 2, "pow": 2, "sqrt": 1, "rsqrt": 1, "floor": 1, "ceil": 1,
    "round": 1, "trunc": 1, "select": 3, "and_": 2, "or_": 2, "xor": 2, "not_": 1, "shl": 2,
    "shr": 2,
}  # fmt: skip
TRANSCENDENTAL = {
    "exp": 1, "expm1": 1, "log": 1, "log1p": 1, "log2": 1, "log10": 1, "sin": 1, "cos": 1, "tan": 1,
    "asin": 1, "acos": 1, "atan": 1, "atan2": 2, "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1,
    "acosh": 1, "atanh": 1, "erf": 1, "sigmoid": 1, "gelu": 1,
}  # fmt: skip
COMPARISONS = {"eq": 2, "ne": 2, "lt": 2, "le": 2, "gt": 2, "ge": 2}
PREDICATES = {"isnan": 1, "isinf": 1, "isfinite": 1}
SCALAR_FUNCTIONS = ARITHMETIC | TRANSCENDENTAL | COMPARISONS | PREDICATES
# `min` and `max` return NaN where an operand is NaN; `round` is half to even; `floordiv` and `mod`
# round to minus infinity as in Python, `fmod` to zero as in C; `sign` of NaN is NaN; `div` is for
# floats only. Conversions and integer powers: see `wherry.ir.numerics`.

Operand: TypeAlias = Union["Scalar", bool, int, float]


def _operator(name: str, swap: bool = False) -> Callable[[Scalar, Operand], Scalar]:
    def method(self: Scalar, other: Operand) -> Scalar:
        operands = (other, self) if swap else (self, other)
        return self.builder.call(name, *operands)

    return method


class Scalar:
    """A value of some builder. Python operators build the obvious call; comparisons give bools."""

    __slots__ = ("builder", "dtype", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: ScalarBuilder, value: Any, dtype: DType) -> None:
        self.builder, self.value, self.dtype = builder, value, dtype

    def __neg__(self) -> Scalar:
        return self.builder.call("neg", self)

    def __invert__(self) -> Scalar:
        return self.builder.call("not_", self)

    __add__, __radd__ = _operator("add"), _operator("add", swap=True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swap=True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", swap=True)
    __truediv__, __rtruediv__ = _operator("div"), _operator("div", swap=True)
    __floordiv__, __mod__ = _operator("floordiv"), _operator("mod")
    __and__, __or__, __xor__ = _operator("and_"), _operator("or_"), _operator("xor")
    __lt__, __le__ = _operator("lt"), _operator("le")
    __gt__, __ge__ = _operator("gt"), _operator("ge")
    __eq__ = _operator("eq")  # type: ignore[assignment]
    __ne__ = _operator("ne")  # type: ignore[assignment]


class ScalarBuilder(ABC):
    """Builds scalar expressions. A subclass implements `emit`, `constant` and `convert`."""

    @abstractmethod
    def emit(self, name: str, operands: list[Scalar], dtype: DType) -> Any:
        """The value of a scalar function; `dtype` is the operands' (the result's for `select`)."""

    @abstractmethod
    def constant(self, value: bool | int | float, dtype: DType) -> Any:
        """The value of a constant."""

    @abstractmethod
    def convert(self, operand: Scalar, dtype: DType) -> Any:
        """The operand's value as another dtype."""

    def const(self, value: bool | int | float, dtype: DType | str) -> Scalar:
        dtype = as_dtype(dtype)
        return Scalar(self, self.constant(value, dtype), dtype)

    def cast(self, operand: Scalar, dtype: DType | str) -> Scalar:
        dtype = as_dtype(dtype)
        if operand.dtype is dtype:
            return operand
        return Scalar(self, self.convert(operand, dtype), dtype)

    def call(self, name: str, *operands: Operand) -> Scalar:
        """A scalar function by name; Python numbers take the dtype of the Scalars beside them."""
        arity = SCALAR_FUNCTIONS[name]
        if len(operands) != arity:
            raise TypeError(f"{name} takes {arity} operands, got {len(operands)}")
        like = next(x.dtype for x in reversed(operands) if isinstance(x, Scalar))
        if name == "select":
            rest = [x.dtype for x in operands[1:] if isinstance(x, Scalar)]
            like = rest[0] if rest else like
        values = [x if isinstance(x, Scalar) else self.const(x, like) for x in operands]
        checked = values[1:] if name == "select" else values
        if any(x.dtype is not like for x in checked):
            raise TypeError(f"{name}: mixed dtypes {[x.dtype.name for x in checked]}")
        result = bool_ if name in COMPARISONS or name in PREDICATES else like
        return Scalar(self, self.emit(name, values, like), result)

    def __getattr__(self, name: str) -> Callable[..., Scalar]:
        if name not in SCALAR_FUNCTIONS:
            raise AttributeError(f"no scalar function {name!r}")
        return lambda *operands: self.call(name, *operands)


class NumpyScalars(ScalarBuilder):
    """Scalars that stand for numpy arrays."""

    def run(self, formula: Callable[..., Scalar], *arrays: Any, **attrs: Any) -> Any:
        """The formula's value on arrays."""
        operands = [Scalar(self, np.asarray(a), as_dtype(np.asarray(a).dtype)) for a in arrays]
        with np.errstate(all="ignore"):
            return formula(self, *operands, **attrs).value

    def emit(self, name: str, operands: list[Scalar], dtype: DType) -> Any:
        result = _NUMPY[name](*(x.value for x in operands))
        if name in COMPARISONS or name in PREDICATES:
            return result
        return np.asarray(result).astype(dtype.numpy)

    def constant(self, value: bool | int | float, dtype: DType) -> Any:
        return np.asarray(value, dtype.numpy)

    def convert(self, operand: Scalar, dtype: DType) -> Any:
        return convert(operand.value, dtype.numpy)


_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "floordiv": np.floor_divide, "mod": np.mod, "fmod": np.fmod, "neg": np.negative, "abs": np.abs,
    "sign": np.sign, "min": np.minimum, "max": np.maximum, "pow": power, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x), "floor": np.floor, "ceil": np.ceil, "round": np.rint,
    "trunc": np.trunc, "select": np.where, "and_": np.bitwise_and, "or_": np.bitwise_or,
    "xor": np.bitwise_xor, "not_": np.invert, "shl": np.left_shift, "shr": np.right_shift,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2,
    "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": erf,
    "sigmoid": sigmoid, "gelu": gelu,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
}  # fmt: skip
