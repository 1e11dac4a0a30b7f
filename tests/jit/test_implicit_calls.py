"""Methods of the user's classes that Python calls by itself hold conditions on tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import classes, to_static


class Box:
    """Each method looks at a tensor."""

    limit = 2.0

    def __init__(self, value: Any) -> None:
        if value.sum() > 1:
            value = value + 10
        self.value = value

    @property
    def big(self) -> Any:
        if self.value.sum() > self.limit:
            return self.value * 2
        return self.value

    @big.setter
    def big(self, value: Any) -> None:
        if value.sum() > 0:
            self.value = value * 7
        else:
            self.value = -value

    @functools.cached_property
    def once(self) -> Any:
        return self.value if self.value.sum() > 0 else self.value * 3

    def __getitem__(self, index: int) -> Any:
        if self.value.sum() > 0:
            return self.value[index]
        return self.value[index] * 5

    def __setitem__(self, index: int, value: Any) -> None:
        if self.value.max() > 1:
            self.value = self.value + value

    def __call__(self, y: Any) -> Any:
        return y if y.sum() > 1 else y - 1

    def __add__(self, other: Any) -> Any:
        return Box(self.value + (other if isinstance(other, int) else other.value))

    def __len__(self) -> Any:
        return int(self.value.abs().sum())

    def __bool__(self) -> bool:
        return bool(self.value.sum() > 0)

    def __contains__(self, item: float) -> bool:
        return bool(self.value.max() > item) if self.value.sum() > 0 else False

    def __iter__(self) -> Iterator[Any]:
        for i in range(2):
            yield self[i]

    def __enter__(self) -> Any:
        if self.value.sum() > 0:
            self.value = self.value * 3
        return self

    def __exit__(self, *error: object) -> None:
        if self.value.sum() > 20:
            self.value = self.value - 1

    @classmethod
    def make(cls, value: Any) -> Any:
        return cls(value if value.max() > cls.limit else value * 2)

    @staticmethod
    def twice(value: Any) -> Any:
        return value * 2 if value.sum() > 0 else value


class Sub(Box):
    limit = -1.0

    @property
    def big(self) -> Any:
        found = super().big
        return found + 1 if found.sum() > 5 else found

    def __add__(self, other: Any) -> Any:
        found = super().__add__(other)
        if found.value.sum() > 0:
            found.value = found.value + 1
        return found


class Scale:
    """A descriptor."""

    def __get__(self, owner: Any, kind: Any) -> Any:
        return owner.value * 2 if owner.value.sum() > 0 else owner.value

    def __set__(self, owner: Any, value: Any) -> None:
        if value.sum() > 0:
            owner.value = value + 1


class Scaled(Box):
    scale = Scale()

    def __getattr__(self, name: str) -> Any:
        if self.__dict__["value"].sum() > 0:
            return len(name)
        return 0


def properties(x: Any) -> Any:
    return Box(x).big, Sub(x).big


def setters(x: Any) -> Any:
    box = Box(x)
    box.big = x * 3
    if x.sum() > 0:
        box.big = x * 4
    return box.value


def cached_properties(x: Any) -> Any:
    box = Box(x)
    return box.once + box.once


def descriptors(x: Any) -> Any:
    box = Scaled(x)
    if x.max() > 1:
        box.scale = x - 2
    return box.scale * box.unknown


def items(x: Any) -> Any:
    box = Box(x)
    if x.sum() > 0:
        box[0] = 4
    return box[0]


def calls(x: Any) -> Any:
    return Box(x)(x)


def operators(x: Any) -> Any:
    return (Box(x) + Sub(x)).value, (Sub(x) + 1).value


def length(x: Any) -> Any:
    return x * len(Box(x))


def truth(x: Any) -> Any:
    box = Box(x)
    if box:
        x = x + 1
    if not box and x.sum() < 3:
        x = x - 1
    return x


def contains(x: Any) -> Any:
    return x * 2 if 1.0 in Box(x) else x


def iteration(x: Any) -> Any:
    total = 0
    for y in Box(x):
        total = total + y
    return total


def with_statement(x: Any) -> Any:
    with Box(x) as box:
        y = box.value * 2
    return y, box.value


def class_and_static_methods(x: Any) -> Any:
    return Sub.make(x).value, Box.twice(x)


def pick(x: Any) -> Any:
    return x if x.sum() > 0 else x * 3


def both(a: Any, b: Any) -> Any:
    return a if a.sum() > b.min() else b


def functions_given_to_builtins(x: Any) -> Any:
    kept = [*filter(pick, [x.sum(), x.sum() + 1])] if False else [x.sum()]
    return sum(map(pick, [x, x - 1, *kept])), functools.reduce(both, [x, x + 1, x * 2])


def a_class_made_in_the_trace(x: Any) -> Any:
    class Local:
        @property
        def value(self) -> Any:
            return x * 2 if x.sum() > 0 else x

    return Local().value


CASES = [
    properties, setters, cached_properties, descriptors, items, calls, operators, length, truth,
    contains, iteration, with_statement, class_and_static_methods, functions_given_to_builtins,
    a_class_made_in_the_trace,
]  # fmt: skip


def plain(value: Any) -> Any:
    return [plain(one) for one in value] if isinstance(value, tuple) else value.tolist()


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in ([1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [5.0, 6.0], [3.0, -4.0]):
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(function(x)), values


def test_hooks_of_layers_are_converted() -> None:
    net = paddle.nn.Linear(2, 2)
    net.register_forward_post_hook(lambda layer, args, out: out * 2 if out.sum() > 0 else out)
    net.register_forward_pre_hook(lambda layer, args: args[0] if args[0].max() > 0 else -args[0])
    static = to_static(lambda x: net(x))
    for value in (1.0, -1.0, -20.0):
        x = paddle.full([1, 2], value)
        assert static(x).tolist() == net(x).tolist()


def test_classes_are_as_they_were_after_the_trace() -> None:
    before = dict(vars(Box))
    with classes.classes_converted(), classes.classes_converted():
        assert vars(Box)["__len__"] is not before["__len__"]
        assert len(Box(paddle.ones([2]))) == 22
    assert dict(vars(Box)) == before


def test_a_length_below_zero_ends_the_call() -> None:
    class Short:
        def __init__(self, size: Any) -> None:
            self.size = size

        def __len__(self) -> Any:
            return int(self.size)

    @to_static
    def f(x: Any) -> Any:
        return x * len(Short(x.sum()))

    assert f(paddle.ones([2])).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="should return >= 0"):
        f(paddle.full([2], -1.0))


def test_a_property_that_hides_one_of_types_is_left_alone() -> None:
    class Named:
        @property
        def __name__(self) -> str:
            return "named"

    with classes.classes_converted():
        assert Named().__name__ == "named"


def test_a_property_that_hides_one_of_the_metaclass_is_left_alone() -> None:
    class Kind(type):
        @property
        def size(cls) -> int:
            return 1

    class Sized(metaclass=Kind):
        @property
        def size(self) -> int:
            return 2

    with classes.classes_converted():
        assert (Sized.size, Sized().size) == (1, 2)


def test_a_wrapper_that_was_made_between_two_traces_is_what_is_called() -> None:
    class Scaled:
        def __add__(self, x: Any) -> Any:
            return x * 2 if x.sum() > 0 else x

    @to_static
    def added(x: Any) -> Any:
        return Scaled() + x

    assert added(paddle.ones([2])).tolist() == [2.0, 2.0]
    plain = Scaled.__add__

    @functools.wraps(plain)  # copies all attributes of the function
    def then_doubled(self: Any, x: Any) -> Any:
        return plain(self, x) * 2 if x.max() > 0 else x

    Scaled.__add__ = then_doubled  # type: ignore[method-assign]
    assert added(paddle.ones([2, 1])).tolist() == [[4.0], [4.0]]


def test_a_class_of_an_extension_module_that_lets_nothing_be_set_stays_as_it_is() -> None:
    def added(self: Any, x: Any) -> Any:
        return x

    before = complex.__add__
    with classes.classes_converted():
        assert not classes._replace(complex, "__add__", added)
    assert complex.__add__ is before
