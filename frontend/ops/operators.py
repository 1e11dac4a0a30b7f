"""Python's operators on Tensors: `x + y`, `2 ** x`, `x[i]`'s kin are in `indexing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import (
    cast_to,
    float_number,
    int_to_float,
    is_bool,
    is_number,
    left_operands,
    operands,
    scalar,
    to_tensor_like,
)  # fmt: skip
from .linalg import matmul
from .math import neg, scale, true_divide

_ACCEPTED = (bool, int, float, np.number, np.bool_, np.ndarray, list, tuple)


def _affine(x: Tensor, factor: Any = 1, bias: Any = 0) -> Tensor:
    """x * factor + bias for Python numbers, as one `scale` op."""
    if (float_number(factor) or float_number(bias)) and not x.dtype.is_float:
        x = int_to_float(x)
    return scale(x, factor, bias)


# Operators whose right operand is a number, as a `scale` op: name -> (scale, bias) of the number.
_WITH_NUMBER: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "__add__": lambda c: (1, c), "__radd__": lambda c: (1, c),
    "__sub__": lambda c: (1, -c), "__rsub__": lambda c: (-1, c),
    "__mul__": lambda c: (c, 0), "__rmul__": lambda c: (c, 0),
}  # fmt: skip


# Operators whose result has the dtype of the Tensor whose method is called.
_KEEPS_LEFT = ("__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__pow__", "__rpow__")


def _number(value: Any, dtype: DType) -> Any:
    """A Python number; of numpy's floats only float64 is a Python float and makes ints floats."""
    if isinstance(value, np.floating) and not isinstance(value, float) and not dtype.is_float:
        return int(value)
    return value.item() if isinstance(value, np.generic) else value


def _operator(name: str, op_type: str, reverse: bool = False) -> Callable[[Tensor, Any], Any]:
    with_number = _WITH_NUMBER.get(name)
    taken = left_operands if name in _KEEPS_LEFT else operands

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            if with_number is not None and is_number(other):
                if type(other) is bool:
                    other = int(other)
                return _affine(self, *with_number(_number(other, self.dtype)))
            if not isinstance(other, _ACCEPTED):
                return NotImplemented
        x, y = taken(self, other)
        chosen = "logical_and" if op_type == "elementwise_mul" and is_bool(x) else op_type
        out: Tensor = run_op(chosen, y, x) if reverse else run_op(chosen, x, y)
        return out

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{op_type}` with {'other on the left' if reverse else 'self on the left'}."
    return method


def _rtruediv(self: Tensor, other: Any) -> Any:
    """other / self; integers give float32."""
    if not isinstance(other, (Tensor, *_ACCEPTED)):
        return NotImplemented
    x, y = left_operands(self if not is_number(other) else int_to_float(self), other)
    out: Tensor = run_op("elementwise_div", int_to_float(y), int_to_float(x))
    return out


def _truediv(self: Tensor, other: Any) -> Any:
    """self / other; integers give float32."""
    if not isinstance(other, (Tensor, *_ACCEPTED)):
        return NotImplemented
    return true_divide(self, other)


def _pow(self: Tensor, other: Any) -> Any:
    """self ** other; an integer Tensor to a float power gives float32."""
    if is_number(other):
        x = int_to_float(self) if float_number(other) else self
        out: Tensor = run_op("pow", x, factor=float(other))
        return out
    if not isinstance(other, (Tensor, *_ACCEPTED)):
        return NotImplemented
    x, y = left_operands(self, other)
    out = run_op("elementwise_pow", x, y)
    return out


def _equal(self: Tensor, other: Any) -> Any:
    """self == other, elementwise; with None and other things that are no numbers False."""
    return _compared(self, other, "equal")


def _not_equal(self: Tensor, other: Any) -> Any:
    """self != other, elementwise; with None and other things that are no numbers True."""
    return _compared(self, other, "not_equal")


def _compared(x: Tensor, other: Any, op_type: str) -> Any:
    if not isinstance(other, (Tensor, *_ACCEPTED)):
        # Python asks the other one, and then for the identity.
        return NotImplemented
    x, y = operands(x, other)
    return run_op(op_type, x, y)


def _bitwise(logical: str, bitwise: str) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            if not isinstance(other, _ACCEPTED):
                return NotImplemented
            other = scalar(other, self.dtype) if is_number(other) else to_tensor_like(other)
        other = cast_to(other, self.dtype)
        out: Tensor = run_op(logical if self.dtype.name == "bool" else bitwise, self, other)
        return out

    method.__doc__ = f"`{bitwise}`; on bools `{logical}`."
    return method


def _invert(self: Tensor) -> Tensor:
    """The bits inverted; on bools `logical_not`."""
    out: Tensor = run_op("logical_not" if self.dtype.name == "bool" else "bitwise_not", self)
    return out


def _matmul(self: Tensor, other: Any) -> Any:
    """self @ other."""
    if not isinstance(other, (Tensor, *_ACCEPTED)):
        return NotImplemented
    return matmul(*operands(self, other))


def _rmatmul(self: Tensor, other: Any) -> Any:
    """other @ self."""
    if not isinstance(other, _ACCEPTED):
        return NotImplemented
    return matmul(to_tensor_like(other), self)


def _positive(self: Tensor) -> Tensor:
    """self."""
    return self


OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": _operator("__add__", "elementwise_add"),
    "__radd__": _operator("__radd__", "elementwise_add", reverse=True),
    "__sub__": _operator("__sub__", "elementwise_sub"),
    "__rsub__": _operator("__rsub__", "elementwise_sub", reverse=True),
    "__mul__": _operator("__mul__", "elementwise_mul"),
    "__rmul__": _operator("__rmul__", "elementwise_mul", reverse=True),
    "__truediv__": _truediv, "__rtruediv__": _rtruediv, "__div__": _truediv, "__rdiv__": _rtruediv,
    "__floordiv__": _operator("__floordiv__", "elementwise_floordiv"),
    "__rfloordiv__": _operator("__rfloordiv__", "elementwise_floordiv", reverse=True),
    "__mod__": _operator("__mod__", "elementwise_mod"),
    "__rmod__": _operator("__rmod__", "elementwise_mod", reverse=True),
    "__pow__": _pow,
    "__rpow__": _operator("__rpow__", "elementwise_pow", reverse=True),
    "__matmul__": _matmul, "__rmatmul__": _rmatmul,
    "__neg__": neg, "__pos__": _positive, "__abs__": lambda self: run_op("abs", self),
    "__invert__": _invert,
    "__eq__": _equal, "__ne__": _not_equal,
    "__lt__": _operator("__lt__", "less_than"), "__le__": _operator("__le__", "less_equal"),
    "__gt__": _operator("__gt__", "greater_than"), "__ge__": _operator("__ge__", "greater_equal"),
    "__and__": _bitwise("logical_and", "bitwise_and"),
    "__rand__": _bitwise("logical_and", "bitwise_and"),
    "__or__": _bitwise("logical_or", "bitwise_or"), "__ror__": _bitwise("logical_or", "bitwise_or"),
    "__xor__": _bitwise("logical_xor", "bitwise_xor"),
    "__rxor__": _bitwise("logical_xor", "bitwise_xor"),
}  # fmt: skip
