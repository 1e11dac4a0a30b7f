"""The optimizers: each a rule that changes a parameter by its gradient, in Paddle's formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from wherry.regularizer import Regularizer
from wherry.tensor import Parameter

from .lr import LRScheduler
from .optimizer import Group, Optimizer


class SGD(Optimizer):
    """param -= lr * grad.

    >>> import wherry as paddle
    >>> net = paddle.nn.Linear(2, 1)
    >>> sgd = SGD(learning_rate=0.1, parameters=net.parameters())
    >>> net(paddle.ones([4, 2])).mean().backward()
    >>> sgd.step(); sgd.clear_grad()
    """

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        multi_precision: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)


class Momentum(Optimizer):
    """velocity = momentum * velocity + grad; param -= lr * velocity.

    With `use_nesterov`, param -= lr * (grad + momentum * velocity).
    """

    accumulators = {"velocity": 0.0}

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        momentum: float = 0.9,
        parameters: Sequence[Any] | None = None,
        use_nesterov: bool = False,
        weight_decay: Any = None,
        grad_clip: Any = None,
        multi_precision: bool = False,
        rescale_grad: float = 1.0,
        use_multi_tensor: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._momentum, self._nesterov = float(momentum), bool(use_nesterov)
        self._rescale = float(rescale_grad)


class Adam(Optimizer):
    """Moving averages of gradient and squared gradient (Kingma and Ba 2014), in Paddle's form.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    param -= lr sqrt(c2) / c1 * m / (sqrt(v) + epsilon sqrt(c2))
    with c1 = 1 - beta1^t and c2 = 1 - beta2^t.
    """

    scalars: ClassVar[frozenset[str]] = frozenset({"beta1_pow_acc", "beta2_pow_acc"})

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        lazy_mode: bool = False,
        multi_precision: bool = False,
        use_multi_tensor: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        for label, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= float(beta) < 1:
                raise ValueError(f"Invalid value of {label}, expect {label} in [0,1), got {beta}")
        self._beta1, self._beta2, self._epsilon = float(beta1), float(beta2), float(epsilon)
        self.accumulators = {
            "moment1": 0.0,
            "moment2": 0.0,
            "beta1_pow_acc": self._beta1,
            "beta2_pow_acc": self._beta2,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay: param *= 1 - lr * weight_decay before each step.

    `apply_decay_param_fun(name)` says which parameters decay; `lr_ratio(param)` scales their rate.
    """

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        parameters: Sequence[Any] | None = None,
        weight_decay: float = 0.01,
        lr_ratio: Callable[[Parameter], float] | None = None,
        apply_decay_param_fun: Callable[[str], bool] | None = None,
        grad_clip: Any = None,
        lazy_mode: bool = False,
        multi_precision: bool = False,
        name: str | None = None,
    ) -> None:
        if not isinstance(weight_decay, float):
            raise TypeError(f"weight_decay should be float, got {type(weight_decay).__name__}")
        super().__init__(
            learning_rate, beta1, beta2, epsilon, parameters, weight_decay, grad_clip, name=name
        )
        self._ratio, self._decays = lr_ratio, apply_decay_param_fun

    def penalty(self, param: Parameter, group: Group) -> Regularizer | None:
        # The decay is not part of the gradient; a regularizer of the parameter's own still is.
        own: Regularizer | None = param.regularizer
        return own


class Adagrad(Optimizer):
    """moment += grad^2; param -= lr * grad / (sqrt(moment) + epsilon)."""

    accumulators = {"moment": 0.0}

    def __init__(
        self,
        learning_rate: float | LRScheduler,
        epsilon: float = 1e-6,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
        initial_accumulator_value: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._epsilon = float(epsilon)
        self.accumulators = {"moment": float(initial_accumulator_value)}


class RMSProp(Optimizer):
    """Divides by the root of a moving average of the squared gradient (`centered`: its variance).

    s = rho s + (1 - rho) g^2; w = momentum w + lr g / sqrt(s + epsilon); param -= w.
    """

    accumulators = {"momentum": 0.0, "mean_square": 0.0, "mean_grad": 0.0}

    def __init__(
        self,
        learning_rate: float | LRScheduler,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        momentum: float = 0.0,
        centered: bool = False,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, parameters, weight_decay, grad_clip, name)
        self._rho, self._epsilon = float(rho), float(epsilon)
        self._momentum, self._centered = float(momentum), bool(centered)
