"""Functions that move elements and change shapes without computing.

reshape, flatten, squeeze, unsqueeze, transpose, slice, diagonal and unbind give views: they share
the memory of x, as in Paddle.
"""

from __future__ import annotations

from typing import Any

from wherry.ir.dims import is_dim
from wherry.ir.infer import broadcast_shapes, inferring
from wherry.schema.dtypes import int32
from wherry.schema.errors import OpError

from ..dispatch import constant, run_op
from ..location import user_location
from ..tensor import Tensor
from .convert import axes_of, dims_of, need_tensor, same_sizes


def reshape(x: Tensor, shape: Any, name: str | None = None) -> Tensor:
    """x with another shape of as many elements; one size may be -1, a 0 keeps x's size at its
    place.

    Raises OpError where the number of elements differs.

    >>> import wherry as paddle
    >>> paddle.reshape(paddle.arange(6), [2, -1]).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    need_tensor(x, "reshape")
    return run_op("reshape2", x, shape=dims_of(shape))  # type: ignore[no-any-return]


def flatten(x: Tensor, start_axis: int = 0, stop_axis: int = -1, name: str | None = None) -> Tensor:
    """x with the axes from start_axis to stop_axis (included) made into one.

    >>> import wherry as paddle
    >>> paddle.flatten(paddle.ones([2, 3, 4]), 1).shape
    [2, 12]
    """
    need_tensor(x, "flatten")
    return run_op(  # type: ignore[no-any-return]
        "flatten_contiguous_range", x, start_axis=start_axis, stop_axis=stop_axis
    )


def squeeze(x: Tensor, axis: Any = None, name: str | None = None) -> Tensor:
    """x without its axes of size 1: all of them, or those in `axis` that have size 1.

    >>> import wherry as paddle
    >>> paddle.squeeze(paddle.ones([1, 3, 1]), 0).shape
    [3, 1]
    """
    need_tensor(x, "squeeze")
    return run_op("squeeze2", x, axes=axes_of(axis))  # type: ignore[no-any-return]


def unsqueeze(x: Tensor, axis: Any, name: str | None = None) -> Tensor:
    """x with new axes of size 1 at these positions of the result.

    >>> import wherry as paddle
    >>> paddle.unsqueeze(paddle.ones([3]), [0, 2]).shape
    [1, 3, 1]
    """
    need_tensor(x, "unsqueeze")
    return run_op("unsqueeze2", x, axes=axes_of(axis))  # type: ignore[no-any-return]


def transpose(x: Tensor, perm: Any, name: str | None = None) -> Tensor:
    """x with axis perm[i] at place i.

    >>> import wherry as paddle
    >>> paddle.transpose(paddle.ones([2, 3, 4]), [2, 0, 1]).shape
    [4, 2, 3]
    """
    need_tensor(x, "transpose")
    return run_op("transpose2", x, axis=axes_of(perm))  # type: ignore[no-any-return]


def moveaxis(x: Tensor, source: Any, destination: Any, name: str | None = None) -> Tensor:
    """x with the axes `source` at the places `destination`, the others in their order.

    >>> import wherry as paddle
    >>> paddle.moveaxis(paddle.ones([2, 3, 4]), 0, 2).shape
    [3, 4, 2]
    """
    source, destination = ([a % x.ndim for a in axes_of(s)] for s in (source, destination))
    order = [i for i in range(x.ndim) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return transpose(x, order)


def expand(x: Tensor, shape: Any, name: str | None = None) -> Tensor:
    """x broadcast to a shape; -1 keeps a size.

    >>> import wherry as paddle
    >>> paddle.expand(paddle.ones([1, 3]), [2, -1]).shape
    [2, 3]
    """
    need_tensor(x, "expand")
    return run_op("expand_v2", x, shape=dims_of(shape))  # type: ignore[no-any-return]


broadcast_to = expand


def expand_as(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """x broadcast to y's shape.

    >>> import wherry as paddle
    >>> paddle.expand_as(paddle.ones([3]), paddle.ones([2, 3])).shape
    [2, 3]
    """
    return run_op("expand_v2", x, shape=list(y.shape))  # type: ignore[no-any-return]


def broadcast_shape(x_shape: Any, y_shape: Any) -> list[int]:
    """The shape that two shapes broadcast to. Raises OpError if they do not.

    >>> import wherry as paddle
    >>> paddle.broadcast_shape([2, 1], [3])
    [2, 3]
    """
    return _common("broadcast_shape", [x_shape, y_shape])


def _common(function: str, shapes: list[Any]) -> list[Any]:
    """The shape that all of these broadcast to; an error names the function and the user's line."""
    from ..jit.sizes import plain, size_of

    common: Any = ()
    try:
        with inferring(function, None, []):
            for sizes in shapes:
                common = broadcast_shapes(common, plain(list(sizes)))
    except OpError as error:
        error.loc = user_location()
        raise
    return [size_of(dim) for dim in common]


