"""Another shape for the same elements: reshape, squeeze, unsqueeze, flatten, transpose, expand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dims import Dim, SymDim, is_dim, product
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, axis_in, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, boolean, f32, f64, i32, i64, op, sample
from ..rules import axes_in, sizes
from .grads import reshape_to, unbroadcast


def _back(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """The gradient of a view: g in x's shape."""
    return (reshape_to(F, c.g, F.type_of(c.x).shape),)


def reshaped(source: Shape, shape: Sequence[Any]) -> Shape:
    """What `shape` means for a tensor of shape `source`: 0 copies a dim, one -1 takes the rest.

    In a tensor without elements a 0 may also be a size, where copying would not fit.
    """
    if not all(is_dim(dim) for dim in shape):
        fail(f"needs ints as shape, got {list(shape)}")
    message = (
        f"needs as many elements as X has, got X of shape {show(source)} and shape {show(shape)}"
    )
    if sum(dim == -1 for dim in shape) > 1:
        fail(f"needs at most one -1 in shape, got {show(shape)}")
    copied = [
        source[i] if dim == 0 and isinstance(dim, int) and i < len(source) else dim
        for i, dim in enumerate(shape)
    ]
    if -1 in copied:
        return _with_rest(source, copied, message)
    if 0 in source and 0 in shape and 0 not in copied:
        return tuple(shape)
    require(product(source), "==", product(copied), message)
    return tuple(copied)


