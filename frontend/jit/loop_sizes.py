"""Sizes that shrink from round to round of a loop on a tensor, as that of x in `x = x[mask]`.

A dim of a carry that a round changes becomes a symbol, which the `while` carries (see
`wherry.ir.found`). Dims that are equal before the loop, and after each round, share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from wherry.ir.dims import Dim, SymDim, always_le, symbols_of
from wherry.ir.found import ceiling
from wherry.ir.infer import Shape, TensorType

from .either import Zeros
from .found import new_size
from .leaves import dims_of_value, dtype_of_value
from .state import is_tensor

if TYPE_CHECKING:
    from .tracer import ProgramTracer

MAY_GROW: Final = (
    "of a size that may grow from round to round; collect the parts in a list, or write to rows of "
    "a tensor that has room for all"
)
UNLIKE: Final = (
    "of a size that each round finds, and is nothing like that before the loop; give it a value "
    "of the same rank and dtype there"
)
Place = tuple[Any, int, int]  # the slot's key, the number of the leaf, the axis


class LoopSizes:
    """The symbols of one loop, by the places whose size they are."""

    def __init__(self, build: ProgramTracer) -> None:
        self.build = build
        self.known = set(build.program.found)
        self.of: dict[Place, SymDim] = {}
        self.starts: dict[Place, Dim] = {}
        self.ends: dict[Place, Dim] = {}

    def is_anew(self, value: Any) -> bool:
        """Whether a leaf has a size that the loop itself finds."""
        if not is_tensor(value):
            return False
        names = {name for dim in dims_of_value(value) for name in symbols_of(dim)}
        return any(name in self.build.program.found and name not in self.known for name in names)

    def shape(self, key: Any, number: int, shape: Shape) -> Shape:
        """The shape of a leaf when a round starts."""
        return tuple(self.of.get((key, number, axis), dim) for axis, dim in enumerate(shape))

    def start_like(self, key: Any, number: int, start: Any, end: Any) -> Any:
        """A leaf as it was before the loop, with what may change as it is after a round."""
        places = [place for place in self.of if place[:2] == (key, number)]
        if not places or not is_tensor(end) or len(dims_of_value(end)) != len(dims_of_value(start)):
            return start
        dims = list(dims_of_value(start))
        for _, _, axis in places:
            dims[axis] = dims_of_value(end)[axis]
        like = Zeros(TensorType(tuple(dims), dtype_of_value(start)))
        like.stop_gradient = start.stop_gradient
        return like

    def loosen(self, key: Any, number: int, start: Sequence[Dim], end: Sequence[Dim]) -> bool:
        """Let sizes change that shrink from round to round; False if one may grow."""
        found = self.build.program.found
        for axis, (first, last) in enumerate(zip(start, end, strict=True)):
            place = key, number, axis
            if place in self.of or first != last:
                if not always_le(ceiling(last, found), ceiling(first, found)):
                    return False
                self.starts[place], self.ends[place] = first, last
        return True

    def has_new(self, key: Any) -> bool:
        """Whether a place of this slot waits for its symbol."""
        return any(place[0] == key and place not in self.of for place in self.ends)

    def settle(self) -> bool:
        """Give the places their symbols; True if one has a new one."""
        before = dict(self.of)
        groups: dict[tuple[SymDim | None, str, str], SymDim] = {}
        for place, end in self.ends.items():
            old, start = before.get(place), self.starts[place]
            group = old, str(start), str(end)
            if group not in groups:
                kept = old is not None and old not in groups.values()
                groups[group] = old if kept and old is not None else new_size(self.build, start)
            self.of[place] = groups[group]
        return self.of != before

    def carried(self, keys: Sequence[Any]) -> list[SymDim]:
        """The symbols of these slots, each once."""
        return list(dict.fromkeys(size for (key, _, _), size in self.of.items() if key in keys))
