"""`to_static`: as a decorator with and without arguments, on functions, methods and Layers."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from .arguments import check_input_spec
from .convert_call import MARK
from .static_function import StaticFunction


def to_static(
    function: Any = None,
    input_spec: Any = None,
    build_strategy: Any = None,
    backend: Any = None,
    **kwargs: Any,
) -> Any:
    """Convert a function, a method or a Layer's forward into one that runs as a compiled Program.

    `input_spec` is a list of InputSpecs (nested like the arguments, with Python constants where an
    argument is no tensor): one Program then serves all sizes that are None in it. A Layer is
    returned itself, with `forward` converted. `build_strategy`, `backend` and other arguments of
    Paddle's are checked, and change nothing.

    >>> import wherry as paddle
    >>> @paddle.jit.to_static
    ... def f(x):
    ...     return x + 1 if x.sum() > 0 else x - 1
    >>> f(paddle.to_tensor([1.0])).tolist()
    [2.0]
    """
    _check_options(build_strategy, backend)
    check_input_spec(input_spec)
    if function is None:
        return Decorator(input_spec)
    return _decorated(function, input_spec)


class Decorator:
    """What `to_static(input_spec=...)` without a function returns: call it with the function."""

    def __init__(self, input_spec: Any) -> None:
        self.input_spec = input_spec

    def __call__(self, function: Any) -> Any:
        return _decorated(function, self.input_spec)


def _check_options(build_strategy: Any, backend: Any) -> None:
    if backend not in ("CINN", None):
        raise ValueError(
            f"The backend of to_static should be 'CINN' or None, but received {backend}."
        )
    if build_strategy is not None and type(build_strategy).__name__ != "BuildStrategy":
        raise TypeError(
            "Required type(build_strategy) shall be `paddle.static.BuildStrategy`, but received "
            f"{type(build_strategy).__name__}"
        )


def _decorated(function: Any, input_spec: Any) -> Any:
    from ..nn.layer import Layer

    if isinstance(function, Layer):
        convert_layer(function, input_spec)
        return function
    if isinstance(function, StaticFunction):
        return StaticFunction(function._function, input_spec, function._instance)
    if isinstance(function, types.MethodType):
        if not isinstance(function.__self__, Layer):
            raise TypeError(
                "When using 'to_static' to convert method of a class, please ensure the class "
                f"inherits from nn.Layer, got a method of {type(function.__self__).__name__}"
            )
        return StaticFunction(function.__func__, input_spec, function.__self__)
    if getattr(function, MARK, False):
        return function
    if not callable(function):
        raise TypeError(
            f"to_static needs a function, a method or a Layer, got {type(function).__name__}"
        )
    return StaticFunction(function, input_spec)


def convert_layer(layer: Any, input_spec: Any) -> StaticFunction:
    """Replace the `forward` of a Layer by its static form; returns that."""
    forward: Callable[..., Any] = layer.forward
    if isinstance(forward, StaticFunction):
        static = StaticFunction(forward._function, input_spec, layer)
    elif isinstance(forward, types.MethodType):
        static = StaticFunction(forward.__func__, input_spec, forward.__self__)
    else:
        static = StaticFunction(forward, input_spec)
    layer.__dict__["forward"] = static
    return static
