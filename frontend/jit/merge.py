"""One value out of two: what a variable is after a branch that depends on a tensor.

Equal Python values stay Python values. Tensors, and numbers that differ, become a result of the
`cond`. What fits neither becomes a Poison, which says so when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wherry.ir.infer import TensorType, show
from wherry.ir.program import Variable
from wherry.schema.dtypes import DType, as_dtype, bool_, int64
from wherry.tensor import Tensor

from ..framework import default_dtype
from ..location import user_location
from ..traced import Traced
from .sizes import Size
from .state import UNSET, Poison, Seen, flatten, is_poison, is_tensor, poison_text, unflatten

if TYPE_CHECKING:
    from .tracer import ProgramTracer

NUMBERS = (bool, int, float, np.number, np.bool_)


class Joined(NamedTuple):
    """How a leaf is made after the branch: `kept` as it is, or cond result number `place`."""

    kept: Any
    place: int | None


class Merger:
    """Collects the results of a cond while places are merged one by one."""

    def __init__(self, tracer: ProgramTracer) -> None:
        self.tracer = tracer
        self.pairs: list[tuple[Any, Any, DType]] = []
        loc = user_location()
        self.where = f" ({loc})" if loc else ""

    def merge(self, label: str, one: Seen, two: Seen) -> Callable[[list[Traced]], Any]:
        """Plan the value of one place; call the result with the cond's outputs to get it."""
        if one.value is two.value:
            return lambda outs: one.value
        yes, no = one.copy, two.copy
        if yes is UNSET or no is UNSET:
            return self._one_sided(label, yes, no)
        for value in (yes, no):
            if is_poison(value):
                return lambda outs, value=value: value  # type: ignore[misc]
        (structure, left), (other, right) = flatten(yes), flatten(no)
        if structure != other:
            return self._poisoned(label, f"{kind(yes)} in one branch and {kind(no)} in the other")
        before = len(self.pairs)
        joined = [self._leaf(a, b) for a, b in zip(left, right, strict=True)]
        bad = next((one for one in joined if isinstance(one, str)), None)
        if bad is not None:
            del self.pairs[before:]
            return self._poisoned(label, bad)
        leaves = [one for one in joined if not isinstance(one, str)]
        return lambda outs: unflatten(structure, _values(leaves, outs))

    def _one_sided(self, label: str, yes: Any, no: Any) -> Callable[[list[Traced]], Any]:
        """A value in one branch only. That of an early return is read under its flag alone."""
        if not label.startswith("_jst_value"):
            return self._poisoned(
                label, "assigned in one branch only; assign it in both, or before the `if`"
            )
        given = no if yes is UNSET else yes
        if is_poison(given):
            return lambda outs: given
        structure, leaves = flatten(given)
        joined = []
        for leaf in leaves:
            if not is_tensor(leaf):
                joined.append(Joined(leaf, None))
                continue
            zeros = Zeros(leaf)
            left, right = (zeros, leaf) if yes is UNSET else (leaf, zeros)
            joined.append(self._pair(left, right, leaf.dtype))
        return lambda outs: unflatten(structure, _values(joined, outs))

    def _leaf(self, yes: Any, no: Any) -> Joined | str:
        for value in (yes, no):
            if is_poison(value):
                return poison_text(value)
        if same(yes, no):
            return Joined(yes, None)
        kinds = [isinstance(v, (Tensor, Size, *NUMBERS)) for v in (yes, no)]
        if not all(kinds):
            return f"{kind(yes)} in one branch and {kind(no)} in the other"
        dtype = _common_dtype(yes, no)
        if dtype is None:
            return (
                f"{kind(yes)} in one branch and {kind(no)} in the other; "
                "cast one of them, so that both have one dtype"
            )
        left, right = dims_of_value(yes), dims_of_value(no)
        if left != right:
            return (
                f"a tensor of shape {show(left)} in one branch and of shape {show(right)} in the "
                "other; give both branches one shape"
            )
        return self._pair(yes, no, dtype)

    def _poisoned(self, label: str, what: str) -> Callable[[list[Traced]], Any]:
        if label.startswith("_jst_value"):
            text = (
                f"the function returns {what}, in a branch that depends on a tensor{self.where}; "
                "both must return the same kind of value"
            )
        else:
            text = f"after an `if` on a tensor{self.where} `{label}` is {what}"
        return lambda outs: Poison(text)

    def _pair(self, yes: Any, no: Any, dtype: DType) -> Joined:
        self.pairs.append((yes, no, dtype))
        return Joined(None, len(self.pairs) - 1)

    def results(self, side: int) -> list[Variable]:
        """The Variables that one branch yields; call it while the branch's block is open."""
        return [self._result(pair[side], pair[2]) for pair in self.pairs]

    def _result(self, value: Any, dtype: DType) -> Variable:
        if isinstance(value, Zeros):
            shape = list(value.type.shape)
            made = self.tracer.emit("fill_constant", shape=shape, value=0.0, dtype=dtype)
            return self.tracer.variable(made)
        return self.tracer.variable(as_tensor_of(self.tracer, value, dtype))


