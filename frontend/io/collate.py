"""How samples become a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..dispatch import tracing
from ..ops.creation import to_tensor
from ..tensor import Tensor


def collate_arrays(batch: Sequence[Any]) -> Any:
    """Samples stacked field by field into numpy arrays: what worker processes send back.

    Arrays and Tensors are stacked, numbers become a vector, dicts and lists are gone into, strings
    stay a list.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return np.stack([one.numpy() for one in batch])
    if isinstance(first, (np.ndarray, np.generic)):
        return np.stack([np.asarray(one) for one in batch])
    if isinstance(first, (bool, int, float)):
        return np.array(batch)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: collate_arrays([one[key] for one in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(one) != len(first) for one in batch):
            raise RuntimeError(
                "fileds number not same among samples: each sample needs the same fields"
            )
        return [collate_arrays(fields) for fields in zip(*batch, strict=True)]
    raise TypeError(
        "batch data can only contains: tensor, numpy.ndarray, dict, list, number, but got "
        f"{type(first)}"
    )


def to_tensors(value: Any) -> Any:
    """The arrays in a structure as Tensors."""
    if isinstance(value, np.ndarray):
        with tracing(None):
            return to_tensor(value)
    if isinstance(value, dict):
        return {key: to_tensors(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_tensors(one) for one in value)
    return value


def default_collate_fn(batch: Sequence[Any]) -> Any:
    """The batch as Tensors: samples stacked field by field."""
    return to_tensors(collate_arrays(batch))
