"""Functions composed of others: crop, rot90, diff, cross, logit and their kin."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import float64

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import axes_of, cast_to, dim_of, dims_of, need_tensor
from .creation import diag
from .math import clip, log
from .search import sort
from .shape import concat, flatten, flip, reshape, roll, slice, transpose


def crop(x: Tensor, shape: Any = None, offsets: Any = None, name: str | None = None) -> Tensor:
    """The part of x of this shape that begins at the offsets; -1 takes all from there.

    >>> import wherry as paddle
    >>> paddle.crop(paddle.arange(5), [2], [1]).tolist()
    [1, 2]
    """
    begins = [0] * x.ndim if offsets is None else dims_of(offsets, "offsets")
    sizes = list(x.shape) if shape is None else dims_of(shape)
    ends = [x.shape[i] if sizes[i] == -1 else dim_of(begins[i] + sizes[i]) for i in range(x.ndim)]
    return slice(x, list(range(x.ndim)), begins, ends)


def rot90(x: Tensor, k: int = 1, axes: Any = (0, 1), name: str | None = None) -> Tensor:
    """x turned by k * 90 degrees in the plane of two axes, from the first to the second.

    >>> import wherry as paddle
    >>> paddle.rot90(paddle.to_tensor([[1, 2], [3, 4]])).tolist()
    [[2, 4], [1, 3]]
    """
    a, b = (axis % x.ndim for axis in axes)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    if k % 4 == 2:
        return flip(x, [a, b])
    if k % 4 == 1:
        return transpose(flip(x, b), order)
    return flip(transpose(x, order), b) if k % 4 == 3 else cast_to(x, x.dtype)


def diff(
    x: Tensor, n: int = 1, axis: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The differences of neighbours along an axis, n times.

    >>> import wherry as paddle
    >>> paddle.diff(paddle.to_tensor([1, 4, 9])).tolist()
    [3, 5]
    """
    at = axis % need_tensor(x, "diff").ndim
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, at) if len(parts) > 1 else x
    for _ in range(n):
        size = x.shape[at]
        ahead, behind = slice(x, [at], [1], [size]), slice(x, [at], [0], [size - 1])
        x = run_op("logical_xor", ahead, behind) if x.dtype.name == "bool" else ahead - behind
    return x


def cross(x: Tensor, y: Tensor, axis: int = 9, name: str | None = None) -> Tensor:
    """The cross product along an axis of size 3; by default along the first such axis.

    >>> import wherry as paddle
    >>> x, y = paddle.to_tensor([1.0, 0.0, 0.0]), paddle.to_tensor([0.0, 1.0, 0.0])
    >>> paddle.cross(x, y).tolist()
    [0.0, 0.0, 1.0]
    """
    found = [i for i, size in enumerate(x.shape) if size == 3] if axis == 9 else [axis % x.ndim]
    if not found or x.shape[found[0]] != 3:
        raise ValueError(f"cross needs an axis of size 3, got shape {x.shape}")
    at = found[0]
    # a x b = roll(a, -1) * roll(b, -2) - roll(a, -2) * roll(b, -1)
    first = roll(x, -1, at) * roll(y, -2, at)
    return first - roll(x, -2, at) * roll(y, -1, at)


def logit(x: Tensor, eps: float | None = None, name: str | None = None) -> Tensor:
    """log(x / (1 - x)), x limited to [eps, 1 - eps] if eps is given.

    >>> import wherry as paddle
    >>> paddle.logit(paddle.to_tensor([0.5])).tolist()
    [0.0]
    """
    x = x if eps is None else clip(x, eps, 1.0 - eps)
    return log(x / (1.0 - x))


def diagflat(x: Tensor, offset: int = 0, name: str | None = None) -> Tensor:
    """A matrix with the flattened x on a diagonal.

    >>> import wherry as paddle
    >>> paddle.diagflat(paddle.to_tensor([[1, 2]])).tolist()
    [[1, 0], [0, 2]]
    """
    return diag(flatten(x), offset)


def put_along_axis(
    arr: Tensor, indices: Tensor, values: Any, axis: int, reduce: str = "assign",
    include_self: bool = True, broadcast: bool = True,
) -> Tensor:  # fmt: skip
    """arr with `values` written (reduce "assign") or added ("add") at the positions along an axis.

    >>> import wherry as paddle
    >>> index = paddle.to_tensor([[0], [1]])
    >>> paddle.put_along_axis(paddle.zeros([2, 2]), index, 1.0, 1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if reduce not in ("assign", "add"):
        raise ValueError(f"put_along_axis knows reduce 'assign' and 'add', got {reduce!r}")
    at = axis % arr.ndim
    wanted = [indices.shape[at] if i == at else d for i, d in enumerate(arr.shape)]
    if broadcast and list(indices.shape) != wanted:
        indices = run_op("expand_v2", indices, shape=wanted)
    if not isinstance(values, Tensor):
        values = run_op("fill_constant", shape=[], value=values, dtype=arr.dtype)
    values = run_op("expand_v2", cast_to(values, arr.dtype), shape=list(indices.shape))
    out: Tensor = run_op("put_along_axis", arr, indices, values, Axis=at, Reduce=reduce)
    return out


def quantile(x: Tensor, q: Any, axis: Any = None, keepdim: bool = False) -> Tensor:
    """The q-th quantile (0 <= q <= 1) along an axis or several, linear between elements; a list of
    q gives a new first axis.

    >>> import wherry as paddle
    >>> paddle.quantile(paddle.to_tensor([1.0, 3.0]), 0.5).item()
    2.0
    """
    several = isinstance(q, (list, tuple))
    if any(not 0 <= one <= 1 for one in (q if several else [q])):
        raise ValueError(f"q should be in range [0, 1], got {q}")
    # Paddle computes quantiles in float64.
    x = cast_to(x, float64)
    axes = [a % x.ndim for a in axes_of(axis)] or list(range(x.ndim))
    others = [i for i in range(x.ndim) if i not in axes]
    without = [x.shape[i] for i in others]
    ordered = sort(flatten(transpose(x, others + axes), len(others)), -1)
    parts = [_between(ordered, len(others), float(one)) for one in (q if several else [q])]
    kept = [1 if i in axes else d for i, d in enumerate(x.shape)]
    shaped = [reshape(part, kept if keepdim else without) for part in parts]
    out: Tensor = run_op("stack", shaped, axis=0) if several else shaped[0]
    return out


def _between(ordered: Tensor, axis: int, q: float) -> Tensor:
    size = ordered.shape[axis]
    place = q * (size - 1)
    low = int(place)
    high = min(low + 1, size - 1)
    below, above = (
        slice(ordered, [axis], [low], [low + 1]),
        slice(ordered, [axis], [high], [high + 1]),
    )
    out: Tensor = below + (above - below) * (place - low)
    return out
