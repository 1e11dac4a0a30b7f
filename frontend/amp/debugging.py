"""`paddle.amp.debugging`: looking for NaN and infinities."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from ..tensor import Tensor


class DebugMode(Enum):
    """What `check_numerics` does about what it finds: only the first one raises."""

    CHECK_NAN_INF_AND_ABORT = 0
    CHECK_NAN_INF = 1
    CHECK_ALL_FOR_OVERFLOW = 2
    CHECK_ALL = 3


def check_numerics(
    tensor: Tensor,
    op_type: str,
    var_name: str,
    debug_mode: DebugMode = DebugMode.CHECK_NAN_INF_AND_ABORT,
) -> tuple[Tensor, Tensor]:
    """How many elements are NaN, infinite and zero; and the largest, the least and the mean.

    Raises RuntimeError for NaN and infinities, unless another mode says otherwise.

    >>> import wherry as paddle
    >>> paddle.amp.debugging.check_numerics(paddle.to_tensor([1.0, 0.0]), "add", "x")[0].tolist()
    [0, 0, 1]
    """
    array = tensor.numpy()
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    zero = int((array == 0).sum())
    if (nan or inf) and debug_mode is DebugMode.CHECK_NAN_INF_AND_ABORT:
        raise RuntimeError(
            f"(PreconditionNotMet) There are NAN or INF (num_nan={nan}, num_inf={inf}, "
            f"num_zero={zero}) in [device=cpu, op={op_type}, tensor={var_name}, "
            f"dtype={tensor.dtype.name}]."
        )
    values = [array.max(), array.min(), array.mean()] if array.size else [0.0] * 3
    counts = np.array([nan, inf, zero], np.int64)
    return Tensor(counts), Tensor(np.array(values, np.float32))


def check_layer_numerics(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator for a Layer's forward: its first input and its results are checked."""

    @functools.wraps(func)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not args or not isinstance(args[0], Tensor):
            raise RuntimeError("the first argument of the forward must be a Tensor, to be checked")
        name = type(self).__name__
        check_numerics(args[0], name, "input")
        out = func(self, *args, **kwargs)
        for one in out if isinstance(out, (list, tuple)) else [out]:
            if isinstance(one, Tensor):
                check_numerics(one, name, "output")
        return out

    return checked


__all__ = ["DebugMode", "check_layer_numerics", "check_numerics"]
