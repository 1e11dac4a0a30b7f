"""Learning rate schedulers: `step()` once per epoch (or batch), call them for the rate.

Each rate is a function of `last_epoch`; those that Paddle defines by recursion keep its recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor


class LRScheduler:
    """The base: subclasses define get_lr() in terms of self.last_epoch, self.base_lr and
    self.last_lr.

    >>> scheduler = StepDecay(1.0, step_size=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates.append(scheduler())
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.1, 0.1]
    """

    # What else belongs to the state.
    keys: Sequence[str] = ()

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
        return self.last_lr

    def get_lr(self) -> float:
        """The rate at self.last_epoch."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr")

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to the one given."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.last_lr = self.get_lr() if epoch is None else self._get_closed(epoch)
        if self.verbose:
            print(
                f"Epoch {self.last_epoch}: {type(self).__name__} set learning rate to "
                f"{self.last_lr}."
            )

    def _get_closed(self, epoch: int) -> float:
        closed: Callable[[], float] = getattr(self, "_get_closed_form_lr", self.get_lr)
        return closed()

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: last_epoch, last_lr and the scheduler's own numbers."""
        return {key: getattr(self, key) for key in ("last_epoch", "last_lr", *self.keys)}

    def set_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave. Raises RuntimeError for a missing key."""
        for key in ("last_epoch", "last_lr", *self.keys):
            if key not in state_dict:
                raise RuntimeError(
                    f"Please check whether state_dict is correct for optimizer. Can't find [ "
                    f"{key} ] in state_dict"
                )
            setattr(self, key, state_dict[key])

    set_dict = set_state_dict


class NoamDecay(LRScheduler):
    """learning_rate * d_model^-0.5 * min(epoch^-0.5, epoch * warmup_steps^-1.5)."""

    def __init__(self, d_model: int, warmup_steps: int, learning_rate: float = 1.0,
    last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if d_model <= 0 or warmup_steps <= 0:
            raise ValueError("d_model and warmup_steps should be grater than 0")
        self.d_model, self.warmup_steps = d_model, warmup_steps
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        falling = 1.0 if self.last_epoch == 0 else self.last_epoch**-0.5
        rising = self.warmup_steps**-1.5 * self.last_epoch
        return float(self.base_lr * self.d_model**-0.5 * min(falling, rising))


class PiecewiseDecay(LRScheduler):
    """values[i] before boundaries[i], the last value after the last boundary."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"needs one value more than boundaries, got {len(values)} and {len(boundaries)}"
            )
        self.boundaries, self.values = list(boundaries), list(values)
        super().__init__(last_epoch=last_epoch, verbose=verbose)

    def get_lr(self) -> float:
        for boundary, value in zip(self.boundaries, self.values, strict=False):
            if self.last_epoch < boundary:
                return value
        return self.values[-1]


class NaturalExpDecay(LRScheduler):
    """learning_rate * exp(-gamma * epoch)."""

    def __init__(
        self, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
    ) -> None:
        self.gamma = gamma
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        return self.base_lr * math.exp(-self.gamma * self.last_epoch)


class InverseTimeDecay(LRScheduler):
    """learning_rate / (1 + gamma * epoch)."""

    def __init__(
        self, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
    ) -> None:
        self.gamma = gamma
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        return self.base_lr / (1 + self.gamma * self.last_epoch)


class ExponentialDecay(LRScheduler):
    """learning_rate * gamma^epoch."""

    def __init__(
        self, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
    ) -> None:
        if not 0.0 < gamma < 1.0:
            raise ValueError(f"gamma must be in (0, 1), got {gamma}")
        self.gamma = gamma
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        return float(self.base_lr * self.gamma**self.last_epoch)


class PolynomialDecay(LRScheduler):
    """(learning_rate - end_lr) * (1 - epoch / decay_steps)^power + end_lr; `cycle` begins anew."""

    def __init__(
        self, learning_rate: float, decay_steps: int, end_lr: float = 0.0001, power: float = 1.0,
        cycle: bool = False, last_epoch: int = -1, verbose: bool = False,
    ) -> None:  # fmt: skip
        if decay_steps <= 0 or power <= 0:
            raise ValueError(f"decay_steps and power must be > 0, got {decay_steps} and {power}")
        self.decay_steps, self.end_lr, self.power, self.cycle = decay_steps, end_lr, power, cycle
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        steps, epoch = float(self.decay_steps), float(self.last_epoch)
        if self.cycle:
            steps *= max(1.0, math.ceil(epoch / steps))
        else:
            epoch = min(epoch, steps)
        return float((self.base_lr - self.end_lr) * (1 - epoch / steps) ** self.power + self.end_lr)


