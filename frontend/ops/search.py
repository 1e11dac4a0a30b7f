"""Finding, choosing and sorting elements; gathering and scattering by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, int32, int64
from wherry.schema.errors import OpError

from ..dispatch import run_op, tracer
from ..location import user_location
from ..tensor import Tensor
from . import selection
from .convert import cast_to, is_number, need_tensor, promote_floats, scalar


def _arg(op_type: str, x: Tensor, axis: Any, keepdim: bool, dtype: Any) -> Tensor:
    flat = axis is None
    return run_op(  # type: ignore[no-any-return]
        op_type, need_tensor(x, op_type), axis=0 if flat else int(axis), keepdims=keepdim,
        flatten=flat, dtype=as_dtype(dtype),
    )  # fmt: skip


def argmax(x: Tensor, axis: Any = None, keepdim: bool = False, dtype: Any = "int64",
           name: str | None = None) -> Tensor:  # fmt: skip
    """The position of the first largest element along an axis, or in the flattened x.

    >>> import wherry as paddle
    >>> paddle.argmax(paddle.to_tensor([1, 3, 2])).item()
    1
    """
    return _arg("arg_max", x, axis, keepdim, dtype)


def argmin(x: Tensor, axis: Any = None, keepdim: bool = False, dtype: Any = "int64",
           name: str | None = None) -> Tensor:  # fmt: skip
    """The position of the first smallest element along an axis, or in the flattened x.

    >>> import wherry as paddle
    >>> paddle.argmin(paddle.to_tensor([3, 1, 2])).item()
    1
    """
    return _arg("arg_min", x, axis, keepdim, dtype)


def argsort(x: Tensor, axis: int = -1, descending: bool = False, name: str | None = None) -> Tensor:
    """The positions (int64) that sort x along an axis; equal elements keep their order.

    >>> import wherry as paddle
    >>> paddle.argsort(paddle.to_tensor([3, 1, 2])).tolist()
    [1, 2, 0]
    """
    return run_op("argsort", x, axis=axis, descending=descending)[1]  # type: ignore[no-any-return]


def sort(x: Tensor, axis: int = -1, descending: bool = False, name: str | None = None) -> Tensor:
    """x sorted along an axis.

    >>> import wherry as paddle
    >>> paddle.sort(paddle.to_tensor([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    return run_op("argsort", x, axis=axis, descending=descending)[0]  # type: ignore[no-any-return]


def topk(
    x: Tensor, k: Any, axis: int | None = None, largest: bool = True, sorted: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The k largest (or smallest) elements along an axis, and their positions.

    >>> import wherry as paddle
    >>> values, positions = paddle.topk(paddle.to_tensor([1, 3, 2]), 2)
    >>> values.tolist(), positions.tolist()
    ([3, 2], [1, 2])
    """
    count = k.as_dim() if isinstance(k, Tensor) else k
    axis = -1 if axis is None else axis
    values, positions = run_op("top_k_v2", x, k=count, axis=axis, largest=largest, sorted=sorted)
    return values, positions


def where(condition: Tensor, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """x where the condition is true, else y; all broadcast. With the condition alone: `nonzero`'s
    tuple.

    >>> import wherry as paddle
    >>> paddle.where(paddle.to_tensor([True, False]), paddle.ones([2]), paddle.zeros([2])).tolist()
    [1.0, 0.0]
    """
    if x is None and y is None:
        return nonzero(condition, as_tuple=True)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    if is_number(x) and is_number(y):
        kind = as_dtype("float32") if isinstance(x, float) or isinstance(y, float) else int64
        x, y = scalar(x, kind), scalar(y, kind)
    x = scalar(x, y.dtype) if is_number(x) else x
    y = scalar(y, x.dtype) if is_number(y) else y
    x, y = promote_floats(x, y)
    return run_op("where", condition, x, y)


def nonzero(x: Tensor, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not 0: int64 [n, x.ndim], or a tuple of [n, 1] per
    axis.

    >>> import wherry as paddle
    >>> paddle.nonzero(paddle.to_tensor([0, 5, 6])).tolist()
    [[1], [2]]
    """
    if tracer.get() is not None:
        return selection.nonzero(x, as_tuple)
    positions = np.argwhere(need_tensor(x, "nonzero").array)
    if not as_tuple:
        return Tensor(positions.astype(np.int64))
    return tuple(Tensor(positions[:, i : i + 1].astype(np.int64)) for i in range(x.ndim))


def masked_select(x: Tensor, mask: Tensor, name: str | None = None) -> Tensor:
    """The elements of x where the mask (bool, broadcast with x) is true, as a vector.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1, 2, 3])
    >>> paddle.masked_select(x, x > 1).tolist()
    [2, 3]
    """
    from .shape import broadcast_tensors

    x, mask = broadcast_tensors([x, mask])
    if not x.ndim:
        x, mask = (run_op("reshape2", one, shape=[1]) for one in (x, mask))
    if tracer.get() is not None:
        return selection.masked_select(x, mask)
    return x[mask]


def masked_fill(x: Tensor, mask: Tensor, value: Any, name: str | None = None) -> Tensor:
    """x with `value` where the mask is true.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1.0, 2.0])
    >>> paddle.masked_fill(x, x > 1, 0.0).tolist()
    [1.0, 0.0]
    """
    filler = cast_to(value, x.dtype) if isinstance(value, Tensor) else scalar(value, x.dtype)
    return run_op("where", mask, filler, x)  # type: ignore[no-any-return]


def gather(x: Tensor, index: Tensor, axis: Any = None, name: str | None = None) -> Tensor:
    """The slices of x at these positions (int, 0-d or 1-d) along an axis (0 by default).

    >>> import wherry as paddle
    >>> paddle.gather(paddle.to_tensor([10, 20, 30]), paddle.to_tensor([2, 0])).tolist()
    [30, 10]
    """
    at = 0 if axis is None else int(axis)
    if index.ndim == 2 and index.shape[1] == 1:
        index = run_op("reshape2", index, shape=[-1])
    return run_op("gather", x, index, axis=at)  # type: ignore[no-any-return]


def gather_nd(x: Tensor, index: Tensor, name: str | None = None) -> Tensor:
    """x at index[..., :], each row of the index a position in the first axes of x.

    >>> import wherry as paddle
    >>> paddle.gather_nd(paddle.to_tensor([[1, 2], [3, 4]]), paddle.to_tensor([[1, 0]])).tolist()
    [3]
    """
    return run_op("gather_nd", x, index)  # type: ignore[no-any-return]


def index_select(x: Tensor, index: Tensor, axis: int = 0, name: str | None = None) -> Tensor:
    """The slices of x at the positions of a 1-d index along an axis.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1, 2], [3, 4]])
    >>> paddle.index_select(x, paddle.to_tensor([1]), axis=1).tolist()
    [[2], [4]]
    """
    return run_op("index_select", x, index, dim=axis)  # type: ignore[no-any-return]


def index_sample(x: Tensor, index: Tensor) -> Tensor:
    """Row by row the elements of x [N, M] at the positions index [N, K], giving [N, K].

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1, 2], [3, 4]])
    >>> paddle.index_sample(x, paddle.to_tensor([[1], [0]])).tolist()
    [[2], [3]]
    """
    return take_along_axis(x, index, 1, broadcast=False)


def take_along_axis(arr: Tensor, indices: Tensor, axis: int, broadcast: bool = True) -> Tensor:
    """arr at the positions `indices` along an axis; other axes broadcast.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1, 2], [3, 4]])
    >>> paddle.take_along_axis(x, paddle.to_tensor([[1], [0]]), 1).tolist()
    [[2], [3]]
    """
    at = axis % arr.ndim
    if broadcast:
        from .shape import broadcast_shape

        others = broadcast_shape(
            [1 if i == at else d for i, d in enumerate(arr.shape)],
            [1 if i == at else d for i, d in enumerate(indices.shape)],
        )
        wanted = [indices.shape[at] if i == at else d for i, d in enumerate(others)]
        if wanted != indices.shape:
            indices = run_op("expand_v2", indices, shape=wanted)
        full = [arr.shape[at] if i == at else d for i, d in enumerate(others)]
        if full != arr.shape:
            arr = run_op("expand_v2", arr, shape=full)
    return run_op("take_along_axis", arr, indices, Axis=at)  # type: ignore[no-any-return]


def scatter(x: Tensor, index: Tensor, updates: Tensor, overwrite: bool = True,
            name: str | None = None) -> Tensor:  # fmt: skip
    """x with its rows at `index` replaced by `updates`, or with the sums of them (overwrite False).

    >>> import wherry as paddle
    >>> index = paddle.to_tensor([1])
    >>> paddle.scatter(paddle.zeros([2, 1]), index, paddle.ones([1, 1])).tolist()
    [[0.0], [1.0]]
    """
    if index.ndim == 2 and index.shape[1] == 1:
        index = run_op("reshape2", index, shape=[-1])
    return run_op("scatter", x, index, updates, overwrite=overwrite)  # type: ignore[no-any-return]


def scatter_nd_add(x: Tensor, index: Tensor, updates: Tensor, name: str | None = None) -> Tensor:
    """x plus `updates` at the positions index[..., :]; equal positions add up.

    >>> import wherry as paddle
    >>> index = paddle.to_tensor([[1], [1]])
    >>> paddle.scatter_nd_add(paddle.zeros([2]), index, paddle.ones([2])).tolist()
    [0.0, 2.0]
    """
    return run_op("scatter_nd_add", x, index, updates)  # type: ignore[no-any-return]


def scatter_nd(index: Tensor, updates: Tensor, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of this shape plus `updates` at the positions index[..., :].

    >>> import wherry as paddle
    >>> paddle.scatter_nd(paddle.to_tensor([[1]]), paddle.ones([1]), [2]).tolist()
    [0.0, 1.0]
    """
    from .creation import zeros

    return scatter_nd_add(zeros(shape, updates.dtype), index, updates)


def unique(
    x: Tensor, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None, dtype: Any = "int64", name: str | None = None,
) -> Any:  # fmt: skip
    """The sorted distinct elements; on request first positions, inverse positions and counts.

    >>> import wherry as paddle
    >>> paddle.unique(paddle.to_tensor([2, 1, 2])).tolist()
    [1, 2]
    """
    if tracer.get() is not None:
        return selection.unique(x, return_index, return_inverse, return_counts, axis, dtype)
    results: Any = np.unique(  # type: ignore[call-overload]
        x.array, return_index=return_index, return_inverse=return_inverse,
        return_counts=return_counts, axis=axis,
    )  # fmt: skip
    if not isinstance(results, tuple):
        return Tensor(results)
    kind = as_dtype(dtype).numpy
    first, *rest = results
    return (Tensor(first), *(Tensor(np.asarray(r).ravel().astype(kind)) for r in rest))


def unique_consecutive(
    x: Tensor, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, dtype: Any = "int64", name: str | None = None,
) -> Any:  # fmt: skip
    """The first element of each run of equal elements; on request the number of its run for each
    element, and the runs' lengths.

    >>> import wherry as paddle
    >>> paddle.unique_consecutive(paddle.to_tensor([1, 1, 2, 2, 1])).tolist()
    [1, 2, 1]
    """
    if axis is not None:
        raise OpError(
            "unique_consecutive with an axis is not supported; flatten x, or give each row one "
            "number to compare", loc=user_location(),
        )  # fmt: skip
    return selection.unique_consecutive(x, return_inverse, return_counts, dtype)


def searchsorted(
    sorted_sequence: Tensor, values: Tensor, out_int32: bool = False, right: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Where each value belongs in an ascending vector, so that it stays sorted.

    Of a sequence with more axes the last one is ascending; the others are those of `values`.

    >>> import wherry as paddle
    >>> paddle.searchsorted(paddle.to_tensor([1, 3, 5]), paddle.to_tensor([3, 4])).tolist()
    [1, 2]
    """
    # The number of smaller (or equal) elements: one comparison for each pair.
    column = run_op("unsqueeze2", values, axes=[values.ndim])
    if sorted_sequence.ndim > 1:
        sorted_sequence = run_op("unsqueeze2", sorted_sequence, axes=[sorted_sequence.ndim - 1])
    before = sorted_sequence <= column if right else sorted_sequence < column
    counted = run_op("reduce_sum", cast_to(before, int64), dim=[-1])
    return cast_to(counted, int32) if out_int32 else counted


def bincount(
    x: Tensor, weights: Tensor | None = None, minlength: int = 0, name: str | None = None
) -> Tensor:
    """How often each integer >= 0 occurs in x, or the sums of their weights.

    >>> import wherry as paddle
    >>> paddle.bincount(paddle.to_tensor([0, 2, 2])).tolist()
    [1, 0, 2]
    """
    if tracer.get() is not None:
        raise OpError(
            "bincount gives a size that depends on the largest element and has no bound, so memory "
            "cannot be planned for it; use scatter_nd_add on zeros of a fixed size",
            loc=user_location(),
        )
    counts = np.bincount(x.array, None if weights is None else weights.array, minlength)
    return Tensor(counts if weights is None else counts.astype(weights.array.dtype))
