"""Trains a traced function: compiled forward, compiled backward as one node of the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from wherry.ir.backward import split_training
from wherry.ir.program import Program
from wherry.tensor import Tensor

from ..autograd import Grad, GradNode, attach
from .concrete import ConcreteProgram
from .double import assigned, differentiable, gradient_program
from .native import Interpreted, Native, native_code
from .reached import add_reached

Array = np.ndarray[Any, Any]


class TrainingPair:
    """The compiled forward and backward of a traced Program.

    Forward's further outputs, the residuals, are what backward needs of it. Backward is compiled
    when it is first asked for: who only forgot `no_grad` never waits for it.
    """

    def __init__(self, concrete: ConcreteProgram, interpret_if_missing: bool = False) -> None:
        self.concrete, self.interprets = concrete, interpret_if_missing
        self.on_the_tape: Callable[[Sequence[Any]], Any] | None = None
        program = concrete.main_program.clone()
        self.n_outputs = len(program.outputs)
        self.reached = add_reached(program, _wanting(program))
        self.pair = split_training(program)
        by_name = {var.name: tensor for tensor, var in concrete.captured}
        self.by_name: dict[str, Tensor] = by_name
        self.forward = native_code(self.pair.forward, interpret_if_missing)
        self.forward_state: Callable[[], Sequence[Array]] = self.forward.binder(by_name.__getitem__)
        self.written = [by_name[name] for name in self.forward.assigned]
        assert self.forward.assigned == assigned(program), "in the order of the gradient's inputs"
        names = [var.name for var in self.pair.backward.persistables]
        self.may_read_again = [(name, by_name[name]) for name in names if name in by_name]
        places = {var.name: i for i, var in enumerate(concrete.inputs)}
        self.wrt: list[tuple[int, Tensor | None]] = [
            (places[name], None) if name in places else (-1, by_name[name])
            for name in self.pair.wrt
        ]
        self.differentiable = [
            var.dtype.is_float and not var.stop_gradient for var in concrete.main_program.outputs
        ]

    @cached_property
    def backward(self) -> Native | Interpreted:
        return native_code(self.pair.backward, self.interprets)

    @cached_property
    def backward_state(self) -> Callable[[], Sequence[Array]]:
        return self.backward.binder(self.by_name.__getitem__)

    def gradient_runner(self) -> Callable[[Sequence[Any]], Any]:
        """What computes the gradients on the tape, made when it is first needed."""
        from .execute import Runner

        if self.on_the_tape is None:
            program = gradient_program(self.concrete, self.pair.wrt)
            self.on_the_tape = Runner(program, self.interprets)
        return self.on_the_tape

    def run(self, inputs: Sequence[Any]) -> list[Tensor]:
        """Forward on Tensors and arrays; the outputs are on the tape."""
        arrays = [value.array if isinstance(value, Tensor) else value for value in inputs]
        before = [tensor.array.copy() for tensor in self.written]
        results, values = self.forward(arrays, self.forward_state())
        for tensor, value in zip(self.written, values, strict=True):
            tensor.array[...] = value
            tensor.storage.version += 1
        outputs = [Tensor(array) for array in results[: self.n_outputs]]
        wanted = [self._tensor(inputs, place, captured) for place, captured in self.wrt]
        node = CompiledNode(self, wanted, [*inputs, *before], arrays, results)
        if any(node.needs):
            pairs = zip(outputs, self.differentiable, strict=True)
            attach(node, [tensor if wants else None for tensor, wants in pairs])
        return outputs

    @staticmethod
    def _tensor(inputs: Sequence[Any], place: int, captured: Tensor | None) -> Tensor | None:
        if captured is not None:
            return captured
        value = inputs[place]
        return value if isinstance(value, Tensor) else None


def _wanting(program: Program) -> list[str]:
    """The inputs and persistables that want a gradient."""
    known = [*program.inputs, *(var for var in program.persistables if var.op is None)]
    return [var.name for var in known if var.dtype.is_float and not var.stop_gradient]


class CompiledNode(GradNode):
    """One call of a compiled function on the tape."""

    def __init__(self, owner: TrainingPair, wanted: Sequence[Tensor | None], inputs: Sequence[Any],
                 arrays: list[Any], results: list[Array]) -> None:  # fmt: skip
        super().__init__("static_function", wanted, owner.n_outputs)
        # The inputs, and what the call wrote as it was before: what a second run would take.
        self.owner, self.inputs = owner, inputs
        self.shapes = [(a.shape, a.dtype) for a in results[: owner.n_outputs]]
        self.unused = {name for name, place in owner.reached.items() if not results[place].item()}
        self.saved: tuple[list[Array], list[Array]] | None = (
            arrays, results[owner.pair.n_outputs :]
        )  # fmt: skip
        read = {source.index for source in owner.pair.sources if source.kind == "input"}
        watched = [inputs[i] for i in read if isinstance(inputs[i], Tensor)]
        self.versions = [(tensor.storage, tensor.storage.version) for tensor in watched]
        self.states = [(name, t.storage, t.storage.version) for name, t in owner.may_read_again]

    def release(self) -> None:
        self.saved, self.versions, self.states, self.inputs = None, [], [], []

    def backward(self, grads: list[Grad | None], create_graph: bool) -> Sequence[Grad | None]:
        """The gradients of the inputs and parameters that the Program has a gradient for."""
        assert self.saved is not None
        # What backward reads again must be as forward saw it.
        reads = self.owner.backward.persistables
        states = [(storage, version) for name, storage, version in self.states if name in reads]
        for storage, version in self.versions + states:
            if storage.version != version:
                raise RuntimeError(
                    "(PermissionDenied) a tensor that the gradient of a static function needs has "
                    "been "
                    f"modified by an inplace operation. Its version is {storage.version} but the "
                    f"expected "
                    f"version is {version}. Call backward() before optimizer.step() and other "
                    f"writes."
                )
        owner, (arrays, residuals) = self.owner, self.saved
        if create_graph:
            return self._on_the_tape(grads)
        given = [self._given(source, arrays, residuals, grads) for source in owner.pair.sources]
        found, _ = owner.backward(given, owner.backward_state())
        pairs = zip(owner.pair.wrt, found, strict=True)
        return [None if name in self.unused else grad for name, grad in pairs]

    def _on_the_tape(self, grads: list[Grad | None]) -> Sequence[Grad | None]:
        """The gradients as results of a further static function, which has a gradient too."""
        run = self.owner.gradient_runner()
        places = differentiable(self.owner.concrete.main_program.outputs)
        found = run([*self.inputs, *(self._tensor(grads[i], i) for i in places)])
        pairs = zip(self.owner.pair.wrt, found, strict=True)
        return [None if name in self.unused else grad for name, grad in pairs]

    def _tensor(self, grad: Grad | None, index: int) -> Tensor:
        if isinstance(grad, Tensor):
            return grad
        shape, dtype = self.shapes[index]
        return Tensor(np.zeros(shape, dtype) if grad is None else grad)

    def _given(self, source: Any, arrays: list[Array], residuals: list[Array],
               grads: list[Grad | None]) -> Array:  # fmt: skip
        if source.kind != "grad":
            kept: Array = (arrays if source.kind == "input" else residuals)[source.index]
            return kept
        grad = grads[source.index]
        if grad is None:
            shape, dtype = self.shapes[source.index]
            return np.zeros(shape, dtype)
        array: Array = grad.array if isinstance(grad, Tensor) else grad
        return array
