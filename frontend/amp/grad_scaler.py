"""`GradScaler`: on a CPU it scales nothing, and `step` is the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .auto_cast import warn_of_no_effect


class GradScaler:
    """Keeps small float16 gradients from vanishing; with float32 on a CPU it does nothing.

    >>> import wherry as paddle
    >>> net = paddle.nn.Linear(2, 1)
    >>> rule = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    >>> scaler = paddle.amp.GradScaler(enable=False)
    >>> scaler.scale(net(paddle.ones([4, 2])).mean()).backward()
    >>> scaler.step(rule); scaler.update()
    >>> scaler.state_dict()
    {}
    """

    def __init__(
        self,
        enable: bool = True,
        init_loss_scaling: float = 2.0**16,
        incr_ratio: float = 2.0,
        decr_ratio: float = 0.5,
        incr_every_n_steps: int = 2000,
        decr_every_n_nan_or_inf: int = 1,
        use_dynamic_loss_scaling: bool = True,
    ) -> None:
        if enable:
            warn_of_no_effect("AmpScaler", 2)
        self._init_loss_scaling = init_loss_scaling
        self._incr_ratio, self._decr_ratio = incr_ratio, decr_ratio
        self._incr_every_n_steps = incr_every_n_steps
        self._decr_every_n_nan_or_inf = decr_every_n_nan_or_inf

    def is_enable(self) -> bool:
        """Whether it scales: never on a CPU."""
        return False

    def is_use_dynamic_loss_scaling(self) -> bool:
        """Whether the scale changes: never on a CPU."""
        return False

    def scale(self, var: Any) -> Any:
        """The loss itself."""
        return var

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: the gradients were not scaled."""

    def step(self, optimizer: Any) -> None:
        """`optimizer.step()`."""
        optimizer.step()

    def update(self) -> None:
        """Nothing: there is no scale to change."""

    def minimize(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.minimize(loss)`."""
        return optimizer.minimize(*args, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Empty, as that of every scaler that is not enabled."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state: one that scales nothing has none."""

    def get_init_loss_scaling(self) -> float:
        return self._init_loss_scaling

    def set_init_loss_scaling(self, new_init_loss_scaling: float) -> None:
        self._init_loss_scaling = new_init_loss_scaling

    def get_incr_ratio(self) -> float:
        return self._incr_ratio

    def set_incr_ratio(self, new_incr_ratio: float) -> None:
        """Raises ValueError for a ratio that does not increase."""
        if not new_incr_ratio > 1.0:
            raise ValueError(f"The new_incr_ratio must be > 1.0, got {new_incr_ratio}")
        self._incr_ratio = new_incr_ratio

    def get_decr_ratio(self) -> float:
        return self._decr_ratio

    def set_decr_ratio(self, new_decr_ratio: float) -> None:
        """Raises ValueError for a ratio that does not decrease."""
        if not new_decr_ratio < 1.0:
            raise ValueError(f"The new_decr_ratio must be < 1.0, got {new_decr_ratio}")
        self._decr_ratio = new_decr_ratio

    def get_incr_every_n_steps(self) -> int:
        return self._incr_every_n_steps

    def set_incr_every_n_steps(self, new_incr_every_n_steps: int) -> None:
        self._incr_every_n_steps = new_incr_every_n_steps

    def get_decr_every_n_nan_or_inf(self) -> int:
        return self._decr_every_n_nan_or_inf

    def set_decr_every_n_nan_or_inf(self, new_decr_every_n_nan_or_inf: int) -> None:
        self._decr_every_n_nan_or_inf = new_decr_every_n_nan_or_inf


AmpScaler = GradScaler
