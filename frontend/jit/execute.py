"""Runs a traced function: compiled forward, and in training compiled backward on the tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.tensor import Tensor

from ..autograd import grad_enabled
from .concrete import BEFORE, ConcreteProgram
from .native import Interpreted, Native, native_code
from .train import TrainingPair

Array = np.ndarray[Any, Any]


class Runner:
    """The compiled forms of one traced Program, made when they are first needed."""

    def __init__(self, concrete: ConcreteProgram, interpret_if_missing: bool = False) -> None:
        self.concrete = concrete
        self.interprets = interpret_if_missing
        self.guesses = any(var.is_hidden for var in concrete.main_program.inputs)
        self.by_name = {var.name: tensor for tensor, var in concrete.captured}
        self.differentiable = [not var.stop_gradient for var in concrete.outputs]
        self.input_grads = [not var.stop_gradient for var in concrete.main_program.inputs]
        self.plain: tuple[Native | Interpreted, Any, list[Tensor]] | None = None
        self.training: TrainingPair | None = None

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """Run on Tensors and arrays; returns the function's result."""
        for do in self.concrete.before_call:
            do()
        for place in self.concrete.ungraded:
            if getattr(inputs[place], "grad", None) is not None:
                raise RuntimeError(
                    f"the static function reads {self.concrete.inputs[place].name}.grad of its "
                    "argument, which has a gradient from before the call that the function does "
                    "not know; call clear_gradient(False) on the argument first"
                )
        if not self.guesses:
            return self._run(inputs)
        return self.concrete.guesses.run(lambda hidden: self._run([*inputs, *hidden]))

    def _run(self, inputs: Sequence[Any]) -> Any:
        if grad_enabled.get() and self._wants_gradient(inputs):
            if self.training is None:
                self.training = TrainingPair(self.concrete, self.interprets)
            outputs = self.training.run(inputs)
        else:
            outputs = self._run_plain(inputs)
        if self.concrete.written:
            self._write_inputs(inputs, outputs)
        if self.concrete.graded:
            self._keep_gradients(inputs, outputs)
        return self.concrete.rebuild(outputs)

    def _write_inputs(self, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        new = outputs[self.concrete.n_outputs :]
        for place, value in zip(self.concrete.written, new, strict=False):
            target = inputs[place]
            if isinstance(target, Tensor):
                write_back([target], [value.array])
            else:
                target[...] = value.array

    def _keep_gradients(self, inputs: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Give leaves the gradients that the call made of them."""
        new = iter(outputs[self.concrete.n_outputs + len(self.concrete.written) :])
        for place, leaf, is_gone in self.concrete.graded:
            if is_gone:
                leaf.grad = None
                continue
            grad = next(new)
            if place < 0:
                leaf.grad = Tensor(grad.array, False, name=leaf.name)
            elif isinstance(inputs[place], Tensor):
                held = inputs[place].grad
                inputs[place].grad = grad if held is None else Tensor(held.array + grad.array)

    def _wants_gradient(self, inputs: Sequence[Any]) -> bool:
        if not any(self.differentiable):
            return False
        if any(not tensor.stop_gradient for tensor in self.concrete.tensors):
            return True
        return any(
            wants and isinstance(value, Tensor) and not value.stop_gradient
            for wants, value in zip(self.input_grads, inputs, strict=True)
        )

    def use(self, native: Native | Interpreted) -> None:
        """Let calls that need no gradient run this."""
        targets = [self.by_name[name] for name in native.assigned]
        self.plain = native, native.binder(self.by_name.__getitem__), targets

    def _run_plain(self, inputs: Sequence[Any]) -> list[Tensor]:
        if self.plain is None:
            program = self.concrete.main_program
            self.use(native_code(program, self.interprets, inference=True))
        assert self.plain is not None
        native, arrays, targets = self.plain
        results, assigned = native.call(arrays_of(inputs), arrays())
        if targets:
            write_back(targets, assigned)
        return [Tensor(array) for array in results]


def run_before(error: Exception, inputs: Sequence[Any]) -> None:
    """Run what a function does before it raises this error in any case, as tracing found; raises
    the error of another kind that ends the call there.
    """
    before: ConcreteProgram | None = error.__dict__.pop(BEFORE, None)
    if before is not None:
        runner = Runner(before)
        # It runs once: that is not worth compiling it.
        runner.use(Interpreted(before.main_program))
        try:
            runner(inputs)
        except Exception as first:
            raise first from None


def arrays_of(inputs: Sequence[Any]) -> list[Array]:
    """The arrays of Tensors and arrays."""
    return [value.array if isinstance(value, Tensor) else value for value in inputs]


def write_back(targets: Sequence[Tensor], values: Sequence[Array]) -> None:
    """Give buffers the values that the Program assigned."""
    for tensor, value in zip(targets, values, strict=True):
        tensor.array[...] = value
        tensor.storage.version += 1
