"""What a function that is being traced wants to know of the eager Tensors that it meets."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .tensor import Tensor


class TracedGrads(Protocol):
    """What the gradients of leaves are in a function that is being traced."""

    def get(self, leaf: Tensor) -> Tensor | None: ...

    def set(self, leaf: Tensor, value: Tensor | None) -> None: ...

    def clear(self, leaf: Tensor, set_to_zero: bool) -> None: ...


# Both are set while a function is traced.
traced_grads: ContextVar[TracedGrads | None] = ContextVar("traced_grads", default=None)
# Called with each Tensor of which Python reads the data.
told_of_reads: ContextVar[Callable[[Tensor], None] | None] = ContextVar("reads", default=None)
