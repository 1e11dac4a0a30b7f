"""What a `for` over a tensor runs over: something with a length and an item for each index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from wherry.ir.dims import SymDim
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor, ZeroDimError

from ..traced import Traced
from .classes import own_method
from .either import is_either
from .ends import end_unless
from .lists import TracedDict, is_stored
from .numbers import as_number
from .reading import elements
from .sizes import Size, as_tensor, plain
from .state import at_line


@dataclass(frozen=True)
class Indexed:
    """A sequence of length Size or 0-d integer tensor; `item(i)` takes an int or a tensor."""

    length: Any
    item: Callable[[Any], Any]

    def __iter__(self) -> Iterator[Any]:
        # Where Python iterates, as in a comprehension, it needs the length as an int: asking for
        # it says what is missing, with the user's line.
        return map(self.item, range(int(self.length)))


class Pushed:
    """A call of a generator: `run(push)` calls `push` with each value, where it is yielded."""

    def __init__(self, run: Callable[[Callable[[Any], None]], Any]) -> None:
        self.run = run
        self._list: Any = None

    def listed(self) -> Any:
        """All values in a list, whose length may be a tensor."""
        from .growing import new_list

        if self._list is None:
            found = self._list = new_list([])
            self.run(found.append)
        return self._list

    def __iter__(self) -> Iterator[Any]:
        return iter(self.listed())

    def __next__(self) -> NoReturn:
        raise ConversionError(
            "next() of a generator of which a tensor decides what it yields is not converted; loop "
            f"over it, or make a list of it{at_line()}"
        )


def opened(value: Any) -> Any:
    """What `__iter__` of a class of the user's gives, which need be no iterator of Python's."""
    own = own_method(value, "__iter__")
    return value if own is None else own()


def indexed(value: Any) -> Indexed | None:
    """The value as an Indexed if a tensor is involved; None if Python can iterate over it."""
    if isinstance(value, Indexed):
        return value
    if isinstance(value, Pushed):
        value = value.listed()
    if is_either(value) and (found := elements(value)) is not None:
        return Indexed(*found)
    if is_stored(value):
        return value.indexed()  # type: ignore[no-any-return]
    if isinstance(value, Traced):
        if not value.ndim:
            raise ZeroDimError("iteration over a 0-D tensor is wrong")
        return Indexed(value.shape[0], lambda i: value[i])
    return None


def for_comprehension(value: Any) -> Any:
    """What a comprehension runs over: its rounds are counted while tracing, where that can be."""
    found = indexed(value)
    if found is not None and isinstance(found.length, Size) and found.length.is_of_this_call():
        int(found.length)
    return value


def of_range(*args: Any) -> Any:
    """`range`, also of tensors and sizes."""
    args = tuple(map(_bound, args))
    if not any(isinstance(arg, (Traced, SymDim)) for arg in args):
        return range(*args)
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    length = _rounds(start, stop, step)
    return Indexed(length, lambda i: start + i * step if not _is_one(step) else _offset(i, start))


def _bound(value: Any) -> Any:
    """An argument of `range`: a tensor as a 0-d int64, whatever it is read from."""
    from .branch import of_program

    value = of_program(value)
    return value.index() if isinstance(value, Traced) else value


def _rounds(start: Any, stop: Any, step: Any) -> Any:
    """How many rounds a `range` has. A negative number is as good as 0."""
    if _is_one(step):
        return stop - start
    if isinstance(step, Traced):
        # It may be negative.
        return -((start - stop) // step)
    if step < 0:
        return (start - stop + (-step - 1)) // -step
    return (stop - start + (step - 1)) // step


def _is_one(step: Any) -> bool:
    return isinstance(step, int) and step == 1


def _offset(index: Any, start: Any) -> Any:
    if isinstance(start, int) and start == 0:
        return index
    return index + (start if isinstance(index, int) else as_number(as_tensor(start)))


def of_enumerate(iterable: Any, start: Any = 0) -> Any:
    """`enumerate`, also over tensors."""
    inner = indexed(iterable)
    if inner is None:
        return enumerate(iterable, start)
    return Indexed(inner.length, lambda i: (_offset(i, start), inner.item(i)))


def of_zip(*iterables: Any, strict: bool = False) -> Any:
    """`zip`, also over tensors; one of unknown length goes together with tensors only."""
    found = [indexed(one) for one in iterables]
    if all(one is None for one in found):
        return zip(*iterables, strict=strict)
    lengths = [one.length for one in found if one is not None]
    if all(isinstance(length, int) for length in lengths):
        listed = [
            one if sequence is None else map(sequence.item, range(sequence.length))
            for one, sequence in zip(iterables, found, strict=True)
        ]
        return zip(*listed, strict=strict)
    return _zip_open(iterables, found, strict)


def _zip_open(iterables: Any, found: list[Indexed | None], strict: bool) -> Indexed:
    known = [one for one in found if one is not None]
    sequences = [
        _listed(one, known[0].length) if sequence is None else sequence
        for one, sequence in zip(iterables, found, strict=True)
    ]
    lengths = [one.length for one in sequences]
    length = lengths[0]
    for number, other in enumerate(lengths[1:], 2):
        if not _equal(other, length):
            length = _shorter(length, other, number, strict)
    return Indexed(length, lambda i: tuple(one.item(i) for one in sequences))


def _listed(values: Any, beside: Any) -> Indexed:
    """What Python iterates over, to be indexed by a tensor."""
    from .growing import new_list

    if not hasattr(values, "__len__"):
        # As where Python iterates: asking for the length of the other one says what is missing.
        int(beside)
    found = new_list(values)
    return Indexed(len(found), found.__getitem__)


def _shorter(one: Any, two: Any, number: int, strict: bool) -> Any:
    """The smaller one of two lengths."""
    for length in (one, two):
        if isinstance(length, Size):
            # Whether two sizes are equal is known where they are: asking says what is missing.
            int(length)
    build = next(length for length in (one, two) if isinstance(length, Traced)).tracer
    one, two = build.as_traced(one), build.as_traced(two)
    if strict:
        text = f"zip() argument {number} is shorter or longer than argument {number - 1}"
        end_unless(one.equal(two), True, ValueError(text))
    return build.emit("elementwise_min", one, two)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return a is b
    return bool(plain(a) == plain(b))


def of_reversed(value: Any) -> Any:
    """`reversed`, also of a tensor."""
    inner = indexed(value)
    if inner is None:
        return reversed(value)
    return Indexed(inner.length, lambda i: inner.item(inner.length - 1 - i))


def of_len(value: Any) -> Any:
    """`len`: a tensor's first size, which may be a Size; a list's, which may be a tensor."""
    if is_stored(value) or isinstance(value, TracedDict):
        return as_number(value.known_length())
    if isinstance(value, Indexed):
        return value.length
    if isinstance(value, Traced) and value.ndim:
        return value.shape[0]
    own = own_method(value, "__len__")
    return len(value) if own is None else _checked_length(own())


def _checked_length(length: Any) -> Any:
    if isinstance(length, Traced):
        holds: Any = length >= 0
        end_unless(holds, True, ValueError("__len__() should return >= 0"))
        return length
    return len(range(length))