def broadcast_tensors(input: Any, name: str | None = None) -> list[Tensor]:
    """The Tensors, each broadcast to the common shape.

    >>> import wherry as paddle
    >>> [t.shape for t in paddle.broadcast_tensors([paddle.ones([2, 1]), paddle.ones([3])])]
    [[2, 3], [2, 3]]
    """
    shape = _common("broadcast_tensors", [tensor.shape for tensor in input])
    return [t if same_sizes(t.shape, shape) else expand(t, shape) for t in input]


def tile(x: Tensor, repeat_times: Any, name: str | None = None) -> Tensor:
    """x repeated along each axis.

    >>> import wherry as paddle
    >>> paddle.tile(paddle.to_tensor([1, 2]), [2]).tolist()
    [1, 2, 1, 2]
    """
    need_tensor(x, "tile")
    return run_op("tile", x, repeat_times=dims_of(repeat_times, "repeat_times"))  # type: ignore[no-any-return]


def _need_tensors(tensors: list[Tensor], function: str) -> None:
    for i, tensor in enumerate(tensors):
        need_tensor(tensor, function, f"x[{i}]")


def concat(x: Any, axis: Any = 0, name: str | None = None) -> Tensor:
    """The Tensors of the list joined along an existing axis; other sizes and the dtype must agree.

    >>> import wherry as paddle
    >>> paddle.concat([paddle.ones([1, 2]), paddle.zeros([1, 2])]).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    tensors = [x] if isinstance(x, Tensor) else list(x)
    _need_tensors(tensors, "concat")
    return run_op("concat", tensors, axis=int(axis))  # type: ignore[no-any-return]


def stack(x: Any, axis: int = 0, name: str | None = None) -> Tensor:
    """The Tensors of the list, of one shape and dtype, joined along a new axis.

    >>> import wherry as paddle
    >>> paddle.stack([paddle.ones([2]), paddle.zeros([2])]).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    tensors = [x] if isinstance(x, Tensor) else list(x)
    _need_tensors(tensors, "stack")
    return run_op("stack", tensors, axis=int(axis))  # type: ignore[no-any-return]


def split(x: Tensor, num_or_sections: Any, axis: Any = 0, name: str | None = None) -> list[Tensor]:
    """x cut along an axis into `n` equal parts, or into parts of the sizes given (one may be -1).

    >>> import wherry as paddle
    >>> [part.tolist() for part in paddle.split(paddle.arange(5), [2, -1])]
    [[0, 1], [2, 3, 4]]
    """
    need_tensor(x, "split")
    axis = int(axis)
    if is_dim(num_or_sections):
        parts = run_op("split", x, num=num_or_sections, sections=[], axis=axis)
    else:
        parts = run_op("split", x, num=0, sections=dims_of(num_or_sections, "sections"), axis=axis)
    return list(parts)


