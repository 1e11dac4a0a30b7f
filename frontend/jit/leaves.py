"""The leaves of values that are merged: tensors, Sizes and numbers, their dtypes and shapes."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wherry.dispatch import tracer
from wherry.ir.infer import TensorType, show
from wherry.schema.dtypes import DType, as_dtype, bool_, int64
from wherry.tensor import Tensor

from ..framework import default_dtype
from ..traced import Traced
from .either import Deferred, Missing
from .lists import TracedDict, TracedList
from .signals import NeedsSizes
from .sizes import Size, plain
from .state import is_poison, is_traced
from .structure import Held

if TYPE_CHECKING:
    from .tracer import ProgramTracer

NUMBERS = (bool, int, float, np.number, np.bool_)


def original(value: Any) -> Any:
    """The tensor that a snapshot is of, the object that is Held; else the value itself."""
    if type(value) is Held:
        return value.origin
    return value.origin if is_traced(value) and value.origin is not None else value


def mergeable(yes: Any, no: Any) -> bool:
    """Whether two leaves become one: the same value, or tensors and numbers of one shape."""
    if is_poison(yes) or is_poison(no) or same(yes, no):
        return True
    if not all(isinstance(v, (Tensor, Deferred, Size, *NUMBERS)) for v in (yes, no)):
        return False
    left, right = dims_of_value(yes), dims_of_value(no)
    if left != right:
        _need_sizes(left, right)
    return left == right and common_dtype(yes, no) is not None


def _need_sizes(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Shapes that differ because sizes were left open: trace again with the sizes there are."""
    active: Any = tracer.get()
    if active is None or not active.open_sizes or len(left) != len(right):
        return
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    if all(not (isinstance(a, int) and isinstance(b, int)) for a, b in pairs):
        raise NeedsSizes(show(left))


def as_tensor_of(tracer: ProgramTracer, value: Any, dtype: DType) -> Traced:
    """A number, Size, tensor or stand-in as a traced tensor of this dtype."""
    made: Traced
    if isinstance(value, Deferred):
        made = value.made(tracer, dtype)
        return made
    if isinstance(value, NUMBERS):
        number = value.item() if isinstance(value, np.generic) else value
        made = tracer.emit("fill_constant", shape=[], value=number, dtype=dtype)
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


def common_dtype(yes: Any, no: Any) -> DType | None:
    """The dtype that holds both, or None: a bool is no number."""
    left, right = dtype_of_value(yes), dtype_of_value(no)
    if isinstance(yes, NUMBERS) and fits(yes, right):
        return right
    if isinstance(no, NUMBERS) and fits(no, left):
        return left
    return promoted(left, right)


def promoted(left: DType, right: DType) -> DType | None:
    """The dtype that holds the values of both, or None: a bool is no number."""
    if left is right:
        return left
    if left is bool_ or right is bool_:
        return None
    if left.is_float != right.is_float:
        return left if left.is_float else right
    return left if left.itemsize >= right.itemsize else right


def type_of(value: Tensor) -> TensorType:
    """Shape and dtype of a traced or an eager tensor."""
    if isinstance(value, Traced):
        return value.variable.type
    return TensorType(tuple(value.array.shape), value.dtype)


def dtype_of_value(value: Any) -> DType:
    """The dtype of a tensor, a Size or a number."""
    if isinstance(value, Deferred):
        return value.type.dtype
    if isinstance(value, Tensor):
        return value.dtype
    return int64 if isinstance(value, Size) else number_dtype(value)


def dims_of_value(value: Any) -> tuple[Any, ...]:
    """The shape of a tensor; a number has none."""
    if isinstance(value, Deferred):
        return value.type.shape
    return type_of(value).shape if isinstance(value, Tensor) else ()


def same(yes: Any, no: Any) -> bool:
    """Whether two leaves are one value without looking at data that is not there yet."""
    if yes is no or (type(yes) is Held and original(yes) is original(no)):
        return True
    if isinstance(yes, Traced) and isinstance(no, Traced):
        return yes.variable is no.variable
    if isinstance(yes, Tensor) or isinstance(no, Tensor) or type(yes) is not type(no):
        return False
    if isinstance(yes, np.ndarray):
        return yes.dtype == no.dtype and np.array_equal(yes, no)
    if isinstance(yes, Size):
        return bool(plain(yes) == plain(no))
    if isinstance(yes, Missing):
        return True
    if isinstance(yes, types.FunctionType):
        return _same_function(yes, no)
    if type(yes).__hash__ is None and not isinstance(yes, slice):
        # Equal objects that can be changed (a set, a dataclass) are not one.
        return False
    try:
        return bool(yes == no)
    except Exception:  # whatever the __eq__ of a class of the user raises
        return False


def _same_function(yes: types.FunctionType, no: types.FunctionType) -> bool:
    """Whether a `def` or a lambda gave both: of one code, over the same variables."""
    if yes.__code__ is not no.__code__ or yes.__defaults__ or no.__defaults__:
        return False
    cells = zip(yes.__closure__ or (), no.__closure__ or (), strict=True)
    return not yes.__kwdefaults__ and all(one is other for one, other in cells)


def kind(value: Any) -> str:
    """What a value is, for messages."""
    if value is None:
        return "None"
    if isinstance(value, Missing):
        return "nothing (it is not assigned)"
    if isinstance(value, (Tensor, Deferred)):
        return f"a tensor of dtype {dtype_of_value(value).name}"
    if isinstance(value, TracedList):
        return "a list whose length is a tensor" if value.stored else f"a list of {len(value)}"
    if isinstance(value, TracedDict):
        return f"a dict of {dict.__len__(value)}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (*NUMBERS, str)):
        return f"the {type(value).__name__} {value!r}"
    return f"a {type(value).__name__}"
