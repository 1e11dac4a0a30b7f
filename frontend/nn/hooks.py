"""What the hooks around a Layer's forward make of its inputs and outputs.

`called` makes of each function the one to call: in a trace which of two a hook gives may be a
tensor's matter, so what looks at it is called so, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layer import Layer

Hook = Callable[..., Any]
Hooks = Mapping[int, Hook]


def inputs_behind(hooks: Hooks, called: Any, layer: Layer, inputs: Any) -> Any:
    """The inputs, a tuple, that forward gets."""
    for hook in list(hooks.values()):
        given = called(hook)(layer, inputs)
        inputs = called(_given_inputs)(given, inputs)
    return inputs


def outputs_behind(hooks: Hooks, called: Any, layer: Layer, inputs: Any, outputs: Any) -> Any:
    """The outputs that the caller gets."""
    for hook in list(hooks.values()):
        given = called(hook)(layer, inputs, outputs)
        outputs = called(_given_outputs)(given, outputs)
    return outputs


def _given_inputs(given: Any, before: Any) -> Any:
    if given is None:
        return before
    return given if isinstance(given, tuple) else (given,)


def _given_outputs(given: Any, before: Any) -> Any:
    return before if given is None else given
