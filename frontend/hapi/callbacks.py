"""What happens around the steps of `paddle.Model`: `paddle.callbacks`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ..optimizer import lr
from .progress import ProgBarLogger

EVENTS = ("begin", "end")
MODES = ("train", "eval", "predict")


class Callback:
    """A base of callbacks, whose methods do nothing: a subclass writes those that it needs.

    `self.model` is the Model, `self.params` its settings ("epochs", "steps", "verbose", "metrics").

    >>> import wherry as paddle
    >>> class Stop(paddle.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None): self.model.stop_training = epoch == 2
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    def on_train_begin(self, logs: Any = None) -> None: ...
    def on_train_end(self, logs: Any = None) -> None: ...
    def on_eval_begin(self, logs: Any = None) -> None: ...
    def on_eval_end(self, logs: Any = None) -> None: ...
    def on_predict_begin(self, logs: Any = None) -> None: ...
    def on_predict_end(self, logs: Any = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...
    def on_train_batch_begin(self, step: int, logs: Any = None) -> None: ...
    def on_train_batch_end(self, step: int, logs: Any = None) -> None: ...
    def on_eval_batch_begin(self, step: int, logs: Any = None) -> None: ...
    def on_eval_batch_end(self, step: int, logs: Any = None) -> None: ...
    def on_predict_batch_begin(self, step: int, logs: Any = None) -> None: ...
    def on_predict_batch_end(self, step: int, logs: Any = None) -> None: ...


class CallbackList:
    """Several callbacks as one."""

    def __init__(self, callbacks: list[Any], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = callbacks
        for callback in callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def __call__(self, event: str, *arguments: Any) -> None:
        """Call the method on_<event> of each."""
        for callback in self.callbacks:
            getattr(callback, f"on_{event}")(*arguments)


class ModelCheckpoint(Callback):
    """Saves the model after each `save_freq` epochs as save_dir/<epoch>, at the end as "final"."""

    def __init__(self, save_freq: int = 1, save_dir: str | None = None) -> None:
        super().__init__()
        self.save_freq, self.save_dir = save_freq, save_dir
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def _save(self, name: str) -> None:
        assert self.save_dir is not None
        path = os.path.join(self.save_dir, name)
        print(f"save checkpoint at {os.path.abspath(path)}")
        self.model.save(path)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_dir and self.epoch % self.save_freq == 0:
            self._save(str(epoch))

    def on_train_end(self, logs: Any = None) -> None:
        if self.save_dir:
            self._save("final")


class LRScheduler(Callback):
    """Steps the scheduler of the optimizer's learning rate, after each batch or each epoch."""

    def __init__(self, by_step: bool = True, by_epoch: bool = False) -> None:
        super().__init__()
        if by_step and by_epoch:
            raise ValueError("by_step option is mutually exclusive with by_epoch")
        self.by_step, self.by_epoch = by_step, by_epoch

    def _step(self) -> None:
        optimizer = self.model._optimizer
        rate = getattr(optimizer, "_learning_rate", None)
        if isinstance(rate, lr.LRScheduler):
            rate.step()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.by_epoch:
            self._step()

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        if self.by_step:
            self._step()


class _Watching(Callback):
    """A callback that watches one number of the evaluation and knows whether it got better."""

    better: Callable[[Any, Any], Any]
    best: float

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        super().__init__()
        self.monitor = monitor
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is one of auto, min, max, got {mode!r}")
        rising = mode == "max" or (mode == "auto" and "acc" in monitor)
        self.better = np.greater if rising else np.less
        self.min_delta = abs(min_delta) if rising else -abs(min_delta)
        self.worst = -np.inf if rising else np.inf

    def watched(self, logs: Any) -> float | None:
        """The number, or None where the logs have none of that name."""
        if not logs or self.monitor not in logs:
            return None
        value = logs[self.monitor]
        return float(value[0] if isinstance(value, (list, tuple)) else value)

    def improved(self, value: float) -> bool:
        return bool(self.better(value - self.min_delta, self.best))


class EarlyStopping(_Watching):
    """Stops training when a number of the evaluation has not got better for `patience` epochs.

    With `save_best_model` (and a save_dir in `fit`) the best model is kept as "best_model".
    """

    def __init__(
        self, monitor: str = "loss", mode: str = "auto", patience: int = 0, verbose: int = 1,
        min_delta: float = 0, baseline: float | None = None, save_best_model: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.save_best_model, self.save_dir = save_best_model, None
        self.wait_epoch = self.stopped_epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.wait_epoch = 0
        self.best = self.worst if self.baseline is None else self.baseline

    def on_eval_end(self, logs: Any = None) -> None:
        value = self.watched(logs)
        if value is None:
            return
        if self.improved(value):
            self.best, self.wait_epoch = value, 0
            if self.save_best_model and self.save_dir is not None:
                self.model.save(os.path.join(self.save_dir, "best_model"))
        else:
            self.wait_epoch += 1
        if self.wait_epoch >= self.patience:
            self.model.stop_training = True
            if self.verbose > 0:
                print(f"Epoch {self.stopped_epoch + 1}: Early stopping.")
                if self.save_best_model and self.save_dir is not None:
                    path = os.path.abspath(os.path.join(self.save_dir, "best_model"))
                    print(f"Best checkpoint has been saved at {path}")
        self.stopped_epoch += 1


class ReduceLROnPlateau(_Watching):
    """Multiplies the learning rate by `factor` when a number of the evaluation has not got better
    for `patience` epochs; rests for `cooldown` epochs after it, and stops at `min_lr`."""

    def __init__(
        self, monitor: str = "loss", factor: float = 0.1, patience: int = 10, verbose: int = 1,
        mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ValueError("ReduceLROnPlateau does not support a factor >= 1.0.")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.best, self.wait, self.resting = self.worst, 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_eval_end(self, logs: Any = None) -> None:
        value = self.watched(logs)
        if value is None:
            return
        if self.resting > 0:
            self.resting, self.wait = self.resting - 1, 0
        if self.improved(value):
            self.best, self.wait = value, 0
        elif self.resting <= 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce()
                self.resting, self.wait = self.cooldown, 0

    def _reduce(self) -> None:
        optimizer = self.model._optimizer
        rate = optimizer.get_lr()
        if rate <= self.min_lr:
            return
        optimizer.set_lr(max(rate * self.factor, self.min_lr))
        if self.verbose > 0:
            print(
                f"\nEpoch {self.epoch + 1}: ReduceLROnPlateau reducing learning rate to "
                f"{optimizer.get_lr()}."
            )


def config_callbacks(
    callbacks: Any, model: Any, *, log_freq: int, verbose: int, save_freq: int = 1,
    save_dir: str | None = None, **params: Any,
) -> CallbackList:  # fmt: skip
    """The callbacks that were given, and the usual ones that are not among them."""
    given = [] if callbacks is None else callbacks
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    if not any(isinstance(one, ProgBarLogger) for one in found) and verbose:
        found = [ProgBarLogger(log_freq, verbose=verbose), *found]
    if not any(isinstance(one, ModelCheckpoint) for one in found):
        found = [*found, ModelCheckpoint(save_freq, save_dir)]
    if not any(isinstance(one, LRScheduler) for one in found):
        found = [*found, LRScheduler()]
    for one in found:
        if isinstance(one, EarlyStopping):
            one.save_dir = save_dir  # type: ignore[assignment]
    return CallbackList(found, model, {**params, "verbose": verbose})


__all__ = [
    "Callback", "EarlyStopping", "LRScheduler", "ModelCheckpoint", "ProgBarLogger",
    "ReduceLROnPlateau",
]  # fmt: skip