def chunk(x: Tensor, chunks: int, axis: Any = 0, name: str | None = None) -> list[Tensor]:
    """x cut into `chunks` equal parts along an axis.

    >>> import wherry as paddle
    >>> [part.tolist() for part in paddle.chunk(paddle.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    return split(x, chunks, axis)


def unbind(input: Tensor, axis: int = 0) -> list[Tensor]:
    """The slices of x along an axis, without that axis.

    >>> import wherry as paddle
    >>> [part.tolist() for part in paddle.unbind(paddle.to_tensor([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    at = axis % input.ndim
    return [
        run_op("slice", input, axes=[at], starts=[i], ends=[i + 1], decrease_axis=[at])
        for i in range(input.shape[at])
    ]


def unstack(x: Tensor, axis: int = 0, num: int | None = None) -> list[Tensor]:
    """Copies of the slices of x along an axis, without that axis.

    >>> import wherry as paddle
    >>> len(paddle.unstack(paddle.ones([3, 2])))
    3
    """
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack needs num = {x.shape[axis]}, the size of axis {axis}, got {num}")
    return [run_op("assign", part) for part in unbind(x, axis)]


def slice(input: Tensor, axes: Any, starts: Any, ends: Any) -> Tensor:
    """input[starts[i]:ends[i]] on each axis axes[i]; negative numbers count from the end.

    >>> import wherry as paddle
    >>> paddle.slice(paddle.arange(5), [0], [1], [-1]).tolist()
    [1, 2, 3]
    """
    return run_op(  # type: ignore[no-any-return]
        "slice",
        input,
        axes=axes_of(axes),
        starts=dims_of(starts, "starts"),
        ends=dims_of(ends, "ends"),
    )


def strided_slice(x: Tensor, axes: Any, starts: Any, ends: Any, strides: Any,
                  name: str | None = None) -> Tensor:  # fmt: skip
    """x[starts[i]:ends[i]:strides[i]] on each axis axes[i].

    >>> import wherry as paddle
    >>> paddle.strided_slice(paddle.arange(5), [0], [0], [5], [2]).tolist()
    [0, 2, 4]

    As in Paddle, and unlike in Python, an end of -1 with a negative stride lies before element 0.

    >>> paddle.strided_slice(paddle.arange(5), [0], [4], [-1], [-2]).tolist()
    [4, 2, 0]
    """
    steps = axes_of(strides)
    last = dims_of(ends, "ends")
    for i, (end, step) in enumerate(zip(last, steps, strict=False)):
        last[i] = -(2**31) if end == -1 and step < 0 else end
    return run_op(  # type: ignore[no-any-return]
        "strided_slice", x, axes=axes_of(axes), starts=dims_of(starts, "starts"),
        ends=last, strides=steps,
    )  # fmt: skip


def flip(x: Tensor, axis: Any, name: str | None = None) -> Tensor:
    """x with the order along the axes reversed.

    >>> import wherry as paddle
    >>> paddle.flip(paddle.arange(3), 0).tolist()
    [2, 1, 0]
    """
    return run_op("flip", x, axis=axes_of(axis))  # type: ignore[no-any-return]


reverse = flip


def roll(x: Tensor, shifts: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """x shifted along the axes, what falls off coming in again; axis None rolls the flattened x.

    >>> import wherry as paddle
    >>> paddle.roll(paddle.arange(4), 1).tolist()
    [3, 0, 1, 2]
    """
    return run_op("roll", x, shifts=dims_of(shifts, "shifts"), axis=axes_of(axis))  # type: ignore[no-any-return]


def diagonal(
    x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, name: str | None = None
) -> Tensor:
    """A diagonal over two axes, as the last axis of the result.

    >>> import wherry as paddle
    >>> paddle.diagonal(paddle.to_tensor([[1, 2], [3, 4]])).tolist()
    [1, 4]
    """
    first, second = axis1 % x.ndim, axis2 % x.ndim
    rest = [i for i in range(x.ndim) if i not in (first, second)]
    rows, columns = x.shape[first], x.shape[second]
    moved = (
        x if [*rest, first, second] == list(range(x.ndim)) else transpose(x, [*rest, first, second])
    )
    flat = reshape(moved, [*moved.shape[:-2], rows * columns])
    start = offset if offset >= 0 else -offset * columns
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    # From one element of the diagonal to the next is a row and one.
    end = start + count * (columns + 1)
    return strided_slice(flat, [len(rest)], [start], [end], [columns + 1])


def repeat_interleave(
    x: Tensor, repeats: Any, axis: int | None = None, name: str | None = None
) -> Tensor:
    """Each element along an axis repeated `repeats` times (an int, or one int per element).

    >>> import wherry as paddle
    >>> paddle.repeat_interleave(paddle.to_tensor([1, 2]), 2).tolist()
    [1, 1, 2, 2]
    """
    import numpy as np

    if axis is None:
        x, axis = run_op("reshape2", x, shape=[-1]), 0
    counts = repeats.numpy() if isinstance(repeats, Tensor) else repeats
    index = constant(np.repeat(np.arange(x.shape[axis], dtype=np.int64), counts))
    return run_op("index_select", x, index, dim=axis)  # type: ignore[no-any-return]


def unflatten(x: Tensor, axis: int, shape: Any, name: str | None = None) -> Tensor:
    """x with one axis split into the sizes of `shape`.

    >>> import wherry as paddle
    >>> paddle.unflatten(paddle.ones([2, 6]), 1, [2, 3]).shape
    [2, 2, 3]
    """
    at = axis % x.ndim
    return reshape(x, [*x.shape[:at], *dims_of(shape), *x.shape[at + 1 :]])


def view(x: Tensor, shape_or_dtype: Any, name: str | None = None) -> Tensor:
    """x with another shape, sharing its memory; a dtype instead of a shape is refused.

    >>> import wherry as paddle
    >>> paddle.view(paddle.ones([4]), [2, 2]).shape
    [2, 2]
    """
    if not isinstance(shape_or_dtype, (list, tuple)):
        raise TypeError("view takes a shape here; use astype for another dtype")
    return reshape(x, shape_or_dtype)


def shape(input: Tensor) -> Tensor:
    """The sizes as a 1-d int32 Tensor.

    >>> import wherry as paddle
    >>> paddle.shape(paddle.ones([2, 3])).tolist()
    [2, 3]
    """
    return run_op("shape", need_tensor(input, "shape", "input"))  # type: ignore[no-any-return]


def rank(input: Tensor) -> Tensor:
    """The number of axes as a 0-d int32 Tensor.

    >>> import wherry as paddle
    >>> int(paddle.rank(paddle.ones([2, 3])))
    2
    """
    return run_op("fill_constant", shape=[], value=input.ndim, dtype=int32)  # type: ignore[no-any-return]
