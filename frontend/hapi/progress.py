"""The lines that `paddle.Model` prints while it runs."""

from __future__ import annotations

import sys
import time
from typing import Any

BAR = 30


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(_number(one) for one in value)
    return f"{float(value):.4f}"


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


class ProgBarLogger:
    """Prints loss, metrics and speed: `verbose` 1 in one line with a bar, 2 a line for each
    `log_freq` steps."""

    def __init__(self, log_freq: int = 1, verbose: int = 2) -> None:
        self.log_freq, self.verbose = log_freq, verbose
        self.model: Any = None
        self.params: dict[str, Any] = {}
        self.steps: int | None = None
        self.begun = time.perf_counter()
        self.samples = self.shown = 0

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    def _line(self, step: int, logs: dict[str, Any] | None) -> str:
        parts = [f"step {step}/{self.steps}" if self.steps else f"step {step}"]
        if self.verbose == 1 and self.steps:
            done = BAR * step // self.steps
            arrow = "=" * done if done == BAR else "=" * max(done - 1, 0) + ">"
            parts[0] += f" [{arrow.ljust(BAR, '.')}]"
        shown = ["loss", *self.params.get("metrics", [])] if logs else []
        parts += [f"{name}: {_number(logs[name])}" for name in shown if logs and name in logs]
        parts.append(_duration((time.perf_counter() - self.begun) / max(step, 1)))
        return " - ".join(parts)

    def _show(self, step: int, logs: Any, last: bool) -> None:
        if not self.verbose:
            return
        line, self.shown = self._line(step, logs), step
        if self.verbose == 1:
            sys.stdout.write(f"\r{line}" + ("\n" if last else ""))
        else:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _begin(self, steps: int | None) -> None:
        self.steps, self.samples, self.shown = steps, 0, 0
        self.begun = time.perf_counter()

    def _batch(self, step: int, logs: Any) -> None:
        self.samples += (logs or {}).get("batch_size", 1)
        if (step + 1) % self.log_freq == 0 and (self.steps is None or step + 1 < self.steps):
            self._show(step + 1, logs, False)

    def _end(self, logs: Any) -> None:
        step = (logs or {}).get("step", -1) + 1
        if step != self.shown:
            self._show(step, logs, True)
        elif self.verbose == 1:
            print()

    def on_train_begin(self, logs: Any = None) -> None:
        if self.verbose:
            print(
                "The loss value printed in the log is the current step, and the metric is the "
                "average value of previous steps."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin(self.params["steps"])
        if self.verbose:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        self._batch(step, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._end(logs)

    def on_eval_begin(self, logs: Any = None) -> None:
        self._begin((logs or {}).get("steps"))
        if self.verbose:
            print("Eval begin...")

    def on_eval_batch_end(self, step: int, logs: Any = None) -> None:
        self._batch(step, logs)

    def on_eval_end(self, logs: Any = None) -> None:
        self._end(logs)
        if self.verbose:
            print(f"Eval samples: {self.samples}")

    def on_predict_begin(self, logs: Any = None) -> None:
        self._begin((logs or {}).get("steps"))
        if self.verbose:
            print("Predict begin...")

    def on_predict_batch_end(self, step: int, logs: Any = None) -> None:
        self._batch(step, {"batch_size": (logs or {}).get("batch_size", 1)})

    def on_predict_end(self, logs: Any = None) -> None:
        if self.verbose:
            self._end({"step": (logs or {}).get("step", -1)})
            print(f"Predict samples: {self.samples}")

    def _nothing(self, *arguments: Any) -> None:
        """The events of which nothing is printed."""

    on_train_end = on_train_batch_begin = on_eval_batch_begin = on_predict_batch_begin = _nothing


__all__ = ["ProgBarLogger"]
