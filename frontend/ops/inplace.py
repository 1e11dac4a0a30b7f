"""Functions that write into their argument: `paddle.reshape_(x, ...)` is `x.reshape_(...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor


def _method(name: str) -> Callable[..., Tensor]:
    def function(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        out: Tensor = getattr(x, name)(*args, **kwargs)
        return out

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name[:-1]}` in place: see the method Tensor.{name}."
    return function


reshape_, squeeze_, unsqueeze_ = _method("reshape_"), _method("squeeze_"), _method("unsqueeze_")
tanh_, scatter_ = _method("tanh_"), _method("scatter_")
