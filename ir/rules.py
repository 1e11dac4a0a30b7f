"""Pieces that shape rules share: what dtypes must agree, which axes are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.schema.dtypes import DType

from .dims import Dim
from .infer import Shape, TensorType, axis_in, broadcast_shapes, fail, fail_type, require


def floats(x: TensorType, slot: str = "X") -> TensorType:
    """x itself; refused unless it is of a float dtype."""
    if not x.dtype.is_float:
        fail_type(f"needs {slot}'s dtype to be float16, float32 or float64, got {x.dtype.name}")
    return x


def numbers(x: TensorType, slot: str = "X") -> TensorType:
    """x itself; refused for bool."""
    if x.dtype.name == "bool":
        fail_type(f"needs {slot}'s dtype to be a number, got bool; cast it first")
    return x


def integers(x: TensorType, slot: str) -> TensorType:
    """x itself; refused unless it is of an integer dtype."""
    if not x.dtype.is_integer:
        fail_type(f"needs {slot}'s dtype to be an integer (int32 or int64), got {x.dtype.name}")
    return x


def index_type(x: TensorType, slot: str = "Index") -> TensorType:
    """x itself; refused unless it is int32 or int64."""
    if x.dtype.name not in ("int32", "int64"):
        fail_type(f"needs {slot}'s dtype to be int32 or int64, got {x.dtype.name}")
    return x


def same_dtype(x: TensorType, y: TensorType, slots: str = "X and Y") -> DType:
    """The dtype that both have; refused where they differ."""
    if x.dtype is not y.dtype:
        fail_type(
            f"needs {slots} of one dtype, got {x.dtype.name} and {y.dtype.name}; cast one of them"
        )
    return x.dtype


def same_shape(x: Shape, y: Shape, message: str) -> None:
    """State that the shapes are equal; refused with `message` where they cannot be."""
    if len(x) != len(y):
        fail(message)
    for a, b in zip(x, y, strict=True):
        require(a, "==", b, message)


def broadcast(x: TensorType, y: TensorType) -> TensorType:
    """The type of a pointwise op of two operands of one dtype."""
    return TensorType(broadcast_shapes(x.shape, y.shape), same_dtype(x, y))


def axes_in(axes: Sequence[int] | int | None, ndim: int, what: str = "axis") -> tuple[int, ...]:
    """The axes as sorted non-negative numbers; None or none at all means every axis.

    A 0-d tensor may be given axis 0 or -1, as in Paddle. Refuses axes outside and twice the same.
    """
    given = [axes] if isinstance(axes, int) else list(axes or ())
    if ndim == 0 and all(axis in (0, -1) for axis in given):
        return ()
    found = sorted({axis_in(axis, ndim, what) for axis in given})
    if len(found) < len(given):
        fail(f"needs each {what} once, got {given} for a tensor of {ndim} dims")
    return tuple(found) if given else tuple(range(ndim))


def dim_in(axis: int, ndim: int) -> int:
    """An axis as 0 <= axis < ndim, like `axis_in`; a 0-d tensor has none."""
    if ndim == 0:
        fail(f"needs a tensor of at least 1 dim for axis {axis}, got a 0-d tensor")
    return axis_in(axis, ndim)


def reduced_shape(shape: Shape, axes: Sequence[int], keep: bool) -> Shape:
    """The shape after reducing these axes: they become 1, or leave."""
    if keep:
        return tuple(1 if i in axes else dim for i, dim in enumerate(shape))
    return tuple(dim for i, dim in enumerate(shape) if i not in axes)


def sizes(shape: Sequence[Dim]) -> tuple[int, ...]:
    """A shape that was worked out from an array's, so that it holds ints only."""
    return tuple(dim for dim in shape if isinstance(dim, int))


def to_list(value: Any) -> list[Any]:
    """A list of what an attribute holds: one value or several."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
