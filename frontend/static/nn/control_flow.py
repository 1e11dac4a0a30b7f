"""Branches and loops on values that are known at the run: `cond`, `while_loop` and their kin."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...dispatch import run_op, tracer
from ...jit.branch import decides
from ...jit.either import is_either, parts
from ...jit.leaves import kind
from ...jit.loop import Loop
from ...jit.sides import trace_branch
from ...jit.state import CellPlace, at_line, is_poison
from ...ops.creation import full
from ...tensor import Tensor
from ...traced import Traced
from ...utils import map_structure
from ..tracer import StaticTracer

Branch = Callable[[], Any]


def cond(
    pred: Any, true_fn: Branch | None = None, false_fn: Branch | None = None,
    name: str | None = None, return_names: Any = None,
) -> Any:  # fmt: skip
    """The result of `true_fn` where `pred` holds, else that of `false_fn`.

    Both must give the same structure of Variables of the same dtypes and ranks; where sizes differ
    the result has those of the one that runs. One that is left out gives None. In dynamic mode, and
    for a Python bool, just one of them is called. Raises TypeError for what cannot be called,
    ValueError where the results do not fit, ConversionError where they differ in a way that no run
    could decide.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([3.0])
    >>> paddle.static.nn.cond(x > 2, lambda: x * 2, lambda: x).tolist()
    [6.0]
    """
    for what, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if function is not None and not callable(function):
            raise TypeError(
                f"The {what} in cond must be callable, but received {type(function).__name__}"
            )
    yes, no = true_fn or _nothing, false_fn or _nothing
    chosen = decides(_condition(pred, "cond"))
    if not isinstance(chosen, Traced):
        return yes() if chosen else no()
    result = CellPlace(types.CellType(), "the result of cond")
    models: list[Any] = []

    def last() -> None:
        models.append(no())
        result.set(_listed(models[0]))

    trace_branch(chosen, lambda: result.set(_listed(yes())), last, [result])
    value = result.get()
    _need_single(value)
    return _like(value, models[0])


def _listed(value: Any) -> Any:
    """The value with its tuples as lists: the two branches may give one or the other."""
    if type(value) in (list, tuple):
        return [_listed(one) for one in value]
    return {k: _listed(one) for k, one in value.items()} if isinstance(value, dict) else value


def _like(value: Any, model: Any) -> Any:
    """The value with lists and tuples as in the model."""
    if type(model) in (list, tuple):
        return type(model)(_like(*pair) for pair in zip(value, model, strict=True))
    if isinstance(model, dict):
        return {key: _like(value[key], one) for key, one in model.items()}
    return value


def _need_single(value: Any) -> None:
    """Refuse a result that is of two kinds. ValueError, as in Paddle."""
    if is_poison(value):
        value.refuse()
    if is_either(value):
        one, two = (_text(part) for part in parts(value)[1:])
        raise ValueError(
            "Incompatible return values of true_fn and false_fn in cond: "
            f"{one} in true_fn and {two} in false_fn; let both return the same structure of "
            f"Variables of the same ranks and dtypes{at_line()}"
        )
    nested = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, (list, tuple, Mapping)):
        for one in nested:
            _need_single(one)


def _text(value: Any) -> str:
    return (
        f"{kind(value)} and shape {list(value.shape)}" if isinstance(value, Tensor) else kind(value)
    )


def _nothing() -> None:
    """The branch that was left out."""


def _condition(pred: Any, function: str) -> Any:
    if isinstance(pred, (Tensor, bool, np.bool_)):
        return pred
    raise TypeError(
        f"The type of 'pred' in {function} must be Variable, but received {type(pred).__name__}"
    )


def case(
    pred_fn_pairs: Sequence[tuple[Any, Branch]], default: Branch | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The result of the first function whose predicate holds, else of `default`.

    Without a default it is the last function's. Raises TypeError for other pairs.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([3.0])
    >>> pairs = [(x < 1, lambda: x), (x < 5, lambda: x * 2)]
    >>> paddle.static.nn.case(pairs).tolist()
    [6.0]
    """
    if not isinstance(pred_fn_pairs, (list, tuple)) or not pred_fn_pairs:
        raise TypeError(
            "The type of 'pred_fn_pairs' in case must be list or tuple of (pred, fn), but received "
            f"{pred_fn_pairs!r}"
        )
    pairs = [_pair(one, "pred_fn_pairs", "case") for one in pred_fn_pairs]
    for pred, _ in pairs:
        _condition(pred, "case")
    if default is None:
        *pairs, (_, default) = pairs
    return _first_of(pairs, default, "case")


def _pair(one: Any, argument: str, function: str) -> tuple[Any, Branch]:
    if not isinstance(one, (list, tuple)) or len(one) != 2 or not callable(one[1]):
        raise TypeError(
            f"each element of '{argument}' in {function} must be a pair with a function that can "
            f"be called, but received {one!r}"
        )
    return one[0], one[1]


def _first_of(pairs: Sequence[tuple[Any, Branch]], default: Branch, function: str) -> Any:
    if not callable(default):
        raise TypeError(
            f"The default in {function} must be callable, but received {type(default).__name__}"
        )
    if not pairs:
        return default()
    (pred, chosen), *rest = pairs
    return cond(pred, chosen, lambda: _first_of(rest, default, function))


