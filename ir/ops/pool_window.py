"""Where the windows of a pooling lie, and their cells one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dims import Dim
from ..infer import require, show
from .window import Pads, as_ints, pads_of, pair, window_count

Array = np.ndarray[Any, Any]

_ONES = (1, 1)


class Geometry(NamedTuple):
    """Where windows lie: counts of windows, and for adaptive ones nothing else."""

    counts: tuple[Dim, Dim]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads
    adaptive: bool


def geometry(sizes: Sequence[Dim], attrs: Mapping[str, Any]) -> Geometry:
    """The windows over `sizes` [H, W]. With `adaptive`, ksize is the number of windows.

    Window i of n adaptive ones over a size is [i * size // n, ceil((i + 1) * size / n)).
    """
    ksize = pair(attrs["ksize"], "ksize")
    for size in sizes:
        require(1, "<=", size, f"needs a height and a width >= 1, got {show(sizes)}")
    if attrs["adaptive"]:
        return Geometry(ksize, ksize, _ONES, [(0, 0), (0, 0)], True)
    strides = pair(attrs["strides"], "strides")
    pads = pads_of(sizes, ksize, strides, _ONES, attrs["paddings"], attrs["padding_algorithm"])
    ceil, names = attrs["ceil_mode"], ("X's height", "X's width")
    high, wide = (
        window_count(sizes[i], ksize[i], strides[i], 1, pads[i], names[i], ceil) for i in (0, 1)
    )
    return Geometry((high, wide), ksize, strides, pads, False)


class _Cells(NamedTuple):
    """Cells of an axis's windows: places[k, o] is cell k of window o, real where valid[k, o]."""

    places: Array
    valid: Array
    inclusive: Array  # how many cells count where padding does

    @property
    def exclusive(self) -> Array:
        return np.asarray(self.valid.sum(axis=0))


def _cells(size: int, place: Geometry, axis: int) -> _Cells:
    (count,) = as_ints(place.counts[axis : axis + 1])
    window = np.arange(count)
    if place.adaptive:
        start, end = window * size // count, -(-(window + 1) * size // count)
        index = start + np.arange(int((end - start).max()))[:, None]
        return _Cells(np.minimum(index, size - 1), index < end, end - start)
    before, after = as_ints(place.pads[axis])
    index = window * place.strides[axis] - before + np.arange(place.kernel[axis])[:, None]
    valid = (index >= 0) & (index < size)
    return _Cells(np.clip(index, 0, size - 1), valid, (index < size + after).sum(axis=0))


class _Cell(NamedTuple):
    """One cell of all windows: where it lies in [..., H, W], as slices where they can say it."""

    rows: Array
    columns: Array
    at: tuple[Any, ...]
    valid: Array  # [OH, OW]
    has_padding: bool


def each_cell(x_shape: Sequence[int], place: Geometry) -> Iterator[_Cell]:
    """The cells of all windows of an x [N, C, H, W], from the first row on."""
    high, wide = (_cells(x_shape[2 + axis], place, axis) for axis in (0, 1))
    for rows, rows_valid in zip(high.places, high.valid, strict=True):
        for columns, columns_valid in zip(wide.places, wide.valid, strict=True):
            valid = rows_valid[:, None] & columns_valid
            if valid.all() and not place.adaptive:
                at: tuple[Any, ...] = (_slice(rows), _slice(columns))
            else:
                at = (rows[:, None], columns[None, :])
            yield _Cell(rows, columns, (slice(None), slice(None), *at), valid, not valid.all())


def _slice(index: Array) -> slice:
    step = int(index[1] - index[0]) if len(index) > 1 else 1
    return slice(int(index[0]), int(index[-1]) + 1, step)


def divisor_of(sizes: Sequence[int], place: Geometry, exclusive: bool) -> Array:
    """[OH, OW]: by what each window's sum is divided."""
    cells = [_cells(size, place, axis) for axis, size in enumerate(sizes)]
    high, wide = (c.exclusive if exclusive or place.adaptive else c.inclusive for c in cells)
    return np.asarray(np.maximum(high[:, None] * wide, 1))
