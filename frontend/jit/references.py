"""References: which lists and dicts one that a branch or a loop on a tensor made may be.

Such a list is a copy, made of the elements of those of which it is one in dynamic mode: that is all
it takes to read it. Who writes to one of them, or asks with `is`, needs the objects. Then the
function is traced once more, and the merges that gave the copy, its sites, keep the objects: they
give an Either of them. What rounds of a loop make anew has no object to keep; that is refused.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NoReturn

from wherry.schema.errors import ConversionError

from ..location import user_location
from ..traced import Traced
from .either import Either, parts
from .lists import TracedDict, TracedList, is_stored
from .signals import Signal
from .structure import Held, flatten, is_list_or_dict

if TYPE_CHECKING:
    from .loop_slot import LoopSlot
    from .state import Journal, Place
    from .tracer import Frame

# A merge: the user's line and the name of the place.
Site = tuple[str, str]
# Where in a value: the indices and keys on the way.
Path = tuple[Any, ...]
Origins = dict[Path, set["Node"]]


class NeedsReferences(Signal):
    """The function is to be traced again, with the objects kept where these merges are."""

    def __init__(self, sites: frozenset[Site]) -> None:
        super().__init__(sites)
        self.sites = sites


class Node:
    """A list or dict, and those that may be the same object: copies of it, or what it copies."""

    def __init__(self, value: Any) -> None:
        # Plain lists and dicts have no weak references.
        self.is_weak = isinstance(value, (TracedList, TracedDict))
        self.get: Callable[[], Any] = weakref.ref(value) if self.is_weak else lambda: value
        # The objects of which it is one, and the copies of it.
        self.objects: set[Node] = {self}
        self.copies: set[Node] = set()
        # Where it was made, if it is a copy.
        self.site: Site | None = None
        # Whether what it holds lies in the buffers of a list, too.
        self.is_part = False

    def note_copy_of(self, origins: Iterable[Node], site: Site | None) -> None:
        """It is one of these in dynamic mode."""
        self.site = site
        self.objects = set().union(*(one.objects for one in origins))
        for one in self.objects:
            one.copies.add(self)

    def same(self) -> set[Node]:
        """All that may be the same object."""
        return self.objects.union(*(one.copies for one in self.objects))


def _gone() -> None:
    """What a list or dict is that is no more."""


class References:
    """The copies of a trace, and the sites at which none is made."""

    def __init__(self, frames: Sequence[Frame], journals: Sequence[Journal],
                 kept: frozenset[Site]) -> None:  # fmt: skip
        self.frames, self.journals, self.kept = frames, journals, kept
        self._nodes: dict[int, Node] = {}
        self._plain: list[Node] = []
        # What the converter itself holds for a while: values by the places they are put back into.
        self.before: dict[int, list[tuple[Place, Any]]] = {}
        # What only one place holds, into which a round of a loop puts something else.
        self._owned: dict[int, LoopSlot] = {}

    def site(self, label: str) -> Site:
        """The merge of a place, here."""
        return str(user_location()), label

    def node(self, value: Any) -> Node:
        """The node of a list or dict."""
        found = self._nodes.get(id(value))
        if found is None or found.get() is not value:
            found = self._nodes[id(value)] = Node(value)
            if not found.is_weak:
                self._forget_plain()
                self._plain.append(found)
        return found

    def _forget_plain(self) -> None:
        """Let go of the plain lists and dicts that nobody else knows, and of what is in them."""
        seen = []
        for node in self._plain:
            # Those of the node and of getrefcount's argument.
            if sys.getrefcount(node.get()) > 2:
                seen.append(node)
            else:
                node.get = _gone
        self._plain = seen

    def by_path(self, *values: Any) -> Origins:
        """The nodes of the lists and dicts that are Held in these values, by their paths."""
        found: Origins = {}
        for value in values:
            for path, one in _held(value):
                found.setdefault(path, set()).add(self.node(one.origin))
        return found

    def note_copies(self, value: Any, origins: Origins, site: Site | None,
                    kept: Sequence[Any] = ()) -> set[Node]:  # fmt: skip
        """The lists and dicts in the value were made, but for those that are `kept`; in dynamic
        mode each is one of the `origins` that have its path.
        """
        made: set[Node] = set()
        for path, one in _made(value, {id(one) for one in kept}) if origins else ():
            node, near = self.node(one), origins.get(path, set())
            made.add(node)
            if node not in near and near:
                node.note_copy_of(near, site)
        return made

    def note_part(self, value: Any) -> None:
        """The lists and dicts in an element of a list in buffers are no objects of their own."""
        for _, one in _made(value, ()):
            self.node(one).is_part = True

    def adopt(self, value: Any) -> None:
        """The lists in the value go on in the code around the block that made them."""
        for _, one in _made(value, ()):
            if isinstance(one, (TracedList, TracedDict)) and self.is_new(one):
                one.made_in = weakref.ref(self.frames[-1])

    def new_in(self, value: Any, inner: Frame | None = None) -> list[Any]:
        """The lists and dicts that are Held in a value and were made in a block that is closed now,
        or in the `inner` one.
        """
        return [one.origin for _, one in _held(value) if self.is_new(one.origin, inner)]

    def is_new(self, value: Any, inner: Frame | None = None) -> bool:
        """Whether a list or dict was made in a block that is closed now, or in the `inner` one."""
        around = [frame for frame in self.frames if frame is not inner]
        if isinstance(value, (TracedList, TracedDict)):
            return value.made_in is not None and value.made_in() not in around
        leaves = [leaf for leaf in flatten(value)[1] if isinstance(leaf, Traced)]
        return not all(any(one.owns(leaf.variable) for one in around) for leaf in leaves)

    def will_write(self, value: Any) -> None:
        """A list or dict is about to be changed, which somebody may see under another name."""
        node = self._known(value)
        if node is not None and node.is_part:
            _refuse_part()
        if node is not None:
            self._need({one for one in node.same() if one is node or self._is_seen(one)})

    def will_compare(self, left: Any, right: Any) -> None:
        """`left is right` is asked of two that are not."""
        one, two = self._known(left), self._known(right)
        if one is not None and two is not None and one.objects & two.objects:
            self._need({one, two})

    def shared(self, ends: Mapping[Any, set[Node]]) -> Any:
        """Which of the values with these nodes may be one, and one with what is around here."""
        objects = {key: set().union(*(one.objects for one in nodes)) for key, nodes in ends.items()}
        around = {key: frozenset(filter(self._is_around, all_)) for key, all_ in objects.items()}
        pairs = combinations(objects, 2)
        return frozenset(around.items()), frozenset(
            (one, two) for one, two in pairs if objects[one] & objects[two]
        )

    def _is_around(self, node: Node) -> bool:
        value = node.get()
        return value is not None and not self.is_new(value)

    def held(self, value: Any) -> int:
        """How many references to the object are this table's own."""
        node = self._known(value)
        return 0 if node is None or node.is_weak else 1

    def own(self, slot: LoopSlot) -> None:
        """A loop may put other values into its place: is nobody else to see the one before?"""
        # The slot and the place know it.
        if is_list_or_dict(slot.before) and self._users(slot.before) <= 2:
            self._owned[id(slot)] = slot

    def disown(self, slot: LoopSlot) -> None:
        """The loop is over."""
        self._owned.pop(id(slot), None)

    def _known(self, value: Any) -> Node | None:
        found = self._nodes.get(id(value))
        return found if found is not None and found.get() is value else None

    def _need(self, nodes: set[Node]) -> None:
        """Trace again if these, of which one is written or asked for, may be one object."""
        if len(nodes) < 2:
            return
        group = set().union(*(one.same() for one in nodes))
        sites = frozenset(one.site for one in group if one.site is not None)
        if sites <= self.kept:
            _refuse_copy()
        raise NeedsReferences(self.kept | sites)

    def _is_seen(self, node: Node) -> bool:
        """Whether the user's code may see the object."""
        value = node.get()
        if value is None:
            return False
        owners = [slot for slot in self._owned.values() if slot.before is value]
        if any(slot.place.get() is not value for slot in owners):
            return False
        return self._users(value) > 1

    def _users(self, value: Any) -> int:
        """How many references to the object there are but for those of the converter."""
        before = sum(one is value for pairs in self.before.values() for _, one in pairs)
        noted = [pair for journal in self.journals for pair in journal.first.values()]
        places = {id(place) for place, _ in noted if getattr(place, "owner", None) is value}
        journals = len(places) + sum(one is value for _, one in noted)
        # Two are those of the arguments here.
        return sys.getrefcount(value) - 2 - before - journals - self.held(value)


