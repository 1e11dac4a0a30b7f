"""Python numbers that became tensors, as a tensor decides their value: `int(x)`, a counter of a
loop on a tensor, `2 if c else 3`. Operators take them for the numbers that they are: such a one has
no dtype of its own beside a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from wherry.ir.dims import SymDim
from wherry.schema.dtypes import bool_, float32, int64
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..ops.convert import cast_to, is_number
from ..ops.operators import OPERATORS
from ..traced import Traced
from .either import Deferred
from .ends import end_unless
from .leaves import dtype_of_value
from .state import at_line, is_traced

_BINARY: Final = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"),
    *("eq", "ne", "lt", "le", "gt", "ge"),
)
_REFLECTED: Final = _BINARY[:7]
# What Python says of a division by zero: of ints, and of floats where that is something else.
_ZERO: Final = {
    "truediv": "division by zero", "floordiv": "integer division or modulo by zero",
    "mod": "integer modulo by zero",
}  # fmt: skip
_ZERO_FLOAT: Final = {
    "truediv": "float division by zero", "floordiv": "float floor division by zero",
    "mod": "float modulo",
}  # fmt: skip
_UNARY: Final = ("neg", "pos", "abs")


def stands_for_number(value: Any) -> bool:
    """Whether it is a number of Python, known or not, or the buffer of a list of such."""
    if isinstance(value, SymDim) or is_number(value):
        return True
    if isinstance(value, Deferred):
        return value.is_number() is True
    return is_traced(value) and value.stands_for_number


def are_one_kind(left: Any, right: Any) -> bool:
    """Whether both are ints, or both bools, of which a tensor decides one."""
    if not (is_traced(left) or is_traced(right)) or not _are_python(left, right):
        return False
    one, two = dtype_of_value(left), dtype_of_value(right)
    return one is two if bool_ in (one, two) else one.is_integer and two.is_integer


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are numbers, but for those that nobody reads."""
    read = [one for one in values if not isinstance(one, Deferred) or one.is_number() is not None]
    return bool(read) and all(map(stands_for_number, read))


def as_number(value: Any) -> Any:
    """The value; a traced one stands for a number from here on."""
    return value.note_number() if is_traced(value) else value


def _fitted(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Two operands, of which one or both stand for a number, in one dtype."""
    if left.stands_for_number and right.stands_for_number:
        kinds = sorted((left.dtype, right.dtype), key=lambda one: (one.is_float, one is not bool_))
        return cast_to(left, kinds[1]), cast_to(right, kinds[1])
    if left.stands_for_number:
        right, left = _beside(right, left)
    else:
        left, right = _beside(left, right)
    return left, right


def _beside(tensor: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    if number.dtype.is_float and not tensor.dtype.is_float:
        tensor = cast_to(tensor, float32)
    return tensor, cast_to(number, tensor.dtype)


def _operator(name: str) -> Callable[[Any, Any], Any]:
    function = OPERATORS[f"__{name}__"]

    def method(self: Any, other: Any) -> Any:
        self, other = _counted(name, self, other)
        _check_divisor(name, self, other)
        if not isinstance(other, Tensor):
            return _noted(function(self, other), self, other)
        if not (self.stands_for_number or other.stands_for_number):
            return function(self, other)
        return _noted(function(*_fitted(self, other)), self, other)

    return method


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    function, forward = OPERATORS[f"__r{name}__"], _operator(name)

    def method(self: Any, other: Any) -> Any:
        # Python asks the right one first where its class is derived from that of the left one.
        if isinstance(other, Tensor):
            return forward(other, self)
        self, other = _counted(name, self, other)
        _check_divisor(name, other, self)
        return _noted(function(self, other), self, other)

    return method


def _counted(name: str, left: Any, right: Any) -> tuple[Any, Any]:
    """The operands of an arithmetic of numbers, in which bools are 0 and 1."""
    if name not in _REFLECTED or not _are_python(left, right):
        return left, right
    one, two = (
        as_number(cast_to(value, int64)) if is_traced(value) and value.dtype is bool_ else value
        for value in (left, right)
    )
    return one, two


def _check_divisor(name: str, left: Any, right: Any) -> None:
    """Numbers are not divided by zero: the calls that would do so end with Python's error."""
    if name in _ZERO and is_traced(right) and _are_python(left, right):
        is_float = any(dtype_of_value(one).is_float for one in (left, right))
        text = _ZERO[name] if not is_float else _ZERO_FLOAT.get(name, _ZERO[name])
        end_unless(_operator("ne")(right, 0), True, ZeroDivisionError(text))


def _are_python(left: Any, right: Any) -> bool:
    return stands_for_number(left) and stands_for_number(right)


def _number_only(name: str, function: Callable[[Any, Any], Any]) -> None:
    """Give traced numbers an operator that tensors do not have."""

    def forward(self: Any, other: Any) -> Any:
        return function(self, other) if _are_python(self, other) else NotImplemented

    def reflected(self: Any, other: Any) -> Any:
        return function(other, self) if _are_python(self, other) else NotImplemented

    setattr(Traced, f"__{name}__", forward)
    setattr(Traced, f"__r{name}__", reflected)


def _rounded(self: Any, digits: Any = None) -> Any:
    """`round`: of two equally near numbers the even one, as in Python."""
    if not self.stands_for_number:
        raise TypeError("type Tensor doesn't define __round__ method")
    if not self.dtype.is_float:
        if digits is not None and digits < 0:
            raise ConversionError(
                f"round of an int to tens is not converted; use n // 10 * 10{at_line()}"
            )
        return self
    scale = 1.0 if digits is None else 10.0**digits
    below = as_number((self * scale).floor())
    rest = self * scale - below
    is_up = (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
    found = as_number(below + as_number(is_up.astype(self.dtype)))
    return as_number(found.astype("int64")) if digits is None else found / scale


def _unary(name: str) -> Callable[[Any], Any]:
    function = OPERATORS[f"__{name}__"]
    return lambda self: _noted(function(self), self, 0)


def _noted(found: Any, left: Any, right: Any) -> Any:
    """What an operator of numbers gives is one."""
    return as_number(found) if _are_python(left, right) else found


def attach() -> None:
    """Give tensors that are traced operators that know numbers."""
    for name in _BINARY:
        setattr(Traced, f"__{name}__", _operator(name))
    for name in _REFLECTED:
        setattr(Traced, f"__r{name}__", _reflected(name))
    for name in _UNARY:
        setattr(Traced, f"__{name}__", _unary(name))
    _number_only("divmod", lambda a, b: (a // b, a % b))
    _number_only("lshift", lambda a, b: a * 2**b)
    _number_only("rshift", lambda a, b: a // 2**b)
    Traced.__round__ = _rounded  # type: ignore[attr-defined]


attach()