class LinearWarmup(LRScheduler):
    """From start_lr to end_lr in warmup_steps, then `learning_rate`: a number or another
    scheduler.
    """

    def __init__(
        self, learning_rate: float | LRScheduler, warmup_steps: int, start_lr: float, end_lr: float,
        last_epoch: int = -1, verbose: bool = False,
    ) -> None:  # fmt: skip
        if not isinstance(learning_rate, (int, float, LRScheduler)):
            raise TypeError(
                f"learning_rate must be a number or a LRScheduler, got {type(learning_rate)}"
            )
        if end_lr <= start_lr:
            raise ValueError(f"end_lr {end_lr} must be greater than start_lr {start_lr}")
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.start_lr, self.end_lr = start_lr, end_lr
        super().__init__(start_lr, last_epoch, verbose)

    def get_lr(self) -> float:
        if self.last_epoch < self.warmup_steps:
            share = self.last_epoch / float(self.warmup_steps)
            return (self.end_lr - self.start_lr) * share + self.start_lr
        if isinstance(self.learning_rate, LRScheduler):
            self.learning_rate.step(self.last_epoch - self.warmup_steps)
            return self.learning_rate()
        return float(self.learning_rate)

    def state_dict(self) -> dict[str, Any]:
        found = super().state_dict()
        if isinstance(self.learning_rate, LRScheduler):
            found["LinearWarmup_LR"] = self.learning_rate.state_dict()
        return found

    def set_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().set_state_dict(state_dict)
        if isinstance(self.learning_rate, LRScheduler):
            self.learning_rate.set_state_dict(state_dict["LinearWarmup_LR"])

    set_dict = set_state_dict


