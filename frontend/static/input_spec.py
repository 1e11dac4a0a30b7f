"""InputSpec: what an input of a Program looks like, without a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, as_dtype

SpecDim = int | str


class InputSpec:
    """Shape, dtype and name of an input.

    A size of None or -1 is not known before the call; a size that is a name (`["B", 3]`) is not
    known either, but equal in all inputs that use the name.

    >>> InputSpec([None, 784], "float32", "x")
    InputSpec(shape=(-1, 784), dtype=VarType.FP32, name=x)
    """

    def __init__(
        self,
        shape: Sequence[int | str | None],
        dtype: Any = "float32",
        name: str | None = None,
        stop_gradient: bool = False,
    ) -> None:
        self.dims: tuple[SpecDim, ...] = _checked_dims(shape)
        self.dtype: DType = as_dtype(dtype if dtype is not None else "float32")
        self.name = name
        self.stop_gradient = bool(stop_gradient)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, -1 for each that is not known."""
        return tuple(dim if isinstance(dim, int) else -1 for dim in self.dims)

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> InputSpec:
        """The spec of a Tensor; without a name it takes the Tensor's. ValueError for
        anything else.
        """
        from ..tensor import Tensor

        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Input `tensor` should be a Tensor, but received {type(tensor).__name__}."
            )
        dims = [dim if isinstance(dim, int) else None for dim in tensor.shape]
        return cls(dims, tensor.dtype, name or tensor.name)

    @classmethod
    def from_numpy(cls, ndarray: np.ndarray[Any, Any], name: str | None = None) -> InputSpec:
        """The spec of a numpy array. TypeError for anything else."""
        if not isinstance(ndarray, np.ndarray):
            raise TypeError(
                f"Input `ndarray` should be a numpy array, but received {type(ndarray).__name__}."
            )
        return cls(ndarray.shape, ndarray.dtype, name)

    def batch(self, batch_size: int | str | Sequence[int] | None) -> InputSpec:
        """Put a batch size in front, in place; returns itself."""
        if isinstance(batch_size, (list, tuple)):
            if len(batch_size) != 1:
                raise ValueError(
                    f"Length of batch_size: {batch_size} shall be 1, but received "
                    f"{len(batch_size)}."
                )
            batch_size = batch_size[0]
        if batch_size is not None and (
            isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer))
        ):
            raise TypeError(
                f"type(batch_size) shall be `int`, but received {type(batch_size).__name__}."
            )
        self.dims = (*_checked_dims([batch_size]), *self.dims)
        return self

    def unbatch(self) -> InputSpec:
        """Drop the first size, in place; returns itself. ValueError when there is none."""
        if not self.dims:
            raise ValueError("Not support to unbatch a InputSpec when len(shape) == 0.")
        self.dims = self.dims[1:]
        return self

    def __repr__(self) -> str:
        return f"InputSpec(shape={self.shape}, dtype=VarType.{self.dtype.label}, name={self.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputSpec):
            return NotImplemented
        return self._key() == other._key() and self.name == other.name

    def __hash__(self) -> int:
        # The name is left out: the Program is the same for inputs that are named differently.
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.dims, self.dtype.name, self.stop_gradient


def _checked_dims(shape: Any) -> tuple[SpecDim, ...]:
    if not isinstance(shape, (list, tuple)):
        raise TypeError(
            "Type of `shape` in InputSpec should be one of (tuple, list), "
            f"but received {type(shape).__name__}."
        )
    return tuple(_checked_dim(i, dim) for i, dim in enumerate(shape))


def _checked_dim(index: int, dim: Any) -> SpecDim:
    if dim is None:
        return -1
    if isinstance(dim, str) and dim.isidentifier() and dim not in ("min", "max"):
        return dim
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        name = " The name of a size is an identifier, such as 'B'." if isinstance(dim, str) else ""
        raise ValueError(
            f"shape[{index}] should be an `int`, but received `{type(dim).__name__}`:{dim}.{name}"
        )
    return max(int(dim), -1)
