"""Reverse-mode differentiation: nodes that ops leave on the tape, and the walk through them.

A `GradNode` knows where its op's inputs came from (`edges`) and turns gradients of outputs into
gradients of inputs. Nodes point backwards only, and hold no output Tensor, so that a graph is freed
when its last output is. `backward` of a node gets and gives arrays, or Tensors where the gradient
itself is to be differentiated.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .grad_mode import grad_mode
from .tensor import Tensor

Grad = Any  # an array, or a Tensor when create_graph


class GradNode(ABC):
    """One op on the tape.

    `edges[i]` says what flat input i is: a (node, output index) pair, a leaf Tensor that wants a
    gradient, or None. Subclasses call `super().__init__` with the inputs and define `backward` and
    `release`.
    """

    def __init__(self, name: str, inputs: Sequence[Tensor | None], n_outputs: int = 1) -> None:
        self.name = name
        self.n_outputs = n_outputs
        self.edges = [_edge(tensor) for tensor in inputs]
        self.hooks: dict[int, dict[int, Callable[[Tensor], Tensor | None]]] = {}
        self.released = False

    @property
    def needs(self) -> list[bool]:
        """Which flat inputs want a gradient."""
        return [edge is not None for edge in self.edges]

    @abstractmethod
    def backward(self, grads: list[Grad | None], create_graph: bool) -> Sequence[Grad | None]:
        """The gradients of the flat inputs from those of the outputs (None: no influence)."""

    def release(self) -> None:
        """Drop what was saved for backward. Called when the graph is not retained."""
        self.released = True


Edge = tuple[GradNode, int] | Tensor | None


def _edge(tensor: Tensor | None) -> Edge:
    if tensor is None or tensor.stop_gradient:
        return None
    if tensor.node is not None:
        _check_history(tensor)
        return tensor.node, tensor.node_index
    return tensor if tensor.dtype.is_float else None


def _check_history(tensor: Tensor) -> None:
    if tensor.history != tensor.storage.tracked:
        raise RuntimeError(
            f"Tensor {tensor.name} of shape {tensor.shape} was changed in place through a view "
            "of it, which its own gradient history does not contain; write to the tensor itself "
            "(x[...] = value), or use the view's result instead"
        )


def attach(node: GradNode, outputs: Sequence[Tensor | None]) -> None:
    """Make the outputs results of `node`: they want gradients where they are floating-point."""
    for index, tensor in enumerate(outputs):
        if tensor is not None and tensor.dtype.is_float:
            tensor.node, tensor.node_index, tensor.stop_gradient = node, index, False


class Sum:
    """A gradient that is being added up; `owned` says that nobody else sees its array."""

    __slots__ = ("owned", "value")

    def __init__(self) -> None:
        self.value: Grad | None = None
        self.owned = False

    def add(self, grad: Grad, owned: bool) -> None:
        if self.value is None:
            self.value, self.owned = grad, owned
        elif self.owned and isinstance(grad, np.ndarray):
            np.add(self.value, grad, out=self.value)
        else:
            self.value, self.owned = self.value + grad, isinstance(grad, np.ndarray)


class Engine:
    """One walk from some outputs back to the leaves, or to chosen targets."""

    def __init__(self, create_graph: bool, retain_graph: bool) -> None:
        self.create_graph, self.retain_graph = create_graph, retain_graph
        self.pending: dict[GradNode, list[Sum]] = {}
        self.leaves: dict[Tensor, Sum] = {}
        self.waiting: dict[GradNode, int] = {}

    def run(self, roots: Sequence[Tensor], grads: Sequence[Grad]) -> None:
        """Fill `leaves`, calling each node once, after all that use its outputs."""
        with grad_mode(self.create_graph):
            for root, grad in zip(roots, grads, strict=True):
                self._send(_edge(root), grad, owned=False)
            self._count(list(self.pending))
            ready = [node for node in self.pending if not self.waiting.get(node)]
            while ready:
                node = ready.pop()
                for following in self._step(node):
                    self.waiting[following] -= 1
                    if not self.waiting[following]:
                        ready.append(following)

    def _count(self, stack: list[GradNode]) -> None:
        """How many nodes send to each node."""
        seen = set(stack)
        while stack:
            for edge in stack.pop().edges:
                if not isinstance(edge, tuple):
                    continue
                self.waiting[edge[0]] = self.waiting.get(edge[0], 0) + 1
                if edge[0] not in seen:
                    seen.add(edge[0])
                    stack.append(edge[0])

    def _step(self, node: GradNode) -> Iterator[GradNode]:
        sums = self.pending.pop(node, None)
        if sums is not None:
            self._apply_hooks(node, sums)
            self._backward(node, [one.value for one in sums])
        for edge in node.edges:
            if isinstance(edge, tuple):
                yield edge[0]

    def _backward(self, node: GradNode, grads: list[Grad | None]) -> None:
        if node.released:
            raise RuntimeError(
                f"Trying to backward through the same graph a second time, but the saved values of "
                f"`{node.name}` have already been freed. Please specify "
                f"Tensor.backward(retain_graph=True) "
                "when calling backward at the first time."
            )
        results = node.backward(grads, self.create_graph)
        if not self.retain_graph:
            node.release()
        taken = {id(grad) for grad in grads}
        for edge, result in zip(node.edges, results, strict=True):
            if edge is not None and result is not None:
                owned = isinstance(result, np.ndarray) and result.base is None
                self._send(edge, result, owned and id(result) not in taken)
                taken.add(id(result))

    def _send(self, edge: Edge, grad: Grad, owned: bool) -> None:
        if isinstance(edge, Tensor):
            self.leaves.setdefault(edge, Sum()).add(grad, owned)
        elif edge is not None:
            node, index = edge
            if node not in self.pending:
                self.pending[node] = [Sum() for _ in range(node.n_outputs)]
            self.pending[node][index].add(grad, owned)

    def _apply_hooks(self, node: GradNode, sums: list[Sum]) -> None:
        for index, hooks in node.hooks.items():
            if sums[index].value is not None:
                sums[index].value = call_hooks(hooks, sums[index].value)
                sums[index].owned = False


def call_hooks(hooks: dict[int, Callable[[Tensor], Tensor | None]], grad: Grad) -> Grad:
    """The gradient after all hooks, in the representation that it came in."""
    wrapped = grad if isinstance(grad, Tensor) else Tensor(grad)
    for hook in list(hooks.values()):
        replaced = hook(wrapped)
        wrapped = wrapped if replaced is None else replaced
    return wrapped if isinstance(grad, Tensor) else wrapped.array


def initial_grad(output: Tensor, grad: Tensor | None, create_graph: bool) -> Grad:
    """The gradient to start with: the one given, or ones."""
    if output.stop_gradient and output.node is None:
        warnings.warn(
            f"backward of a tensor of shape {output.shape} whose stop_gradient is True: there "
            f"is nothing "
            "to differentiate. Set stop_gradient = False on an input before computing it",
            stacklevel=4,
        )
    if grad is None:
        start = np.ones(output.array.shape, output.array.dtype)
        return Tensor(start) if create_graph else start
    if not isinstance(grad, Tensor):
        raise TypeError(f"the initial gradient needs a Tensor, got {type(grad).__name__}")
    if grad.shape != output.shape or grad.dtype is not output.dtype:
        raise ValueError(
            f"the initial gradient needs {output.dtype.name}{output.shape} like its tensor, "
            f"got {grad.dtype.name}{grad.shape}"
        )
    return grad if create_graph else grad.array


def _key(tensor: Tensor) -> Any:
    return tensor if tensor.node is None else (tensor.node, tensor.node_index)


class TargetEngine(Engine):
    """Collects the gradients of chosen Tensors and goes only where they are reached."""

    def __init__(self, create_graph: bool, retain_graph: bool, wanted: list[Tensor],
                 cut: list[Tensor]) -> None:  # fmt: skip
        super().__init__(create_graph, retain_graph)
        self.keys = {_key(tensor) for tensor in wanted}
        self.cut = {_key(tensor) for tensor in cut}
        self.found: dict[Any, Grad] = {}

    def _send(self, edge: Edge, grad: Grad, owned: bool) -> None:
        if edge not in self.cut:
            super()._send(edge, grad, owned)

    def _apply_hooks(self, node: GradNode, sums: list[Sum]) -> None:
        super()._apply_hooks(node, sums)
        for index, total in enumerate(sums):
            if (node, index) in self.keys and total.value is not None:
                self.found[node, index] = total.value
                total.owned = False

    def result(self, index: int, tensor: Tensor, allow_unused: bool) -> Tensor | None:
        """The gradient of the wanted Tensor number `index`."""
        key = _key(tensor)
        total = self.leaves.get(tensor)
        value = self.found.get(key) if total is None else total.value
        if value is None:
            if allow_unused:
                return None
            raise ValueError(
                f"(InvalidArgument) The {index}-th input does not appear in the backward graph. "
                "Please check the input tensor or set allow_unused=True to get None result."
            )
        if total is not None and tensor.hooks:
            value = call_hooks(tensor.hooks, value)
        return value if isinstance(value, Tensor) else Tensor(np.array(value))
