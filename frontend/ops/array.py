"""`paddle.tensor`'s arrays of Tensors, which are lists, and fill_constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.dispatch import tracer, write
from wherry.ir.passes.fold_constants import known_value
from wherry.tensor import Tensor

from ..traced import Traced
from .convert import cast_to
from .creation import full


def create_array(dtype: Any, initialized_list: Sequence[Tensor] | None = None) -> list[Tensor]:
    """A list of Tensors of a dtype.

    >>> import wherry as paddle
    >>> array = paddle.tensor.create_array("float32")
    >>> array = paddle.tensor.array_write(paddle.ones([2]), paddle.to_tensor(0), array)
    >>> paddle.tensor.array_length(array), paddle.tensor.array_read(array, 0).shape
    (1, [2])
    """
    found = list(initialized_list or [])
    for one in found:
        if not isinstance(one, Tensor):
            raise TypeError(
                f"All values in `initialized_list` should be Tensor, but got {type(one).__name__}"
            )
    return found


def array_write(x: Tensor, i: Any, array: list[Tensor] | None = None) -> list[Tensor]:
    """The array with x at position i, which is at most its length."""
    found, at = [] if array is None else array, _position(i)
    if at > len(found):
        raise ValueError(f"The index 'i' should not be greater than the length {len(found)}: {at}")
    if at < len(found):
        found[at] = x
    else:
        found.append(x)
    return found


def array_read(array: list[Tensor], i: Any) -> Tensor:
    """The Tensor at position i."""
    return array[_position(i)]


def array_length(array: list[Tensor]) -> Any:
    """How many Tensors the array holds: an int, in static mode a Variable."""
    active: Any = tracer.get()
    in_static_mode = active is not None and not active.converts
    return full([1], len(array), "int64") if in_static_mode else len(array)


def _position(i: Any) -> int:
    """An index; of a Program's Variable, which has no value yet, what its ops say that it is."""
    if not isinstance(i, Traced):
        return int(i)
    found = known_value(i.tracer.program, i.variable)
    return int(i) if found is None else int(found.item())


def fill_constant(
    shape: Any, dtype: Any, value: Any, force_cpu: bool = False, out: Tensor | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """`paddle.full` with the dtype before the value; written into `out` if that is given."""
    made = full(shape, value, dtype)
    return made if out is None else write(out, cast_to(made, out.dtype))


__all__ = ["array_length", "array_read", "array_write", "create_array", "fill_constant"]
