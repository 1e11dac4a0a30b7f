"""From a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from wherry.tensor import Tensor


def stack_samples(batch: Sequence[Any]) -> Any:
    """Samples of one structure as that structure of stacked numpy arrays.

    Arrays, Tensors and numbers are stacked along a new first axis; strings stay lists; in mappings
    and sequences each field is stacked by itself. Raises TypeError for other samples, and
    ValueError for arrays of several shapes.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack_arrays([sample.numpy() for sample in batch])
    if isinstance(first, np.ndarray):
        return _stack_arrays(batch)
    if isinstance(first, (Number, np.generic)):
        return np.array(batch)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: stack_samples([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        return _stack_fields(batch)
    raise TypeError(
        "batch data can only contain: tensor, numpy.ndarray, dict, list, number, "
        f"but got {type(first)}; pass a collate_fn that makes a batch of it"
    )


def _stack_arrays(batch: Sequence[Any]) -> Any:
    shapes = [np.shape(sample) for sample in batch]
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise ValueError(
            f"the samples of a batch need one shape, got {list(shapes[0])} in sample 0 and "
            f"{list(shapes[other])} in sample {other}; pad them, or pass a collate_fn that does"
        )
    return np.stack(batch)


def _stack_fields(batch: Sequence[Sequence[Any]]) -> list[Any]:
    sizes = {len(sample) for sample in batch}
    if len(sizes) != 1:
        raise RuntimeError(f"fields number not same among a batch: {sorted(sizes)}")
    return [stack_samples(field) for field in zip(*batch, strict=True)]


def default_collate_fn(batch: Sequence[Any]) -> Any:
    """A batch of Tensors from samples (see `stack_samples`)."""
    return map_arrays(stack_samples(batch), Tensor)


def map_arrays(value: Any, fn: Callable[[Any], Any]) -> Any:
    """The structure with `fn` applied to each numpy array in it."""
    if isinstance(value, np.ndarray):
        return fn(value)
    if isinstance(value, Mapping):
        return {key: map_arrays(one, fn) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map_arrays(one, fn) for one in value)
    return value


def to_arrays(value: Any) -> Any:
    """The structure with each Tensor in it as a numpy array: what crosses between processes."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: to_arrays(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_arrays(one) for one in value)
    return value
