"""Lists that a loop or branch on a tensor makes longer or shorter.

Outside of such code a list is Python's own. Where its length becomes a matter of the call, its
elements move into buffers, one for each leaf of an element, of shape [capacity, *leaf], beside a
length that is a tensor: native loops write to them. The capacity is a size that nobody knows before
the call, like the length that `paddle.stack` makes a shape of: both are the sizes of hidden inputs,
for which the caller has a guess. Compiled code that finds a guess wrong stops with a ResizeError,
and is called again with a better one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from wherry.dispatch import tracer
from wherry.ir.infer import TensorType, show
from wherry.schema.dtypes import int64
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..traced import Traced
from .branch import active_tracer
from .buffers import Packed, as_buffer, need_room, read, within, written
from .ends import end_unless
from .iterate import Indexed, Pushed, opened
from .leaves import common_dtype, dims_of_value, dtype_of_value, mergeable
from .lists import Kind, Stored, TracedList, is_stored
from .parts import from_start, is_head, part_of
from .state import at_line, is_tensor
from .structure import flatten, unflatten
from .writes import will_write

if TYPE_CHECKING:
    from .tracer import ProgramTracer


class GrowingList(TracedList):
    """A list of the user's code, with a list's methods in both forms."""

    def append(self, item: Any) -> None:
        will_write(self)
        if self.stored is None:
            super().append(item)
        else:
            self._push(item)

    def extend(self, items: Iterable[Any]) -> None:
        from .folds import for_each

        for_each(items, lambda item: self.append(item))

    def __iadd__(self, items: Any) -> Any:
        self.extend(items)
        return self

    def __add__(self, items: Any) -> Any:
        found = GrowingList(self)
        found.extend(items)
        return found

    def __radd__(self, items: Any) -> Any:
        found = GrowingList(items)
        found.extend(self)
        return found

    def __mul__(self, times: Any) -> Any:
        if self.stored is None:
            return GrowingList(super().__mul__(times))
        found = GrowingList()
        for _ in range(times):
            found.extend(self)
        return found

    __rmul__ = __mul__

    def __imul__(self, times: Any) -> Any:
        will_write(self)
        self.replace(self * times)
        return self

    def pop(self, index: Any = -1) -> Any:
        will_write(self)
        if self.stored is None:
            return super().pop(index)
        if not isinstance(index, int) or index != -1:
            _refuse("pop() of another element than the last")
        item = self[-1]
        build = _build()
        self.stored = Stored(
            self.stored.kind, build.emit("scale", self._length(), bias=-1.0), self.stored.buffers
        )
        return item

    def copy(self) -> Any:
        return GrowingList(self)

    def clear(self) -> None:
        will_write(self)
        super().clear()
        self.stored = None

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._part(index)
        if self.stored is None and not isinstance(index, Traced):
            return super().__getitem__(index)
        stored = self._in_buffers()
        build = _build()
        place = self._place(index)
        leaves = [read(build, buffer, place) for buffer in stored.buffers]
        found = unflatten(stored.kind.structure, iter(leaves))
        build.references.note_part(found)
        return found

    def __setitem__(self, index: Any, item: Any) -> None:
        will_write(self)
        if self.stored is None and not isinstance(index, Traced):
            super().__setitem__(index, item)
            return
        if isinstance(index, slice):
            _refuse("an assignment to a part of it")
        stored = self._in_buffers()
        self._write(stored, self._place(index), stored.length, item)

    def __iter__(self) -> Iterator[Any]:
        if self.stored is not None:
            _refuse("iteration where Python needs to know the length")
        return super().__iter__()

    def __len__(self) -> int:
        if self.stored is not None:
            _refuse("a length as a Python int")
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        return super().__repr__() if self.stored is None else "a list whose length is a tensor"

    def known_length(self) -> Any:
        """An int, or the tensor that the length is."""
        return super().__len__() if self.stored is None else self._length()

    def indexed(self) -> Indexed:
        """For a loop over the elements."""
        return Indexed(self._length(), self.__getitem__)

    def _part(self, part: slice) -> Any:
        open_ends = any(isinstance(end, Traced) for end in (part.start, part.stop))
        if self.stored is None and not open_ends:
            return GrowingList(super().__getitem__(part))
        if self.stored is not None and is_head(part):
            return self._head(part)
        if not isinstance(part.step, (int, type(None))):
            _refuse("a slice whose step is a tensor")
        found = GrowingList()
        found.extend(part_of(_build(), self.known_length(), part, self.__getitem__))
        return found

    def _head(self, part: slice) -> Any:
        """`a[m:n]` of two numbers: a list of so many elements, which can be unpacked."""
        inside: Any = self._length() >= part.stop
        end_unless(inside, True, IndexError("the list is shorter than the slice"))
        return GrowingList(self[i] for i in range(part.start or 0, part.stop))

    def _length(self) -> Traced:
        assert self.stored is not None
        return _build().as_traced(self.stored.length)

    def _in_buffers(self) -> Stored:
        """The elements in buffers; those of a list of known length are put there for this use."""
        if self.stored is not None:
            return self.stored
        items = list(super().__iter__())
        packed = stored_together(items, items) if items else None
        if packed is None:
            _refuse("an index that is a tensor, into a list of values of different kinds")
        found: Stored = packed[0].stored
        return found

    def _place(self, index: Any) -> Traced:
        """The index from the start, checked at the call."""
        build, length = _build(), self.known_length()
        count = build.as_traced(length)
        given = from_start(build, index, count)
        inside = build.emit("logical_and", given >= 0, given < count)
        end_unless(inside, True, IndexError("list index out of range"))
        return within(build, given)

    def _push(self, item: Any) -> None:
        stored, build = self.stored, _build()
        assert stored is not None
        length = self._length()
        after = build.emit("scale", length, bias=1.0)
        need_room(build, after)
        self._write(stored, within(build, length), after, item)

    def _write(self, stored: Stored, place: Traced, length: Any, item: Any) -> None:
        build = _build()
        build.references.note_part(item)
        structure, leaves = flatten(item)
        if structure != stored.kind.structure:
            _refuse("elements of different structures")
        buffers = []
        for buffer, leaf in zip(stored.buffers, leaves, strict=True):
            like, wanted = dims_of_value(leaf), dims_of_value(buffer)[1:]
            if not (is_tensor(leaf) or isinstance(leaf, (int, float))) or like != wanted:
                _refuse(f"elements of different shapes or kinds ({show(wanted)} and {show(like)})")
            buffers.append(written(build, buffer, place, leaf))
        self.stored = Stored(stored.kind, length, buffers)


def _python_only(name: str) -> Any:
    """A method that is Python's own while the length is known, and else refused."""
    own = getattr(list, name)

    def method(self: GrowingList, *args: Any, **kwargs: Any) -> Any:
        if self.stored is not None:
            _refuse(f"`{name}`")
        if name in _CHANGING:
            will_write(self)
        return own(self, *args, **kwargs)

    return method


