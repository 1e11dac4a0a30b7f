"""The buffers of lists that grow: a tensor for each leaf of an element, with room for more.

An element that is read is the object that was put in, as far as anybody can tell: a write to it is
one to the buffer, and what shares its memory is known of (`choices.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.ir.infer import TensorType
from wherry.schema.dtypes import DType, int64

from ..traced import Traced
from .choices import note_unclear, targets
from .either import Deferred, Zeros
from .leaves import as_tensor_of, original
from .numbers import stands_for_number
from .state import is_tensor
from .views import read_element, written_element

if TYPE_CHECKING:
    from .tracer import ProgramTracer


class Packed(Deferred):
    """The buffer that holds these values from its start on; it is made where it is needed."""

    def __init__(self, type_: TensorType, values: list[Any]) -> None:
        super().__init__(type_)
        self.values = values
        self.held = [one for one in map(original, values) if is_tensor(one)]
        self.stop_gradient = all(getattr(value, "stop_gradient", True) for value in values)

    def is_number(self) -> bool:
        return all(map(stands_for_number, self.values))

    def made(self, build: Any, dtype: DType) -> Traced:
        buffer: Traced = Zeros(self.type).made(build, dtype)
        buffer = buffer.note_number() if self.is_number() else buffer
        if self.values:
            need_room(build, build.as_traced(len(self.values)))
        for index, value in enumerate(self.values):
            buffer = written(build, buffer, within(build, build.as_traced(index)), value)
        return buffer


def need_room(build: ProgramTracer, count: Traced) -> None:
    """Stop the call where so many elements have no room. It asks for more than that: the next
    element would soon want it.
    """
    capacity = build.capacity()
    room = build.emit("fill_constant", shape=[], value=capacity, dtype=int64)
    wanted = build.emit("scale", count, scale=2.0, bias=32.0)
    build.emit("assert", count <= room, [wanted], message=str(capacity), error="ResizeError")


def within(build: ProgramTracer, place: Traced) -> Traced:
    """The place, or one that is in the buffer: compiled code may do what follows an assert, which
    ends the call in any case, before it.
    """
    last = build.emit("fill_constant", shape=[], value=build.capacity() - 1, dtype=int64)
    low = build.emit("elementwise_min", place, last)
    found: Traced = build.emit("elementwise_max", low, build.as_traced(0))
    return found


def as_buffer(build: ProgramTracer, buffer: Any) -> Traced:
    """The buffer of a list, made if need be."""
    return buffer.made(build, buffer.type.dtype) if isinstance(buffer, Packed) else buffer


def read(build: ProgramTracer, buffer: Any, place: Traced) -> Traced:
    """The element at the place."""
    buffer = as_buffer(build, buffer)
    found = read_element(build, buffer, place)
    return found.note_number() if buffer.stands_for_number else found


def written(build: ProgramTracer, buffer: Any, place: Traced, value: Any) -> Traced:
    """The buffer with this value at the place; it holds the value's tensor from now on."""
    buffer = as_buffer(build, buffer)
    item = as_tensor_of(build, value, buffer.dtype)
    found = written_element(build, buffer, place, item)
    held = [*targets(buffer), *targets(original(value), parts=True)]
    note_unclear(found, [one.source() for one in held])
    is_number = buffer.stands_for_number and stands_for_number(value)
    return found.note_number() if is_number else found
