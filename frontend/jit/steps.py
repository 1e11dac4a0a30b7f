"""An optimizer's step inside of a function that is traced: the ops of static mode, on the
optimizer's own state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OpDef
from wherry.schema.dtypes import float32
from wherry.tensor import Parameter, Tensor

from ..optimizer.optimizer import Optimizer
from ..static.optimize import Step

if TYPE_CHECKING:
    from .tracer import ProgramTracer


def traced_step(optimizer: Optimizer, build: ProgramTracer) -> None:
    """Record a step by the gradients that the parameters have at this point of the trace."""
    pairs = [
        (param, build.as_traced(grad))
        for param in optimizer._parameter_list
        if not param.stop_gradient and (grad := param.grad) is not None
    ]
    if pairs:
        TracedStep(optimizer, build).append(pairs)


class TracedStep(Step):
    """A step whose parameters, moments and learning rate are Tensors, read anew at each call."""

    def __init__(self, optimizer: Optimizer, build: ProgramTracer) -> None:
        super().__init__(optimizer, build)
        self.build = build

    def emitted(self, opdef: OpDef, inputs: list[Any], attrs: dict[str, Any],
                targets: dict[str, Any]) -> Any:  # fmt: skip
        emitter = BlockEmitter(self.build.frames[-1].block)
        return emitter.emit(opdef, inputs, attrs)

    def state(self, param: Parameter, name: str) -> Tensor:
        self.optimizer._ensure_state(param)
        return self.optimizer.state_tensor(param, name)

    def common_rate(self) -> Any:
        found = self.build.rates.get(self.optimizer)
        if found is None:
            rate = Tensor(np.zeros([], float32.numpy), name="learning_rate")
            optimizer = self.optimizer

            def set_rate() -> None:
                rate.array[...] = optimizer.get_lr()
                rate.storage.version += 1

            self.build.before_call.append(set_rate)
            found = self.build.rates[optimizer] = rate
        return self.build.as_traced(found)
