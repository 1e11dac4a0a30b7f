"""Parts of Tensors replaced, added to or taken at positions: index_add, index_put, take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.schema.dtypes import bool_, int64

from ..dispatch import run_op
from ..tensor import Tensor
from . import indexing
from .convert import cast_to, need_tensor, scalar, to_tensor_like
from .search import nonzero
from .shape import broadcast_tensors, reshape


def index_add(
    x: Tensor, index: Tensor, axis: int, value: Tensor, name: str | None = None
) -> Tensor:
    """x with the slices of `value` added at the positions of a 1-d index along an axis.

    >>> import wherry as paddle
    >>> x, index = paddle.zeros([3]), paddle.to_tensor([1, 1])
    >>> paddle.index_add(x, index, 0, paddle.ones([2])).tolist()
    [0.0, 2.0, 0.0]
    """
    need_tensor(x, "index_add")
    return run_op("index_add", x, index, value, axis=axis)  # type: ignore[no-any-return]


def index_fill(x: Tensor, index: Tensor, axis: int, value: Any, name: str | None = None) -> Tensor:
    """x with one number at the positions of a 1-d index along an axis.

    >>> import wherry as paddle
    >>> paddle.index_fill(paddle.zeros([3]), paddle.to_tensor([0, 2]), 0, 5.0).tolist()
    [5.0, 0.0, 5.0]
    """
    at = axis % need_tensor(x, "index_fill").ndim
    filler = cast_to(value, x.dtype) if isinstance(value, Tensor) else scalar(value, x.dtype)
    places = run_op(
        "reshape2", index, shape=[index.shape[0] if i == at else 1 for i in range(x.ndim)]
    )
    shape = [index.shape[0] if i == at else d for i, d in enumerate(x.shape)]
    places = run_op("expand_v2", places, shape=shape)
    return run_op("put_along_axis", x, places, filler, Axis=at)  # type: ignore[no-any-return]


def _as_numbers(indices: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Indices of bools as those of their true elements; negative ones counted from the front."""
    found: list[Tensor] = []
    for index in indices:
        if index.dtype is bool_:
            found += [reshape(one, [-1]) for one in nonzero(index, as_tuple=True)]
            continue
        size = x.shape[len(found)]
        index = cast_to(index, int64)
        found.append(run_op("where", index < 0, index + size, index))
    return found


def index_put(
    x: Tensor, indices: Sequence[Tensor], value: Tensor, accumulate: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """x with `value` at x[indices], a tuple of Tensors of ints or bools; `accumulate` adds it.

    >>> import wherry as paddle
    >>> x, index = paddle.zeros([3]), paddle.to_tensor([1, 1])
    >>> paddle.index_put(x, (index,), paddle.ones([2]), accumulate=True).tolist()
    [0.0, 2.0, 0.0]
    """
    need_tensor(x, "index_put")
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put needs a tuple of Tensors, got {type(indices).__name__}")
    value = cast_to(value if isinstance(value, Tensor) else to_tensor_like(value), x.dtype)
    if not accumulate:
        out: Tensor = run_op("assign", x)
        indexing.setitem(out, tuple(indices), value)
        return out
    columns = broadcast_tensors(_as_numbers(indices, x))
    places = run_op("stack", columns, axis=columns[0].ndim)
    updates = run_op("expand_v2", value, shape=[*columns[0].shape, *x.shape[len(columns) :]])
    return run_op("scatter_nd_add", x, places, updates)  # type: ignore[no-any-return]


def take(x: Tensor, index: Tensor, mode: str = "raise", name: str | None = None) -> Tensor:
    """The flattened x at these positions, in the index's shape; negative ones count from the end.

    Beyond the ends: an error ("raise"), around ("wrap"), or the nearest end ("clip", which takes
    negative ones for 0).

    >>> import wherry as paddle
    >>> paddle.take(paddle.to_tensor([[1, 2], [3, 4]]), paddle.to_tensor([0, -1])).tolist()
    [1, 4]
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(
            f"'mode' in 'take' should be 'raise', 'wrap', 'clip', but received {mode}."
        )
    need_tensor(x, "take"), need_tensor(index, "take", "index")
    if not index.dtype.is_integer:
        raise TypeError(
            f"The data type of 'index' must be one of ['int32', 'int64'], got {index.dtype}"
        )
    flat, size = reshape(x, [-1]), x.size
    places = reshape(cast_to(index, int64), [-1])
    if mode == "wrap":
        places = places % size
    elif mode == "clip":
        places = run_op("elementwise_max", places, scalar(0, int64))
        places = run_op("elementwise_min", places, scalar(size - 1, int64))
    else:
        places = run_op("where", places < 0, places + size, places)
    return reshape(run_op("index_select", flat, places, dim=0), index.shape)


def multiplex(inputs: Sequence[Tensor], index: Tensor, name: str | None = None) -> Tensor:
    """Row i of the result is row i of the input whose number stands in index[i].

    >>> import wherry as paddle
    >>> x, y = paddle.to_tensor([[1.0], [2.0]]), paddle.to_tensor([[3.0], [4.0]])
    >>> paddle.multiplex([x, y], paddle.to_tensor([[1], [0]])).tolist()
    [[3.0], [2.0]]
    """
    if len(inputs) < 2:
        raise ValueError(f"multiplex needs at least two inputs, got {len(inputs)}")
    whole = run_op("stack", list(inputs), axis=1)
    chosen = reshape(cast_to(index, int64), [-1, *[1] * inputs[0].ndim])
    shape = [inputs[0].shape[0], 1, *inputs[0].shape[1:]]
    picked = run_op("take_along_axis", whole, run_op("expand_v2", chosen, shape=shape), Axis=1)
    return run_op("squeeze2", picked, axes=[1])  # type: ignore[no-any-return]


__all__ = ["index_add", "index_fill", "index_put", "multiplex", "take"]
