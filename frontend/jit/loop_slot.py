"""A place that the rounds of a loop on a tensor write, while what they carry in it is found.

Its types do not change from round to round. They are found by tracing the body until nothing
changes: first every number stays a Python number; those that the body changes become tensors; what
keeps no single type is not carried, and says so when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wherry.ir.infer import TensorType

from ..traced import Traced
from .either import Deferred, both, emitted, negated
from .leaves import NUMBERS, dims_of_value, dtype_of_value, fits, promoted, same, type_of
from .loop_sizes import MAY_GROW, UNLIKE, LoopSizes
from .merge import RETURNED, or_missing
from .numbers import are_numbers
from .reading import fit, merged
from .references import Node, Origins
from .state import UNSET, Place, Poison, Seen, held, is_poison, is_tensor, poison_text
from .structure import Held, bare, flatten, unflatten
from .together import Unlike, blank, in_a_row, row, together, unshared
from .tracer import Frame, ProgramTracer


class LoopSlot:
    """A place during the search for carry types: how a round starts, leaf by leaf."""

    def __init__(self, place: Place, sizes: LoopSizes) -> None:
        self.place, self.sizes = place, sizes
        self.before = place.get()
        self.references = sizes.build.references
        self.references.own(self)
        self.site = self.references.site(place.label)
        self.keeps = self.site in self.references.kept
        # The lists and dicts that were made as a round started.
        self.made: set[Node] = set()
        # The lists and dicts that the last round ended with.
        self.ends: Origins = {}
        # The tensors that a round starts with, by the numbers of their leaves.
        self.args: dict[int, Traced] = {}
        # How often a round left something of another structure.
        self.restarts = -1
        self.message = ""
        start = held(place, self.before)
        # Of what the lists and dicts in it may be copies when a round starts.
        self.origins = {} if self.keeps else self.references.by_path(start)
        self.start_from(start)

    def start_from(self, value: Any) -> None:
        """Let a round start from this value; tensors in it are carried, but for those in a list or
        dict that is Held.
        """
        self.restarts += 1
        self.compared, self.start = value, bare(value, original=True)
        self.structure, self.leaves = flatten(value)
        self.types: list[TensorType | None] = [
            type_of(x) if is_tensor(x) else x.type if isinstance(x, Deferred) else None
            for x in self.leaves
        ]
        self.grads = [
            (is_tensor(x) or isinstance(x, Deferred)) and not x.stop_gradient for x in self.leaves
        ]
        # Which of them stand for numbers of Python.
        self.numbers = [are_numbers([x]) for x in self.leaves]

    @property
    def is_local(self) -> bool:
        """Unset before the loop and not read behind it: it lives within a round."""
        return self.start is UNSET

    @property
    def carries(self) -> bool:
        return not self.message and not self.is_local and any(self.types)

    def refuse(self, what: str) -> None:
        """It cannot be carried; whoever reads it in the loop is told."""
        self.message = f"in a loop whose condition is a tensor, `{self.place.label}` is {what}"

    def round_start(self, build: ProgramTracer, frame: Frame) -> Any:
        """What the place holds when a round starts: block arguments for what is carried."""
        self.args, self.frame = {}, frame
        if self.message:
            return Poison(self.message)
        if not any(self.types):
            return self.contents()
        leaves: list[Any] = []
        rows = zip(self.leaves, self.types, self.grads, strict=True)
        for number, (leaf, type_, grad) in enumerate(rows):
            if type_ is None:
                leaves.append(leaf)
                continue
            shape = self.sizes.shape(self.place.key, number, type_.shape)
            base = leaf.variable.base_name if isinstance(leaf, Traced) else "carry"
            name = build.program.unique(base)
            arg = frame.block.add_arg(name, shape, type_.dtype, stop_gradient=not grad)
            if is_tensor(leaf):
                frame.starts[arg] = build.as_traced(leaf).variable
            leaves.append(self.carried(number, build.traced(arg)))
            self.args[number] = leaves[-1]
        return self.value_of(leaves)

    def carried(self, number: int, value: Traced) -> Traced:
        """What carries a leaf: a number of Python is one in each round."""
        return value.note_number() if self.numbers[number] else value

    def contents(self) -> Any:
        """The start; a list or dict that rounds replace is a new one."""
        return self.value_of(self.leaves)

    def value_of(self, leaves: Iterable[Any]) -> Any:
        """What the place holds with these leaves."""
        leaves = list(leaves)
        kept = [leaf.origin for leaf in leaves if type(leaf) is Held]
        found = bare(unflatten(self.structure, iter(leaves)), original=True)
        self.made = self.references.note_copies(found, self.origins, self.site, kept)
        return found

    def settle(self, end: Seen, local: bool) -> bool:
        """Compare with the end of the round, which is fitted to the start; True if something must
        be carried differently. `local` says that nobody reads the place outside of a round.
        """
        self.end = self.compared
        if self.message or end.value is self.start or (end.value is UNSET and self.is_local):
            return False
        if self.is_local and local:
            return False
        if is_poison(end.value):
            self.refuse("changed in a way that no round can start from: " + poison_text(end.value))
            return True
        start, value = self._compared(end.copy)
        if flatten(start)[0] != self.structure:
            self.start_from(start)
            return True
        reason = self._loosen(value)
        if reason:
            self.refuse(reason)
        return bool(reason) or self.sizes.has_new(self.place.key) or self._settle(value)

    def _compared(self, end: Any) -> tuple[Any, Any]:
        """What a round starts with and its end, in which only what is one object is Held."""
        self.ends = self.references.by_path(end)
        for path, nodes in self.ends.items():
            copied = {one for one in nodes if not self.keeps or self._is_new(one)}
            self.origins.setdefault(path, set()).update(copied)
        if self.keeps:
            return self.compared, self._without_new(self._with_one_new(end))
        return unshared(self.compared, end)

    def _with_one_new(self, end: Any) -> Any:
        """The end, in which the lists that the round has made are one alternative, the last one:
        else each round would add one.
        """
        alternatives = list(row(end))
        found = self._one_of([one for one in alternatives if self._is_made(one[1])])
        if found is None:
            return end
        kept: list[tuple[Any, Any]] = []
        others: Any = True
        for flag, value in alternatives:
            if self._is_made(value):
                others = both(others, negated(flag))
            else:
                kept.append((both(others, flag), value))
        return in_a_row([*kept, (True, held(self.place, found))])

    def _one_of(self, made: list[tuple[Any, Any]]) -> Any:
        """The list that is one of these; None where there is only one, or they do not fit."""
        if len(made) < 2:
            return None
        found = made[-1][1].origin
        for flag, value in reversed(made[:-1]):
            if not fit(value.origin, found):
                return None
            found = merged(emitted(flag), value.origin, found)
        return found

    def _is_made(self, value: Any) -> bool:
        return type(value) is Held and self._is_new(self.references.node(value.origin))

    def _without_new(self, value: Any) -> Any:
        """The value, in which nothing that the round has made is Held: it is carried as it is."""
        structure, leaves = flatten(value)
        return unflatten(structure, map(self._opened, leaves))

    def _opened(self, leaf: Any) -> Any:
        return self._without_new(leaf.copy) if self._is_made(leaf) else leaf

    def _is_new(self, node: Node) -> bool:
        """Whether the round, or its start, has made the list or dict."""
        return node in self.made or self.references.is_new(node.get(), self.frame)

    def _loosen(self, value: Any) -> str | None:
        """Let sizes shrink from round to round; why a size that the round finds cannot."""
        structure, leaves = flatten(value)
        if structure != self.structure:
            return UNLIKE if any(map(self.sizes.is_anew, leaves)) else None
        for number, (start, end) in enumerate(zip(self.leaves, leaves, strict=True)):
            if _is_sized(start) and _is_sized(end):
                dims = dims_of_value(start), dims_of_value(end)
                alike = len(dims[0]) == len(dims[1])
                fits = alike and self.sizes.loosen(self.place.key, number, *dims)
                if not fits and self.sizes.is_anew(end):
                    return MAY_GROW if alike else UNLIKE
        return None

    def _start_like(self, value: Any) -> Any:
        """What was before the loop, with sizes that change as they are now."""
        structure, leaves = flatten(value)
        if structure != self.structure:
            return self.compared
        pairs = enumerate(zip(self.leaves, leaves, strict=True))
        key = self.place.key
        return unflatten(
            structure, iter([self.sizes.start_like(key, number, *pair) for number, pair in pairs])
        )

    def _settle(self, value: Any) -> bool:
        unread = self.place.label.startswith(RETURNED) and self.is_local
        start = blank(value) if unread else or_missing(self._start_like(value), self.place)
        end = or_missing(value, self.place)
        try:
            start, self.end = together(start, end, strict=True, keeps=self.keeps)
        except Unlike as error:
            one, other = error.args
            self.refuse(
                f"{one} before a round and {other} after it; give it its final shape and dtype "
                "before the loop, or collect the parts in a list"
            )
            return True
        if flatten(start)[0] != self.structure or self.is_local:
            self.start_from(start)
            self._settle_leaves()
            return True
        return self._settle_leaves()

    def _settle_leaves(self) -> bool:
        changed = [self._settle_leaf(i, leaf) for i, leaf in enumerate(flatten(self.end)[1])]
        return any(changed)

    def _settle_leaf(self, index: int, end: Any) -> bool:
        start, carried = self.leaves[index], self.types[index]
        if self.numbers[index] and not are_numbers([end]):
            self.numbers[index] = False
            if carried is not None:
                return True
        if carried is None:
            return self._settle_fixed(index, start, end)
        wanted = dtype_of_value(end)
        if wanted is not carried.dtype and not (
            isinstance(end, NUMBERS) and fits(end, carried.dtype)
        ):
            known = isinstance(start, NUMBERS) and fits(start, wanted)
            dtype = wanted if known else promoted(carried.dtype, wanted)
            if dtype is None:
                self.refuse(
                    f"of dtype {carried.dtype.name} before a round and {wanted.name} after it; "
                    "cast it, so that every round has one dtype"
                )
                return True
            if dtype is not carried.dtype:
                self.types[index] = TensorType(carried.shape, dtype)
                return True
        grad = is_tensor(end) and not end.stop_gradient
        if grad and not self.grads[index]:
            self.grads[index] = True
            return True
        return False

    def _settle_fixed(self, index: int, start: Any, end: Any) -> bool:
        if same(start, end):
            return False
        wanted, own = dtype_of_value(end), dtype_of_value(start)
        dtype = wanted if isinstance(start, NUMBERS) and fits(start, wanted) else own
        self.types[index] = TensorType((), dtype)
        return True


def _is_sized(value: Any) -> bool:
    return is_tensor(value) or isinstance(value, Deferred)
