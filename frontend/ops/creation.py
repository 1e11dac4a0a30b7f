"""Tensors from data, filled with a value, ranges and special matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.ir.dims import SymDim
from wherry.schema.dtypes import DType, as_dtype, float32, float64, int64

from ..dispatch import run_op, tracer, write
from ..framework import default_dtype
from ..tensor import Tensor
from ..unique_name import generate
from .convert import cast_to, dims_of, dtype_or_default, is_number, need_tensor


def to_tensor(
    data: Any, dtype: Any = None, place: Any = None, stop_gradient: bool = True
) -> Tensor:
    """A new Tensor with a copy of the data: a number, nested lists, a numpy array or a Tensor.

    Without a dtype: Python floats take the default dtype, ints int64, arrays keep theirs. Raises
    ValueError for ragged lists and for what is no data.

    >>> import wherry as paddle
    >>> paddle.to_tensor([[1, 2], [3, 4]]).shape
    [2, 2]
    """
    del place
    if isinstance(data, Tensor):
        copied: Tensor = cast_to(data, as_dtype(dtype)) if dtype is not None else data
        out: Tensor = run_op("assign", copied) if copied is data else copied
        out = out.detach()
    elif _holds_tensors(data):
        out = _stacked(data, dtype)
    else:
        out = Tensor(_to_array(data, dtype), name=generate("generated_tensor"))
        if tracer.get() is not None:
            out = run_op("assign", out)
    out.stop_gradient = stop_gradient
    return out


def _holds_tensors(data: Any) -> bool:
    if not isinstance(data, (list, tuple)):
        return False
    return any(isinstance(one, (Tensor, SymDim)) or _holds_tensors(one) for one in data)


def _stacked(data: Any, dtype: Any) -> Tensor:
    if isinstance(data, Tensor):
        return data
    if isinstance(data, SymDim):
        return run_op("fill_constant", shape=[], value=data, dtype=int64)  # type: ignore[no-any-return]
    if not isinstance(data, (list, tuple)):
        return Tensor(_to_array(data, None))
    parts = [_stacked(one, dtype) for one in data]
    wide = as_dtype(dtype) if dtype is not None else as_dtype(
        np.result_type(*[part.dtype.numpy for part in parts])
    )  # fmt: skip
    return run_op("stack", [cast_to(part, wide) for part in parts], axis=0)  # type: ignore[no-any-return]


def _to_array(data: Any, dtype: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(
            "\n\tFailed to convert input data to a regular ndarray :\n\t - Usually this means "
            f"the input data contains nested lists with different lengths: {error}"
        ) from None
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise ValueError(
            f"to_tensor needs numbers, nested lists of them, a numpy array or a Tensor, got "
            f"{type(data).__name__}"
        )
    if dtype is not None:
        return array.astype(as_dtype(dtype).numpy)
    return array.astype(_natural(data, array).numpy, copy=False)


def _natural(data: Any, array: np.ndarray[Any, Any]) -> DType:
    """The dtype that data has in Paddle: arrays keep theirs, Python floats take the default one."""
    if isinstance(data, (np.ndarray, np.generic)):
        return as_dtype(array.dtype)
    if array.dtype.kind == "f":
        first = data
        while isinstance(first, (list, tuple)) and len(first):
            first = first[0]
        kept = isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind == "f"
        return as_dtype(first.dtype) if kept else default_dtype()
    return as_dtype(array.dtype) if array.dtype.kind == "b" else int64


def full(shape: Any, fill_value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor of one value. `shape` holds ints, 0-d Tensors, or is a Tensor.

    Without a dtype it has the default dtype, whatever the value is.

    >>> import wherry as paddle
    >>> paddle.full([2], 3.0).tolist()
    [3.0, 3.0]
    """
    kind = dtype_or_default(dtype)
    if isinstance(fill_value, Tensor):
        value = cast_to(fill_value, kind)
        return run_op("expand_v2", value, shape=dims_of(shape))  # type: ignore[no-any-return]
    if isinstance(fill_value, np.generic):
        fill_value = fill_value.item()
    return run_op("fill_constant", shape=dims_of(shape), value=fill_value, dtype=kind)  # type: ignore[no-any-return]


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor of zeros, by default of the default float dtype.

    >>> import wherry as paddle
    >>> print(paddle.zeros([1, 2]))
    Tensor(shape=[1, 2], dtype=float32, place=CPUPlace, stop_gradient=True,
           [[0., 0.]])
    """
    return full(shape, 0, dtype_or_default(dtype))


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor of ones, by default of the default float dtype.

    >>> import wherry as paddle
    >>> paddle.ones([2]).tolist()
    [1.0, 1.0]
    """
    return full(shape, 1, dtype_or_default(dtype))


