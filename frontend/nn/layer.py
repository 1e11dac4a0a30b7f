"""nn.Layer: the base of every model, which knows its parameters, buffers and sub-layers by name."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import OpError

from ..autograd import HookHandle
from ..dispatch import tracer
from ..framework import default_dtype
from ..param_attr import ParamAttr
from ..parameter import make_parameter
from ..tensor import Parameter, Tensor
from ..unique_name import generate
from .blame import name_layer
from .hooks import Hook, inputs_behind, outputs_behind
from .state import LayerState

L = TypeVar("L", bound="Layer")


def _as_it_is(function: Any) -> Any:
    return function


def _snake(name: str) -> str:
    """Paddle's snake case: `BatchNorm2D` is batch_norm2d, `ReLU` re_lu."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


class Layer(LayerState):
    """A piece of a model: assign parameters, buffers and layers as attributes, define `forward`,
    call it.

    >>> import wherry as paddle
    >>> class Net(paddle.nn.Layer):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.linear = paddle.nn.Linear(2, 3)
    ...     def forward(self, x):
    ...         return self.linear(x)
    >>> Net()(paddle.ones([4, 2])).shape
    [4, 3]
    """

    # How often a parameter or sub-layer of any Layer was replaced by another.
    replaced: ClassVar[int] = 0
    # How often any Layer changed in what a traced Program depends on: mode, parts, hooks.
    changes: ClassVar[int] = 0
    training: bool
    _parameters: OrderedDict[str, Parameter | None]
    _buffers: OrderedDict[str, Tensor | None]
    _sub_layers: OrderedDict[str, Layer | None]

    def __init__(self, name_scope: str | None = None, dtype: Any = "float32") -> None:
        setters = self.__dict__
        setters["training"] = True
        setters["_full_name"] = generate(_snake(name_scope or type(self).__name__))
        setters["_dtype"] = default_dtype() if dtype is None else as_dtype(dtype)
        setters["_parameters"] = OrderedDict()
        setters["_buffers"] = OrderedDict()
        setters["_sub_layers"] = OrderedDict()
        setters["_non_persistable_buffer_names_set"] = set()
        setters["_forward_pre_hooks"] = OrderedDict()
        setters["_forward_post_hooks"] = OrderedDict()
        setters["_state_dict_hooks"] = OrderedDict()

    # Calling.

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the layer computes. Every layer defines its own."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        active = tracer.get()
        if active is not None or self._forward_pre_hooks or self._forward_post_hooks:
            return self._call(_as_it_is if active is None else active.convert_call, inputs, kwargs)
        try:
            return self.forward(*inputs, **kwargs)
        except OpError as error:
            name_layer(error, self)
            raise

    def _call(self, called: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward between the hooks; `called` makes of each function the one to call."""
        inputs = inputs_behind(self._forward_pre_hooks, called, self, inputs)
        try:
            outputs = called(self.forward)(*inputs, **kwargs)
        except OpError as error:
            name_layer(error, self)
            raise
        return outputs_behind(self._forward_post_hooks, called, self, inputs, outputs)

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(layer, inputs)` before forward; what it returns replaces the inputs."""
        return _add_hook(self._forward_pre_hooks, hook)

    def register_forward_post_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(layer, inputs, output)` after forward; what it returns replaces the output."""
        return _add_hook(self._forward_post_hooks, hook)

    def register_state_dict_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(state_dict)` on each state_dict that is made."""
        return _add_hook(self._state_dict_hooks, hook)

    # Attributes.

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, property):
            object.__setattr__(self, name, value)
            return
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Layer)):
                raise ValueError("super().__init__() should be called first")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name)
            self._parameters[name] = value
        elif isinstance(value, Layer):
            self._forget(name)
            self._sub_layers[name] = value
        elif name in self._parameters:
            self._set_kind(self._parameters, name, value, "parameter", "Parameter")
        elif name in self._sub_layers:
            self._set_kind(self._sub_layers, name, value, "sublayer", "Layer")
        elif name in self._buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"assignment to buffers '{name}' should be of type core.Tensor or None, "
                    f"but got '{type(value).__name__}'"
                )
            self._buffers[name] = value
        else:
            Layer.changes += name == "training"
            object.__setattr__(self, name, value)

    def _set_kind(self, table: Any, name: str, value: Any, kind: str, wanted: str) -> None:
        if value is not None:
            raise TypeError(
                f"assignment to {kind} '{name}' should be of type {wanted} or None, "
                f"but got '{type(value).__name__}'"
            )
        table[name] = None

    def _forget(self, name: str) -> None:
        """Take the name out of wherever it stands, so that it means one thing."""
        Layer.changes += 1
        if name in self._parameters or name in self._sub_layers:
            # Programs that were traced with the old part must not be used any more.
            Layer.replaced += 1
        self.__dict__.pop(name, None)
        for table in (self._parameters, self._buffers, self._sub_layers):
            table.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_sub_layers", "_buffers"):
            if table in own and name in own[table]:
                return own[table][name]
        if name in own.get("_computed", ()):
            return own["_computed"][name](self)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._sub_layers, self._buffers):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._sub_layers})

    @property
    def _sub_layer(self) -> OrderedDict[str, Layer | None]:
        """The specification's name of `_sub_layers`."""
        return self._sub_layers

    # Making parts.

    def create_parameter(
        self,
        shape: Any,
        attr: Any = None,
        dtype: Any = None,
        is_bias: bool = False,
        default_initializer: Any = None,
    ) -> Any:
        """A parameter for this layer, registered by assigning it; None if attr is False."""
        found = ParamAttr.of(attr)
        if found is None:
            return None
        kind = self._dtype if dtype is None else dtype
        return make_parameter(shape, kind, found, self._full_name, is_bias, default_initializer)

    def create_tensor(
        self, name: str | None = None, persistable: bool | None = None, dtype: Any = None
    ) -> Tensor:
        """An empty Tensor that the layer can fill later."""
        kind = self._dtype if dtype is None else as_dtype(dtype)
        made = Tensor(
            np.zeros(0, kind.numpy), name=name or generate(self._full_name + "._generated_var")
        )
        made.persistable = bool(persistable)
        return made

    create_variable = create_tensor

    def add_parameter(self, name: str, parameter: Parameter | None) -> Parameter | None:
        """Register a parameter under a name; returns it."""
        self._check_name(name, "parameter", self._parameters)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(
                "The parameter to be added should be Parameter, but received "
                f"{type(parameter).__name__}."
            )
        if parameter is None:
            self._parameters[name] = None
        else:
            setattr(self, name, parameter)
        return parameter

    def add_sublayer(self, name: str, sublayer: Layer | None) -> Layer | None:
        """Register a sub-layer under a name; returns it."""
        if sublayer is not None and not isinstance(sublayer, Layer):
            raise TypeError(f"the sublayer must be a Layer, got {type(sublayer).__name__}")
        Layer.changes += 1
        self._sub_layers[str(name)] = sublayer
        return sublayer

    def register_buffer(self, name: str, tensor: Tensor | None, persistable: bool = True) -> None:
        """Register a Tensor that is state but no parameter, such as running statistics."""
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"The registered buffer should be a Paddle.Tensor, but received "
                f"{type(tensor).__name__}."
            )
        self._buffers[name] = tensor
        if tensor is not None:
            tensor.persistable = True
        names = self._non_persistable_buffer_names_set
        names.discard(name) if persistable else names.add(name)

    def _check_name(self, name: Any, kind: str, table: Mapping[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"The name of {kind} should be a string, got {type(name).__name__}.")
        if "." in name:
            raise KeyError(
                f"The name of {kind} can not contain `.`, because when you access the newly added "
                f"{kind} in the form of `self.**.**`, it will cause AttributeError."
            )
        if name == "":
            raise KeyError(f'The name of {kind} can not be empty "".')
        if name not in table and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists.")

    # Walking.

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """(name, layer) of the direct sub-layers, each once."""
        seen: set[int] = set()
        for name, layer in self._sub_layers.items():
            if layer is not None and id(layer) not in seen:
                seen.add(id(layer))
                yield name, layer

    def children(self) -> Iterator[Layer]:
        """The direct sub-layers."""
        return (layer for _, layer in self.named_children())

    def named_sublayers(
        self, prefix: str = "", include_self: bool = False, layers_set: set[Layer] | None = None
    ) -> Iterator[tuple[str, Layer]]:
        """(structured name, layer) of all layers below, each once, parents first."""
        seen = set() if layers_set is None else layers_set
        if include_self and self not in seen:
            seen.add(self)
            yield prefix, self
        for name, layer in self._sub_layers.items():
            if layer is not None:
                inner = prefix + ("." if prefix else "") + name
                yield from layer.named_sublayers(inner, True, seen)

    def sublayers(self, include_self: bool = False) -> list[Layer]:
        """All layers below, each once."""
        return [layer for _, layer in self.named_sublayers(include_self=include_self)]

    def _named(self, table: str, prefix: str, deep: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        layers = self.named_sublayers(prefix, True) if deep else iter([(prefix, self)])
        for path, layer in layers:
            for name, value in getattr(layer, table).items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield path + ("." if path else "") + name, value

    def named_parameters(
        self, prefix: str = "", include_sublayers: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(structured name, parameter), each parameter once."""
        return self._named("_parameters", prefix, include_sublayers)

    def parameters(self, include_sublayers: bool = True) -> list[Parameter]:
        """All parameters, each once."""
        return [p for _, p in self.named_parameters(include_sublayers=include_sublayers)]

    def named_buffers(
        self, prefix: str = "", include_sublayers: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(structured name, buffer), each buffer once."""
        return self._named("_buffers", prefix, include_sublayers)

    def buffers(self, include_sublayers: bool = True) -> list[Tensor]:
        """All buffers, each once."""
        return [b for _, b in self.named_buffers(include_sublayers=include_sublayers)]

    def apply(self: L, fn: Callable[[Layer], Any]) -> L:
        """Call `fn(layer)` on every layer below and on this one; returns this layer."""
        for layer in self.children():
            layer.apply(fn)
        fn(self)
        return self

    # Modes.

    def train(self) -> None:
        """Training mode, for this layer and all below: dropout drops, statistics are taken anew."""
        for layer in self.sublayers(include_self=True):
            layer.training = True

    def eval(self) -> None:
        """Evaluation mode, for this layer and all below."""
        for layer in self.sublayers(include_self=True):
            layer.training = False

    def clear_gradients(self) -> None:
        """Clear the gradients of all parameters that are trained."""
        for param in self.parameters():
            if param.trainable:
                param.clear_gradient()

    def full_name(self) -> str:
        """The layer's own unique name, `linear_0`."""
        return self._full_name  # type: ignore[no-any-return]

    # Printing.

    def extra_repr(self) -> str:
        """What stands in the parentheses of the printed layer."""
        return ""

    def __repr__(self) -> str:
        extra = [line for line in self.extra_repr().split("\n") if line]
        parts = []
        for name, layer in self._sub_layers.items():
            first, *rest = repr(layer).split("\n")
            parts.append("\n".join([f"({name}): {first}", *("  " + line for line in rest)]))
        head = type(self).__name__ + "("
        if not parts:
            return head + (extra[0] if extra else "") + ")"
        return head + ", ".join(extra) + "\n  " + "\n  ".join(parts) + "\n)"


class _LayerHook(HookHandle):
    """The handle of a hook that a traced Program depends on."""

    def remove(self) -> bool:
        Layer.changes += 1
        return super().remove()


def _add_hook(hooks: OrderedDict[int, Hook], hook: Hook) -> HookHandle:
    Layer.changes += 1
    key = max(hooks, default=-1) + 1
    hooks[key] = hook
    return _LayerHook(hooks, key)
