"""`and`, `or`, `not`, comparisons and `assert` at run time: Python's own, or ops on tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wherry.schema.dtypes import bool_

from ..location import user_location
from ..traced import Traced
from .branch import active_tracer, bound_by, condition, convert_ternary, decides, of_program
from .choices import is_same
from .classes import own_method
from .dicts import OpenDict
from .either import is_either, lift, resolved
from .ends import RAISED, end_unless
from .leaves import NUMBERS
from .regions import Operand, inside, is_awaited
from .sides import has_effect
from .signals import BranchEnds
from .sizes import Size
from .state import is_poison

if TYPE_CHECKING:
    from .tracer import ProgramTracer

Thunk = Callable[[], Any]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def logical_and(left: Any, right: Thunk) -> Any:
    """`left and right()`; of two bool tensors the logical op, both sides evaluated."""
    left = resolved(left)
    if is_either(left):
        return convert_ternary(left, right, lambda: left)
    if not _open(left):
        return right() if left else left
    return _joined("logical_and", left, right)


def logical_or(left: Any, right: Thunk) -> Any:
    """`left or right()`; of two bool tensors the logical op, both sides evaluated."""
    left = resolved(left)
    if is_either(left):
        return convert_ternary(left, lambda: left, right)
    if not _open(left):
        return left if left else right()
    return _joined("logical_or", left, right)


def logical_not(value: Any) -> Any:
    """`not value`: a bool of Python, whatever the value is."""
    chosen = decides(value)
    if not isinstance(chosen, Traced):
        return not chosen
    found: Traced = chosen.tracer.emit("logical_not", chosen)
    return found.note_number()


def _open(value: Any) -> bool:
    """Whether the truth of the value is known at the call only."""
    if is_poison(value):
        value.refuse()
    return isinstance(value, Traced) or (isinstance(value, Size) and _size_is_open(value))


def _size_is_open(value: Size) -> bool:
    return isinstance(value != 0, Traced)


def _joined(op_type: str, left: Any, right: Thunk) -> Any:
    is_and = op_type == "logical_and"
    if isinstance(left, Size) or left.dtype is not bool_:
        # The value of `a and b` is one of the two, not a bool.
        other: Thunk = lambda: left  # noqa: E731
        return convert_ternary(left, *((right, other) if is_and else (other, right)))
    other_side = computed(left.tracer, right)
    if other_side is None:
        # It is computed where the left operand asks for it.
        other = lambda: left  # noqa: E731
        return convert_ternary(left, *((right, other) if is_and else (other, right)))
    if isinstance(other_side, bool):
        whole = is_and == other_side
        return left if whole else other_side
    if isinstance(other_side, Traced) and other_side.dtype is bool_:
        return left.tracer.emit(op_type, condition(left), condition(other_side))
    pair: tuple[Thunk, Thunk] = (lambda: other_side, lambda: left)
    return convert_ternary(left, *(pair if is_and else pair[::-1]))


def computed(build: ProgramTracer, operand: Thunk) -> Any:
    """The value of an operand, computed whatever the one before it is; None where that would be
    noticed: it writes something, ends the call, raises an error or is no value of one kind.
    """
    if bound_by(operand):
        return None
    mark, ops = build.mark(), build.frames[-1].block.ops
    found = None
    with build.journal() as journal, suppress(BranchEnds, Exception), inside(build, Operand()):
        found = operand()
    if found is None or journal.first or any(map(has_effect, ops[mark[-1] :])):
        journal.undo()
        build.discard(mark)
        return None
    return found


def compare(left: Any, *links: tuple[str, Thunk]) -> Any:
    """`left < b <= c ...`: each operand is evaluated once, none after a comparison that fails."""
    (symbol, thunk), *rest = links
    right = thunk()
    for value in (left, right):
        if is_poison(value):
            value.refuse()
    found = _compared(symbol, left, right)
    if not rest:
        return found
    return logical_and(found, lambda: compare(right, *rest))


def _compared(symbol: str, left: Any, right: Any) -> Any:
    if is_either(left):
        return lift(left, lambda value: _compared(symbol, value, right))
    if is_either(right):
        return lift(right, lambda value: _compared(symbol, left, value))
    if symbol in ("in", "not in"):
        found = _contained(left, right)
        return found if symbol == "in" else logical_not(found)
    if symbol in ("is", "is not"):
        found = is_same(left, right)
        return found if symbol == "is" else logical_not(found)
    return _COMPARISONS[symbol](left, right)


def _contained(value: Any, container: Any) -> Any:
    """`value in container`, of tensors compared one by one."""
    value, container = of_program(value), of_program(container)
    if isinstance(container, Traced):
        return container.tracer.emit("reduce_any", container == value, reduce_all=True)
    own = own_method(container, "__contains__")
    if own is not None:
        return own(value)
    if isinstance(container, OpenDict) and not isinstance(value, (Traced, Size)):
        return container.has(value)
    if not isinstance(container, (list, tuple, dict, set, frozenset)) or not any(
        isinstance(of_program(one), (Traced, Size)) for one in (value, *container)
    ):
        return value in container
    if not isinstance(container, (list, tuple)):
        # Tensors are keys as objects; a number that became one may equal a key.
        alike = (*NUMBERS, Size) if isinstance(value, Traced) else Traced
        container = [one for one in container if one is value or isinstance(one, alike)]
    found: Any = False
    for one in reversed(container):
        found = logical_or(True if one is value else one == value, lambda rest=found: rest)  # type: ignore[misc]
    return found


def convert_assert(test: Any, message: Thunk) -> None:
    """`assert test, message`: of a tensor an op of the Program."""
    chosen = decides(test)
    if chosen is True:
        return
    text = message()
    error = AssertionError(*(() if text is None else (text,)))
    if not isinstance(chosen, Traced):
        raise error
    if is_awaited(chosen.tracer, error):
        end_unless(chosen, True, error)
    else:
        chosen.tracer.emit("assert", chosen, [], message="" if text is None else str(text))


def convert_raise(error: Any) -> Any:
    """The exception of a `raise` statement, which a branch on a tensor ends with."""
    if active_tracer() is None:
        return error
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error()
    if isinstance(error, Exception):
        setattr(error, RAISED, user_location())
    return error
