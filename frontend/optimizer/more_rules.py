"""Further optimizers: Adamax, Adadelta, Lamb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..tensor import Parameter
from .lr import LRScheduler
from .optimizer import Optimizer
from .rules import Adam


class Adamax(Optimizer):
    """moment = beta1 moment + (1 - beta1) g; norm = max(|g|, beta2 norm + epsilon);
    param -= lr / (1 - beta1^t) * moment / norm."""

    scalars: ClassVar[frozenset[str]] = frozenset({"beta1_pow_acc"})

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._beta1, self._beta2, self._epsilon = float(beta1), float(beta2), float(epsilon)
        self.accumulators = {"moment": 0.0, "inf_norm": 0.0, "beta1_pow_acc": self._beta1}


class Adadelta(Optimizer):
    """param -= lr g sqrt(mean squared step + epsilon) / sqrt(mean squared g + epsilon)."""

    accumulators = {"_avg_squared_grad": 0.0, "_avg_squared_update": 0.0}

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        epsilon: float = 1e-6,
        rho: float = 0.95,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._epsilon, self._rho = float(epsilon), float(rho)


class Lamb(Adam):
    """Adam's direction plus decay, scaled for each parameter by |param| / |direction|."""

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        lamb_weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        parameters: Sequence[Any] | None = None,
        grad_clip: Any = None,
        exclude_from_weight_decay_fn: Callable[[Parameter], bool] | None = None,
        multi_precision: bool = False,
        always_adapt: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate, beta1, beta2, epsilon, parameters, None, grad_clip, name=name
        )
        self._coefficient, self._always_adapt = float(lamb_weight_decay), always_adapt
        self._excluded = exclude_from_weight_decay_fn
