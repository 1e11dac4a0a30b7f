"""What composite ops and gradient rules are written with: short names, and Python's operators.

Declares no op. `F` is any Emitter; the values are whatever it works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dims import Dim
from ..emit import Emitter
from ..infer import Shape, TensorType, axis_in, fail, show


def need_rank(op_input: TensorType, ranks: Sequence[int], slot: str = "X") -> None:
    """Refuse an input whose number of dims is not among `ranks`."""
    if op_input.ndim not in ranks:
        wanted = " or ".join(str(rank) for rank in ranks)
        fail(f"needs {slot} with {wanted} dims, got {slot} = {show(op_input.shape)}")


def affine(F: Emitter, x: Any, scale: float = 1.0, bias: float = 0.0) -> Any:
    """x * scale + bias."""
    return F.scale(x, scale=scale, bias=bias)


def total(F: Emitter, x: Any, axes: Sequence[int], keep: bool = True) -> Any:
    """The sum over the axes; x itself where there are none."""
    return F.reduce_sum(x, dim=list(axes), keep_dim=keep) if axes else x


def largest(F: Emitter, x: Any, axes: Sequence[int], keep: bool = True) -> Any:
    """The maximum over the axes; x itself where there are none."""
    return F.reduce_max(x, dim=list(axes), keep_dim=keep) if axes else x


def mean(F: Emitter, x: Any, axes: Sequence[int], keep: bool = True) -> Any:
    """The mean over the axes; x itself where there are none."""
    return F.reduce_mean(x, dim=list(axes), keep_dim=keep) if axes else x


def permuted(F: Emitter, x: Any, axes: Sequence[int]) -> Any:
    """x with its axes in this order."""
    return F.transpose2(x, axis=list(axes))


def with_dim(shape: Shape, axis: int, dim: Dim) -> Shape:
    """The shape with one dim replaced."""
    axis = axis_in(axis, len(shape))
    return (*shape[:axis], dim, *shape[axis + 1 :])


Number = bool | int | float


class Term:
    """A value of an emitter with Python's operators, so that a rule reads as its formula.

    Numbers become attributes of `scale` or constants of the value's dtype; tensors broadcast.
    `.value` is what the emitter works on. `abs(x)`, `x > 0` and `x & y` build the obvious op,
    `x.op("exp")` any unary one.
    """

    __slots__ = ("F", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, F: Emitter, value: Any) -> None:
        self.F, self.value = F, value

    def op(self, type: str, *others: Any, **attrs: Any) -> Term:
        """Another op on this value."""
        return Term(self.F, getattr(self.F, type)(self.value, *map(self._operand, others), **attrs))

    def _operand(self, other: Any) -> Any:
        if isinstance(other, Term):
            return other.value
        return self.F.full_like(self.value, other)

    def __neg__(self) -> Term:
        return self * -1.0

    def __abs__(self) -> Term:
        return self.op("abs")

    def __add__(self, other: Term | Number) -> Term:
        if isinstance(other, Term):
            return self.op("elementwise_add", other)
        return Term(self.F, affine(self.F, self.value, 1.0, other))

    def __sub__(self, other: Term | Number) -> Term:
        return self.op("elementwise_sub", other) if isinstance(other, Term) else self + -other

    def __rsub__(self, other: Number) -> Term:
        return Term(self.F, affine(self.F, self.value, -1.0, other))

    def __mul__(self, other: Term | Number) -> Term:
        if isinstance(other, Term):
            return self.op("elementwise_mul", other)
        return Term(self.F, affine(self.F, self.value, other))

    def __truediv__(self, other: Term | Number) -> Term:
        return self.op("elementwise_div", other)

    def __rtruediv__(self, other: Number) -> Term:
        return Term(self.F, self.F.elementwise_div(self._operand(other), self.value))

    def __gt__(self, other: Term | Number) -> Term:
        return self.op("greater_than", other)

    def __ge__(self, other: Term | Number) -> Term:
        return self.op("greater_equal", other)

    def __lt__(self, other: Term | Number) -> Term:
        return self.op("less_than", other)

    def __le__(self, other: Term | Number) -> Term:
        return self.op("less_equal", other)

    def __and__(self, other: Term) -> Term:
        return self.op("logical_and", other)

    def where(self, yes: Term | Number, no: Term | Number) -> Term:
        """`yes` where this condition holds, else `no`; at least one of them is a Term."""
        like = yes if isinstance(yes, Term) else no
        assert isinstance(like, Term)
        return Term(self.F, self.F.where(self.value, like._operand(yes), like._operand(no)))

    __radd__ = __add__
    __rmul__ = __mul__
