"""Learning rate schedulers of a straight line, one cycle, many cycles, or warm restarts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise

from .lr_scheduler import LRScheduler


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _linear(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


_ANNEALINGS = {"cos": _cosine, "linear": _linear}


class LinearLR(LRScheduler):
    """lr * start_factor at first, lr * end_factor from step `total_steps` on, a line between."""

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                f"start_factor must be greater than 0 and at most 1, but got {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor must be from 0 to 1, but got {end_factor}")
        if total_steps <= 0:
            raise ValueError(f"total_steps must be greater than 0, but got {total_steps}")
        self.total_steps, self.start_factor, self.end_factor = total_steps, start_factor, end_factor
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        share = min(self.last_epoch, self.total_steps) / self.total_steps
        return self.base_lr * _linear(self.start_factor, self.end_factor, share)


class OneCycleLR(LRScheduler):
    """From max/divide_factor up to max, then down to end_learning_rate (Smith and Topin 2017).

    `three_phase` comes down to max/divide_factor first, in as many steps as it went up. A step past
    `total_steps` raises ValueError.
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        divide_factor: float = 25.0,
        end_learning_rate: float = 0.0001,
        phase_pct: float = 0.3,
        anneal_strategy: str = "cos",
        three_phase: bool = False,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        _check_cycle(max_learning_rate, total_steps, divide_factor, end_learning_rate, phase_pct)
        if three_phase and phase_pct >= 0.5:
            raise ValueError(
                f"When three_phase is True, phase_pct must be less than 0.5, but got {phase_pct}"
            )
        if anneal_strategy not in _ANNEALINGS:
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self._anneal = total_steps, _ANNEALINGS[anneal_strategy]
        initial, top = max_learning_rate / float(divide_factor), phase_pct * total_steps - 1
        if three_phase:
            self._steps = [0.0, top, 2 * top, total_steps - 1.0]
            self._rates = [initial, max_learning_rate, initial, float(end_learning_rate)]
        else:
            self._steps = [0.0, top, total_steps - 1.0]
            self._rates = [initial, max_learning_rate, float(end_learning_rate)]
        super().__init__(initial, last_epoch, verbose)

    def get_lr(self) -> float:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. However the number of total steps is "
                f"{self.total_steps}"
            )
        # The step after the last one goes on along the last phase, as in Paddle.
        phase = min(bisect_left(self._steps[1:], step), len(self._steps) - 2)
        start, end = list(pairwise(self._steps))[phase]
        share = (step - start) / (end - start)
        return self._anneal(self._rates[phase], self._rates[phase + 1], share)


def _check_cycle(top: float, total_steps: int, divisor: float, end: float, share: float) -> None:
    """Refuse settings of OneCycleLR that are of another type or out of range."""
    numbers = {"max_learning_rate": top, "end_learning_rate": end, "divide_factor": divisor}
    for name, value in numbers.items():
        if not isinstance(value, (float, int)):
            raise TypeError(f"{name} must be a float or int, but received {type(value)}")
        if value < 0:
            raise ValueError(f"{name} must not be negative, but received {value}")
    if not isinstance(total_steps, int):
        raise TypeError(f"total_steps must be an int, but received {type(total_steps)}")
    if total_steps <= 0:
        raise ValueError(f"total_steps must be positive, but received {total_steps}")
    if not isinstance(share, float):
        raise TypeError(f"phase_pct must be a float, but received {type(share)}")
    if not 0 <= share <= 1:
        raise ValueError(f"phase_pct must be from 0 to 1, but received {share}")


class CyclicLR(LRScheduler):
    """Up and down between two rates, again and again (Smith 2015).

    The height of a cycle is scaled by `scale_fn`, of the cycle's number (from 1) or of the steps
    since the start; without one by `mode`: not at all (triangular), by half in each cycle
    (triangular2), or by exp_gamma ** steps (exp_range).
    """

    def __init__(
        self,
        base_learning_rate: float,
        max_learning_rate: float,
        step_size_up: int,
        step_size_down: int | None = None,
        mode: str = "triangular",
        exp_gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        for name, size in (("step_size_up", step_size_up), ("step_size_down", step_size_down)):
            if size is not None and not isinstance(size, int):
                raise TypeError(f"The type of {name} must be int, but received {type(size)}")
            if size is not None and size <= 0:
                raise ValueError(f"{name} must be positive, but received {size}")
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"mode must be 'triangular', 'triangular2' or 'exp_range' without a scale_fn, "
                f"got {mode!r}"
            )
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"scale_mode must be 'cycle' or 'iterations', got {scale_mode!r}")
        self.cycle_size = float(step_size_up + (step_size_down or step_size_up))
        self.step_up_pct = step_size_up / self.cycle_size
        self.max_lr, self.amplitude = (
            float(max_learning_rate),
            max_learning_rate - base_learning_rate,
        )
        self.mode, self.gamma, self.scale_fn, self.scale_mode = (
            mode,
            exp_gamma,
            scale_fn,
            scale_mode,
        )
        super().__init__(base_learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        cycle = 1 + self.last_epoch // self.cycle_size
        share = 1 + self.last_epoch / self.cycle_size - cycle
        if share <= self.step_up_pct:
            height = share / self.step_up_pct
        else:
            height = (1 - share) / (1 - self.step_up_pct)
        return self.base_lr + self.amplitude * height * self._scale(cycle)

    def _scale(self, cycle: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "exp_range":
            return float(self.gamma**self.last_epoch)
        return 1.0 if self.mode == "triangular" else float(2.0 ** (1 - cycle))


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from lr to eta_min in T_0 epochs, again in T_0 * T_mult, and so on."""

    def __init__(
        self,
        learning_rate: float,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, float(eta_min)
        super().__init__(learning_rate, last_epoch, verbose)

    def get_lr(self) -> float:
        since, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            since %= length
        while since >= length:
            since, length = since - length, length * self.T_mult
        return _cosine(self.base_lr, self.eta_min, since / length)