def _with_rest(source: Shape, shape: list[Any], message: str) -> Shape:
    known = [dim for dim in shape if not (isinstance(dim, int) and dim == -1)]
    have = list(source)
    while 0 in have and 0 in known:  # so that [0, 12] as [0, 3, -1] gives [0, 3, 4]
        have.remove(0)
        known.remove(0)
    total, part = product(have), product(known)
    if part == 0:
        fail(message)
    rest = total % part
    if rest != 0:
        require(1, "<=", part, message)
        require(rest, "==", 0, message)
    return tuple(total // part if isinstance(d, int) and d == -1 else d for d in shape)


op(
    "reshape2", "X", attrs={"shape": REQUIRED},
    infer=lambda x, shape: TensorType(reshaped(x.shape, shape), x.dtype),
    reference=lambda x, shape: x.reshape(reshaped(x.shape, shape)),
    grad=_back,
    samples=[
        sample(f32(2, 6), shape=[3, 4]), sample(f32(2, 6), shape=[-1]),
        sample(f32(2, 3, 4), shape=[0, -1]), sample(f32(2, 3, 4), shape=[4, 0, 2]),
        sample(f32(1), shape=[]), sample(f32(), shape=[1, 1]), sample(f32(), shape=[-1]),
        sample(f32(0, 12), shape=[0, 3, -1]), sample(f32(2, 0), shape=[0, 5]),
        sample(f64(6), shape=[2, -1, 1]), sample(i64(4), shape=[2, 2]),
        sample(boolean(4), shape=[4, 1]),
    ],
)  # fmt: skip


def _squeezed(x: Shape, axes: Sequence[int]) -> Shape:
    """The shape without those of the axes (by default all) that are 1.

    How many dims there are must not depend on the call. So a symbol among the axes must turn out to
    be 1, and where no axes are given, to be another size.
    """
    chosen = axes_in(axes, len(x)) if axes else range(len(x))
    kept = []
    for i, dim in enumerate(x):
        symbolic = i in chosen and not isinstance(dim, int)
        if symbolic and axes:
            require(dim, "==", 1, f"needs dim {i} to be 1 at the call, because axes name it")
        elif symbolic:
            require(2, "<=", dim, f"needs dim {i} to be 2 or more at the call; name axes instead")
        if not (i in chosen and (dim == 1 or (symbolic and axes))):
            kept.append(dim)
    return tuple(kept)


op(
    # Dims other than 1 stay, as in Paddle.
    "squeeze2", "X", attrs={"axes": []},
    infer=lambda x, axes: TensorType(_squeezed(x.shape, axes), x.dtype),
    reference=lambda x, axes: x.reshape(_squeezed(x.shape, axes)),
    grad=_back,
    samples=[
        sample(f32(1, 3, 1)), sample(f32(1, 3, 1), axes=[0]), sample(f32(1, 3, 1), axes=[-1]),
        sample(f32(2, 1), axes=[0]), sample(f32()), sample(f32(1, 0), axes=[0]), sample(i64(1)),
    ],
)  # fmt: skip


def _unsqueezed(x: Shape, axes: Sequence[int]) -> Shape:
    """The shape with a 1 put in at each axis, one after the other as in Paddle."""
    shape = list(x)
    for axis in axes:
        shape.insert(axis_in(axis, len(shape) + 1), 1)
    return tuple(shape)


op(
    "unsqueeze2", "X", attrs={"axes": REQUIRED},
    infer=lambda x, axes: TensorType(_unsqueezed(x.shape, axes), x.dtype),
    reference=lambda x, axes: x.reshape(_unsqueezed(x.shape, axes)),
    grad=_back,
    samples=[
        sample(f32(3, 4), axes=[0]), sample(f32(3, 4), axes=[-1]), sample(f32(3), axes=[0, 2]),
        sample(f32(), axes=[0]), sample(f32(0), axes=[1]), sample(i32(2), axes=[1]),
        sample(f64(2, 3), axes=[-2, 0]),
    ],
)  # fmt: skip


def _flattened(x: Shape, start: int, stop: int) -> Shape:
    if not x:
        return (1,)
    first, last = axis_in(start, len(x), "start_axis"), axis_in(stop, len(x), "stop_axis")
    if first > last:
        fail(f"needs start_axis <= stop_axis, got {start} and {stop} for {len(x)} dims")
    return (*x[:first], product(x[first : last + 1]), *x[last + 1 :])


op(
    "flatten_contiguous_range", "X", attrs={"start_axis": 1, "stop_axis": -1},
    infer=lambda x, start_axis, stop_axis: TensorType(
        _flattened(x.shape, start_axis, stop_axis), x.dtype
    ),
    reference=lambda x, start_axis, stop_axis: x.reshape(
        _flattened(x.shape, start_axis, stop_axis)
    ),
    grad=_back,
    samples=[
        sample(f32(2, 3, 4)), sample(f32(2, 3, 4), start_axis=0), sample(f32(2, 3)),
        sample(f32(2, 3, 4, 5), start_axis=1, stop_axis=2), sample(f32(), start_axis=0),
        sample(f32(0, 3, 2)), sample(f32(4), start_axis=0), sample(f64(2, 1, 2), start_axis=-2),
    ],
)  # fmt: skip


def permutation(axis: Sequence[int], ndim: int) -> list[int]:
    """The axes of a transpose as numbers >= 0; refuses what is no permutation."""
    order = [axis_in(one, ndim) for one in axis]
    if sorted(order) != list(range(ndim)):
        fail(f"needs each of the {ndim} axes of X once, got {list(axis)}")
    return order


op(
    "transpose2", "X", attrs={"axis": REQUIRED},
    infer=lambda x, axis: TensorType(
        tuple(x.shape[i] for i in permutation(axis, x.ndim)), x.dtype
    ),
    reference=lambda x, axis: np.transpose(x, axis),
    grad=lambda F, c: (
        F.transpose2(c.g, axis=np.argsort(permutation(c["axis"], F.type_of(c.x).ndim)).tolist()),
    ),
    samples=[
        sample(f32(2, 3), axis=[1, 0]), sample(f32(2, 3, 4), axis=[2, 0, 1]),
        sample(f32(2, 3, 4), axis=[0, -1, 1]), sample(f32(), axis=[]), sample(f32(3), axis=[0]),
        sample(f32(0, 2), axis=[1, 0]), sample(f64(2, 1, 3), axis=[1, 2, 0]),
        sample(i64(2, 2), axis=[1, 0]), sample(boolean(2, 3), axis=[1, 0]),
    ],
)  # fmt: skip


def expanded(x: Shape, shape: Sequence[Any]) -> Shape:
    """The shape that x is broadcast to; -1 keeps x's dim."""
    added = len(shape) - len(x)
    if added < 0:
        fail(f"needs a shape of at least {len(x)} dims, got X {show(x)} and shape {show(shape)}")
    message = f"needs a shape that X broadcasts to, got X {show(x)} and shape {show(shape)}"
    result: list[Dim] = []
    for i, dim in enumerate(shape):
        old: Dim = x[i - added] if i >= added else 1
        if isinstance(dim, SymDim) or dim >= 0:
            require(old, "1 or ==", dim, message)
            result.append(dim)
        elif dim == -1 and i >= added:
            result.append(old)
        else:
            fail(message)
    return tuple(result)


def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    """x broadcast to this shape, as an array of its own."""
    return np.broadcast_to(x, sizes(expanded(x.shape, shape))).copy()


def _shrink(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    return (unbroadcast(F, c.g, c.x),)


op(
    "expand_v2", "X", attrs={"shape": REQUIRED},
    infer=lambda x, shape: TensorType(expanded(x.shape, shape), x.dtype),
    reference=broadcast_to,
    grad=_shrink,
    samples=[
        sample(f32(1, 3), shape=[2, 3]), sample(f32(3), shape=[2, -1]), sample(f32(), shape=[2, 2]),
        sample(f32(3, 1), shape=[2, 3, 4]), sample(f32(2, 3), shape=[2, 3]),
        sample(f32(), shape=[]),
        sample(f32(1, 3), shape=[0, 3]), sample(f32(0, 1), shape=[0, 4]),
        sample(f64(1), shape=[5]), sample(i64(2, 1), shape=[-1, 3]), sample(boolean(1), shape=[2]),
    ],
)  # fmt: skip


def _like_shape(y: TensorType | None, target_shape: Sequence[Any] | None) -> Sequence[Any]:
    if y is not None:
        return y.shape
    return fail("needs Y or target_shape, got neither") if target_shape is None else target_shape


def _expand_as_reference(x: Array, y: Array | None, target_shape: Sequence[int] | None) -> Array:
    return broadcast_to(x, y.shape if y is not None else list(target_shape or ()))


def _expand_as_expand(F: Emitter, x: Any, y: Any, target_shape: Sequence[Any] | None) -> Any:
    like = None if y is None else F.type_of(y)
    return F.expand_v2(x, shape=list(_like_shape(like, target_shape)))


op(
    "expand_as_v2", "X Y?", attrs={"target_shape": None},
    infer=lambda x, y, target_shape: TensorType(
        expanded(x.shape, _like_shape(y, target_shape)), x.dtype
    ),
    reference=_expand_as_reference,
    expand=_expand_as_expand,
    grad=lambda F, c: (unbroadcast(F, c.g, c.x), None),
    samples=[
        sample(f32(1, 3), f32(2, 3)), sample(f32(3), f32(2, 3)), sample(f32(), i64(2)),
        sample(f32(1), None, target_shape=[4]), sample(f32(0, 1), f32(0, 2)), sample(f64(), f64()),
    ],
)  # fmt: skip
