"""Pooling in two dims: `pool2d`, Paddle's op, and its parts: max pooling with argmax, and averages.

The parts work on [N, C, H, W]. A window's cells in the padding never count; a window that lies in
the padding as a whole (ceil_mode makes such) has the maximum -inf, the Mask -1 and the average 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require, show
from ..opdef import REQUIRED, Sample, f32, f64, lit, op, sample
from ..rules import floats, index_type
from .build import need_rank, permuted
from .pool_window import divisor_of, each_cell, geometry
from .window import as_ints

Array = np.ndarray[Any, Any]

WINDOW: Mapping[str, Any] = {
    "ksize": REQUIRED, "strides": [1, 1], "paddings": [0, 0], "padding_algorithm": "EXPLICIT",
    "ceil_mode": False, "adaptive": False,
}  # fmt: skip
AVERAGE: Mapping[str, Any] = {**WINDOW, "exclusive": True}


def _infer(x: TensorType, **attrs: Any) -> TensorType:
    need_rank(x, [4])
    floats(x)
    return TensorType((*x.shape[:2], *geometry(x.shape[2:], attrs).counts), x.dtype)


def _max_infer(x: TensorType, **attrs: Any) -> tuple[TensorType, TensorType]:
    out = _infer(x, **attrs)
    return out, TensorType(out.shape, as_dtype("int32"))


def _max_pool(x: Array, **attrs: Any) -> tuple[Array, Array]:
    place = geometry(x.shape[2:], attrs)
    shape = (*x.shape[:2], *as_ints(place.counts))
    best, mask = np.full(shape, -np.inf, x.dtype), np.full(shape, -1, np.int32)
    has_padding = False
    for number, cell in enumerate(each_cell(x.shape, place)):
        candidate = x[cell.at]
        # The first of equals wins, and the first NaN wins over all.
        better = ~(candidate <= best)
        better &= best == best
        has_padding |= cell.has_padding
        if has_padding or not number:
            better |= mask < 0
        if cell.has_padding:
            better &= cell.valid
        np.copyto(best, candidate, where=better)
        where = (cell.rows[:, None] * x.shape[3] + cell.columns).astype(np.int32)
        np.copyto(mask, where, where=better)
    return best, mask


def _scatter(mask: Array, g: Array, *, input_size: Sequence[int]) -> Array:
    """[N, C, H, W]: the sum of the g whose Mask names that cell."""
    area, planes = int(np.prod(input_size)), g.shape[0] * g.shape[1]
    target = mask.reshape(planes, int(np.prod(mask.shape[2:]))) + np.arange(planes)[:, None] * area
    chosen = mask.ravel() >= 0
    weights = g.ravel()[chosen]
    sums = np.bincount(target.ravel()[chosen], weights, minlength=planes * area)
    return np.asarray(sums, g.dtype).reshape(*g.shape[:2], *input_size)


def _gather(x: Array, mask: Array) -> Array:
    """[N, C, OH, OW]: the cell of x that Mask names, 0 where it names none."""
    flat = x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))
    index = np.maximum(mask, 0).reshape(*x.shape[:2], int(np.prod(mask.shape[2:])))
    found = np.take_along_axis(flat, index, axis=2).reshape(mask.shape)
    return np.where(mask < 0, x.dtype.type(0), found)


def _avg_pool(x: Array, *, exclusive: bool, **attrs: Any) -> Array:
    place = geometry(x.shape[2:], attrs)
    sums = np.zeros((*x.shape[:2], *as_ints(place.counts)), np.promote_types(x.dtype, np.float32))
    for cell in each_cell(x.shape, place):
        sums += np.where(cell.valid, x[cell.at], 0) if cell.has_padding else x[cell.at]
    divisor = divisor_of(x.shape[2:], place, exclusive).astype(sums.dtype)
    return np.asarray(sums / divisor, x.dtype)


def _avg_pool_grad(g: Array, *, exclusive: bool, input_size: Sequence[int], **attrs: Any) -> Array:
    place = geometry(input_size, attrs)
    out = np.zeros((*g.shape[:2], *input_size), np.promote_types(g.dtype, np.float32))
    share = g / divisor_of(input_size, place, exclusive).astype(out.dtype)
    for cell in each_cell(out.shape, place):
        if isinstance(cell.at[2], slice):
            out[cell.at] += share
        else:
            np.add.at(out, cell.at, np.where(cell.valid, share, 0))
    return np.asarray(out, g.dtype)


def _size(F: Emitter, x: Any) -> list[Dim]:
    return list(F.type_of(x).shape[2:])


def _mask_types(mask: TensorType, other: TensorType) -> None:
    index_type(mask, "Mask")
    for a, b in zip(mask.shape[:2], other.shape[:2], strict=True):
        require(
            a, "==", b, f"needs Mask [N, C, ...] of {show(other.shape)}, got {show(mask.shape)}"
        )


def _scatter_infer(mask: TensorType, g: TensorType, *, input_size: Sequence[Dim]) -> TensorType:
    need_rank(g, [4], "Grad")
    need_rank(mask, [4], "Mask")
    _mask_types(mask, floats(g, "Grad"))
    return TensorType((*g.shape[:2], *input_size), g.dtype)


def _gather_infer(x: TensorType, mask: TensorType) -> TensorType:
    need_rank(x, [4])
    need_rank(mask, [4], "Mask")
    _mask_types(mask, floats(x))
    return TensorType(mask.shape, x.dtype)


def _avg_grad_infer(g: TensorType, *, input_size: Sequence[Dim], **attrs: Any) -> TensorType:
    need_rank(g, [4], "Grad")
    floats(g, "Grad")
    out = geometry(input_size, attrs).counts
    for a, b in zip(out, g.shape[2:], strict=True):
        require(a, "==", b, f"needs Grad [N, C, {show(out)[1:]}, got {show(g.shape)}")
    return TensorType((*g.shape[:2], *input_size), g.dtype)


# (input shape, attributes) that both kinds of pooling take.
_CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4, 6), {"ksize": [2, 2], "strides": [2, 2]}),
    ((2, 2, 5, 5), {"ksize": [3, 3], "strides": [2, 2], "paddings": [1, 1]}),
    ((1, 2, 5, 6), {"ksize": [3, 2], "strides": [1, 2], "paddings": [0, 1]}),
    ((1, 2, 5, 5), {"ksize": [2, 2], "strides": [2, 2], "ceil_mode": True}),
    ((1, 1, 6, 7), {"ksize": [3, 3], "strides": [3, 3], "ceil_mode": True,
                       "paddings": [1, 0, 1, 1]}),
    ((1, 2, 5, 7), {"ksize": [2, 3], "strides": [2, 2], "padding_algorithm": "SAME"}),
    ((1, 2, 5, 5), {"ksize": [2, 2], "strides": [2, 2], "padding_algorithm": "VALID"}),
    ((2, 2, 5, 7), {"ksize": [2, 3], "adaptive": True}),
    ((2, 2, 3, 2), {"ksize": [1, 1], "adaptive": True}),
    ((1, 2, 3, 3), {"ksize": [5, 4], "adaptive": True}),
    ((0, 3, 4, 4), {"ksize": [2, 2], "strides": [2, 2]}),
]  # fmt: skip


def _counts(case: tuple[tuple[int, ...], dict[str, Any]]) -> tuple[int, ...]:
    """The output's shape of a case."""
    x, attrs = case
    counts = geometry(x[2:], {**WINDOW, **attrs}).counts
    return (*x[:2], *as_ints(counts))


