"""Further optimizers: Adamax, Adadelta, Lamb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..tensor import Array, Parameter
from .lr import LRScheduler
from .optimizer import Group, Optimizer
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

    def update(self, param: Parameter, grad: Array, lr: float, group: Group) -> None:
        of = param.array.dtype.type
        moment, norm = self.state_of(param, "moment"), self.state_of(param, "inf_norm")
        power = self.state_of(param, "beta1_pow_acc")
        moment *= of(self._beta1)
        moment += of(1 - self._beta1) * grad
        np.maximum(np.abs(grad), of(self._beta2) * norm + of(self._epsilon), out=norm)
        param.array -= of(lr / (1 - float(power[0]))) * (moment / norm)
        power *= of(self._beta1)


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

    def update(self, param: Parameter, grad: Array, lr: float, group: Group) -> None:
        of = param.array.dtype.type
        squares = self.state_of(param, "_avg_squared_grad")
        steps = self.state_of(param, "_avg_squared_update")
        keep, take, epsilon = of(self._rho), of(1 - self._rho), of(self._epsilon)
        squares *= keep
        squares += take * grad * grad
        step = np.sqrt((steps + epsilon) / (squares + epsilon)) * grad
        steps *= keep
        steps += take * step * step
        param.array -= of(lr) * step


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

    def update(self, param: Parameter, grad: Array, lr: float, group: Group) -> None:
        of = param.array.dtype.type
        first, second = self.state_of(param, "moment1"), self.state_of(param, "moment2")
        for kept, new, beta in ((first, grad, self._beta1), (second, grad * grad, self._beta2)):
            kept *= of(beta)
            kept += of(1 - beta) * new
        direction = first / of(self._correction(param, "beta1_pow_acc", self._beta1))
        root = np.sqrt(second / of(self._correction(param, "beta2_pow_acc", self._beta2)))
        direction /= root + of(self._epsilon)
        excluded = self._excluded is not None and self._excluded(param)
        decay = 0.0 if excluded else self._coefficient
        direction += of(decay) * param.array
        size, length = np.linalg.norm(param.array), np.linalg.norm(direction)
        adapts = (decay or self._always_adapt) and size > 0 and length > 0
        param.array -= of(lr * float(size / length) if adapts else lr) * direction