def empty(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor to be written; wherry fills it with zeros."""
    return zeros(shape, dtype)


def full_like(x: Tensor, fill_value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor of x's shape, in x's dtype unless another is given.

    >>> import wherry as paddle
    >>> paddle.full_like(paddle.ones([2]), 5).tolist()
    [5.0, 5.0]
    """
    need_tensor(x, "full_like")
    kind = x.dtype if dtype is None else as_dtype(dtype)
    if tracer.get() is None:
        x = x.detach()
    return run_op("fill_any_like", x, value=fill_value, dtype=kind)  # type: ignore[no-any-return]


def zeros_like(x: Tensor, dtype: Any = None, name: str | None = None) -> Tensor:
    """Zeros of x's shape and dtype (or another dtype).

    >>> import wherry as paddle
    >>> paddle.zeros_like(paddle.ones([2])).tolist()
    [0.0, 0.0]
    """
    return full_like(x, 0, dtype)


def ones_like(x: Tensor, dtype: Any = None, name: str | None = None) -> Tensor:
    """Ones of x's shape and dtype (or another dtype).

    >>> import wherry as paddle
    >>> paddle.ones_like(paddle.zeros([2])).tolist()
    [1.0, 1.0]
    """
    return full_like(x, 1, dtype)


def empty_like(x: Tensor, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor like x to be written; wherry fills it with zeros."""
    return zeros_like(x, dtype)


def _limit(value: Any) -> Any:
    """A limit of a range: a number, a symbol, or a Tensor's value."""
    if isinstance(value, Tensor):
        return value.as_dim() if value.dtype.is_integer else value.item()
    return value.item() if isinstance(value, np.generic) else value


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, dtype: Any = None, name: str | None = None
) -> Tensor:
    """start, start + step, ... before `end`; with one argument from 0. int64 unless a limit is a
    float.

    >>> import wherry as paddle
    >>> paddle.arange(1, 6, 2).tolist()
    [1, 3, 5]
    """
    if end is None:
        start, end = 0, start
    limits = [_limit(value) for value in (start, end, step)]
    if dtype is None:
        tensors = [
            v.dtype for v in (start, end, step) if isinstance(v, Tensor) and v.dtype.is_float
        ]
        floats = any(isinstance(v, float) for v in limits)
        dtype = tensors[0] if tensors else default_dtype() if floats else int64
    return run_op(  # type: ignore[no-any-return]
        "range", start=limits[0], end=limits[1], step=limits[2], dtype=as_dtype(dtype)
    )


def linspace(start: Any, stop: Any, num: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """`num` numbers at equal distances from start to stop, both included.

    >>> import wherry as paddle
    >>> paddle.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    return run_op(  # type: ignore[no-any-return]
        "linspace", start=_limit(start), stop=_limit(stop), num=_limit(num),
        dtype=float32 if dtype is None else as_dtype(dtype),
    )  # fmt: skip


def eye(num_rows: int, num_columns: int | None = None, dtype: Any = None,
        name: str | None = None) -> Tensor:  # fmt: skip
    """Ones on the diagonal of a matrix of zeros.

    >>> import wherry as paddle
    >>> paddle.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    columns = num_rows if num_columns is None else num_columns
    return run_op(  # type: ignore[no-any-return]
        "eye", num_rows=num_rows, num_columns=columns, dtype=dtype_or_default(dtype)
    )


def assign(x: Any, output: Tensor | None = None) -> Tensor:
    """A copy of x (a Tensor, numpy array or nested list), differentiable; written into `output` if
    given.

    >>> import wherry as paddle
    >>> paddle.assign([1, 2]).tolist()
    [1, 2]
    """
    source = x if isinstance(x, Tensor) else _assigned(x)
    if output is not None:
        return write(output, cast_to(source, output.dtype))
    return run_op("assign", source)  # type: ignore[no-any-return]


def _assigned(value: Any) -> Tensor:
    """The Tensor for a value that `assign` was given: Paddle keeps neither float64 nor 0-d."""
    made = to_tensor([value] if is_number(value) else value)
    return cast_to(made, float32) if made.dtype is float64 else made


def clone(x: Tensor, name: str | None = None) -> Tensor:
    """A copy of x through which gradients flow.

    >>> import wherry as paddle
    >>> paddle.clone(paddle.ones([1])).tolist()
    [1.0]
    """
    return run_op("assign", need_tensor(x, "clone"))  # type: ignore[no-any-return]


def diag(x: Tensor, offset: int = 0, padding_value: float = 0, name: str | None = None) -> Tensor:
    """A matrix with the vector x on a diagonal; or a diagonal of the matrix x as a vector.

    >>> import wherry as paddle
    >>> paddle.diag(paddle.to_tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    if x.ndim == 2:
        from .shape import diagonal

        return clone(diagonal(x, offset))
    return run_op("diag_v2", x, offset=offset, padding_value=padding_value)  # type: ignore[no-any-return]


def tril(x: Tensor, diagonal: int = 0, name: str | None = None) -> Tensor:
    """x with zeros above a diagonal of its last two axes.

    >>> import wherry as paddle
    >>> paddle.tril(paddle.ones([2, 2])).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return run_op("tril_triu", x, diagonal=diagonal, lower=True)  # type: ignore[no-any-return]


def triu(x: Tensor, diagonal: int = 0, name: str | None = None) -> Tensor:
    """x with zeros below a diagonal of its last two axes.

    >>> import wherry as paddle
    >>> paddle.triu(paddle.ones([2, 2])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return run_op("tril_triu", x, diagonal=diagonal, lower=False)  # type: ignore[no-any-return]


def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """Grids of coordinates: vectors of sizes a, b, ... give Tensors of shape [a, b, ...].

    >>> import wherry as paddle
    >>> paddle.meshgrid(paddle.arange(2), paddle.arange(3))[0].tolist()
    [[0, 0, 0], [1, 1, 1]]
    """
    vectors = list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)
    sizes = [v.shape[0] if v.ndim else 1 for v in vectors]
    grids = []
    for i, vector in enumerate(vectors):
        column = [sizes[i] if j == i else 1 for j in range(len(vectors))]
        grids.append(run_op("expand_v2", run_op("reshape2", vector, shape=column), shape=sizes))
    return grids


def tolist(x: Tensor) -> Any:
    """Nested lists of Python numbers.

    >>> import wherry as paddle
    >>> paddle.tolist(paddle.to_tensor([1, 2]))
    [1, 2]
    """
    return x.tolist()
