"""The base of the learning rate schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LRScheduler:
    """The base: a subclass writes `get_lr()` from `base_lr`, `last_epoch` and `last_lr`.

    >>> class Halving(LRScheduler):
    ...     def get_lr(self): return self.base_lr * 0.5 ** self.last_epoch
    >>> rate = Halving(1.0); rate.step(); rate()
    0.5
    """

    def __init__(
        self, learning_rate: float = 0.1, last_epoch: int = -1, verbose: bool = False
    ) -> None:
        if not isinstance(learning_rate, (float, int)):
            raise TypeError(
                f"The type of learning rate must be float, but received {type(learning_rate)}"
            )
        if learning_rate < 0:
            raise ValueError(f"Invalid learning rate: {learning_rate}")
        self.base_lr = float(learning_rate)
        self.last_lr = float(learning_rate)
        self.last_epoch = last_epoch
        self.verbose = verbose
        self.step()

    def __call__(self) -> float:
        """The learning rate now."""
        return self.last_lr

    def get_lr(self) -> float:
        """The learning rate of `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} does not say its learning rate")

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to this one."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.last_lr = self.get_lr()
        if self.verbose:
            print(f"Epoch {self.last_epoch}: {type(self).__name__} set learning rate to {self()}.")

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on later."""
        return {"last_epoch": self.last_epoch, "last_lr": self.last_lr}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave. Raises RuntimeError where something is missing."""
        missing = [key for key in self.state_dict() if key not in state_dict]
        if missing:
            raise RuntimeError(f"the state of {type(self).__name__} lacks {', '.join(missing)}")
        for key in self.state_dict():
            setattr(self, key, state_dict[key])

    set_dict = set_state_dict
