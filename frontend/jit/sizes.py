"""Size: what `x.shape[i]` gives in a trace where the size is not known.

It is a SymDim, so arithmetic is exact and shapes take it. What cannot be decided for all sizes
(`size == 3`, `if size`, `range(size)`) becomes a scalar op of the Program, or, while a call is
traced with its leading sizes left open, ends that attempt: the call is traced again with the sizes
that it has (`NeedsSizes`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wherry.dispatch import run_op, tracer
from wherry.ir.dims import Dim, SymDim, always_le, never_equal, substitute, symbol, symbols_of
from wherry.ir.infer import Guard
from wherry.schema.dtypes import int64
from wherry.schema.errors import ConversionError

from ..framework import default_dtype
from ..location import user_location
from .found import is_found
from .lists import TracedList
from .signals import NeedsSizes

if TYPE_CHECKING:
    from wherry.tensor import Tensor


def size_of(dim: Dim) -> Any:
    """A dim as the user sees it: an int, or a Size."""
    return Size(dict(dim.terms)) if isinstance(dim, SymDim) and type(dim) is not Size else dim


def plain(value: Any) -> Any:
    """Sizes as the SymDims that they are, also inside lists and tuples."""
    if isinstance(value, Size):
        return SymDim(dict(value.terms))
    if isinstance(value, TracedList):
        value = list(value)
    if type(value) in (list, tuple):
        return type(value)(plain(one) for one in value)
    return value


def _arithmetic(name: str) -> Callable[[Size, Any], Any]:
    base = getattr(SymDim, name)

    def method(self: Size, other: Any) -> Any:
        if _is_tensor(other):
            return getattr(_beside(self, other), name)(other)
        if isinstance(other, float):
            return getattr(_as_float(self), name)(other)
        found = base(plain(self), plain(other))
        return found if found is NotImplemented else size_of(found)

    return method


def _comparison(name: str, op_type: str) -> Callable[[Size, Any], Any]:
    def method(self: Size, other: Any) -> Any:
        if _is_tensor(other):
            return getattr(_beside(self, other), name)(other)
        if isinstance(other, float):
            return getattr(_as_float(self), name)(other)
        if not isinstance(other, (int, SymDim)):
            return NotImplemented
        known = _decide(name, plain(self), plain(other))
        return known if known is not None else run_op(op_type, self.tensor(), as_tensor(other))

    return method


def _beside(size: Size, tensor: Tensor) -> Tensor:
    """The size as a number beside a tensor: in its dtype, as a Python int would be."""
    out: Tensor = run_op("fill_constant", shape=[], value=plain(size), dtype=tensor.dtype)
    return out


def _as_float(size: Size) -> Tensor:
    """The size as a Python float would be beside tensors of the default dtype."""
    exact = size.tensor()
    out: Tensor = run_op("cast", exact, in_dtype=exact.dtype, out_dtype=default_dtype())
    return out


class Size(SymDim):
    """A size that is known at the call only."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        known = _decide("__ne__", plain(self), 0)
        if known is not None:
            return known
        raise _undecided(self, "a truth value")

    def __index__(self) -> int:
        raise _undecided(self, "a Python int")

    def __int__(self) -> int:
        raise _undecided(self, "a Python int")

    def __float__(self) -> float:
        raise _undecided(self, "a Python float")

    def __repr__(self) -> str:
        active: Any = tracer.get()
        if active is not None and active.open_sizes and not is_found(active, self):
            # Text of the user's own (`f"{x.shape}"`) shows the sizes that there are.
            raise NeedsSizes("text")
        return "-1"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(int(repr(self)), spec)

    def __neg__(self) -> Any:
        return size_of(SymDim.__neg__(plain(self)))

    def __truediv__(self, other: Any) -> Any:
        return (_beside(self, other) if _is_tensor(other) else _as_float(self)) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / (_beside(self, other) if _is_tensor(other) else _as_float(self))

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and 0 <= other <= 8:
            out: Any = 1
            for _ in range(other):
                out = self * out
            return out
        return (_beside(self, other) if _is_tensor(other) else _as_float(self)) ** other

    def is_of_this_call(self) -> bool:
        """Whether it is only left open: tracing again with the sizes of the call would tell it."""
        active: Any = tracer.get()
        return active is not None and bool(active.open_sizes)

    def tensor(self) -> Tensor:
        """The size as a 0-d int64 tensor of the Program being traced."""
        active: Any = tracer.get()
        if active is None:
            raise _undecided(self, "a tensor")
        if active.open_sizes and not is_found(active, self):
            raise NeedsSizes(str(plain(self)))
        out: Tensor = run_op("fill_constant", shape=[], value=plain(self), dtype=int64)
        return out

    __hash__ = SymDim.__hash__
    __add__, __radd__ = _arithmetic("__add__"), _arithmetic("__radd__")
    __sub__, __rsub__ = _arithmetic("__sub__"), _arithmetic("__rsub__")
    __mul__, __rmul__ = _arithmetic("__mul__"), _arithmetic("__rmul__")
    __floordiv__, __rfloordiv__ = _arithmetic("__floordiv__"), _arithmetic("__rfloordiv__")
    __mod__, __rmod__ = _arithmetic("__mod__"), _arithmetic("__rmod__")
    __eq__ = _comparison("__eq__", "equal")
    __ne__ = _comparison("__ne__", "not_equal")
    __lt__ = _comparison("__lt__", "less_than")
    __le__ = _comparison("__le__", "less_equal")
    __gt__ = _comparison("__gt__", "greater_than")
    __ge__ = _comparison("__ge__", "greater_equal")


