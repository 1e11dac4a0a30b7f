"""Tensors from and for other libraries by the DLPack protocol.

They are copies: a Tensor counts what is written to its memory, and nobody else may write there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype

from ..tensor import Tensor


class _Held:
    """A capsule as the object that gives it; it can be given once."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU


def to_dlpack(x: Tensor) -> Any:
    """A capsule with the data of x, for one other library to take.

    >>> import wherry as paddle
    >>> capsule = paddle.utils.dlpack.to_dlpack(paddle.ones([2]))
    >>> paddle.utils.dlpack.from_dlpack(capsule).tolist()
    [1.0, 1.0]
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"to_dlpack needs a Tensor, got {type(x).__name__}")
    return x.array.copy().__dlpack__()


def from_dlpack(dlpack: Any) -> Tensor:
    """A Tensor with the data of a capsule, or of an array or tensor of another library.

    >>> import numpy as np, wherry as paddle
    >>> paddle.utils.dlpack.from_dlpack(np.ones(2, "float32")).tolist()
    [1.0, 1.0]
    """
    is_capsule = type(dlpack).__name__ == "PyCapsule"
    if not is_capsule and not hasattr(dlpack, "__dlpack__"):
        raise TypeError(
            f"from_dlpack needs a capsule or something with __dlpack__, got {type(dlpack).__name__}"
        )
    try:
        array = np.from_dlpack(_Held(dlpack) if is_capsule else dlpack)
    except ValueError as error:
        raise ValueError("from_dlpack needs a capsule that nobody has taken yet") from error
    as_dtype(array.dtype)  # raises TypeError for one that wherry has not
    return Tensor(array.copy())


__all__ = ["from_dlpack", "to_dlpack"]
