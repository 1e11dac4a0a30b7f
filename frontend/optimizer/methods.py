"""The update rules, with Paddle's formulas: where epsilon stands, and what is decayed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..regularizer import Regularizer
from ..tensor import Array, Parameter
from .optimizer import Group, Optimizer


class SGD(Optimizer):
    """param -= lr * grad.

    >>> import wherry as paddle
    >>> net = paddle.nn.Linear(1, 1)
    >>> sgd = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    >>> net(paddle.ones([1, 1])).sum().backward()
    >>> sgd.step(); sgd.clear_grad(); round(net.bias.item(), 4)
    -0.1
    """

    def __init__(
        self, learning_rate: Any = 0.001, parameters: Any = None, weight_decay: Any = None,
        grad_clip: Any = None, multi_precision: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        param.array -= grad * grad.dtype.type(rate)


class Momentum(Optimizer):
    """velocity = momentum * velocity + grad; param -= lr * velocity.

    With use_nesterov param -= lr * (grad + momentum * velocity).
    """

    accumulators = {"velocity": 0.0}

    def __init__(
        self, learning_rate: Any = 0.001, momentum: float = 0.9, parameters: Any = None,
        use_nesterov: bool = False, weight_decay: Any = None, grad_clip: Any = None,
        multi_precision: bool = False, rescale_grad: float = 1.0, use_multi_tensor: bool = False,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._momentum, self._use_nesterov = float(momentum), use_nesterov
        self._rescale_grad = float(rescale_grad)

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        velocity = self.state(param, "velocity")
        if self._rescale_grad != 1.0:
            grad = grad * of(self._rescale_grad)
        velocity *= of(self._momentum)
        velocity += grad
        step = grad + of(self._momentum) * velocity if self._use_nesterov else velocity
        param.array -= of(rate) * step


class Adam(Optimizer):
    """Moments of the gradient with bias correction.

    lr_t = lr * sqrt(1 - beta2^t) / (1 - beta1^t);
    param -= lr_t * moment1 / (sqrt(moment2) + epsilon * sqrt(1 - beta2^t)).
    """

    accumulators = {"moment1": 0.0, "moment2": 0.0, "beta1_pow_acc": 0.0, "beta2_pow_acc": 0.0}

    def __init__(
        self, learning_rate: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999,
        epsilon: float = 1e-08,
        parameters: Any = None, weight_decay: Any = None, grad_clip: Any = None,
        lazy_mode: bool = False,
        multi_precision: bool = False, use_multi_tensor: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        for what, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= float(beta) < 1:
                raise ValueError(f"Invaild value of {what}, expect {what} in [0,1).")
        if epsilon < 0:
            raise ValueError("Invaild value of epsilon, expect epsilon >= 0.")
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._beta1, self._beta2, self._epsilon = float(beta1), float(beta2), float(epsilon)
        self.accumulators = {
            **Adam.accumulators,
            "beta1_pow_acc": self._beta1,
            "beta2_pow_acc": self._beta2,
        }

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        first, second = self.state(param, "moment1"), self.state(param, "moment2")
        power1, power2 = self.state(param, "beta1_pow_acc"), self.state(param, "beta2_pow_acc")
        _blend(first, grad, self._beta1)
        _blend(second, grad * grad, self._beta2)
        correction = math.sqrt(1 - float(power2[0]))
        step = np.sqrt(second)
        step += of(self._epsilon * correction)
        np.divide(first, step, out=step)
        step *= of(rate * correction / (1 - float(power1[0])))
        param.array -= step
        power1 *= of(self._beta1)
        power2 *= of(self._beta2)


def _blend(kept: Array, new: Array, beta: float) -> None:
    """kept = beta * kept + (1 - beta) * new, in place."""
    kept *= kept.dtype.type(beta)
    kept += kept.dtype.type(1 - beta) * new


class AdamW(Adam):
    """Adam with decoupled decay: param *= 1 - lr * weight_decay before the step.

    apply_decay_param_fun(name) False leaves a parameter undecayed; lr_ratio(param) scales its rate.
    """

    def __init__(
        self, learning_rate: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999,
        epsilon: float = 1e-08,
        parameters: Any = None, weight_decay: Any = 0.01, lr_ratio: Callable[[Any],
        float] | None = None,
        apply_decay_param_fun: Callable[[str], bool] | None = None, grad_clip: Any = None,
        lazy_mode: bool = False, multi_precision: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            learning_rate, beta1, beta2, epsilon, parameters, None, grad_clip, name=name
        )
        self._coeff = float(getattr(weight_decay, "coeff", weight_decay))
        self._lr_ratio, self._decays = lr_ratio, apply_decay_param_fun

    def group_regularizer(self, group: Group) -> Regularizer | None:
        return None

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        if self._lr_ratio is not None:
            rate *= self._lr_ratio(param)
        if self._decays is None or self._decays(param.name):
            coeff = self._coeff if group.weight_decay is None else group.weight_decay
            param.array *= param.array.dtype.type(1 - rate * float(getattr(coeff, "coeff", coeff)))
        super().update(param, grad, rate, group)


class Adamax(Optimizer):
    """moment = blend(grad); inf_norm = max(|grad|, beta2 * inf_norm + epsilon);
    param -= lr / (1 - beta1^t) * moment / inf_norm."""

    accumulators = {"moment": 0.0, "inf_norm": 0.0, "beta1_pow_acc": 0.0}

    def __init__(
        self, learning_rate: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999,
        epsilon: float = 1e-08,
        parameters: Any = None, weight_decay: Any = None, grad_clip: Any = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._beta1, self._beta2, self._epsilon = float(beta1), float(beta2), float(epsilon)
        self.accumulators = {**Adamax.accumulators, "beta1_pow_acc": self._beta1}

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        moment, norm = self.state(param, "moment"), self.state(param, "inf_norm")
        power = self.state(param, "beta1_pow_acc")
        _blend(moment, grad, self._beta1)
        np.maximum(np.abs(grad), of(self._beta2) * norm + of(self._epsilon), out=norm)
        param.array -= of(rate / (1 - float(power[0]))) * (moment / norm)
        power *= of(self._beta1)


class Adagrad(Optimizer):
    """moment += grad^2; param -= lr * grad / (sqrt(moment) + epsilon)."""

    accumulators = {"moment": 0.0}

    def __init__(
        self, learning_rate: Any, epsilon: float = 1e-06, parameters: Any = None,
        weight_decay: Any = None,
        grad_clip: Any = None, name: str | None = None, initial_accumulator_value: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._epsilon = float(epsilon)
        self.accumulators = {"moment": float(initial_accumulator_value)}

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        moment = self.state(param, "moment")
        moment += grad * grad
        param.array -= of(rate) * grad / (np.sqrt(moment) + of(self._epsilon))


class Adadelta(Optimizer):
    """update = grad * sqrt(mean of squared updates + epsilon) / sqrt(mean of squared gradients +
    epsilon).
    """

    accumulators = {"_avg_squared_grad": 0.0, "_avg_squared_update": 0.0}

    def __init__(
        self, learning_rate: Any = 0.001, epsilon: float = 1e-06, rho: float = 0.95,
        parameters: Any = None,
        weight_decay: Any = None, grad_clip: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._epsilon, self._rho = float(epsilon), float(rho)

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        squares = self.state(param, "_avg_squared_grad")
        updates = self.state(param, "_avg_squared_update")
        _blend(squares, grad * grad, self._rho)
        epsilon = of(self._epsilon)
        step = np.sqrt((updates + epsilon) / (squares + epsilon)) * grad
        _blend(updates, step * step, self._rho)
        param.array -= of(rate) * step


class RMSProp(Optimizer):
    """The gradient over the root of its mean square; epsilon stands under the root.

    `centered` subtracts the square of the mean gradient; `momentum` smooths the steps.
    """

    accumulators = {"momentum": 0.0, "mean_square": 0.0, "mean_grad": 0.0}

    def __init__(
        self, learning_rate: Any, rho: float = 0.95, epsilon: float = 1e-06, momentum: float = 0.0,
        centered: bool = False, parameters: Any = None, weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._rho, self._epsilon = float(rho), float(epsilon)
        self._momentum, self._centered = float(momentum), centered

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        momentum, square = self.state(param, "momentum"), self.state(param, "mean_square")
        mean = self.state(param, "mean_grad")
        _blend(square, grad * grad, self._rho)
        under = square + of(self._epsilon)
        if self._centered:
            _blend(mean, grad, self._rho)
            under -= mean * mean
        momentum *= of(self._momentum)
        momentum += of(rate) * grad / np.sqrt(under)
        param.array -= momentum


class Lamb(Optimizer):
    """Adam's direction plus decay, scaled for each parameter by |param| / |direction|."""

    accumulators = {"moment1": 0.0, "moment2": 0.0, "beta1_pow_acc": 0.0, "beta2_pow_acc": 0.0}

    def __init__(
        self, learning_rate: Any = 0.001, lamb_weight_decay: float = 0.01, beta1: float = 0.9,
        beta2: float = 0.999, epsilon: float = 1e-06, parameters: Any = None, grad_clip: Any = None,
        exclude_from_weight_decay_fn: Callable[[Any], bool] | None = None,
        multi_precision: bool = False,
        always_adapt: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(learning_rate, parameters, None, grad_clip, name)
        self._decay, self._beta1, self._beta2 = float(lamb_weight_decay), float(beta1), float(beta2)
        self._epsilon, self._excluded = float(epsilon), exclude_from_weight_decay_fn
        self._always_adapt = always_adapt
        self.accumulators = {
            **Lamb.accumulators,
            "beta1_pow_acc": self._beta1,
            "beta2_pow_acc": self._beta2,
        }

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        of = grad.dtype.type
        first, second = self.state(param, "moment1"), self.state(param, "moment2")
        power1, power2 = self.state(param, "beta1_pow_acc"), self.state(param, "beta2_pow_acc")
        _blend(first, grad, self._beta1)
        _blend(second, grad * grad, self._beta2)
        decay = 0.0 if self._excluded is not None and self._excluded(param) else self._decay
        direction = first / of(1 - float(power1[0]))
        direction /= np.sqrt(second / of(1 - float(power2[0]))) + of(self._epsilon)
        direction += of(decay) * param.array
        adapts = decay or self._always_adapt
        size, length = np.linalg.norm(param.array), np.linalg.norm(direction)
        ratio = float(size / length) if adapts and size > 0 and length > 0 else 1.0
        param.array -= of(rate * ratio) * direction
        power1 *= of(self._beta1)
        power2 *= of(self._beta2)
