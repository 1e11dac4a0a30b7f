"""`x[start:stop]` where only the call knows the ends: what a mask of the axis selects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.schema.errors import ConversionError, OpError

from ..dispatch import tracer
from ..location import user_location
from ..tensor import Tensor
from ..traced import Traced
from .creation import arange


def open_masks(x: Tensor, items: Sequence[Any]) -> dict[int, Tensor]:
    """The masks for those items of an index, which has no Ellipsis, that are such slices, by their
    places.
    """
    found: dict[int, Tensor] = {}
    if tracer.get() is None:
        return found
    axis = 0
    for place, item in enumerate(items):
        if isinstance(item, slice) and any(map(_is_open, (item.start, item.stop))):
            found[place] = _mask(x.shape[axis], item)
        axis += item.ndim if _is_mask(item) else item is not None
    return found


def now(item: Any) -> Any:
    """An item of an index with the ends that it has now, whatever is written to them later."""
    if not isinstance(item, slice):
        return item
    ends = [one.snapshot() if isinstance(one, Traced) else one for one in (item.start, item.stop)]
    return slice(ends[0], ends[1], item.step)


def read_anew(item: slice) -> slice:
    """A slice whose ends are tensors that each call of a function that is traced reads anew. With
    a step they are read now.
    """
    active = tracer.get()
    is_closed = active is None or not active.converts or item.step is not None
    if active is None or is_closed or not any(map(_is_eager, (item.start, item.stop))):
        return item
    ends = [active.as_traced(one) if _is_eager(one) else one for one in (item.start, item.stop)]
    return slice(*ends)


def _is_eager(end: Any) -> bool:
    return isinstance(end, Tensor) and not isinstance(end, Traced)


def _is_mask(item: Any) -> bool:
    return isinstance(item, Tensor) and item.dtype.name == "bool"


def _is_open(end: Any) -> bool:
    """Whether an end of a slice is data, not a size."""
    if not isinstance(end, Traced):
        return False
    try:
        end.as_dim()
    except ConversionError:
        return True
    return False


def _mask(size: Any, item: slice) -> Tensor:
    """Which elements of an axis of this size are in the slice."""
    if item.step not in (None, 1):
        raise OpError(
            f"a slice whose ends are tensors needs the step 1, got {item.step}; take every "
            "k-th element of what the slice without a step gives", loc=user_location(),
        )  # fmt: skip
    places = arange(size)
    mask: Any = places < size
    if item.start is not None:
        mask = mask & (places >= _from_start(item.start, size))
    if item.stop is not None:
        mask = mask & (places < _from_start(item.stop, size))
    found: Tensor = mask
    return found


def _from_start(end: Any, size: Any) -> Any:
    if not isinstance(end, Tensor):
        return end if end >= 0 else size + end
    end = end.reshape([]).astype("int64")
    return (end < 0).astype("int64") * size + end