_CHANGING = frozenset({"insert", "remove", "reverse", "sort", "__delitem__"})
for _name in (*_CHANGING, "index", "count", "__contains__", "__eq__", "__lt__",
              "__reversed__"):  # fmt: skip
    setattr(GrowingList, _name, _python_only(_name))


def new_list(items: Any) -> Any:
    """A list that the code of a trace makes and may let grow."""
    return GrowingList(items) if active_tracer() is not None else list(items)


def spread(found: Any, items: Any) -> Any:
    """`[*found, *items]` of a list that was made for it."""
    from .folds import open_sequence

    items = opened(items)
    if isinstance(items, Pushed) or open_sequence(items) is not None:
        found.extend(items)
    else:
        for item in items:
            found.append(item)
    return found


def stored_together(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Two lists as lists in buffers of one kind; None where their elements are too different."""
    one, two = getattr(a, "stored", None), getattr(b, "stored", None)
    items = [item for x, s in ((a, one), (b, two)) if s is None for item in list(x)]
    kinds = {s.kind for s in (one, two) if s is not None}
    shapes = [flatten(item) for item in items]
    structures = {Kind(structure) for structure, _ in shapes} | kinds
    if len(structures) != 1:
        return None
    given = [s.buffers for s in (one, two) if s is not None]
    types = _types([leaves for _, leaves in shapes], given)
    if types is None:
        return None
    (kind,) = structures
    return _stored(a, kind, types), _stored(b, kind, types)


def _types(rows: list[list[Any]], given: list[list[Any]]) -> list[TensorType] | None:
    """The buffers' types for elements with these leaves, beside the buffers that there are."""
    capacity = _build().capacity()
    found: list[TensorType] = []
    for place in range(len(given[0]) if given else len(rows[0])):
        leaves = [row[place] for row in rows]
        if not all(is_tensor(x) or isinstance(x, (int, float)) for x in leaves):
            return None
        if given:
            found.append(_type_of_buffer(given[0][place]))
            shape = found[-1].shape[1:]
            if any(dims_of_value(leaf) != shape for leaf in leaves):
                return None
            continue
        dtype = dtype_of_value(leaves[0])
        for leaf in leaves:
            if not mergeable(leaves[0], leaf) and dims_of_value(leaf) != dims_of_value(leaves[0]):
                return None
            dtype = common_dtype(leaves[0], leaf) or dtype
        found.append(TensorType((capacity, *dims_of_value(leaves[0])), dtype))
    return found


def _type_of_buffer(buffer: Any) -> TensorType:
    found: TensorType = buffer.variable.type if isinstance(buffer, Traced) else buffer.type
    return found


def _stored(value: Any, kind: Kind, types: list[TensorType]) -> TracedList:
    if is_stored(value):
        found: TracedList = value
        return found
    _build().references.note_part(tuple(value))
    rows = [flatten(item)[1] for item in value]
    buffers = [Packed(type_, [row[i] for row in rows]) for i, type_ in enumerate(types)]
    return kind(len(rows), *buffers)


def _first(found: Any) -> Traced:
    out: Traced = found[0] if isinstance(found, tuple) else found
    return out


def stacked(values: Any, axis: Any = 0, name: Any = None) -> Any:
    """`paddle.stack` of a list whose length is a tensor: [length, *element], then the axis."""
    rows = _rows(values)
    if axis == 0:
        return rows
    axes = list(range(1, rows.ndim))
    axes.insert(axis % rows.ndim, 0)
    return rows.transpose(axes)


def concatenated(values: Any, axis: Any = 0, name: Any = None) -> Any:
    """`paddle.concat` of such a list."""
    rows = _rows(values)
    rank = rows.ndim - 1
    axis = axis % rank
    axes = [*range(1, axis + 1), 0, *range(axis + 1, rows.ndim)]
    shape = list(rows.variable.shape)
    joined = [*shape[1:]]
    joined[axis] = shape[0] * shape[axis + 1]
    found = rows if axes == list(range(rows.ndim)) else rows.transpose(axes)
    return _first(_build().emit("reshape2", found, shape=joined))


def _rows(values: GrowingList) -> Traced:
    """The elements one after the other: [length, *element]."""
    stored, build = values.stored, _build()
    assert stored is not None
    if stored.kind.structure is not None:
        _refuse("paddle.stack or paddle.concat of elements that are no tensors")
    if build.loops:
        _refuse("paddle.stack or paddle.concat inside of a loop on a tensor")
    length = values._length()
    filled = build.emit("less_than", build.as_traced(0), length)
    end_unless(filled, True, ValueError("paddle.stack and paddle.concat need a tensor at least"))
    size = build.open_size("length")
    guess = build.emit("fill_constant", shape=[], value=size, dtype=int64)
    build.emit("assert", length.equal(guess), [length], message=str(size), error="ResizeError")
    (buffer,) = stored.buffers
    found: Traced = build.emit("slice", as_buffer(build, buffer), axes=[0], starts=[0], ends=[size])
    # It is a copy of the elements.
    found.base = None
    return found


def _build() -> ProgramTracer:
    build = active_tracer()
    if build is None or tracer.get() is None:
        raise ConversionError("a list that was kept from an earlier trace has no elements now")
    return build


def _refuse(what: str) -> NoReturn:
    raise ConversionError(
        f"a list whose length depends on a tensor does not have {what}; its elements must be "
        "tensors or numbers of one shape, or tuples of such; append(), pop(), len(), a[i], "
        "a[i] = v, slices, loops over it, paddle.stack and paddle.concat work; to unpack it, "
        f"unpack a slice, `a, b = rows[:2]`{at_line()}"
    )


def as_plain(stored: Stored) -> list[Any]:
    """The elements after the call, when length and buffers have values."""
    count = int(stored.length)
    return [
        unflatten(stored.kind.structure, iter([_item(buffer, i) for buffer in stored.buffers]))
        for i in range(count)
    ]


def _item(buffer: Any, index: int) -> Any:
    found = buffer[index]
    return found.clone() if isinstance(found, Tensor) else found
