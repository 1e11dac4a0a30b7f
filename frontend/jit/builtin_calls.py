"""Builtins that know tensors: what converted code calls for `len`, `int`, `map` and so on."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any, Final

from wherry.schema.dtypes import bool_, int64

from ..framework import default_dtype
from ..ops.shape import concat, stack
from ..tensor import Tensor
from ..traced import Traced
from . import growing, iterate
from .attributes import all_attributes, get_attribute, has_attribute, names_of_attributes
from .branch import active_tracer, convert_ifelse, convert_ternary, decides, of_program
from .classes import own_method
from .dicts import new_dict
from .either import announced
from .ends import end_unless
from .folds import folded, for_each, listed, mapped, open_sequence
from .iterate import Pushed, opened
from .lifted_calls import call_lifted
from .lists import TracedDict, TracedList, is_stored
from .logic import logical_and, logical_or
from .numbers import as_number
from .sizes import Size


def _cast(python_type: type, dtype: Callable[[], Any]) -> Callable[..., Any]:
    def convert(*args: Any, **kwargs: Any) -> Any:
        value = args[0] if len(args) == 1 and not kwargs else None
        if python_type is bool and is_stored(value):
            value = iterate.of_len(value)
        if isinstance(value, Size):
            if python_type is int:
                return value
            value = value.tensor()
        build = active_tracer()
        own = own_method(value, f"__{python_type.__name__}__")
        if own is not None:
            return convert(own())
        if not isinstance(value, Tensor) or build is None:
            return python_type(*args, **kwargs)
        # A captured tensor is read anew at each call, so its number is one of the Program's too.
        value = build.as_traced(value)
        scalar = value.item()
        target = dtype()
        if scalar.dtype is target:
            return scalar
        return as_number(build.emit("cast", scalar, in_dtype=scalar.dtype, out_dtype=target))

    return convert


def _extremum(python_function: Callable[..., Any], better: Callable[[Any, Any], Any]) -> Any:
    def chosen(best: Any, item: Any) -> Any:
        return _chosen(better(item, best), item, best)

    def convert(*args: Any, **kwargs: Any) -> Any:
        sequence = open_sequence(args[0]) if len(args) == 1 and not kwargs else None
        if sequence is not None:
            empty = ValueError(f"{python_function.__name__}() iterable argument is empty")
            holds: Any = sequence.length > 0
            end_unless(holds, True, empty)
            return folded(sequence, sequence.item(0), chosen)
        items = list(args[0]) if len(args) == 1 and not isinstance(args[0], Traced) else list(args)
        items = list(map(of_program, items))
        if kwargs or not any(isinstance(item, (Traced, Size)) for item in items):
            return python_function(*args, **kwargs)
        if len(items) == 1:
            items = list(items[0])
        best = items[0]
        for item in items[1:]:
            best = chosen(best, item)
        return best

    return convert


def _chosen(test: Any, yes: Any, no: Any) -> Any:
    return convert_ternary(test, lambda: yes, lambda: no)


def _quantifier(python_function: Callable[..., Any], joined: Callable[..., Any]) -> Any:
    def convert(*args: Any, **kwargs: Any) -> Any:
        sequence = open_sequence(args[0]) if len(args) == 1 else None
        if sequence is not None:
            return folded(sequence, python_function(()), lambda so_far, item: (
                joined(so_far, lambda: decides(item))
            ))  # fmt: skip
        items = list(args[0]) if len(args) == 1 else []
        if not any(isinstance(item, (Traced, Size)) for item in items):
            return python_function(*([items] if len(args) == 1 else args), **kwargs)
        found = items[-1]
        for item in reversed(items[:-1]):
            found = _joined(joined, item, found)
        return found

    return convert


def _joined(joined: Callable[..., Any], item: Any, rest: Any) -> Any:
    return joined(item, lambda: rest)


def _print(*values: Any, **kwargs: Any) -> None:
    """`print`: tensors become print ops of the Program, in their place; the rest is printed now."""
    build = active_tracer()
    values = tuple(map(of_program, values))
    if build is None or not any(isinstance(value, Traced) for value in values):
        print(*values, **kwargs)
        return
    text: list[str] = []
    for value in values:
        if isinstance(value, Traced):
            build.emit("print", value, message=" ".join(text))
            text = []
        else:
            text.append(str(value))
    if text:
        print(*text, **kwargs)


def _list(*items: Any) -> Any:
    """`list`: a list of which a loop on a tensor may change the length."""
    if not items:
        return growing.new_list([])
    (given,) = map(opened, items)
    if isinstance(given, Pushed) or open_sequence(given) is not None:
        return listed(given)
    return growing.new_list(list(given))


def _dict(*items: Any, **named: Any) -> Any:
    """`dict`: one that may get keys in some calls only."""
    found = new_dict(items[0] if items and isinstance(items[0], TracedDict) else dict(*items))
    found.update(named)
    return found


def _sum(items: Any, start: Any = 0) -> Any:
    """`sum`, also of what a loop on a tensor has made or yields."""
    given = opened(items)
    if isinstance(given, Pushed) or open_sequence(given) is not None:
        return folded(given, start, operator.add)
    return sum(given, start)


def _joining(function: Callable[..., Any], of_stored: Callable[..., Any]) -> Callable[..., Any]:
    def convert(x: Any, *args: Any, **kwargs: Any) -> Any:
        if is_stored(x):
            return of_stored(x, *args, **kwargs)
        return call_lifted(function, x, *args, **kwargs)

    return convert


def _with_converted(function: Callable[..., Any]) -> Callable[..., Any]:
    """For what is given a function as an argument and calls it."""

    def convert(*args: Any, **kwargs: Any) -> Any:
        from .convert_call import convert_call

        return function(*(convert_call(a) if callable(a) else a for a in args), **kwargs)

    return convert


def _map(function: Any, *items: Any) -> Any:
    """`map`: of what only the call knows the length of, when it is iterated over."""
    from .convert_call import convert_call

    converted = convert_call(function)
    if all(open_sequence(one) is None for one in items):
        return map(converted, *items)
    return mapped(iterate.of_zip(*items), lambda row: converted(*row))


def _filter(function: Any, items: Any) -> Any:
    """`filter`: a list that is complete at once, as a tensor may decide what is in it."""
    from .convert_call import convert_call

    kept = growing.new_list([])
    test = (lambda item: item) if function is None else convert_call(function)
    for_each(
        items,
        lambda item: convert_ifelse(test(item), lambda: kept.append(item), lambda: None, ()),
    )
    return kept if is_stored(kept) else iter(list(kept))


def _setattr(owner: Any, name: str, value: Any) -> None:
    setattr(announced(owner, name), name, value)


def _delattr(owner: Any, name: str) -> None:
    delattr(announced(owner, name), name)


def _type(*args: Any, **kwargs: Any) -> Any:
    """`type`: what stands for a value while it is traced has the value's type."""
    if len(args) != 1:
        return type(*args, **kwargs)
    known = ((TracedList, list), (TracedDict, dict), (Traced, Tensor), (Size, int))
    (value,) = args
    return next((kind for ours, kind in known if isinstance(value, ours)), type(value))


BUILTINS: Final[dict[Any, Callable[..., Any]]] = {
    range: iterate.of_range, enumerate: iterate.of_enumerate, zip: iterate.of_zip,
    reversed: iterate.of_reversed, len: iterate.of_len, print: _print,
    int: _cast(int, lambda: int64), float: _cast(float, default_dtype),
    bool: _cast(bool, lambda: bool_),
    max: _extremum(max, operator.gt), min: _extremum(min, operator.lt),
    list: _list, dict: _dict, sum: _sum, stack: _joining(stack, growing.stacked),
    concat: _joining(concat, growing.concatenated),
    map: _map, functools.reduce: _with_converted(functools.reduce),
    itertools.accumulate: _with_converted(itertools.accumulate),
    itertools.starmap: _with_converted(itertools.starmap), filter: _filter,
    any: _quantifier(any, logical_or), all: _quantifier(all, logical_and),
    setattr: _setattr, delattr: _delattr, type: _type,
    hasattr: has_attribute, getattr: get_attribute, vars: all_attributes,
    dir: names_of_attributes,
}  # fmt: skip
# These read one of two lists as they come to its elements.
KNOW_EITHER: Final = (iterate.of_enumerate, iterate.of_zip, iterate.of_reversed, _setattr, _delattr)
