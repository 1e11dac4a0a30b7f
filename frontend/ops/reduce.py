"""Sums, means, extremes and their like over axes, and scans along one.

`axis` is None (all axes, giving a 0-d Tensor), an int, a list or a tuple; `keepdim` keeps the
reduced axes with size 1. An axis out of range raises OpError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.schema.dtypes import as_dtype, bool_, int32, int64

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import axes_of, cast_to, int_to_float, is_bool, need_tensor


def reduce(op_type: str, x: Tensor, axis: Any, keepdim: bool) -> Tensor:
    """One reduction op over the axes; all of them where there is none in `axis`."""
    axes = axes_of(axis)
    out: Tensor = run_op(
        op_type, need_tensor(x, op_type), dim=axes or [0], keep_dim=keepdim, reduce_all=not axes
    )
    return out


def sum(x: Tensor, axis: Any = None, dtype: Any = None, keepdim: bool = False,
        name: str | None = None) -> Tensor:  # fmt: skip
    """The sum over the axes, in `dtype` if given; bool and int32 are summed in int64.

    >>> import wherry as paddle
    >>> paddle.sum(paddle.to_tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1).tolist()
    [3.0, 7.0]
    """
    need_tensor(x, "sum")
    if dtype is not None:
        x = cast_to(x, as_dtype(dtype))
    elif is_bool(x) or x.dtype is int32:
        x = cast_to(x, int64)
    return reduce("reduce_sum", x, axis, keepdim)


def prod(x: Tensor, axis: Any = None, keepdim: bool = False, dtype: Any = None,
         name: str | None = None) -> Tensor:  # fmt: skip
    """The product over the axes, in `dtype` if given.

    >>> import wherry as paddle
    >>> paddle.prod(paddle.to_tensor([2.0, 3.0])).item()
    6.0
    """
    x = x if dtype is None else cast_to(x, as_dtype(dtype))
    return reduce("reduce_prod", x, axis, keepdim)


def _reduction(
    name: str, op_type: str, text: str, given: str, example: str
) -> Callable[..., Tensor]:
    def function(
        x: Tensor, axis: Any = None, keepdim: bool = False, name: str | None = None
    ) -> Tensor:
        return reduce(op_type, x, axis, keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}

    >>> import wherry as paddle
    >>> paddle.{name}(paddle.to_tensor({given})).item()
    {example}
    """
    return function


def mean(x: Tensor, axis: Any = None, keepdim: bool = False, name: str | None = None) -> Tensor:
    """The mean over the axes, in x's dtype: of integers without its fraction, of bools `any`.

    >>> import wherry as paddle
    >>> paddle.mean(paddle.to_tensor([1.0, 3.0])).item()
    2.0
    """
    need_tensor(x, "mean")
    if x.dtype.is_float:
        return reduce("reduce_mean", x, axis, keepdim)
    if x.dtype is bool_:
        return any(x, axis, keepdim)
    from .creation import full
    from .math import divide

    total = cast_to(reduce("reduce_sum", x, axis, keepdim), x.dtype)
    return divide(total, full([], _count(x, axis), x.dtype))


max = _reduction(
    "max", "reduce_max", "The largest element; each of the ties gets all of the gradient.",
    "[1, 3]", "3",
)  # fmt: skip
min = _reduction(
    "min", "reduce_min", "The smallest element; each of the ties gets all of the gradient.",
    "[1, 3]", "1",
)  # fmt: skip
amax = _reduction(
    "amax", "reduce_amax", "The largest element; the ties share the gradient.", "[1, 3]", "3"
)
amin = _reduction(
    "amin", "reduce_amin", "The smallest element; the ties share the gradient.", "[1, 3]", "1"
)


def all(x: Tensor, axis: Any = None, keepdim: bool = False, name: str | None = None) -> Tensor:
    """True if all are; a number that is not 0 counts as True.

    >>> import wherry as paddle
    >>> paddle.all(paddle.to_tensor([True, False])).item()
    False
    """
    return reduce("reduce_all", cast_to(need_tensor(x, "all"), bool_), axis, keepdim)


def any(x: Tensor, axis: Any = None, keepdim: bool = False, name: str | None = None) -> Tensor:
    """True if one is; a number that is not 0 counts as True.

    >>> import wherry as paddle
    >>> paddle.any(paddle.to_tensor([True, False])).item()
    True
    """
    return reduce("reduce_any", cast_to(need_tensor(x, "any"), bool_), axis, keepdim)


def _count(x: Tensor, axis: object) -> object:
    """How many elements are reduced into one."""
    shape, axes = x.shape, axes_of(axis)
    number = 1
    for i in axes or range(x.ndim):
        number = shape[i] * number
    return number


def var(x: Tensor, axis: object = None, unbiased: bool = True, keepdim: bool = False,
        name: str | None = None) -> Tensor:  # fmt: skip
    """The variance over the axes; divided by n - 1 if `unbiased`, else by n.

    >>> import wherry as paddle
    >>> paddle.var(paddle.to_tensor([1.0, 3.0])).item()
    2.0
    """
    x = int_to_float(x)
    deviation = x - mean(x, axis, True)
    total = reduce("reduce_sum", deviation * deviation, axis, keepdim)
    count: object = _count(x, axis)
    if isinstance(count, int):
        # As Paddle does: the unbiased variance of one element is 0.
        divisor = float(count - 1 if unbiased and count > 1 else count)
        return total / divisor if divisor else total / total * float("nan")
    from .creation import full

    size = cast_to(full([], count, "int64"), x.dtype)
    return total / (size - 1.0 if unbiased else size)


