"""Running extremes, the k-th smallest, the most frequent, and counts in bins."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import as_dtype, int64
from wherry.schema.errors import OpError

from ..dispatch import run_op
from ..location import user_location
from ..tensor import Tensor
from .convert import cast_to, int_to_float, is_number, need_tensor, scalar
from .reduce import sum as total
from .search import argsort, searchsorted
from .shape import reshape


def _at_axis(x: Tensor, positions: Tensor, axis: int) -> Tensor:
    return run_op("take_along_axis", x, positions, Axis=axis)  # type: ignore[no-any-return]


def _running(function: str, x: Tensor, axis: Any, dtype: Any) -> tuple[Tensor, Tensor]:
    """The extremes up to each place, and where they lie: of equal ones the last.

    Each round compares with what lies twice as far before, so that log2(size) rounds do.
    """
    need_tensor(x, function)
    if axis is None:
        x, axis = reshape(x, [-1]), 0
    at = axis % x.ndim if x.ndim else 0
    size = x.shape[at] if x.ndim else 1
    if not isinstance(size, int):
        raise OpError(f"needs a known size along axis {axis}", function, user_location())
    places = run_op("range", start=0, end=size, step=1, dtype=int64)
    form = [size if i == at else 1 for i in range(x.ndim)]
    places = run_op("expand_v2", reshape(places, form), shape=list(x.shape))
    best, step, before = x.detach(), 1, "greater_than" if function == "cummax" else "less_than"
    while step < size:
        early = [run_op("slice", one, axes=[at], starts=[0], ends=[size - step])
                 for one in (best, places)]  # fmt: skip
        late = [run_op("slice", one, axes=[at], starts=[step], ends=[size])
                for one in (best, places)]  # fmt: skip
        wins = run_op(before, early[0], late[0])
        head = [run_op("slice", one, axes=[at], starts=[0], ends=[step]) for one in (best, places)]
        best, places = (
            run_op("concat", [first, run_op("where", wins, old, new)], axis=at)
            for first, old, new in zip(head, early, late, strict=True)
        )
        step *= 2
    values = _at_axis(x, places, at) if x.ndim else run_op("assign", x)
    return values, cast_to(places, as_dtype(dtype))


def cummax(
    x: Tensor, axis: int | None = None, dtype: Any = "int64", name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The largest element so far along an axis (of the flattened x by default), and its position.

    >>> import wherry as paddle
    >>> values, positions = paddle.cummax(paddle.to_tensor([1, 3, 2]))
    >>> values.tolist(), positions.tolist()
    ([1, 3, 3], [0, 1, 1])
    """
    return _running("cummax", x, axis, dtype)