def _samples(**more: Any) -> list[Sample]:
    wide = sample(f64(2, 1, 4, 4), ksize=[2, 2], strides=[2, 2], **more)
    return [wide, *(sample(f32(*x), **attrs, **more) for x, attrs in _CASES)]


_TIES = lit([[[[1.0, 1.0, np.nan, 2.0], [1.0, 1.0, 3.0, np.nan]]]])

max_pool2d_with_index = op(
    "max_pool2d_with_index", "X", "Out Mask",
    attrs=WINDOW,
    infer=_max_infer,
    reference=_max_pool,
    grad=lambda F, c: (F.max_pool2d_grad(c.outputs[1], c.g, input_size=_size(F, c.x)),),
    samples=[
        *_samples(),
        sample(_TIES, ksize=[2, 2], strides=[2, 2], grad=False),  # ties and NaN
        sample(lit([[[[-np.inf]]]]), ksize=[2, 2], paddings=[1, 1], grad=False),  # not finite
    ],
)  # fmt: skip

max_pool2d_grad = op(
    "max_pool2d_grad", "Mask Grad",
    attrs={"input_size": REQUIRED},
    infer=_scatter_infer,
    reference=_scatter,
    grad=lambda F, c: (None, F.max_pool2d_gather(c.g, c.x)),
    samples=[
        sample(lit([[[[0, 3], [3, -1]]]], "int32"), f32(1, 1, 2, 2), input_size=[2, 3]),
        sample(lit(np.zeros((2, 2, 1, 1)), "int32"), f64(2, 2, 1, 1), input_size=[2, 2]),
        sample(lit(np.zeros((0, 2, 1, 1)), "int32"), f32(0, 2, 1, 1), input_size=[2, 2]),
    ],
)  # fmt: skip

max_pool2d_gather = op(
    "max_pool2d_gather", "X Mask",
    infer=_gather_infer,
    reference=_gather,
    grad=lambda F, c: (F.max_pool2d_grad(c.y, c.g, input_size=_size(F, c.x)), None),
    samples=[
        sample(f32(1, 1, 2, 3), lit([[[[0, 3], [3, -1]]]], "int32")),
        sample(f64(2, 2, 2, 2), lit(np.zeros((2, 2, 1, 1)), "int32")),
        sample(f32(0, 2, 2, 2), lit(np.zeros((0, 2, 1, 1)), "int32")),
    ],
)  # fmt: skip

