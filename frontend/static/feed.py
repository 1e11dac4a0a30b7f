"""What is fed to a Program: arrays by name, checked against its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wherry.ir import program as ir
from wherry.schema.errors import InputError

from ..tensor import Array, Tensor
from ..traced import Traced
from .scope import LoDTensor


def named_feed(feed: Any) -> dict[str, Any]:
    """A feed as a dict. One dict in a list is that dict: a DataLoader gives one for each device."""
    if isinstance(feed, (list, tuple)) and len(feed) == 1:
        feed = feed[0]
    if feed is not None and not isinstance(feed, Mapping):
        raise TypeError(f"feed requires dict as its Parameter. But you passed in {type(feed)}")
    return dict(feed or {})


def fed_array(var: ir.Variable, value: Any) -> Array:
    """The array of a feed. InputError where its shape or dtype is not the Variable's."""
    if isinstance(value, Traced):
        raise TypeError(f"feed '{var.name}' needs an array, but received the Variable {value!r}")
    array = value.array if isinstance(value, (Tensor, LoDTensor)) else value
    if not isinstance(array, np.ndarray):
        array = np.asarray(array, None if isinstance(array, np.generic) else var.dtype.numpy)
    shape = tuple([dim if isinstance(dim, int) else -1 for dim in var.shape])
    fits = array.ndim == len(shape) and all(
        want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"The fed Variable '{var.name}' should have dimensions = {len(shape)}, shape = "
            f"{shape}, but received fed shape {list(array.shape)} on each device"
        )
    if array.dtype != var.dtype.numpy:
        raise InputError(
            f"The data type of fed Variable '{var.name}' must be '{var.dtype.name}', but received "
            f"'{array.dtype}'"
        )
    return array
