"""DataParallel: a net as one of several processes trains it; here the only one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..nn.layer import Layer
from ..tensor import Tensor


class DataParallel(Layer):
    """The net as it is: of one process there are no gradients to be averaged.

    >>> import wherry as paddle
    >>> net = paddle.DataParallel(paddle.nn.Linear(2, 3))
    >>> net(paddle.ones([1, 2])).shape, sorted(net.state_dict())
    ([1, 3], ['bias', 'weight'])
    """

    def __init__(
        self, layers: Layer, strategy: Any = None, comm_buffer_size: int = 25,
        last_comm_buffer_size: float = 1, find_unused_parameters: bool = False, group: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(layers.full_name() + "_data_parallel")
        if not isinstance(layers, Layer):
            raise TypeError(f"DataParallel needs a paddle.nn.Layer, got {type(layers).__name__}")
        self._layers = layers
        self.find_unused_parameters = find_unused_parameters

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self._layers(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients inside are not averaged: nor are they outside."""
        yield

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss, as there is one process."""
        return loss

    def apply_collective_grads(self) -> None:
        """Nothing: the gradients are this process's."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The state of the net itself, without a prefix."""
        return self._layers.state_dict(*args, **kwargs)

    def set_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Give the net itself a state."""
        return self._layers.set_state_dict(*args, **kwargs)

    set_dict = load_dict = set_state_dict


__all__ = ["DataParallel"]