class StepDecay(LRScheduler):
    """learning_rate * gamma^(epoch // step_size)."""

    def __init__(self, learning_rate: float, step_size: int, gamma: float = 0.1,
    last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if not isinstance(step_size, int):
            raise TypeError(
                f"The type of 'step_size' must be 'int', but received {type(step_size)}."
            )
        if gamma >= 1.0:
            raise ValueError("gamma should be < 1.0.")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        return float(self.base_lr * self.gamma ** (self.last_epoch // self.step_size))


class MultiStepDecay(LRScheduler):
    """learning_rate * gamma^(number of milestones passed)."""

    def __init__(self, learning_rate: float, milestones: Sequence[int], gamma: float = 0.1,
                 last_epoch: int = -1, verbose: bool = False) -> None:  # fmt: skip
        if list(milestones) != sorted(set(milestones)):
            raise ValueError(f"The elements of milestones must be incremented, got {milestones}")
        if gamma >= 1.0:
            raise ValueError("gamma should be < 1.0.")
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        passed = sum(self.last_epoch >= milestone for milestone in self.milestones)
        return float(self.base_lr * self.gamma**passed)


class LambdaDecay(LRScheduler):
    """learning_rate * lr_lambda(epoch)."""

    def __init__(self, learning_rate: float, lr_lambda: Callable[[int], float],
    last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if not callable(lr_lambda):
            raise TypeError(f"lr_lambda must be a function, got {type(lr_lambda)}")
        self.lr_lambda = lr_lambda
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        return self.base_lr * self.lr_lambda(self.last_epoch)


class MultiplicativeDecay(LRScheduler):
    """learning_rate times lr_lambda(1), lr_lambda(2), ... lr_lambda(epoch)."""

    def __init__(self, learning_rate: float, lr_lambda: Callable[[int], float],
    last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if not callable(lr_lambda):
            raise TypeError(f"lr_lambda must be a function, got {type(lr_lambda)}")
        self.lr_lambda = lr_lambda
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        rate = self.base_lr
        for epoch in range(1, self.last_epoch + 1):
            rate *= self.lr_lambda(epoch)
        return rate


class CosineAnnealingDecay(LRScheduler):
    """From learning_rate to eta_min along half a cosine in T_max epochs, and back."""

    def __init__(self, learning_rate: float, T_max: int, eta_min: float = 0, last_epoch: int = -1,
                 verbose: bool = False) -> None:  # fmt: skip
        if T_max <= 0:
            raise ValueError(f"T_max must be > 0, got {T_max}")
        self.T_max, self.eta_min = T_max, float(eta_min)
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        if self.last_epoch == 0:
            return self.base_lr
        spread, turn = self.base_lr - self.eta_min, math.pi / self.T_max
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            return self.last_lr + spread * (1 - math.cos(turn)) / 2
        now, before = (
            1 + math.cos(turn * self.last_epoch),
            1 + math.cos(turn * (self.last_epoch - 1)),
        )
        return now / before * (self.last_lr - self.eta_min) + self.eta_min

    def _get_closed_form_lr(self) -> float:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (self.base_lr - self.eta_min) * share


class LinearLR(LRScheduler):
    """From learning_rate * start_factor to learning_rate * end_factor in total_steps."""

    def __init__(
        self, learning_rate: float, total_steps: int, start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        last_epoch: int = -1, verbose: bool = False,
    ) -> None:  # fmt: skip
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1 or total_steps <= 0:
            raise ValueError(
                f"needs factors in (0, 1] and total_steps > 0, got {start_factor}, "
                f"{end_factor}, {total_steps}"
            )
        self.total_steps, self.start_factor, self.end_factor = total_steps, start_factor, end_factor
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        share = min(self.last_epoch, self.total_steps) / self.total_steps
        return self.base_lr * (self.start_factor + (self.end_factor - self.start_factor) * share)


class OneCycleLR(LRScheduler):
    """Up from max / divide_factor to max_learning_rate in phase_pct of the steps, then down to the
    end.
    """

    def __init__(
        self, max_learning_rate: float, total_steps: int, divide_factor: float = 25.0,
        end_learning_rate: float = 0.0001, phase_pct: float = 0.3, anneal_strategy: str = "cos",
        three_phase: bool = False, last_epoch: int = -1, verbose: bool = False,
    ) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"'anneal_strategy' must by one of 'cos' or 'linear', got {anneal_strategy!r}"
            )
        first, up = max_learning_rate / float(divide_factor), phase_pct * total_steps - 1
        rest: list[tuple[float, float]] = [(float(total_steps - 1), end_learning_rate)]
        if three_phase:
            rest = [(2 * phase_pct * total_steps - 2, first), *rest]
        # (last step of the phase, the rate there), after the rate at the start.
        self._phases = [(0.0, first), (float(up), float(max_learning_rate)), *rest]
        self.total_steps, self._linear = total_steps, anneal_strategy == "linear"
        super().__init__(first, last_epoch, verbose)

    def get_lr(self) -> float:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"step {self.last_epoch} lies behind the {self.total_steps} steps of OneCycleLR"
            )
        for (begin, low), (end, high) in zip(self._phases, self._phases[1:], strict=False):
            if self.last_epoch <= end or end == self._phases[-1][0]:
                share = (self.last_epoch - begin) / (end - begin)
                if self._linear:
                    return (high - low) * share + low
                return high + (low - high) / 2.0 * (math.cos(math.pi * share) + 1)
        return self._phases[-1][1]


class ReduceOnPlateau(LRScheduler):
    """Multiply the rate by `factor` when `patience` epochs have brought no better metric."""

    keys = ("cooldown_counter", "best", "num_bad_epochs")

    def __init__(
        self, learning_rate: float, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float = 0,
        epsilon: float = 1e-8, verbose: bool = False,
    ) -> None:  # fmt: skip
        if mode.lower() not in ("min", "max") or threshold_mode.lower() not in ("rel", "abs"):
            raise ValueError(
                f"mode is 'min' or 'max', threshold_mode 'rel' or 'abs', got {mode}, "
                f"{threshold_mode}"
            )
        if factor >= 1.0:
            raise ValueError("new_lr = origin_lr * gamma and gamma should be < 1.0.")
        self.mode, self.factor, self.patience = mode.lower(), factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode.lower()
        self.cooldown, self.min_lr, self.epsilon, self.verbose = cooldown, min_lr, epsilon, verbose
        self.base_lr = self.last_lr = float(learning_rate)
        self.last_epoch, self.cooldown_counter, self.num_bad_epochs = 0, 0, 0
        self.best: float | None = None

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take the metric of an epoch into account."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        metric = float(metrics.item() if isinstance(metrics, Tensor) else metrics)
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            return
        if self.best is None or self._better(metric, self.best):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            reduced = max(self.last_lr * self.factor, self.min_lr)
            if self.last_lr - reduced > self.epsilon:
                self.last_lr = reduced

    def _better(self, current: float, best: float) -> bool:
        margin = best * self.threshold if self.threshold_mode == "rel" else self.threshold
        return current < best - margin if self.mode == "min" else current > best + margin


__all__ = [
    "CosineAnnealingDecay", "ExponentialDecay", "InverseTimeDecay", "LRScheduler", "LambdaDecay",
    "LinearLR",
    "LinearWarmup", "MultiStepDecay", "MultiplicativeDecay", "NaturalExpDecay", "NoamDecay",
    "OneCycleLR",
    "PiecewiseDecay", "PolynomialDecay", "ReduceOnPlateau", "StepDecay",
]  # fmt: skip