def as_tensor(value: Any) -> Any:
    """An int or a Size as a 0-d int64 tensor of the Program being traced; the rest unchanged."""
    if isinstance(value, Size):
        return value.tensor()
    if isinstance(value, SymDim):
        return Size(dict(value.terms)).tensor()
    if isinstance(value, int) and not isinstance(value, bool):
        return run_op("fill_constant", shape=[], value=value, dtype=int64)
    return value


def _is_tensor(value: Any) -> bool:
    from ..tensor import Tensor

    return isinstance(value, Tensor)


def _decide(name: str, left: Any, right: Any) -> bool | None:
    """True or False where it is so for every size that the Program is for; else None."""
    known = _certain(name, left, right)
    active: Any = tracer.get()
    if known is None and active is not None and active.open_sizes:
        # Decided for sizes of 2 and more: the Program is used for those only.
        shown = {*symbols_of(left), *symbols_of(right)} - active.program.found.keys()
        known = _certain(name, _at_least_two(left, shown), _at_least_two(right, shown))
        if known is not None:
            _need_two(active, shown)
    return known


def _need_two(build: Any, names: set[str]) -> None:
    """Guard what was decided for sizes of 2 and more."""
    for name in sorted(names):
        message = f"needs a size {name} of at least 2, which the code that was traced looks at"
        guard = Guard(2, "<=", symbol(name), message, user_location())
        if guard not in build.program.guards:
            build.program.guards.append(guard)


def _certain(name: str, left: Dim, right: Dim) -> bool | None:
    rules: dict[str, tuple[bool, bool]] = {
        "__eq__": (left == right, never_equal(left, right)),
        "__ne__": (never_equal(left, right), left == right),
        "__lt__": (always_le(left + 1, right), always_le(right, left)),
        "__le__": (always_le(left, right), always_le(right + 1, left)),
        "__gt__": (always_le(right + 1, left), always_le(left, right)),
        "__ge__": (always_le(right, left), always_le(left + 1, right)),
    }
    holds, fails = rules[name]
    return True if holds else False if fails else None


def _at_least_two(dim: Dim, names: set[str]) -> Dim:
    return substitute(dim, {name: symbol(name) + 2 for name in names})


def _undecided(size: Size, what: str) -> BaseException:
    active: Any = tracer.get()
    if active is not None and active.open_sizes and not is_found(active, size):
        return NeedsSizes(str(plain(size)))
    loc = user_location()
    at = f"\n  at {loc}" if loc else ""
    return ConversionError(
        f"the size {plain(size)} is not known before the call, so it cannot be used as {what} "
        f"here; give the size in the InputSpec, or use it in an `if`, a `range` or a shape{at}"
    )
