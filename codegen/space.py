"""The loop nest of a pointwise kernel: a broadcast shape in as few and long loops as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wherry.ir.dims import Dim, dim_max, dim_min
from wherry.ir.infer import Shape

from .index import Index, IndexBuilder, Value

# How an operand's size relates to the loop's: the same, 1, or known at the call only.
FULL, ONE, MAYBE = "full", "one", "maybe"


@dataclass(frozen=True)
class Axis:
    """A loop: its size, how each operand relates to it, what keeps it apart from others."""

    size: Dim
    kinds: tuple[str, ...]
    tag: object = None


class Space:
    """The loops over `shape` for operands that broadcast to it.

    Neighbouring axes are one loop where every operand treats them alike and their `tags` (such as
    reduced or kept) agree; axes of size 1 are left out.
    """

    def __init__(
        self, shape: Shape, operands: Sequence[Shape], tags: Sequence[object] = ()
    ) -> None:
        self.shape = shape
        self.operands = [(1,) * (len(shape) - len(own)) + tuple(own) for own in operands]
        labels = list(tags) or [None] * len(shape)
        self.axes: list[Axis] = []
        self._last: list[int] = []
        for i, size in enumerate(shape):
            if size != 1:
                kinds = tuple(_relation(own[i], size) for own in self.operands)
                self._push(i, Axis(size, kinds, labels[i]))

    def _push(self, i: int, axis: Axis) -> None:
        """Add the loop over axis i, or widen the loop before it."""
        before = self.axes[-1] if self.axes else None
        alike = before is not None and (before.kinds, before.tag) == (axis.kinds, axis.tag)
        if alike and before is not None and MAYBE not in axis.kinds:
            self.axes[-1] = Axis(before.size * axis.size, axis.kinds, axis.tag)
            self._last[-1] = i
        else:
            self.axes.append(axis)
            self._last.append(i)

    @property
    def sizes(self) -> list[Dim]:
        return [axis.size for axis in self.axes]

    @property
    def uncertain(self) -> bool:
        """Whether some operand's broadcasting is known at the call only."""
        return any(MAYBE in axis.kinds for axis in self.axes)

    def expanded(self) -> Space:
        """The space for operands none of which broadcasts where it is uncertain."""
        operands = [
            tuple(
                to if _relation(own, to) == MAYBE else own
                for own, to in zip(operand, self.shape, strict=True)
            )
            for operand in self.operands
        ]
        return Space(self.shape, operands, self._tags())

    def _tags(self) -> list[object]:
        tags: list[object] = [None] * len(self.shape)
        start = 0
        for axis, last in zip(self.axes, self._last, strict=True):
            tags[start : last + 1] = [axis.tag] * (last + 1 - start)
            start = last + 1
        return tags

    def nothing_broadcasts(self, builder: IndexBuilder) -> Value:
        """An i1: at this call every uncertain size is the loop's own."""
        pairs = {
            (str(own), str(to)): builder.eq(builder.dim(own), builder.dim(to))
            for operand in self.operands
            for own, to in zip(operand, self.shape, strict=True)
            if _relation(own, to) == MAYBE
        }
        conditions = list(pairs.values())
        for other in conditions[1:]:
            conditions[0] = builder.b.and_(conditions[0], other)
        return conditions[0]

    def strides(self, builder: IndexBuilder, operand: int) -> list[Index]:
        """The elements from one round of each loop to the next, for one operand."""
        own = self.operands[operand]
        strides = []
        for axis, last in zip(self.axes, self._last, strict=True):
            stride: Index = 1
            for size in own[last + 1 :]:
                stride = builder.mul(stride, builder.dim(size))
            kind = axis.kinds[operand]
            if kind == ONE:
                stride = 0
            elif kind == MAYBE:
                single = builder.eq(builder.dim(own[last]), 1)
                stride = builder.select(single, 0, stride)
            strides.append(stride)
        return strides


def _relation(own: Dim, to: Dim) -> str:
    if own == to:
        return FULL
    if isinstance(own, int):
        # Another int than 1 against a symbol: a guard says that they are equal.
        return ONE if own == 1 else FULL
    return MAYBE


def joint_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape that all of these broadcast to (guards have seen to it that they do)."""
    rank = max((len(shape) for shape in shapes), default=0)
    joint: list[Dim] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            joint[axis] = _joint(joint[axis], size)
    return tuple(joint)


def _joint(a: Dim, b: Dim) -> Dim:
    if a == b or b == 1:
        return a
    if a == 1 or isinstance(b, int):
        return b
    return a if isinstance(a, int) else dim_max(a, b) * dim_min(1, dim_min(a, b))
