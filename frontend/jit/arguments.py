"""A static function's arguments: bound to parameters, cut into leaves, described by specs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wherry.schema.dtypes import DType, as_dtype
from wherry.tensor import Tensor

from ..static.input_spec import InputSpec
from .structure import flatten, unflatten


class Leaf(NamedTuple):
    """A tensor argument: its parameter, its place in that argument, and what it looks like."""

    name: str
    dims: tuple[Any, ...]
    dtype: DType
    stop_gradient: bool
    # Whether an InputSpec describes it, which does not say that a gradient is wanted.
    is_spec: bool = False


class Bound(NamedTuple):
    """Arguments of a call by parameter: structure and leaves, tensors numbered in order."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: list[str]


class FunctionSpec:
    """The parameters of the user's function and the input_spec that was given for them."""

    def __init__(self, function: Callable[..., Any], input_spec: Any, skip_self: bool) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        params = list(inspect.signature(function).parameters.values())
        self.params = params[1:] if skip_self else params
        self.input_spec = check_input_spec(input_spec)

    @property
    def positional(self) -> list[inspect.Parameter]:
        kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [p for p in self.params if p.kind in kinds]

    def bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Bound:
        """Bind the arguments and fill in defaults. TypeError or ValueError if they do not fit."""
        positional = self.positional
        variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in self.params)
        if len(args) > len(positional) and not variadic:
            names = [p.name for p in positional]
            raise ValueError(
                f"The decorated function `{self.name}` requires {len(names)} arguments: {names}, "
                f"but received {len(args)} with {_brief(args)}."
            )
        rest = dict(kwargs)
        found: list[Any] = list(args[: len(positional)])
        names = [p.name for p in positional[: len(found)]]
        for name in names:
            if name in rest:
                raise TypeError(f"{self.name}() got multiple values for argument '{name}'")
        for param in positional[len(found) :]:
            if param.name not in rest and param.default is inspect.Parameter.empty:
                raise ValueError(
                    f"`{self.name}()` requires `{param.name}` arguments, but not found in input "
                    f"`args`: {_brief(args)} and `kwargs`: {rest}."
                )
            found.append(rest.pop(param.name, param.default))
            names.append(param.name)
        extra = list(args[len(positional) :])
        names += [f"args_{i}" for i in range(len(extra))]
        return Bound((*found, *extra), self._keywords(rest), names)

    def _keywords(self, rest: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for param in self.params:
            if param.kind is inspect.Parameter.KEYWORD_ONLY:
                if param.name not in rest and param.default is inspect.Parameter.empty:
                    raise ValueError(
                        f"`{self.name}()` requires `{param.name}` arguments, but not found in "
                        f"`kwargs`."
                    )
                found[param.name] = rest.pop(param.name, param.default)
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in self.params)
        if rest and not takes_any:
            raise TypeError(
                f"{self.name}() got an unexpected keyword argument '{next(iter(rest))}'"
            )
        return found | rest

    def bind_specs(self, specs: Sequence[Any]) -> Bound:
        """The specs as the arguments of a call."""
        return self.bind(tuple(specs), {})


def check_input_spec(input_spec: Any) -> list[Any] | None:
    """The input_spec as a list. TypeError for what is neither a list nor a tuple."""
    if input_spec is None:
        return None
    if not isinstance(input_spec, (list, tuple)):
        raise TypeError(
            "The type(input_spec) should be one of (tuple, list), but received "
            f"{type(input_spec).__name__}."
        )
    return list(input_spec)


def is_input(leaf: Any) -> bool:
    """Whether a leaf of the arguments is a tensor of the Program (not a Python constant)."""
    return isinstance(leaf, (Tensor, np.ndarray, InputSpec))


