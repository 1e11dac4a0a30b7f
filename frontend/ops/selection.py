"""What a mask selects, as indexing by the positions of its true elements.

While a Program is built their number is a size that the run finds. (Dynamic mode has shorter ways
for most of it.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype, bool_, int64
from wherry.schema.errors import OpError

from ..dispatch import run_op, tracer
from ..location import user_location
from ..tensor import Tensor
from .convert import cast_to, need_tensor, same_sizes


def positions_of(mask: Tensor) -> Tensor:
    """The positions of the true elements in the flattened mask."""
    active = tracer.get()
    if active is not None:
        return active.true_positions(mask)
    return run_op("true_positions", mask, size=int(np.count_nonzero(mask.array)))  # type: ignore[no-any-return]


def nonzero(x: Tensor, as_tuple: bool) -> Any:
    """[n, x.ndim], or a tuple of [n, 1] per axis."""
    mask = x if need_tensor(x, "nonzero").dtype is bool_ else cast_to(x, bool_)
    rest = positions_of(mask)
    count = rest.shape[0]
    if not x.ndim:
        return () if as_tuple else run_op("fill_constant", shape=[count, 0], value=0, dtype=int64)
    columns: list[Tensor] = []
    for size in x.shape[:0:-1]:
        by = run_op("fill_constant", shape=[], value=size, dtype=int64)
        columns.insert(0, run_op("elementwise_mod", rest, by))
        rest = run_op("elementwise_floordiv", rest, by)
    columns = [run_op("reshape2", one, shape=[count, 1]) for one in (rest, *columns)]
    if as_tuple:
        return tuple(columns)
    return columns[0] if x.ndim == 1 else run_op("concat", columns, axis=1)


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The selected elements as a vector."""
    flat = run_op("reshape2", x, shape=[-1])
    return run_op("gather", flat, positions_of(mask), axis=0)  # type: ignore[no-any-return]


def masked_axes(x: Tensor, axis: int, mask: Tensor) -> tuple[Tensor, Tensor]:
    """x with the axes that the mask covers, from `axis` on, as one; and the positions on it."""
    if not mask.ndim:
        raise IndexError("a bool index needs an axis, got a 0-d bool; x[None] adds an axis")
    after = axis + mask.ndim
    covered = x.shape[axis:after]
    for at, (size, wanted) in enumerate(zip(mask.shape, covered, strict=True), axis):
        if isinstance(size, int) and isinstance(wanted, int) and size != wanted:
            raise IndexError(
                "(InvalidArgument) The dimension of bool index doesn't match indexed array along "
                f"dimension {at}, the target dimension is {wanted}, but received {size}."
            )
    if not same_sizes(mask.shape, covered):
        mask = run_op("reshape2", mask, shape=covered)
    if mask.ndim > 1:
        x = run_op("reshape2", x, shape=[*x.shape[:axis], mask.size, *x.shape[after:]])
    return x, positions_of(mask)


def unique(x: Tensor, index: bool, inverse: bool, counts: bool, axis: Any, dtype: Any) -> Any:
    """The sorted distinct elements: the first ones of the runs of equal elements in order."""
    if axis is not None:
        raise OpError(
            "paddle.unique with an axis is not converted: it compares rows; call it outside of the "
            "static function, or give each row one number to compare", loc=user_location(),
        )  # fmt: skip
    flat = run_op("reshape2", x, shape=[-1])
    values, order = run_op("argsort", flat, axis=0, descending=False)
    firsts, number = _runs(values)
    found = [run_op("gather", values, firsts, axis=0)]
    kind = as_dtype(dtype)
    if index:
        found.append(cast_to(run_op("gather", order, firsts, axis=0), kind))
    if inverse:
        places = run_op("fill_constant", shape=flat.shape, value=0, dtype=int64)
        found.append(cast_to(run_op("scatter", places, order, number, overwrite=True), kind))
    if counts:
        found.append(cast_to(_counted(firsts, number), kind))
    return tuple(found) if len(found) > 1 else found[0]


def unique_consecutive(x: Tensor, inverse: bool, counts: bool, dtype: Any) -> Any:
    """The first elements of the runs of equal elements."""
    flat = run_op("reshape2", x, shape=[-1])
    firsts, number = _runs(flat)
    found = [run_op("gather", flat, firsts, axis=0)]
    kind = as_dtype(dtype)
    if inverse:
        found.append(cast_to(number, kind))
    if counts:
        found.append(cast_to(_counted(firsts, number), kind))
    return tuple(found) if len(found) > 1 else found[0]


def _runs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Where a vector's runs of equal elements begin, and for each element the number of its run."""
    size = values.shape[0]
    at = run_op("range", start=0, end=size, step=1, dtype=int64)
    before = run_op("gather", values, (at - 1).clip(0), axis=0)
    changes = values != before
    if values.dtype.is_float:
        both = run_op("logical_and", values.isnan(), before.isnan())
        changes = run_op("logical_and", changes, run_op("logical_not", both))
    begins = run_op("logical_or", changes, at == 0)
    return positions_of(begins), run_op("cumsum", cast_to(begins, int64), axis=0) - 1


def _counted(firsts: Tensor, number: Tensor) -> Tensor:
    """How many elements each run has."""
    zeros = run_op("fill_constant", shape=firsts.shape, value=0, dtype=int64)
    ones = run_op("fill_constant", shape=number.shape, value=1, dtype=int64)
    return run_op("index_add", zeros, number, ones, axis=0)  # type: ignore[no-any-return]
