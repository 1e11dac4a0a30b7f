"""A tape node whose gradient is a Python function on Tensors: writes by index and PyLayer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .autograd import Grad, GradNode
from .tensor import Tensor

Rule = Callable[[list[Tensor | None]], Sequence[Tensor | None]]


class FunctionNode(GradNode):
    """Calls `rule(output gradients) -> input gradients`, taped under create_graph."""

    def __init__(
        self, name: str, inputs: Sequence[Tensor | None], rule: Rule, n_outputs: int = 1
    ) -> None:
        super().__init__(name, inputs, n_outputs)
        self.rule: Rule | None = rule

    def backward(self, grads: list[Grad | None], create_graph: bool) -> Sequence[Grad | None]:
        assert self.rule is not None
        given = [g if g is None or isinstance(g, Tensor) else Tensor(g) for g in grads]
        results = self.rule(given)
        if create_graph:
            return list(results)
        return [None if r is None else r.array for r in results]

    def release(self) -> None:
        super().release()
        self.rule = None
