"""StaticFunction: a function that runs as a compiled Program, and the switches around it."""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from wherry.dispatch import tracer
from wherry.ir.program import Program, Variable
from wherry.tensor import Tensor

from ..nn.layer import Layer
from .arguments import Arguments, Bound, FunctionSpec
from .branch import active_tracer
from .cache import Entry, ProgramCache, leaf_for_spec
from .concrete import ConcreteProgram
from .convert_call import convert_call
from .execute import run_before
from .explain import Explanation
from .layer_mode import Mode
from .report import mark_users, show_users_lines
from .source import converted_text

_enabled = True


def enable_to_static(enable_to_static_bool: bool) -> None:
    """Switch conversion on or off; off, static functions run as dynamic code.

    Raises TypeError for what is no bool.
    """
    global _enabled
    if not isinstance(enable_to_static_bool, bool):
        raise TypeError(
            "enable_to_static needs a bool, got " + type(enable_to_static_bool).__name__
        )
    _enabled = enable_to_static_bool


def is_enabled() -> bool:
    """Whether static functions are converted."""
    return _enabled


class StaticFunction:
    """What `to_static` makes of a function. Call it like the original.

    `instance` is the object whose method it is; a Layer's mode is a part of the signature.
    """

    def __init__(
        self, function: Callable[..., Any], input_spec: Any = None, instance: Any = None
    ) -> None:
        self._function = function
        self._input_spec = input_spec
        self._instance = instance
        self._bound: weakref.WeakKeyDictionary[Any, StaticFunction] = weakref.WeakKeyDictionary()
        self._is_method = instance is not None
        self._spec: FunctionSpec | None = None
        self._quick: dict[Any, Entry] = {}
        self._replaced = Layer.replaced
        self._mode = Mode(instance)
        functools.update_wrapper(self, function)

    # A decorated method is a descriptor: each instance has its own programs.

    def __get__(self, instance: Any, owner: type | None = None) -> StaticFunction:
        if instance is None:
            return self
        found = self._bound.get(instance)
        if found is None:
            _need_layer(instance, self._function)
            found = StaticFunction(self._function, self._input_spec, instance)
            self._bound[instance] = found
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if tracer.get() is not None:
            return self._inside_a_trace(args, kwargs)
        if not _enabled:
            return self.dynamic(*args, **kwargs)
        try:
            entry = self._known(args, kwargs)
            return self._run(args, kwargs) if entry is None else entry.runner(args)
        except Exception as error:
            show_users_lines(error)
            raise

    def _known(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Entry | None:
        """The entry of a call like an earlier one, which need not be taken apart.

        This is done at each call: it is short, and calls little.
        """
        if kwargs or self._replaced != Layer.replaced:
            return None
        entry = self._quick.get(self._quick_key(args))
        if entry is None or entry.concrete.outdated():
            return None
        self._programs.last = entry
        return entry

    def _run(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if self._replaced != Layer.replaced:
            self._programs.clear()
            self._quick.clear()
            self._replaced = Layer.replaced
        arguments = Arguments(self._bind(args, kwargs))
        try:
            entry = self._programs.find(arguments, self._mode, self.dynamic)
        except Exception as error:
            run_before(error, arguments.inputs)
            raise
        if not kwargs and (quick := self._quick_key(args)) is not None:
            self._quick[quick] = entry
        return entry.runner(arguments.inputs)

    def _bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Bound:
        try:
            return self.function_spec.bind(args, kwargs)
        except (TypeError, ValueError) as error:
            mark_users(error)
            raise

    def _quick_key(self, args: Sequence[Any]) -> Any:
        """A key for calls with plain tensors only, which need not be taken apart; else None."""
        key: list[Any] = [self._mode.key]
        for value in args:
            if type(value) is not Tensor:
                return None
            array = value.array
            key += array.shape, array.dtype, value.stop_gradient
        return tuple(key)

    def _inside_a_trace(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        active = active_tracer()
        if active is None or not active.converts:
            raise RuntimeError(
                f"Failed to run the callable object {self._function!r} decorated by "
                "'@paddle.jit.to_static', because it is NOT in dynamic mode. Please disable the "
                "static "
                "graph mode to enter dynamic mode with the following API: paddle.disable_static()."
            )
        return convert_call(self.dynamic)(*args, **kwargs)

    @property
    def dynamic(self) -> Callable[..., Any]:
        """The original function, bound to its instance."""
        if self._instance is None:
            return self._function
        return types.MethodType(self._function, self._instance)

    @property
    def __wherry_dynamic__(self) -> Callable[..., Any]:
        return self.dynamic

    @property
    def function_spec(self) -> FunctionSpec:
        if self._spec is None:
            self._spec = FunctionSpec(self._function, self._input_spec, self._is_method)
        return self._spec

    @functools.cached_property
    def _programs(self) -> ProgramCache:
        return ProgramCache(self.function_spec)

    # Windows into what was traced.

    @property
    def dygraph_function(self) -> Callable[..., Any]:
        return self.dynamic

    @property
    def program_cache(self) -> ProgramCache:
        """The traced Programs; `len` counts the signatures."""
        return self._programs

    @property
    def code(self) -> str:
        """The converted function's source text."""
        function = self._function
        text = converted_text(function) if isinstance(function, types.FunctionType) else None
        if text is None:
            raise OSError(
                f"the source of {getattr(function, '__name__', function)!r} is not in a file, so "
                "it was not converted"
            )
        return text

    @property
    def concrete_program(self) -> ConcreteProgram:
        """The last traced Program; traced from the input_spec if nothing was called yet."""
        return self.concrete_for(None)

    def concrete_for(self, input_spec: Sequence[Any] | None) -> ConcreteProgram:
        """The Program for an input_spec: the given one, the decorator's, or the last call's.

        Raises ValueError if there is none of them.
        """
        specs = self.function_spec.input_spec if input_spec is None else list(input_spec)
        if specs is not None:
            try:
                return self._trace_specs(specs)
            except Exception as error:
                show_users_lines(error)
                raise
        last = self._programs.last
        if last is None:
            names = ",".join(p.name for p in self.function_spec.params)
            missing = ValueError(
                f"No valid transformed program for function: {self.function_spec.name}({names}), "
                "input_spec: None.\n\t    Please specific `input_spec` in `@paddle.jit.to_static` "
                "or feed input tensor to call the decorated function at once."
            )
            mark_users(missing)
            raise missing
        return last.concrete

    def _trace_specs(self, specs: Sequence[Any]) -> ConcreteProgram:
        arguments = Arguments(self.function_spec.bind_specs(specs))
        leaves = [
            leaf_for_spec(as_spec(value), place)
            for value, place in zip(arguments.inputs, arguments.input_names(), strict=True)
        ]
        check_names([(leaf.name, leaf.dims) for leaf in leaves])
        return self._programs.for_specs(arguments, self._mode, self.dynamic, leaves).concrete

    @property
    def main_program(self) -> Program:
        return self.concrete_program.main_program

    @property
    def inputs(self) -> list[Variable]:
        return self.concrete_program.inputs

    @property
    def outputs(self) -> list[Variable]:
        return self.concrete_program.outputs

    def explain(self) -> Explanation:
        """What the last trace baked in as constants, which branches and loops it decided, and which
        became a part of the Program, each with its line.

        Without a call it is traced from the input_spec; ValueError if there is none.
        """
        last = self._programs.last
        return Explanation.of(self.concrete_program if last is None else last.concrete)

    def rollback(self) -> Callable[..., Any]:
        """Give the instance its dynamic method back; returns it."""
        instance, name = self._instance, self._function.__name__
        if instance is not None and instance.__dict__.get(name) is self:
            object.__delattr__(instance, name)
        if instance is not None and isinstance(getattr(type(instance), name, None), StaticFunction):
            instance.__dict__[name] = self.dynamic
        return self.dynamic

    def __deepcopy__(self, memo: dict[int, Any]) -> StaticFunction:
        instance = memo.get(id(self._instance), self._instance)
        return StaticFunction(self._function, self._input_spec, instance)

    def __reduce__(self) -> tuple[Any, ...]:
        return StaticFunction, (self._function, self._input_spec, self._instance)

    def __repr__(self) -> str:
        return f"<StaticFunction of {self._function!r}>"


def as_spec(value: Any) -> Any:
    """An InputSpec for an InputSpec, a Tensor or an array."""
    from ..static.input_spec import InputSpec

    if isinstance(value, InputSpec):
        return value
    return (
        InputSpec.from_tensor(value) if isinstance(value, Tensor) else InputSpec.from_numpy(value)
    )


def check_names(leaves: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
    """Inputs of one name must have one shape."""
    known: dict[str, tuple[Any, ...]] = {}
    for name, dims in leaves:
        shape = tuple(d if isinstance(d, int) else -1 for d in dims)
        if known.setdefault(name, shape) != shape:
            raise ValueError(
                f"Variable '{name}' has been created before. The previous shape is {known[name]}, "
                f"the new shape is {shape}. They are not matched."
            )


def _need_layer(instance: Any, function: Callable[..., Any]) -> None:
    if not isinstance(instance, Layer):
        raise TypeError(
            "When using 'to_static' to convert method of a class, please ensure the class "
            "inherits from "
            f"nn.Layer; {type(instance).__name__}.{function.__name__} is a method of a plain "
            "class. Make it a Layer, or a function"
        )