def _refuse_copy() -> NoReturn:
    """Say that it is not known which object this is."""
    raise ConversionError(
        "this list or dict may be the same object as another one, as rounds of a loop on a tensor "
        "decide, or is being iterated over, so it can neither be changed nor be asked for with "
        "`is` here; change the one that is meant before it gets a second name, or make a copy of "
        f"it (`list(rows)`){_at_line()}"
    )


def _refuse_part() -> NoReturn:
    """Say that an element of a list in buffers is a copy."""
    raise ConversionError(
        "this list or dict is an element of a list whose length depends on a tensor, which keeps "
        "a copy of it, so it cannot be changed here; put a new one in its place "
        f"(`rows[i] = [...]`){_at_line()}"
    )


def _at_line() -> str:
    loc = user_location()
    return f"\n  at {loc}" if loc else ""


def _held(value: Any, path: Path = ()) -> Iterator[tuple[Path, Held]]:
    """The lists and dicts that are Held in a value, each with its path. The two of an Either have
    one path.
    """
    if type(value) is Held:
        yield path, value
    for key, part in _parts(value.copy if type(value) is Held else value):
        yield from _held(part, path + key)


def _made(value: Any, kept: Container[int], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The lists and dicts in a value, but for those with these ids and what is in them."""
    if id(value) not in kept:
        if is_list_or_dict(value):
            yield path, value
        for key, part in _parts(value):
            yield from _made(part, kept, path + key)


def _parts(value: Any) -> Iterator[tuple[Path, Any]]:
    """The parts of a value, each with the end of its path."""
    if type(value) is Either:
        yield from (((), part) for part in parts(value)[1:])
    elif isinstance(value, dict):
        yield from (((key,), part) for key, part in dict.items(value))
    elif isinstance(value, (list, tuple)) and not is_stored(value):
        yield from (((place,), part) for place, part in enumerate(value))