avg_pool2d = op(
    "avg_pool2d", "X",
    attrs=AVERAGE,
    infer=lambda x, *, exclusive, **attrs: _infer(x, **attrs),
    reference=_avg_pool,
    grad=lambda F, c: (F.avg_pool2d_grad(c.g, **c.attrs, input_size=_size(F, c.x)),),
    samples=[
        *_samples(), *_samples(exclusive=False),
        sample(_TIES, ksize=[2, 2], strides=[2, 2], grad=False),  # NaN
    ],
)  # fmt: skip


def _avg_grad_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    return (F.avg_pool2d(c.g, **{name: c[name] for name in AVERAGE}),)


avg_pool2d_grad = op(
    "avg_pool2d_grad", "Grad",
    attrs={**AVERAGE, "input_size": REQUIRED},
    infer=lambda g, *, exclusive, **attrs: _avg_grad_infer(g, **attrs),
    reference=_avg_pool_grad,
    grad=_avg_grad_grad,
    samples=[
        sample(f32(*_counts(case)), input_size=list(case[0][2:]), exclusive=exclusive, **case[1])
        for case in _CASES for exclusive in (True, False)
    ],
)  # fmt: skip


def _parts(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """pool2d's attributes as those of its part. Global pooling is adaptive pooling to 1 x 1."""
    parts = {name: attrs[name] for name in WINDOW}
    if attrs["global_pooling"]:
        parts.update(ksize=[1, 1], adaptive=True)
    return parts


def _to_nchw(F: Emitter, x: Any, data_format: str) -> Any:
    return permuted(F, x, (0, 3, 1, 2)) if data_format == "NHWC" else x


def _from_nchw(F: Emitter, x: Any, data_format: str) -> Any:
    return permuted(F, x, (0, 2, 3, 1)) if data_format == "NHWC" else x


def _pool_infer(x: TensorType, **attrs: Any) -> TensorType:
    need_rank(x, [4])
    if attrs["pooling_type"] not in ("max", "avg"):
        fail(f"needs pooling_type 'max' or 'avg', got {attrs['pooling_type']!r}")
    if attrs["data_format"] not in ("NCHW", "NHWC"):
        fail(f"needs data_format NCHW or NHWC, got {attrs['data_format']!r}")
    if attrs["data_format"] == "NCHW":
        return _infer(x, **_parts(attrs))
    n, h, w, c = x.shape
    out = _infer(TensorType((n, c, h, w), x.dtype), **_parts(attrs))
    n, c, h, w = out.shape
    return TensorType((n, h, w, c), x.dtype)


def _pool(x: Array, **attrs: Any) -> Array:
    last = attrs["data_format"] == "NHWC"
    x = x.transpose(0, 3, 1, 2) if last else x
    if attrs["pooling_type"] == "max":
        out = _max_pool(x, **_parts(attrs))[0]
    else:
        out = _avg_pool(x, **_parts(attrs), exclusive=attrs["exclusive"])
    return np.ascontiguousarray(out.transpose(0, 2, 3, 1)) if last else out


def _pool_expand(F: Emitter, x: Any, **attrs: Any) -> Any:
    x = _to_nchw(F, x, attrs["data_format"])
    if attrs["pooling_type"] == "max":
        out = F.max_pool2d_with_index(x, **_parts(attrs))[0]
    else:
        out = F.avg_pool2d(x, **_parts(attrs), exclusive=attrs["exclusive"])
    return _from_nchw(F, out, attrs["data_format"])


def _pool_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    x, g = (_to_nchw(F, value, c["data_format"]) for value in (c.x, c.g))
    parts, size = _parts(c.attrs), _size(F, x)
    if c["pooling_type"] == "max":
        mask = F.max_pool2d_with_index(x, **parts)[1]
        dx = F.max_pool2d_grad(mask, g, input_size=size)
    else:
        dx = F.avg_pool2d_grad(g, **parts, exclusive=c["exclusive"], input_size=size)
    return (_from_nchw(F, dx, c["data_format"]),)


pool2d = op(
    "pool2d", "X",
    attrs={
        **AVERAGE, "pooling_type": "max", "global_pooling": False, "data_format": "NCHW",
    },
    infer=_pool_infer,
    reference=_pool,
    expand=_pool_expand,
    grad=_pool_grad,
    samples=[
        *_samples(pooling_type="max"), *_samples(pooling_type="avg"),
        sample(f32(2, 3, 4, 5), ksize=[2, 2], pooling_type="max", global_pooling=True),
        sample(f32(2, 3, 4, 5), ksize=[2, 2], pooling_type="avg", global_pooling=True),
        sample(f32(2, 4, 5, 3), ksize=[2, 2], pooling_type="max", data_format="NHWC"),
        sample(f32(2, 4, 5, 3), ksize=[2, 2], pooling_type="avg", data_format="NHWC"),
    ],
)  # fmt: skip
