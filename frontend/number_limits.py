"""`paddle.finfo` and `paddle.iinfo`: the limits of the dtypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype


@dataclass(frozen=True)
class FloatInfo:
    """What `paddle.finfo` tells, as Python numbers."""

    min: float
    max: float
    eps: float
    resolution: float
    smallest_normal: float
    tiny: float
    bits: int
    dtype: str


@dataclass(frozen=True)
class IntegerInfo:
    """What `paddle.iinfo` tells, as Python numbers."""

    min: int
    max: int
    bits: int
    dtype: str


def finfo(dtype: Any) -> FloatInfo:
    """The limits of a float dtype. Raises ValueError for others.

    >>> finfo("float32").max
    3.4028234663852886e+38
    """
    found = as_dtype(dtype)
    if not found.is_float:
        raise ValueError(
            "(InvalidArgument) the argument of paddle.finfo can only be paddle.float16, "
            f"paddle.float32 or paddle.float64, got {found.name}"
        )
    info = np.finfo(found.numpy)
    smallest = float(info.smallest_normal)
    return FloatInfo(
        float(info.min), float(info.max), float(info.eps), 10.0**-info.precision,
        smallest, smallest, info.bits, found.name,
    )  # fmt: skip


def iinfo(dtype: Any) -> IntegerInfo:
    """The limits of an integer dtype. Raises ValueError for others.

    >>> iinfo("int8").max
    127
    """
    found = as_dtype(dtype)
    if found.numpy.kind not in "iu":
        raise ValueError(
            "(InvalidArgument) the argument of paddle.iinfo can only be paddle.int8, paddle.int16, "
            f"paddle.int32, paddle.int64 or paddle.uint8, got {found.name}"
        )
    info = np.iinfo(found.numpy)
    return IntegerInfo(int(info.min), int(info.max), info.bits, found.name)
