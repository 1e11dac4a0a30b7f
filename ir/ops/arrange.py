"""The same elements in other places: flip, roll, tile, pad, meshgrid, tril_triu, diag_v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, int64

from ..dims import Dim, dim_max, dim_min, is_dim
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, fail, require, show
from ..numerics import Array
from ..opdef import REQUIRED, boolean, f32, f64, i32, i64, op, sample
from ..rules import axes_in, dim_in, to_list
from .creation import scalar_array
from .grads import mask, reshape_to


def _flipped(ndim: int, axis: Any) -> tuple[int, ...]:
    """The axes as numbers >= 0; none at all flips nothing."""
    return axes_in(axis, ndim) if to_list(axis) else ()


def _flip_infer(x: TensorType, axis: Any) -> TensorType:
    _flipped(x.ndim, axis)
    return x


op(
    "flip", "X", attrs={"axis": REQUIRED},
    infer=_flip_infer,
    reference=lambda x, axis: np.flip(x, _flipped(x.ndim, axis)).copy(),
    grad=lambda F, c: (F.flip(c.g, axis=c["axis"]),),
    samples=[
        sample(f32(3, 4), axis=[0]), sample(f32(2, 3, 4), axis=[-1, 0]), sample(f32(1), axis=[0]),
        sample(f32(0, 2), axis=[1]), sample(f32(2), axis=[]), sample(f64(5), axis=[0]),
        sample(i64(3), axis=[0]), sample(boolean(3), axis=[-1]),
    ],
)  # fmt: skip


def _roll_pairs(shape: Shape, shifts: Any, axis: Any) -> list[tuple[int, int]]:
    """(axis, shift) for each axis that is rolled; no axis: the flat tensor, as axis 0."""
    moves, axes = to_list(shifts), to_list(axis)
    if not axes and len(moves) == 1:
        return [(0, moves[0])]
    if len(moves) != len(axes):
        fail(f"needs a shift for each axis, got shifts {moves} and axis {axes}")
    return [(dim_in(one, len(shape)), shift) for one, shift in zip(axes, moves, strict=True)]


def _roll_infer(x: TensorType, shifts: Any, axis: Any) -> TensorType:
    _roll_pairs(x.shape, shifts, axis)
    return x


def _roll(x: Array, shifts: Any, axis: Any) -> Array:
    pairs = _roll_pairs(x.shape, shifts, axis)
    if not to_list(axis):
        return np.roll(x, pairs[0][1])
    return np.roll(x, [shift for _, shift in pairs], [one for one, _ in pairs])


def _roll_expand(F: Emitter, x: Any, shifts: Any, axis: Any) -> Any:
    shape = F.type_of(x).shape
    out = x if to_list(axis) else F.reshape2(x, shape=[F.type_of(x).size])
    for one, shift in _roll_pairs(shape, shifts, axis):
        dim = F.type_of(out).shape[one]
        moved = F.scale(F.range(end=dim), bias=-shift)
        index = F.elementwise_mod(moved, F.full((), dim, int64))
        out = F.index_select(out, index, dim=one)
    return F.assign(reshape_to(F, out, shape))


op(
    "roll", "X", attrs={"shifts": REQUIRED, "axis": []}, infer=_roll_infer,
    reference=_roll,
    expand=_roll_expand,
    grad=lambda F, c: (
        F.roll(c.g, shifts=[-shift for shift in to_list(c["shifts"])], axis=c["axis"]),
    ),
    samples=[
        sample(f32(5), shifts=[2], axis=[0]), sample(f32(3, 4), shifts=[-1, 6], axis=[0, 1]),
        sample(f32(3, 4), shifts=[5]), sample(f32(1), shifts=[1], axis=[0]),
        sample(f32(0, 2), shifts=[1], axis=[0]), sample(f32(), shifts=[3]),
        sample(f64(4), shifts=[0], axis=[-1]),
        sample(i64(4), shifts=[1], axis=[0]),
    ],
)  # fmt: skip


def _aligned_times(shape: Shape, repeat_times: Sequence[Dim]) -> tuple[Shape, list[Dim]]:
    """Shape and repeats with 1s in front, so that both are equally long."""
    for count in repeat_times:
        if not is_dim(count):
            fail(f"needs ints as repeat_times, got {list(repeat_times)}")
        require(0, "<=", count, f"needs repeat_times >= 0, got {list(repeat_times)}")
    rank = max(len(shape), len(repeat_times))
    times: list[Dim] = [*[1] * (rank - len(repeat_times)), *repeat_times]
    return (*[1] * (rank - len(shape)), *shape), times


def _tile_infer(x: TensorType, repeat_times: Sequence[Dim]) -> TensorType:
    shape, times = _aligned_times(x.shape, repeat_times)
    return TensorType(tuple(n * d for d, n in zip(shape, times, strict=True)), x.dtype)


def _tile_expand(F: Emitter, x: Any, repeat_times: Sequence[Dim]) -> Any:
    # [d] becomes [1, d], is broadcast to [n, d] and read as [n * d].
    shape, times = _aligned_times(F.type_of(x).shape, repeat_times)
    split = F.reshape2(x, shape=[size for d in shape for size in (1, d)])
    wide = F.expand_v2(split, shape=[s for d, n in zip(shape, times, strict=True) for s in (n, d)])
    return F.reshape2(wide, shape=[n * d for d, n in zip(shape, times, strict=True)])


def _tile_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    x = F.type_of(c.x)
    shape, times = _aligned_times(x.shape, c["repeat_times"])
    parts = [size for d, n in zip(shape, times, strict=True) for size in (n, d)]
    split = reshape_to(F, c.g, parts)
    axes = list(range(0, len(parts), 2))
    total = F.reduce_sum(split, dim=axes, out_dtype=x.dtype) if axes else split
    return (reshape_to(F, total, x.shape),)


op(
    "tile", "X", attrs={"repeat_times": REQUIRED}, infer=_tile_infer,
    reference=lambda x, repeat_times: np.tile(x, repeat_times),
    expand=_tile_expand,
    grad=_tile_grad,
    samples=[
        sample(f32(2, 3), repeat_times=[2, 1]), sample(f32(3), repeat_times=[2, 2]),
        sample(f32(2, 3), repeat_times=[4]), sample(f32(), repeat_times=[3]),
        sample(f32(), repeat_times=[]), sample(f32(0, 2), repeat_times=[2, 2]),
        sample(f32(2), repeat_times=[0]), sample(f64(1), repeat_times=[5]),
        sample(i32(2), repeat_times=[2]), sample(boolean(2), repeat_times=[2]),
    ],
)  # fmt: skip


def _meshgrid_infer(xs: Sequence[TensorType]) -> list[TensorType]:
    if not xs or any(x.ndim > 1 for x in xs):
        shapes = ", ".join(show(x.shape) for x in xs)
        fail(f"needs at least one tensor of 0 or 1 dims in X, got {shapes or 'none'}")
    shape = tuple(x.size for x in xs)
    return [TensorType(shape, x.dtype) for x in xs]


def _meshgrid_expand(F: Emitter, xs: Sequence[Any]) -> list[Any]:
    shape = [F.type_of(x).size for x in xs]

    def along(i: int, x: Any) -> Any:
        line = [shape[i] if j == i else 1 for j in range(len(shape))]
        return F.expand_v2(reshape_to(F, x, line), shape=shape)

    return [along(i, x) for i, x in enumerate(xs)]


def _meshgrid_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    def back(i: int, x: Any, g: Any) -> Any:
        others = [j for j in range(len(c.x)) if j != i]
        total = F.reduce_sum(g, dim=others, out_dtype=F.type_of(g).dtype) if others else g
        return reshape_to(F, total, F.type_of(x).shape)

    return (
        [
            back(i, x, g) if needed and g is not None else None
            for i, (x, g, needed) in enumerate(zip(c.x, c.g, c.needs[0], strict=True))
        ],
    )


op(
    "meshgrid", "X*", "Out*", infer=_meshgrid_infer,
    reference=lambda xs: [np.array(a) for a in np.meshgrid(*xs, indexing="ij")],
    expand=_meshgrid_expand,
    grad=_meshgrid_grad,
    samples=[
        sample([f32(2), f32(3)]), sample([f32(2), f32(), f32(4)]), sample([f64(3)]),
        sample([i64(2), i64(0)]),
    ],
)  # fmt: skip


def _pad_infer(x: TensorType, paddings: Sequence[Dim], pad_value: float) -> TensorType:
    if len(paddings) != 2 * x.ndim:
        fail(f"needs {2 * x.ndim} paddings for {x.ndim} dims of X, got {len(paddings)}")
    for dim in paddings:
        require(0, "<=", dim, f"needs paddings >= 0, got {list(map(str, paddings))}")
    pairs = zip(paddings[::2], paddings[1::2], x.shape, strict=True)
    return TensorType(tuple(before + dim + behind for before, behind, dim in pairs), x.dtype)


def _pad(x: Array, paddings: Sequence[int], pad_value: float) -> Array:
    pairs = list(zip(paddings[::2], paddings[1::2], strict=True))
    shape = tuple(a + dim + b for (a, b), dim in zip(pairs, x.shape, strict=True))
    out = np.full(shape, _pad_value(x, pad_value))
    out[tuple(slice(a, a + dim) for (a, _), dim in zip(pairs, x.shape, strict=True))] = x
    return out


def _pad_value(x: Array, value: float) -> Array:
    return scalar_array(value, as_dtype(x.dtype))


def _pad_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    shape = F.type_of(c.x).shape
    starts = list(c["paddings"][::2])
    ends = [dim + start for dim, start in zip(shape, starts, strict=True)]
    return (F.slice(c.g, axes=list(range(len(shape))), starts=starts, ends=ends),)


op(
    # paddings: before and behind for each dim, in order; they may be dims.
    "pad", "X", attrs={"paddings": REQUIRED, "pad_value": 0.0}, infer=_pad_infer,
    reference=_pad,
    grad=_pad_grad,
    samples=[
        sample(f32(2, 3), paddings=[1, 0, 2, 1]), sample(f32(3), paddings=[0, 2], pad_value=-1.5),
        sample(f32(), paddings=[]), sample(f32(0, 2), paddings=[1, 1, 0, 0]),
        sample(f32(2), paddings=[0, 0]), sample(f64(2), paddings=[1, 1], pad_value=1e300),
        sample(i64(2), paddings=[1, 1], pad_value=7.9), sample(boolean(2), paddings=[1, 0]),
    ],
)  # fmt: skip


def _triangle(F: Emitter, shape: Shape, diagonal: int, lower: bool) -> Any:
    """A bool mask of the last two dims: what tril (or triu) keeps."""
    rows = F.unsqueeze2(F.range(end=shape[-2]), axes=[1])
    columns = F.range(end=shape[-1])
    edge = F.scale(rows, bias=diagonal)
    return F.less_equal(columns, edge) if lower else F.greater_equal(columns, edge)


def _tril_infer(x: TensorType, diagonal: int, lower: bool) -> TensorType:
    if x.ndim < 2:
        fail(f"needs X of at least 2 dims, got {show(x.shape)}")
    return x


op(
    "tril_triu", "X", attrs={"diagonal": 0, "lower": True}, infer=_tril_infer,
    reference=lambda x, diagonal, lower: np.tril(x, diagonal) if lower else np.triu(x, diagonal),
    expand=lambda F, x, diagonal, lower: mask(
        F, x, _triangle(F, F.type_of(x).shape, diagonal, lower)
    ),
    grad=lambda F, c: (F.tril_triu(c.g, diagonal=c["diagonal"], lower=c["lower"]),),
    samples=[
        sample(f32(3, 4)), sample(f32(4, 3), diagonal=1), sample(f32(2, 3, 3), lower=False),
        sample(f32(3, 3), diagonal=-1, lower=False), sample(f32(0, 3)),
        sample(f32(1, 1), diagonal=5),
        sample(f64(2, 5), diagonal=-9), sample(i64(3, 3)),
    ],
)  # fmt: skip


def _diag_infer(x: TensorType, offset: int, padding_value: float) -> TensorType:
    if x.ndim == 1:
        size = x.shape[0] + abs(offset)
        return TensorType((size, size), x.dtype)
    if x.ndim != 2:
        fail(f"needs X of 1 or 2 dims, got {show(x.shape)}")
    return TensorType((diagonal_size(x.shape, offset),), x.dtype)


def diagonal_size(shape: Shape, offset: int) -> Dim:
    """The length of a diagonal of a matrix."""
    rows, columns = shape
    if offset >= 0:
        return dim_max(0, dim_min(rows, columns - offset))
    return dim_max(0, dim_min(rows + offset, columns))


def _diag(x: Array, offset: int, padding_value: float) -> Array:
    if x.ndim == 2:
        return np.diagonal(x, offset).copy()
    size = x.shape[0] + abs(offset)
    out = np.full((size, size), _pad_value(x, padding_value))
    i = np.arange(x.shape[0])
    out[i + max(-offset, 0), i + max(offset, 0)] = x
    return out


def _diag_expand(F: Emitter, x: Any, offset: int, padding_value: float) -> Any:
    kind = F.type_of(x)
    if kind.ndim == 2:
        return _take_diagonal(F, x, offset)
    size = kind.shape[0] + abs(offset)
    spread = F.pad(x, paddings=[max(offset, 0), max(-offset, 0)])
    rows, columns = F.unsqueeze2(F.range(end=size), axes=[1]), F.range(end=size)
    on_line = F.equal(columns, F.scale(rows, bias=offset))
    return F.where(on_line, spread, F.full_like(x, padding_value))


def _take_diagonal(F: Emitter, x: Any, offset: int) -> Any:
    # The diagonal's elements lie columns + 1 apart in the flat matrix.
    shape = F.type_of(x).shape
    columns = shape[1]
    count = F.range(end=diagonal_size(shape, offset))
    start = offset if offset >= 0 else columns * -offset
    step = F.full((), columns + 1, int64)
    index = F.elementwise_add(F.elementwise_mul(count, step), F.full((), start, int64))
    return F.index_select(reshape_to(F, x, [shape[0] * columns]), index, dim=0)


def _diag_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    x, offset = F.type_of(c.x), c["offset"]
    if x.ndim == 1:
        return (F.diag_v2(c.g, offset=offset),)
    rows, columns = x.shape
    square = F.diag_v2(c.g, offset=offset)
    # diag_v2 makes the smallest square that fits: fill it up, then cut it to the matrix's shape.
    target = F.slice(
        F.pad(square, paddings=[0, rows, 0, columns]),
        axes=[0, 1],
        starts=[0, 0],
        ends=[rows, columns],
    )
    return (target,)


op(
    # A matrix with x as its diagonal, or the diagonal of a matrix.
    "diag_v2", "X", attrs={"offset": 0, "padding_value": 0.0}, infer=_diag_infer,
    reference=_diag,
    expand=_diag_expand,
    grad=_diag_grad,
    samples=[
        sample(f32(3)), sample(f32(3), offset=2, padding_value=1.5), sample(f32(2), offset=-1),
        sample(f32(3, 4)), sample(f32(4, 3), offset=-1), sample(f32(3, 5), offset=3),
        sample(f32(2, 2), offset=5), sample(f32(0)), sample(f64(1, 1)), sample(i64(3)),
    ],
)  # fmt: skip
