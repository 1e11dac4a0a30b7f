"""Types of tensors, and how a shape rule states what it needs.

An op's `infer` is a plain function on `TensorType`s. It calls `require` and `fail` here; which op
runs them, the user's line and where guards are collected is the context that the emitter sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from wherry.schema.dtypes import DType
from wherry.schema.errors import Loc, OpError, OpTypeError

from .dims import Dim, SymDim, always_le, dim_max, dim_min, is_dim, never_equal, product

Shape = tuple[Dim, ...]


class TensorType(NamedTuple):
    """A shape of ints and symbols, and a dtype."""

    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def is_static(self) -> bool:
        return all(isinstance(dim, int) for dim in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


class Guard(NamedTuple):
    """A relation of dims that is checked at the call: `left relation right`.

    Relations: "==", "<=", "1 or ==" (left is 1, or equal to right) and "broadcast" (equal, or one
    is 1).
    """

    left: Dim
    relation: str
    right: Dim
    message: str
    loc: Loc | None = None

    def holds(self, left: int, right: int) -> bool:
        """Whether it is true for these values of the two sides."""
        return {
            "==": left == right,
            "<=": left <= right,
            "1 or ==": left in (1, right),
            "broadcast": left == right or 1 in (left, right),
        }[self.relation]


@dataclass
class InferContext:
    """Which op is inferred, where the user wrote it, and the guards that it needs."""

    op: str = ""
    loc: Loc | None = None
    guards: list[Guard] = field(default_factory=list)


_OUTSIDE = InferContext()
_context: ContextVar[InferContext] = ContextVar("infer_context", default=_OUTSIDE)


@contextmanager
def inferring(op: str, loc: Loc | None, guards: list[Guard]) -> Iterator[None]:
    """Run a shape rule under this name and line; what it cannot prove is appended to `guards`."""
    token = _context.set(InferContext(op, loc, guards))
    try:
        yield
    finally:
        _context.reset(token)


def fail(message: str) -> NoReturn:
    """Refuse the op's arguments: `message` reads `needs X, got Y`."""
    context = _context.get()
    raise OpError(message, context.op, context.loc)


def fail_type(message: str) -> NoReturn:
    """Refuse the dtype of an argument: `message` reads `needs X, got Y`."""
    context = _context.get()
    raise OpTypeError(message, context.op, context.loc)


def require(left: Dim, relation: str, right: Dim, message: str) -> None:
    """State `left relation right`: proven, or refused with `message`, or kept as a guard."""
    guard = Guard(left, relation, right, message, _context.get().loc)
    if isinstance(left, int) and isinstance(right, int):
        if not guard.holds(left, right):
            fail(message)
    elif _refuted(guard):
        fail(message)
    elif not _proven(guard) and guard not in _context.get().guards:
        _context.get().guards.append(guard)


def _proven(guard: Guard) -> bool:
    left, relation, right, *_ = guard
    if relation == "<=":
        return always_le(left, right)
    return (
        left == right
        or (relation != "==" and left == 1)
        or (relation == "broadcast" and right == 1)
    )


def _refuted(guard: Guard) -> bool:
    left, relation, right, *_ = guard
    if relation == "<=":
        return always_le(right + 1, left)
    ones = [left] if relation == "1 or ==" else [left, right] if relation == "broadcast" else []
    return never_equal(left, right) and all(never_equal(one, 1) for one in ones)


def broadcast_dims(a: Dim, b: Dim, message: str) -> Dim:
    """The size that two sizes broadcast to: equal, or one of them 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    require(a, "broadcast", b, message)
    if isinstance(a, int) or isinstance(b, int):
        return a if isinstance(a, int) else b
    # Equal or one is 1: the larger one, except that 0 against 1 gives 0.
    return dim_max(a, b) * dim_min(1, dim_min(a, b))


def broadcast_shapes(a: Sequence[Dim], b: Sequence[Dim]) -> Shape:
    """The shape that two shapes broadcast to, aligned at the right as in numpy."""
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b)
    message = (
        f"needs shapes that broadcast, got X = {show(a)} and Y = {show(b)}: "
        "each pair of sizes, counted from the right, must be equal or one of them 1"
    )
    return tuple(broadcast_dims(x, y, message) for x, y in zip(left, right, strict=True))


def axis_in(axis: int, ndim: int, what: str = "axis") -> int:
    """A possibly negative axis as 0 <= axis < ndim; refuses what lies outside."""
    if not is_dim(axis) or isinstance(axis, SymDim):
        fail(f"needs an int as {what}, got {axis!r}")
    if not -ndim <= axis < max(ndim, 1):
        fail(f"needs {what} in [{-ndim}, {ndim - 1}] for a tensor of {ndim} dims, got {axis}")
    return axis % ndim if ndim else 0


def show(shape: Sequence[Dim]) -> str:
    """A shape as messages show it: a dim that is not known is -1, as in Paddle."""
    return "[" + ", ".join(str(d) if isinstance(d, int) else "-1" for d in shape) + "]"