def cummin(
    x: Tensor, axis: int | None = None, dtype: Any = "int64", name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The smallest element so far along an axis (of the flattened x by default), and its position.

    >>> import wherry as paddle
    >>> values, positions = paddle.cummin(paddle.to_tensor([3, 1, 2]))
    >>> values.tolist(), positions.tolist()
    ([3, 1, 1], [0, 1, 1])
    """
    return _running("cummin", x, axis, dtype)


def kthvalue(
    x: Tensor, k: int, axis: int | None = None, keepdim: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The k-th smallest element along an axis (the last by default), and its position.

    >>> import wherry as paddle
    >>> value, position = paddle.kthvalue(paddle.to_tensor([3.0, 1.0, 2.0]), 2)
    >>> value.item(), position.item()
    (2.0, 2)
    """
    at = (-1 if axis is None else axis) % max(need_tensor(x, "kthvalue").ndim, 1)
    size = x.shape[at] if x.ndim else 1
    if k < 1 or (isinstance(size, int) and k > size):
        raise ValueError(f"the k in the kthvalue must be in 1 to {size}, but received {k}")
    if not x.ndim:
        return run_op("assign", x), argsort(x)
    order = argsort(x, at)
    place = run_op("slice", order, axes=[at], starts=[k - 1], ends=[k])
    value = _at_axis(x, place, at)
    return (value, place) if keepdim else (_without(value, at), _without(place, at))


def _without(x: Tensor, axis: int) -> Tensor:
    return run_op("squeeze2", x, axes=[axis])  # type: ignore[no-any-return]


def mode(
    x: Tensor, axis: int = -1, keepdim: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The most frequent element along an axis (the smallest of several), and its last position.

    >>> import wherry as paddle
    >>> value, position = paddle.mode(paddle.to_tensor([2.0, 1.0, 2.0]))
    >>> value.item(), position.item()
    (2.0, 2)
    """
    if not need_tensor(x, "mode").ndim:
        return run_op("assign", x), argsort(x)
    at = axis % x.ndim
    last = x.ndim
    order = [i for i in range(last) if i != at] + [at]
    rows = run_op("transpose2", x.detach(), axis=order)
    same = run_op(
        "equal",
        run_op("unsqueeze2", rows, axes=[last]),
        run_op("unsqueeze2", rows, axes=[last - 1]),
    )
    counts = total(cast_to(same, int64), -1)
    # Among the most frequent the smallest, of its places the last.
    frequent = run_op("equal", counts, run_op("reduce_max", counts, dim=[-1], keep_dim=True))
    ranks = argsort(argsort(rows, -1), -1)
    worse = run_op("fill_any_like", ranks, value=2**62, dtype=int64)
    best = run_op("arg_min", run_op("where", frequent, ranks, worse), axis=-1, keepdims=True)
    hits = run_op("equal", rows, _at_axis(rows, best, last - 1))
    size = rows.shape[-1]
    numbers = run_op("range", start=1, end=size + 1, step=1, dtype=int64)
    place = run_op("arg_max", cast_to(hits, int64) * numbers, axis=-1, keepdims=True)
    back = sorted(range(last), key=order.__getitem__)
    place = run_op("transpose2", place, axis=back)
    value = _at_axis(x, place, at)
    return (value, place) if keepdim else (_without(value, at), _without(place, at))


def histogram(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, name: str | None = None
) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max], as int64; without limits
    of the smallest to the largest element. What lies outside is not counted.

    >>> import wherry as paddle
    >>> paddle.histogram(paddle.to_tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3).tolist()
    [0, 2, 1, 0]
    """
    if bins < 1:
        raise ValueError(f"histogram needs bins >= 1, got {bins}")
    if max < min:
        raise ValueError(f"max must be larger or equal to min, got min {min} and max {max}")
    x = int_to_float(reshape(need_tensor(input, "histogram", "input").detach(), [-1]))
    low, high = _limits(x, min, max)
    inside = run_op("logical_and", x >= low, x <= high)
    part = run_op("floor", (x - low) * float(bins) / (high - low))
    part = run_op("elementwise_min", part, scalar(bins - 1, x.dtype))
    # What is outside goes into one more bin, which is dropped.
    place = cast_to(run_op("where", inside, part, scalar(bins, x.dtype)), int64)
    ones = run_op("fill_any_like", place, value=1, dtype=int64)
    counts = run_op("fill_constant", shape=[bins + 1], value=0, dtype=int64)
    counts = run_op("index_add", counts, place, ones, axis=0)
    return run_op("slice", counts, axes=[0], starts=[0], ends=[bins])  # type: ignore[no-any-return]


def _limits(x: Tensor, low: Any, high: Any) -> tuple[Tensor, Tensor]:
    if low == high == 0:
        least = run_op("reduce_min", x, reduce_all=True)
        most = run_op("reduce_max", x, reduce_all=True)
    else:
        least, most = scalar(low, x.dtype), scalar(high, x.dtype)
    # Where all are equal: one on either side.
    one = cast_to(run_op("equal", least, most), x.dtype)
    return least - one, most + one


def bucketize(
    x: Any, sorted_sequence: Tensor, out_int32: bool = False, right: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Where each element of x belongs in an ascending vector: `searchsorted` the other way round.

    >>> import wherry as paddle
    >>> paddle.bucketize(paddle.to_tensor([3, 4]), paddle.to_tensor([1, 3, 5])).tolist()
    [1, 2]
    """
    need_tensor(sorted_sequence, "bucketize", "sorted_sequence")
    if sorted_sequence.ndim != 1:
        raise ValueError(
            f"sorted_sequence tensor must be 1 dimension, but got dim {sorted_sequence.ndim}"
        )
    x = scalar(x, sorted_sequence.dtype) if is_number(x) else x
    return searchsorted(sorted_sequence, x, out_int32, right)


__all__ = ["bucketize", "cummax", "cummin", "histogram", "kthvalue", "mode"]