def switch_case(
    branch_index: Any, branch_fns: Any, default: Branch | None = None, name: str | None = None
) -> Any:
    """The result of the function whose number `branch_index` is, else of `default`.

    `branch_fns` is a dict {number: function}, or a list of (number, function) or of functions.
    Without a default it is the function of the largest number. Raises TypeError for other indices
    or functions, ValueError for a number that is given twice.

    >>> import wherry as paddle
    >>> index = paddle.to_tensor([1])
    >>> branches = {1: lambda: paddle.ones([2]), 2: lambda: paddle.zeros([2])}
    >>> paddle.static.nn.switch_case(index, branches).tolist()
    [1.0, 1.0]
    """
    if not isinstance(branch_index, (Tensor, int)) or (
        isinstance(branch_index, Tensor) and not branch_index.dtype.is_integer
    ):
        what = getattr(branch_index, "dtype", type(branch_index).__name__)
        raise TypeError(
            f"The 'branch_index' in switch_case must be an integer, but received {what}"
        )
    found = _numbered(branch_fns)
    if default is None:
        *found, (_, default) = found
    pairs = [(_is_number(branch_index, number), function) for number, function in found]
    return _first_of(pairs, default, "switch_case")


def _is_number(index: Any, number: int) -> Any:
    if not isinstance(index, Tensor):
        return index == number
    return run_op("equal", index, full([1], number, index.dtype).reshape(list(index.shape)))


def _numbered(branch_fns: Any) -> list[tuple[int, Branch]]:
    """(number, function) pairs by number."""
    if not isinstance(branch_fns, (list, tuple, Mapping)) or not branch_fns:
        raise TypeError(
            "The type of 'branch_fns' in switch_case must be dict, list or tuple, but received "
            f"{branch_fns!r}"
        )
    listed = list(branch_fns.items()) if isinstance(branch_fns, Mapping) else list(branch_fns)
    if all(callable(one) for one in listed):
        listed = list(enumerate(listed))
    pairs = [_pair(one, "branch_fns", "switch_case") for one in listed]
    numbers = [number for number, _ in pairs]
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError(f"The numbers of 'branch_fns' must be int, but received {numbers}")
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"The numbers of 'branch_fns' should be unique, but received {numbers}")
    return sorted(pairs, key=lambda pair: pair[0])


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, is_test: bool = False,
    name: str | None = None,
) -> list[Any]:  # fmt: skip
    """`loop_vars` after `body` was applied as long as `cond` holds: both get them as arguments.

    The shapes and dtypes must stay what they are. In dynamic mode it is a loop of Python. Raises
    TypeError and ValueError for arguments that do not fit, and for a body that returns another
    number of values.

    >>> import wherry as paddle
    >>> i, n = paddle.zeros([1], "int64"), paddle.full([1], 10, "int64")
    >>> paddle.static.nn.while_loop(lambda i, n: i < n, lambda i, n: [i + 3, n], [i, n])[0].tolist()
    [12]
    """
    if not callable(cond):
        raise TypeError("cond in while_loop should be callable")
    if not callable(body):
        raise TypeError("body in while_loop should be callable")
    if not isinstance(loop_vars, (list, tuple)):
        raise TypeError(
            f"The type of 'loop_vars' in while_loop must be list or tuple, but received "
            f"{type(loop_vars).__name__}"
        )
    if not loop_vars:
        raise ValueError("loop_vars in while_loop should not be empty")
    place = _LoopVars(list(loop_vars))

    def test() -> Any:
        return decides(_loop_condition(cond(*place.value)))

    def step() -> None:
        place.set(_as_many(body(*place.value), len(loop_vars)))

    _run_loop(test, step, place)
    found: list[Any] = place.value
    return found


def _loop_condition(pred: Any) -> Any:
    """What cond returned. In static mode a Python value decides nothing: it is the same in each
    round. TypeError for one.
    """
    if not isinstance(pred, Tensor) and isinstance(tracer.get(), StaticTracer):
        raise TypeError(
            "The type of what cond returns in while_loop must be Variable, but received "
            f"{type(pred).__name__}: let it compare Variables of loop_vars{at_line()}"
        )
    return _condition(pred, "while_loop")


def _run_loop(test: Branch, step: Branch, place: _LoopVars) -> None:
    """In Python as long as conditions have values, else as a `while` op."""
    active: Any = tracer.get()
    if active is not None:
        place.set(
            map_structure(
                lambda leaf: active.as_traced(leaf) if isinstance(leaf, Tensor) else leaf,
                place.value,
            )
        )
    while True:
        going = test()
        if isinstance(going, Traced):
            Loop(going.tracer, test, step, [place]).record(going)
            break
        if not going:
            break
        step()
    if is_poison(place.value):
        place.value.refuse()


def _as_many(found: Any, count: int) -> list[Any]:
    listed = list(found) if isinstance(found, (list, tuple)) else [found]
    if len(listed) != count:
        raise ValueError(
            "body in while_loop should return the same arity (length and structure) and types as "
            f"loop_vars: {count} values, but received {len(listed)}{at_line()}"
        )
    return listed


class _LoopVars:
    """The loop's variables: one place whose value is their list.

    Nobody else knows the `owner`, so to a loop around this one the place is its round's own.
    """

    label = "loop_vars"

    def __init__(self, value: list[Any]) -> None:
        self.owner: list[Any] = [value]

    @property
    def value(self) -> Any:
        """The variables as they are now."""
        return self.owner[0]

    @property
    def key(self) -> Any:
        return "loop_vars", id(self.owner)

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.owner[0] = value
