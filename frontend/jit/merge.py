"""One value out of two: what a variable is after a branch or a round that depends on a tensor.

Equal Python values stay Python values. Tensors of one shape, and numbers that differ, become one
tensor, in the dtype that holds both. What fits neither becomes an Either of the two.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.ir.dims import Dim, dim_max
from wherry.ir.found import ceiling, mentions
from wherry.ir.program import Block, Variable
from wherry.schema.dtypes import DType, bool_
from wherry.tensor import Tensor

from ..traced import Traced
from .attributes import AttributePlace
from .choices import choices_of, is_known, note_choice, note_new, note_unclear
from .either import Missing, negated
from .ends import unset_text
from .found import new_size
from .leaves import as_tensor_of, common_dtype, dtype_of_value, original, same
from .numbers import are_numbers
from .state import UNSET, Place, Seen, is_poison
from .structure import flatten, unflatten
from .together import blank, together, unread

if TYPE_CHECKING:
    from .tracer import ProgramTracer

# The name of the variable that holds the value of an early return: it is read under a flag of its
# own, so that no round and no branch needs to say whether it is set.
RETURNED = "_jst_value"


class Joined(NamedTuple):
    """How a leaf is made after the branch: `kept` as it is, cond result number `place`, or by an
    op from the branch's condition.
    """

    kept: Any
    place: int | None = None
    flag_op: str | None = None


class Merger:
    """Collects the results of a cond on `flag` while places are merged one by one."""

    def __init__(self, tracer: ProgramTracer, flag: Traced) -> None:
        self.tracer, self.flag = tracer, flag
        self.pairs: list[tuple[Any, Any, DType]] = []
        # Lists and dicts that a side has made and that are kept, with the side.
        self.kept: list[tuple[Any, bool]] = []
        # Of results that are one of several tensors: (result, result that says when, the tensor).
        self.nested: list[tuple[int, int, weakref.ref[Tensor]]] = []
        self.unfollowed: list[tuple[int, weakref.ref[Tensor]]] = []

    def merge(
        self, place: Place | str, one: Seen | None, two: Seen | None
    ) -> Callable[[list[Traced]], Any]:
        """Plan the value of one place (or of what is called so); call the result with the cond's
        outputs to get it.

        None stands for a branch that ends the call.
        """
        references = self.tracer.references
        label = place if isinstance(place, str) else place.label
        origins = references.by_path(*(side.copy for side in (one, two) if side is not None))
        site = references.site(label) if origins else None
        keeps = site in references.kept
        if keeps and one is not None and two is not None:
            self.kept += [(made, True) for made in references.new_in(one.copy)]
            self.kept += [(made, False) for made in references.new_in(two.copy)]
        yes, no = _sides(place, one, two, keeps)
        yes, no = together(yes, no, keeps=keeps)
        (structure, left), (_, right) = flatten(yes), flatten(no)
        joined = [self._leaf(a, b) for a, b in zip(left, right, strict=True)]

        def merged(outs: list[Traced]) -> Any:
            value = unflatten(structure, self._values(joined, outs))
            references.note_copies(value, origins, site)
            references.adopt(value)
            return _plain(value)

        return merged

    def _leaf(self, yes: Any, no: Any) -> Joined:
        if yes is True and no is False:
            return Joined(None, flag_op="assign")
        if yes is False and no is True:
            return Joined(None, flag_op="logical_not")
        for value in (yes, no):
            if is_poison(value):
                return Joined(value)
        if original(yes) is original(no) or same(yes, no):
            return Joined(original(yes))
        self.pairs.append((yes, no, common_dtype(yes, no) or dtype_of_value(yes)))
        place = len(self.pairs) - 1
        for side, value in enumerate((yes, no)):
            for choice in choices_of(original(value)):
                if not self.tracer.follows_choices:
                    self.unfollowed.append((place, choice.source))
                    continue
                self.nested.append((place, len(self.pairs), choice.source))
                flag = choice.flag if choice.wanted else negated(choice.flag)
                self.pairs.append((False, flag, bool_) if side else (flag, False, bool_))
        return Joined(None, place)

    def _values(self, joined: list[Joined], outs: list[Traced]) -> Iterator[Any]:
        for one in joined:
            if one.flag_op is not None:
                # A bool of Python, which the flag itself may not be.
                yield self.tracer.emit(one.flag_op, self.flag).note_number()
            else:
                yield one.kept if one.place is None else self._chosen(outs, one.place)

    def _chosen(self, outs: list[Traced], place: int) -> Traced:
        """The result, which is the same object as one of the two."""
        out = outs[place]
        for wanted, value in zip((True, False), self.pairs[place][:2], strict=True):
            note_choice(out, self.flag, wanted, original(value))
        if are_numbers(self.pairs[place][:2]):
            out.note_number()
        out.is_chosen = all(is_known(original(value)) for value in self.pairs[place][:2])
        for result, flag, source in self.nested:
            if result == place:
                note_choice(out, outs[flag], True, source())
        note_unclear(out, [source() for result, source in self.unfollowed if result == place])
        return out

    def note_new(self, outs: Sequence[Traced]) -> None:
        """Let results be one tensor that a branch made under several names."""
        for side, wanted in enumerate((True, False)):
            pairs = zip(self.pairs, outs, strict=True)
            note_new(self.flag, wanted, [(original(pair[side]), out) for pair, out in pairs])

    def sizes(self, yes: Block, no: Block) -> list[Dim]:
        """For each two sizes in which results differ a new one: [size, of yes, of no, ...]."""
        found: dict[tuple[str, str], list[Dim]] = {}
        is_static = not self.tracer.converts
        for one, two in zip(yes.results, no.results, strict=True):
            for a, b in zip(one.shape, two.shape, strict=False):
                if a != b and (is_static or mentions(self.tracer.program.found, a, b)):
                    bound = dim_max(*(ceiling(d, self.tracer.program.found) for d in (a, b)))
                    pair = str(a), str(b)
                    found[pair] = found.get(pair) or [new_size(self.tracer, bound), a, b]
        return [dim for triple in found.values() for dim in triple]

    def results(self, side: int) -> list[Variable]:
        """The Variables that one branch yields; call it while the branch's block is open."""
        return [self._result(pair[side], pair[2]) for pair in self.pairs]

    def _result(self, value: Any, dtype: DType) -> Variable:
        return self.tracer.variable(as_tensor_of(self.tracer, value, dtype))


def _sides(place: Place | str, one: Seen | None, two: Seen | None, keeps: bool) -> tuple[Any, Any]:
    """What either branch leaves; a stand-in for what nobody reads. If the merge `keeps` objects,
    these stand for themselves.
    """
    yes = None if one is None else or_missing(one.copy, place)
    no = None if two is None else or_missing(two.copy, place)
    is_result = not isinstance(place, str) and place.label.startswith(RETURNED)
    if one is None:
        return unread(no), no
    if two is None:
        return yes, unread(yes)
    if is_result and type(yes) is Missing:
        return (unread if keeps else blank)(no), no
    if is_result and type(no) is Missing:
        return yes, (unread if keeps else blank)(yes)
    return yes, no


def or_missing(value: Any, place: Place | str) -> Any:
    """The value of a place; for one that has none what its reader is told."""
    if value is not UNSET:
        return value
    if isinstance(place, AttributePlace):
        return place.missing()
    return Missing(unset_text(place if isinstance(place, str) else place.label))


def _plain(value: Any) -> Any:
    return UNSET if type(value) is Missing else value