class Zeros:
    """Stands for a value that nobody reads."""

    def __init__(self, like: Any) -> None:
        self.type = type_of(like)


def as_tensor_of(tracer: ProgramTracer, value: Any, dtype: DType) -> Traced:
    """A number, Size or tensor as a traced tensor of this dtype."""
    if isinstance(value, NUMBERS):
        number = value.item() if isinstance(value, np.generic) else value
        made: Traced = tracer.emit("fill_constant", shape=[], value=number, dtype=dtype)
        return made
    traced = tracer.as_traced(value)
    if traced.dtype is not dtype:
        traced = tracer.emit("cast", traced, in_dtype=traced.dtype, out_dtype=dtype)
    return traced


def number_dtype(value: Any) -> DType:
    """The dtype of a Python or numpy number as a tensor."""
    if isinstance(value, np.generic):
        return as_dtype(value.dtype)
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else default_dtype()


def fits(value: Any, dtype: DType) -> bool:
    """Whether a number is exactly of this kind: an int for floats too, a float for floats only."""
    kind = number_dtype(value)
    if kind is bool_ or dtype is bool_:
        return kind is dtype
    return dtype.is_float or kind.is_integer


def _common_dtype(yes: Any, no: Any) -> DType | None:
    """The dtype in which both sides mean the same, or None."""
    left_number, right_number = isinstance(yes, NUMBERS), isinstance(no, NUMBERS)
    left, right = dtype_of_value(yes), dtype_of_value(no)
    if left is right:
        return left
    if left_number and fits(yes, right) and not (right_number and not fits(no, right)):
        return right
    if right_number and fits(no, left):
        return left
    return None


def type_of(value: Tensor) -> TensorType:
    """Shape and dtype of a traced or an eager tensor."""
    if isinstance(value, Traced):
        return value.variable.type
    return TensorType(tuple(value.array.shape), value.dtype)


def dtype_of_value(value: Any) -> DType:
    """The dtype of a tensor, a Size or a number."""
    if isinstance(value, Tensor):
        return value.dtype
    return int64 if isinstance(value, Size) else number_dtype(value)


def dims_of_value(value: Any) -> tuple[Any, ...]:
    """The shape of a tensor; a number has none."""
    return type_of(value).shape if isinstance(value, Tensor) else ()


def same(yes: Any, no: Any) -> bool:
    """Whether two leaves are one value without looking at data that is not there yet."""
    if yes is no:
        return True
    if isinstance(yes, Traced) and isinstance(no, Traced):
        return yes.variable is no.variable
    if isinstance(yes, Tensor) or isinstance(no, Tensor) or type(yes) is not type(no):
        return False
    if isinstance(yes, np.ndarray):
        return yes.dtype == no.dtype and np.array_equal(yes, no)
    if isinstance(yes, Size):
        return str(yes) == str(no)
    try:
        return bool(yes == no)
    except Exception:  # whatever the __eq__ of a class of the user raises
        return False


def kind(value: Any) -> str:
    """What a value is, for messages."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor of dtype {value.dtype.name}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (*NUMBERS, str)):
        return f"the {type(value).__name__} {value!r}"
    return f"a {type(value).__name__}"


def _values(joined: list[Joined], outs: list[Traced]) -> Iterator[Any]:
    return iter([one.kept if one.place is None else outs[one.place] for one in joined])
