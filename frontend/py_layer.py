"""PyLayer: an op of the user's, with a backward of its own."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from wherry.schema.errors import OpError

from .autograd import attach
from .dispatch import run_op, tracer
from .function_node import FunctionNode
from .grad_mode import grad_enabled, grad_mode
from .location import user_location
from .tensor import Tensor


class _SavedOutput:
    """A saved output. Its node is held weakly: the node holds this, and must not hold itself."""

    def __init__(self, output: Tensor, node: FunctionNode, index: int) -> None:
        self.data, self.node, self.index = output.detach(), weakref.ref(node), index

    def tensor(self) -> Tensor:
        """The output again, in its place on the tape."""
        found: Tensor = self.data.detach()
        node = self.node()
        if node is not None and found.dtype.is_float:
            found.node, found.node_index, found.stop_gradient = node, self.index, False
        return found


class PyLayerContext:
    """What forward leaves for backward. Any attribute may be set on it, too."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._constant: set[int] = set()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep these for `saved_tensor()` in backward."""
        self._saved = tensors

    def saved_tensor(self) -> tuple[Any, ...]:
        """What forward saved."""
        return tuple(one.tensor() if isinstance(one, _SavedOutput) else one for one in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Outputs through which no gradient flows."""
        self._constant = {id(tensor) for tensor in tensors}

    def mark_not_inplace(self, *tensors: Tensor) -> None:
        """Accepted for Paddle's sake: outputs are never the inputs here."""

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a missing gradient comes to backward as zeros (the default) or as None."""
        self.materialize_grads = bool(value)


class PyLayer:
    """Define `forward(ctx, ...)` and `backward(ctx, *grads)` as static methods; call `apply`.

    backward gives one gradient (or None) for each Tensor among forward's arguments, in their order.

    >>> import wherry as paddle
    >>> class Double(PyLayer):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         return grad * 2
    >>> x = paddle.to_tensor([3.0], stop_gradient=False)
    >>> Double.apply(x).backward(); x.grad.tolist()
    [2.0]
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The op's value; runs off the tape."""
        raise NotImplementedError("a PyLayer defines forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of the Tensor arguments."""
        raise NotImplementedError("a PyLayer defines backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and put the layer on the tape. Returns what forward returns."""
        inputs = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        taped = grad_enabled.get() and any(not t.stop_gradient for t in inputs)
        if taped and tracer.get() is not None:
            raise OpError(
                f"the PyLayer {cls.__name__} has a gradient in Python, which a compiled Program "
                "cannot hold; call it outside of the functions that to_static converts, or write "
                "its gradient with register_hook or detach()", loc=user_location(),
            )  # fmt: skip
        context = PyLayerContext()
        with grad_mode(False):
            result = cls.forward(context, *args, **kwargs)
        if not taped:
            return result
        several = isinstance(result, (tuple, list))
        outputs = [_own(one, inputs) for one in (result if several else [result])]
        _tape(cls, context, inputs, outputs)
        return type(result)(outputs) if several else outputs[0]


def _own(output: Any, inputs: Sequence[Tensor]) -> Any:
    """The output as a Tensor that is none of the inputs, so that it can have a node of its own."""
    if isinstance(output, Tensor) and any(output is one for one in inputs):
        return Tensor(output.array, True, output.storage)
    return output


def _tape(
    cls: type[PyLayer], context: PyLayerContext, inputs: list[Tensor], outputs: list[Any]
) -> None:
    tensors = [one if isinstance(one, Tensor) else None for one in outputs]

    def rule(grads: list[Tensor | None]) -> list[Tensor | None]:
        given = [
            run_op("fill_any_like", like, value=0.0, dtype=like.dtype)
            if grad is None and like is not None and context.materialize_grads
            else grad
            for grad, like in zip(grads, shapes, strict=True)
        ]
        results = cls.backward(context, *given)
        found = list(results) if isinstance(results, (tuple, list)) else [results]
        if len(found) != len(inputs):
            raise ValueError(
                f"{cls.__name__}.backward must return one gradient for each of the "
                f"{len(inputs)} Tensor "
                f"arguments of forward, got {len(found)}"
            )
        return found

    # Twins without a place on the tape: the node must not hold its own outputs.
    shapes = [None if t is None else t.detach() for t in tensors]
    node = FunctionNode(cls.__name__, inputs, rule, len(outputs))
    places = {id(t): i for i, t in enumerate(tensors) if t is not None}
    context._saved = tuple(
        _SavedOutput(one, node, places[id(one)]) if id(one) in places else one
        for one in context._saved
    )
    if any(node.needs):
        attach(node, [t if t is None or id(t) not in context._constant else None for t in tensors])