class Arguments:
    """Bound arguments taken apart: `leaves` in order, of which `inputs` are tensors."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.structure, self.leaves = flatten((tuple(bound.args), bound.kwargs))
        self.places = [i for i, leaf in enumerate(self.leaves) if is_input(leaf)]

    @property
    def inputs(self) -> list[Any]:
        return [self.leaves[i] for i in self.places]

    @property
    def constants(self) -> tuple[Any, ...]:
        """The leaves as a hashable key, with None in the place of each tensor."""
        return tuple(None if is_input(leaf) else constant_key(leaf) for leaf in self.leaves)

    def named_constants(self) -> list[tuple[str, Any]]:
        """The arguments that hold no tensor, with their parameters."""
        named = [*zip(self.bound.names, self.bound.args, strict=True), *self.bound.kwargs.items()]
        return [pair for pair in named if not any(map(is_input, flatten(pair[1])[1]))]

    def rebuilt(self, inputs: Iterable[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """(args, kwargs) with other values in the places of the tensors."""
        leaves = list(self.leaves)
        for place, value in zip(self.places, inputs, strict=True):
            leaves[place] = value
        args, kwargs = unflatten(self.structure, iter(leaves))
        return args, kwargs

    def input_names(self) -> list[tuple[str, int, int]]:
        """For each tensor: its parameter's name and position, and its number in there."""
        found = []
        place = 0
        named = [*zip(self.bound.names, self.bound.args, strict=True), *self.bound.kwargs.items()]
        for position, (name, value) in enumerate(named):
            number = 0
            for leaf in flatten(value)[1]:
                if is_input(leaf):
                    found.append((name, position, number))
                    number += 1
                place += 1
        return found


class _Same:
    """A key for an object that has no hash: itself, kept alive so that its id stays its own."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def constant_key(value: Any) -> Any:
    """A hashable stand-in for a Python constant; as in Paddle 1 is True, but not 1.0."""
    if isinstance(value, (float, complex, np.generic)):
        return type(value), repr(value)
    if isinstance(value, slice):
        return slice, constant_key(value.start), constant_key(value.stop), constant_key(value.step)
    if isinstance(value, set):
        return set, frozenset(map(constant_key, value))
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return value


def leaf_of_value(value: Any) -> tuple[tuple[int, ...], DType, bool]:
    """Shape, dtype and stop_gradient of a tensor or array."""
    if isinstance(value, Tensor):
        return value.array.shape, value.dtype, value.stop_gradient
    return value.shape, as_dtype(value.dtype), True


def check_structure(spec: Any, value: Any, where: str) -> None:
    """The nested containers of a spec and of the value for it must be of the same types.

    `where` names the value in messages: TypeError, KeyError or ValueError for what does not fit.
    """
    if isinstance(spec, InputSpec) and isinstance(value, (list, tuple, dict)):
        raise TypeError(
            f"{where} should be a tensor, as its InputSpec says, but received a "
            f"{type(value).__name__}; the input_spec of a {type(value).__name__} is a "
            f"{type(value).__name__} of InputSpecs"
        )
    if isinstance(spec, (list, tuple, dict)):
        if type(value) is not type(spec):
            raise TypeError(
                f"type(input) should be {type(spec)}, but received {type(value)}. It is {where}; "
                "pass it as the input_spec has it"
            )
        pairs: Iterable[tuple[Any, Any]]
        if isinstance(spec, dict):
            missing = [key for key in spec if key not in value]
            if missing:
                raise KeyError(f"{where} needs the key {missing[0]!r}, got the keys {[*value]}")
            pairs = [(spec[key], value[key]) for key in spec]
        else:
            if len(spec) != len(value):
                raise ValueError(
                    f"the input_spec has a {type(spec).__name__} of {len(spec)} for {where}, got "
                    f"one of {len(value)}"
                )
            pairs = zip(spec, value, strict=True)
        for one, other in pairs:
            check_structure(one, other, where)


def _brief(values: Any) -> Any:
    """Arguments for a message: tensors by their type only."""

    def text(value: Any) -> str:
        if isinstance(value, Tensor):
            return f"Tensor{value.shape}"
        return f"array{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)

    inside = ", ".join(text(value) for value in values)
    return f"({inside},)" if len(values) == 1 else f"({inside})"
