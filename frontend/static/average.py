"""ExponentialMovingAverage: averages of parameters over training, to be used in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wherry.schema.dtypes import float32, int64

from ..ops.math import minimum
from ..unique_name import generate
from .mode import building
from .parameters import make_state
from .scope import global_scope
from .tracer import OPTIMIZE_ROLE

_COUNTER = "@EMA_STEP_COUNTER@"
_RATE = "scheduled_ema_decay_rate"


class ExponentialMovingAverage:
    """average = decay * average + (1 - decay) * parameter in each run, for each parameter of the
    main Program. Make it and call `update` after `minimize`.

    Inside `with ema.apply(exe):` the parameters are the averages, divided by 1 - decay ** runs, as
    they started from 0. With `thres_steps`, a Variable that counts steps, the decay is
    min(decay, (1 + thres_steps) / (10 + thres_steps)).
    """

    def __init__(
        self, decay: float = 0.999, thres_steps: Any = None, name: str | None = None
    ) -> None:
        self._tracer = tracer = building("paddle.static.ExponentialMovingAverage")
        self._decay, self._steps, self._program = decay, thres_steps, tracer.owner
        self._rate = make_state(tracer, _RATE, [1], float32, decay)
        self._counter = make_state(tracer, _COUNTER, [1], int64, 0)
        self._averages = [
            (param, make_state(tracer, generate(f"{name or ''}{param.name}_ema"),
                               [int(size) for size in param.shape], param.dtype, 0.0))
            for param in tracer.owner.all_parameters() if param.attr.do_model_average
        ]  # fmt: skip
        self._kept: dict[str, Any] = {}

    def update(self) -> None:
        """Append the averages' update to the main Program: it is a part of each step from now."""
        tracer = self._tracer
        with tracer.role(OPTIMIZE_ROLE), tracer.naming("moving_average"):
            tracer.assign(self._counter, tracer.as_traced(self._counter) + 1)
            rate: Any = tracer.as_traced(self._rate)
            if self._steps is not None:
                steps = self._steps.astype("float32")
                rate = minimum((steps + 1.0) / (steps + 10.0), self._decay)
                tracer.assign(self._rate, rate)
            for param, average in self._averages:
                mine = rate.astype(param.dtype)
                old, new = tracer.as_traced(average), tracer.as_traced(param)
                tracer.assign(average, old * mine + new * (1.0 - mine))

    @contextmanager
    def apply(self, executor: Any, need_restore: bool = True) -> Iterator[None]:
        """Let the parameters be the averages inside the with block, or until `restore`."""
        runs = self._value(_COUNTER).item()
        share = 1.0 - float(self._value(_RATE).item()) ** runs if runs else 1.0
        self._kept = self._program.state_dict(names=[param.name for param, _ in self._averages])
        self._kept = {name: np.array(value.array) for name, value in self._kept.items()}
        averages = {param.name: self._value(average.name) for param, average in self._averages}
        self._program.set_state_dict(
            {name: (value / share).astype(value.dtype) for name, value in averages.items()}
        )
        try:
            yield
        finally:
            if need_restore:
                self.restore(executor)

    def restore(self, executor: Any) -> None:
        """Give the parameters the values that they had before `apply`."""
        self._program.set_state_dict(self._kept)

    @staticmethod
    def _value(name: str) -> Any:
        found = global_scope().find(name)
        if found is None:
            raise ValueError(
                f"Can not find Variable '{name}' in the scope. Make sure it is initialized: run "
                "exe.run(paddle.static.default_startup_program())"
            )
        return found.array
