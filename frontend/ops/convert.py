"""How arguments become what ops take: Tensors of one dtype, lists of dims, lists of axes.

Paddle 2.6's promotion, in one place: of two Tensors of different float dtypes the wider wins; else
the right operand takes the dtype of the left. A Python float beside an integer Tensor makes float32
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.ir.dims import is_dim
from wherry.schema.dtypes import DType, as_dtype, bool_, float16, float32
from wherry.schema.errors import OpTypeError

from ..dispatch import run_op, tracer
from ..framework import default_dtype
from ..location import user_location
from ..tensor import Tensor

NUMBERS = (bool, int, float, np.number, np.bool_)


def cast_to(x: Tensor, dtype: DType) -> Tensor:
    """x in this dtype; x itself where it has it."""
    source = x.dtype
    if source is dtype:
        return x
    out: Tensor = run_op("cast", x, in_dtype=source, out_dtype=dtype)
    return out


def scalar(value: Any, dtype: DType) -> Tensor:
    """A 0-d constant."""
    if tracer.get() is not None:
        if isinstance(value, np.generic):
            value = value.item()
        made: Tensor = run_op("fill_constant", shape=[], value=value, dtype=dtype)
        return made
    return Tensor(np.asarray(value).astype(dtype.numpy))


def is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS)


def float_number(value: Any) -> bool:
    """True for Python floats and numpy's float64, which is one."""
    return isinstance(value, float)


def promote(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one dtype by the operators' rule."""
    left, right = x.dtype, y.dtype
    if left is right:
        return x, y
    if left.is_float and right.is_float:
        wide = left if left.itemsize >= right.itemsize else right
        return cast_to(x, wide), cast_to(y, wide)
    return x, cast_to(y, left)


def promote_floats(x: Any, y: Any) -> tuple[Any, Any]:
    """Both in the wider dtype if both are float; else unchanged, for the op to refuse."""
    if isinstance(x, Tensor) and isinstance(y, Tensor) and x.dtype.is_float and y.dtype.is_float:
        return promote(x, y)
    return x, y


def operands(x: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """The two Tensors for an operator with `x` as the left one (before swapping)."""
    if isinstance(other, Tensor):
        return promote(x, other)
    if float_number(other) and not x.dtype.is_float:
        x = cast_to(x, float32)
    if is_number(other):
        return x, scalar(other, x.dtype)
    return promote(x, to_tensor_like(other))


def left_operands(x: Tensor, other: Any) -> tuple[Tensor, Tensor]:
    """The two Tensors for `/`, `//`, `%` and `**`: in Paddle 2.6 the left one's dtype stays, also
    beside a wider float; only float16 gives way."""
    if is_number(other):
        return operands(x, other)
    y = other if isinstance(other, Tensor) else to_tensor_like(other)
    if x.dtype is float16:
        return promote(x, y)
    return x, cast_to(y, x.dtype)


def second_operand(x: Any, y: Any) -> tuple[Any, Any]:
    """The operands of a function such as `paddle.add`: Tensors; numbers are taken along."""
    if isinstance(x, Tensor) and is_number(y):
        return operands(x, y)
    if isinstance(y, Tensor) and is_number(x):
        right, left = operands(y, x)
        return left, right
    return promote_floats(x, y)


def to_tensor_like(value: Any) -> Tensor:
    """A Tensor for an array or nested list, in Paddle's dtypes."""
    from .creation import to_tensor

    return to_tensor(value)


def same_sizes(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two shapes are known to be equal; `==` on sizes may be an op of the Program."""
    from ..jit.sizes import plain

    return bool(plain(list(a)) == plain(list(b)))


def need_tensor(value: Any, function: str, argument: str = "x") -> Tensor:
    """The value if it is a Tensor; else the error names function and argument."""
    if isinstance(value, Tensor):
        return value
    raise OpTypeError(
        f"{function}(): argument '{argument}' must be Tensor, but got {type(value).__name__}; "
        "paddle.to_tensor makes one",
        loc=user_location(),
    )


def dims_of(shape: Any, what: str = "shape") -> list[Any]:
    """A shape argument (int; list of ints and 0-d Tensors; 1-d Tensor) as a list of dims."""
    if isinstance(shape, Tensor):
        return [shape.as_dim()] if not shape.ndim else shape.as_dims()
    if is_dim(shape) or isinstance(shape, np.integer):
        shape = [shape]
    if not isinstance(shape, (list, tuple, np.ndarray)):
        raise TypeError(f"{what} must be a list, a tuple or a Tensor, got {type(shape).__name__}")
    return [dim_of(one, what) for one in shape]


def dim_of(value: Any, what: str = "shape") -> Any:
    """One size: an int, a symbol, or an integer Tensor of one element."""
    if isinstance(value, Tensor):
        return value.as_dim()
    if isinstance(value, np.integer):
        return int(value)
    if not is_dim(value):
        raise TypeError(f"{what} needs ints, got {value!r} ({type(value).__name__})")
    return value


def axes_of(axis: Any) -> list[int]:
    """An axis argument (None, int, list, tuple, Tensor) as a list of ints; None gives []."""
    if axis is None:
        return []
    return [int(a) for a in (axis if isinstance(axis, (list, tuple)) else dims_of(axis, "axis"))]


def dtype_or_default(dtype: Any) -> DType:
    """The dtype asked for, or the default float dtype."""
    return default_dtype() if dtype is None else as_dtype(dtype)


def int_to_float(x: Tensor) -> Tensor:
    """Integers as float32, the rest unchanged: what Paddle's exp, sin and division do."""
    return cast_to(x, float32) if not x.dtype.is_float else x


def is_bool(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype is bool_


def reject_out(out: Any, function: str) -> None:
    """Paddle's `out=` arguments are for its static mode only."""
    if out is not None:
        raise ValueError(f"{function}: out= is not supported; use the result")


def as_list(values: Sequence[Any] | Tensor) -> list[Any]:
    """A Tensor as a list of one, a sequence as a list."""
    return [values] if isinstance(values, Tensor) else list(values)
