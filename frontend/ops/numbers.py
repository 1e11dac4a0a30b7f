"""Functions of numbers that are made of others: nan_to_num, logaddexp, frac, gcd and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, float32

from ..dispatch import constant, run_op
from ..framework import default_dtype
from ..tensor import Tensor
from .convert import cast_to, dtype_or_default, int_to_float, need_tensor, promote_floats, scalar
from .creation import linspace
from .math import multiply, trunc
from .shape import reshape


def nan_to_num(
    x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """x with numbers in place of NaN and the infinities: by default 0, the largest and smallest.

    >>> import wherry as paddle
    >>> paddle.nan_to_num(paddle.to_tensor([float("nan"), 1.0, float("inf")]), posinf=9).tolist()
    [0.0, 1.0, 9.0]
    """
    need_tensor(x, "nan_to_num")
    if not x.dtype.is_float:
        return run_op("assign", x)  # type: ignore[no-any-return]
    limits = np.finfo(x.dtype.numpy)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    infinite = run_op("isinf_v2", x)
    x = run_op("where", run_op("isnan_v2", x), scalar(nan, x.dtype), x)
    ends = run_op("where", x > 0, scalar(high, x.dtype), scalar(low, x.dtype))
    return run_op("where", infinite, ends, x)  # type: ignore[no-any-return]


def logaddexp(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """log(exp(x) + exp(y)), without overflow.

    >>> import wherry as paddle
    >>> round(paddle.logaddexp(paddle.zeros([1]), paddle.zeros([1])).item(), 4)
    0.6931
    """
    x, y = promote_floats(int_to_float(need_tensor(x, "logaddexp")), int_to_float(y))
    apart = run_op("log1p", run_op("exp", -run_op("abs", x - y)))
    return apart + run_op("elementwise_max", x, y)  # type: ignore[no-any-return]


def frac(x: Tensor, name: str | None = None) -> Tensor:
    """What is behind the point: x - trunc(x).

    >>> import wherry as paddle
    >>> paddle.frac(paddle.to_tensor([-1.5, 2.25])).tolist()
    [-0.5, 0.25]
    """
    out: Tensor = run_op("elementwise_sub", need_tensor(x, "frac"), trunc(x))
    return out


def sgn(x: Tensor, name: str | None = None) -> Tensor:
    """-1, 0 or 1. (Of complex numbers, which there are none, the direction.)

    >>> import wherry as paddle
    >>> paddle.sgn(paddle.to_tensor([-2.0, 0.0])).tolist()
    [-1.0, 0.0]
    """
    if not need_tensor(x, "sgn").dtype.is_float:
        raise TypeError(
            "The data type of input must be one of ['float16', 'float32', 'float64', "
            f"'complex64', 'complex128'], but got {x.dtype}"
        )
    return run_op("sign", x)  # type: ignore[no-any-return]


def hypot(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The length of the vector (x, y).

    >>> import wherry as paddle
    >>> paddle.hypot(paddle.to_tensor([3.0]), paddle.to_tensor([4.0])).tolist()
    [5.0]
    """
    need_tensor(x, "hypot"), need_tensor(y, "hypot", "y")
    return run_op("sqrt", run_op("square", x) + run_op("square", y))  # type: ignore[no-any-return]


def ldexp(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """x times 2 to the power y, in floats.

    >>> import wherry as paddle
    >>> paddle.ldexp(paddle.to_tensor([1.0]), paddle.to_tensor([3])).tolist()
    [8.0]
    """
    need_tensor(x, "ldexp"), need_tensor(y, "ldexp", "y")
    kind = as_dtype("float64") if "float64" in (x.dtype.name, y.dtype.name) else default_dtype()
    two = scalar(2, kind)
    return multiply(cast_to(x, kind), run_op("elementwise_pow", two, cast_to(y, kind)))


def logspace(
    start: Any, stop: Any, num: Any, base: Any = 10.0, dtype: Any = None, name: str | None = None
) -> Tensor:
    """`num` powers of the base whose exponents lie at equal distances from start to stop.

    >>> import wherry as paddle
    >>> paddle.logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0]
    """
    kind = dtype_or_default(dtype)
    inner = kind if kind.is_float else float32
    powers = linspace(start, stop, num, inner)
    number = base.item() if isinstance(base, Tensor) else base
    return cast_to(run_op("elementwise_pow", scalar(number, inner), powers), kind)


def _at_least(rank: int, name: str, front: int) -> Any:
    """A function that gives Tensors axes of size 1 up to a rank, the first `front` in front."""

    def one(x: Any) -> Tensor:
        from .convert import to_tensor_like

        x = x if isinstance(x, Tensor) else to_tensor_like(x)
        if x.ndim >= rank:
            return x  # type: ignore[no-any-return]
        shape = {0: [1] * rank, 1: [*[1] * front, *x.shape, *[1] * (rank - 1 - front)]}
        return reshape(x, shape.get(x.ndim, [*x.shape, *[1] * (rank - x.ndim)]))

    def function(*inputs: Any, name: str | None = None) -> Any:
        found = [one(x) for x in inputs]
        return found[0] if len(found) == 1 else found

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The Tensors with at least {rank} axes; a list for several.

    >>> import wherry as paddle
    >>> paddle.{name}(paddle.to_tensor(2.0)).shape
    {[1] * rank}
    """
    return function


atleast_1d = _at_least(1, "atleast_1d", 0)
atleast_2d = _at_least(2, "atleast_2d", 1)
atleast_3d = _at_least(3, "atleast_3d", 1)


def _positions(found: Any, dtype: Any) -> Tensor:
    return constant(np.stack(found).astype(as_dtype(dtype).numpy))


def tril_indices(row: int, col: int, offset: int = 0, dtype: Any = "int64") -> Tensor:
    """The positions [2, n] on and below a diagonal of a matrix.

    >>> import wherry as paddle
    >>> paddle.tril_indices(2, 2).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    return _positions(np.tril_indices(row, offset, col), dtype)


def triu_indices(row: int, col: int | None = None, offset: int = 0, dtype: Any = "int64") -> Tensor:
    """The positions [2, n] on and above a diagonal of a matrix.

    >>> import wherry as paddle
    >>> paddle.triu_indices(2, 2).tolist()
    [[0, 0, 1], [0, 1, 1]]
    """
    return _positions(np.triu_indices(row, offset, row if col is None else col), dtype)


__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "frac", "hypot", "ldexp", "logaddexp", "logspace",
    "nan_to_num", "sgn", "tril_indices", "triu_indices",
]  # fmt: skip