def std(x: Tensor, axis: object = None, unbiased: bool = True, keepdim: bool = False,
        name: str | None = None) -> Tensor:  # fmt: skip
    """The standard deviation: the square root of `var`.

    >>> import wherry as paddle
    >>> paddle.std(paddle.to_tensor([1.0, 5.0]), unbiased=False).item()
    2.0
    """
    out: Tensor = run_op("sqrt", var(x, axis, unbiased, keepdim))
    return out


def logsumexp(
    x: Tensor, axis: object = None, keepdim: bool = False, name: str | None = None
) -> Tensor:
    """log(sum(exp(x))) over the axes, without overflow.

    >>> import wherry as paddle
    >>> paddle.logsumexp(paddle.to_tensor([1000.0])).item()
    1000.0
    """
    axes = axes_of(axis)
    out: Tensor = run_op(
        "logsumexp", int_to_float(x), axis=axes or [0], keepdim=keepdim, reduce_all=not axes
    )
    return out


def nansum(x: Tensor, axis: object = None, dtype: object = None, keepdim: bool = False,
           name: str | None = None) -> Tensor:  # fmt: skip
    """The sum with NaN taken as 0.

    >>> import wherry as paddle
    >>> paddle.nansum(paddle.to_tensor([1.0, float("nan")])).item()
    1.0
    """
    from .creation import zeros_like

    kept: Tensor = run_op("where", run_op("isnan_v2", x), zeros_like(x), x)
    return sum(kept, axis, dtype, keepdim)


def nanmean(
    x: Tensor, axis: object = None, keepdim: bool = False, name: str | None = None
) -> Tensor:
    """The mean of what is not NaN.

    >>> import wherry as paddle
    >>> paddle.nanmean(paddle.to_tensor([1.0, float("nan")])).item()
    1.0
    """
    from .math import divide

    valid = cast_to(run_op("logical_not", run_op("isnan_v2", x)), x.dtype)
    return divide(nansum(x, axis, None, keepdim), reduce("reduce_sum", valid, axis, keepdim))


def count_nonzero(
    x: Tensor, axis: object = None, keepdim: bool = False, name: str | None = None
) -> Tensor:
    """How many elements are not 0, as int64.

    >>> import wherry as paddle
    >>> paddle.count_nonzero(paddle.to_tensor([0, 1, 2])).item()
    2
    """
    return reduce("reduce_sum", cast_to(cast_to(x, bool_), int64), axis, keepdim)


def numel(x: Tensor, name: str | None = None) -> Tensor:
    """The number of elements, as a 0-d int64 Tensor.

    >>> import wherry as paddle
    >>> paddle.numel(paddle.ones([2, 3])).item()
    6
    """
    from .creation import full

    return full([], x.size, "int64")


def cumsum(x: Tensor, axis: object = None, dtype: object = None, name: str | None = None) -> Tensor:
    """The running sum along an axis; over the flattened x if axis is None.

    >>> import wherry as paddle
    >>> paddle.cumsum(paddle.to_tensor([1, 2, 3])).tolist()
    [1, 3, 6]
    """
    x = x if dtype is None else cast_to(x, as_dtype(dtype))
    out: Tensor = run_op("cumsum", x, axis=-1 if axis is None else axis, flatten=axis is None)
    return out


def cumprod(x: Tensor, dim: object = None, dtype: object = None, name: str | None = None) -> Tensor:
    """The running product along the axis `dim`; over the flattened x if it is None.

    >>> import wherry as paddle
    >>> paddle.cumprod(paddle.to_tensor([1, 2, 3]), dim=0).tolist()
    [1, 2, 6]
    """
    x = x if dtype is None else cast_to(x, as_dtype(dtype))
    if dim is None:
        x, dim = run_op("reshape2", x, shape=[-1]), 0
    out: Tensor = run_op("cumprod", x, dim=dim)
    return out


def median(
    x: Tensor, axis: int | None = None, keepdim: bool = False, name: str | None = None
) -> Tensor:
    """The middle of the sorted elements; of the two middle ones the mean.

    >>> import wherry as paddle
    >>> paddle.median(paddle.to_tensor([3.0, 1.0, 2.0])).item()
    2.0
    """
    from .search import sort
    from .shape import slice as take

    whole = axis is None
    x = int_to_float(x)
    flat = run_op("reshape2", x, shape=[-1]) if whole else x
    at = 0 if axis is None else axis % x.ndim
    size = flat.shape[at]
    ordered = sort(flat, at)
    low, high = (size - 1) // 2, size // 2
    middle = take(ordered, [at], [low], [low + 1]) + take(ordered, [at], [high], [high + 1])
    out = middle / 2.0
    if whole:
        return run_op("reshape2", out, shape=[1] * x.ndim if keepdim else [])  # type: ignore[no-any-return]
    return out if keepdim else run_op("squeeze2", out, axes=[at])
