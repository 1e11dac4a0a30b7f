"""The gradients that users ask for, and hooks on them. `engine` walks the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.errors import ConversionError

from .engine import (
    Edge,
    Engine,
    Grad,
    GradNode,
    Sum,
    TargetEngine,
    attach,
    call_hooks,
    initial_grad,
)
from .grad_mode import (
    enable_grad,
    grad_enabled,
    grad_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .observers import traced_grads
from .tensor import Array, Tensor


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool = False) -> None:
    """Accumulate the gradients of the leaves of `tensors` (a Tensor or a list) into their `.grad`.

    `grad_tensors` are the gradients to start with, of the tensors' shapes; None stands for ones.
    Raises RuntimeError for a graph that was freed, or a saved value that was overwritten in place.
    """
    roots: list[Any] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    given = grad_tensors if isinstance(grad_tensors, (list, tuple)) else [grad_tensors] * len(roots)
    if roots and hasattr(roots[0], "tracer"):
        for root, start in zip(roots, given, strict=True):
            root.backward(start, retain_graph)
        return
    engine = Engine(create_graph=False, retain_graph=retain_graph)
    engine.run(roots, [initial_grad(t, g, False) for t, g in zip(roots, given, strict=True)])
    for leaf, total in engine.leaves.items():
        _accumulate(leaf, total)


def _accumulate(leaf: Tensor, total: Sum) -> None:
    grad, owned = total.value, total.owned
    if leaf.hooks:
        grad, owned = call_hooks(leaf.hooks, grad), False
    assert grad is not None
    held = leaf._grad
    if held is None:
        leaf._grad = Tensor(grad if owned else np.array(grad), False, name=leaf.name)
    elif leaf.grad_cleared:
        held.array = grad if owned else np.array(grad)
        held.storage.version += 1
    else:
        np.add(held.array, grad, out=held.array)
        held.storage.version += 1
    leaf.grad_cleared = False


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
    no_grad_vars: Any = None,
) -> list[Tensor | None]:
    """The gradients of the sum of `outputs` with respect to `inputs`, without touching `.grad`.

    With `create_graph` the gradients can be differentiated again. An input without influence raises
    ValueError, or gives None under `allow_unused`. `no_grad_vars` are taken as constants.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor(3.0, stop_gradient=False)
    >>> (g,) = paddle.grad(x * x * x, x, create_graph=True)
    >>> float(paddle.grad(g, x)[0])
    18.0
    """
    if not only_inputs:
        raise ValueError("paddle.grad needs only_inputs=True; use Tensor.backward for all leaves")
    roots, wanted = _listed(outputs, "outputs"), _listed(inputs, "inputs")
    starts, cut = _listed(grad_outputs, "grad_outputs"), _listed(no_grad_vars, "no_grad_vars")
    if not roots:
        raise ValueError("grad needs at least one Tensor as outputs, got none")
    if hasattr(roots[0], "tracer"):
        return _traced_grad(roots, wanted, starts, create_graph, allow_unused)
    given = starts or [None] * len(roots)
    engine = TargetEngine(create_graph, bool(retain_graph or create_graph), wanted, cut)
    engine.run(roots, [initial_grad(t, g, create_graph) for t, g in zip(roots, given, strict=True)])
    return [engine.result(i, t, allow_unused) for i, t in enumerate(wanted)]


def _traced_grad(
    roots: list[Any], wanted: list[Any], given: list[Any], create_graph: bool, allow_unused: bool
) -> list[Tensor | None]:
    """The gradients as ops of the Program that is being traced."""
    found = roots[0].tracer.gradients(roots, wanted, given or [None] * len(roots))
    for index, grad in enumerate(found):
        if grad is None and not allow_unused:
            raise ValueError(
                f"(InvalidArgument) The {index}-th input does not appear in the backward graph. "
                "Please check the input tensor or set allow_unused=True to get None result."
            )
        if grad is not None and not create_graph:
            grad.variable.stop_gradient = True
    return list(found)


def _listed(value: Any, name: str) -> list[Any]:
    """The Tensors of an argument of `grad`: one, several, or none for None."""
    if value is None:
        return []
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    for one in found:
        if not (isinstance(one, Tensor) or (one is None and name == "grad_outputs")):
            raise TypeError(f"grad needs Tensors as {name}, got {type(one).__name__}")
    return found


class HookHandle:
    """Returned by `register_hook`; `remove()` takes the hook away."""

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self.hooks, self.key = hooks, key

    def remove(self) -> bool:
        """Take the hook away; False if it was gone."""
        return self.hooks.pop(self.key, None) is not None


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Call `hook(grad)` in backward; what it returns (if not None) replaces the gradient."""
    if traced_grads.get() is not None:
        raise ConversionError(
            "register_hook on a parameter or other tensor from outside, in a function that "
            "to_static converts, would be done once, while it is traced; register it outside of it"
        )
    if tensor.stop_gradient:
        raise RuntimeError("Cannot register hook on a tensor that stop gradient.")
    if tensor.node is not None:
        hooks = tensor.node.hooks.setdefault(tensor.node_index, {})
    else:
        if tensor.hooks is None:
            tensor.hooks = {}
        hooks = tensor.hooks
    key = max(hooks, default=-1) + 1
    hooks[key] = hook
    return HookHandle(hooks, key)


def array_of(value: Tensor | Array) -> Array:
    """The array of a Tensor or an array."""
    return value.array if isinstance(value, Tensor) else value


def __getattr__(name: str) -> Any:
    # These build on this module.
    if name in ("PyLayer", "PyLayerContext"):
        from . import py_layer

        return getattr(py_layer, name)
    if name in ("hessian", "jacobian"):
        from . import jacobians

        return getattr(jacobians, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Edge", "Engine", "Grad", "GradNode", "HookHandle", "array_of", "attach", "backward",
    "call_hooks",
    "enable_grad", "grad", "grad_enabled", "grad_mode", "is_grad_enabled", "no_grad",
    "register_hook",
    "set_grad_enabled",
]  # fmt: skip
