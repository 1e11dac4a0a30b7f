"""Attributes that an object has in some calls only, as a tensor decides, are as in dynamic mode."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

sys.path.insert(0, str(Path(__file__).parent))

from same_as_dynamic import check


class Plain:
    pass


class Slotted:
    __slots__ = ("w",)


class Derived(Plain):
    pass


class Defaulting:
    w = 5

    def __getattr__(self, name: str) -> Any:
        return len(name)


class Described:
    def __init__(self, x: Any) -> None:
        if x.sum() > 0:
            self.w = x

    def total(self) -> Any:
        return self.w.sum() if hasattr(self, "w") else -1.0


def given(owner: Any, x: Any) -> Any:
    """The object, which has got a `w` or not."""
    if x.sum() > 0:
        owner.w = x * 2
    return owner


def asked_for(x: Any) -> Any:
    one, two, three = given(Plain(), x), given(Slotted(), x), given(Derived(), -x)
    return [1 if hasattr(owner, "w") else 0 for owner in (one, two, three)]


def in_a_condition(x: Any) -> Any:
    if hasattr(given(Plain(), x), "w") and x.max() > 0.5:
        return x + 1
    return x


def with_a_default(x: Any) -> Any:
    return getattr(given(Plain(), x), "w", x) + 1, getattr(given(Slotted(), x), "w", None)


def read(x: Any) -> Any:
    return given(Plain(), x).w + 1


def read_and_not_used(x: Any) -> Any:
    owner = given(Slotted(), x)
    before = owner.w
    return x, before is None


def read_in_a_try(x: Any) -> Any:
    try:
        return given(Plain(), x).w
    except AttributeError as error:
        return x + 7, len(str(error))


def deleted_in_one_branch(x: Any) -> Any:
    owner = Plain()
    owner.w = x
    if x.max() > 0:
        del owner.w
    return hasattr(owner, "w"), getattr(owner, "w", -x)


def deleted(x: Any) -> Any:
    owner = given(Plain(), x)
    del owner.w
    return hasattr(owner, "w")


def set_again(x: Any) -> Any:
    owner = given(Plain(), x)
    owner.w = x - 1
    return owner.w, hasattr(owner, "w")


def in_a_loop(x: Any) -> Any:
    owner = given(Plain(), x)
    n = 0
    while x.sum() < 9:
        if not hasattr(owner, "w"):
            owner.w = x
        x = x + owner.w * owner.w + 1
        n += 1
    return x, n, hasattr(owner, "w")


def the_objects_of_a_class(x: Any) -> Any:
    """Each has its own."""
    owners = [Plain(), Plain()]
    given(owners[0], x)
    owners[1].w = x
    return owners[1].w, hasattr(owners[0], "w"), getattr(owners[0], "w", 3)


def of_the_class(x: Any) -> Any:
    """What is kept beside it is what an object has else."""
    return given(Defaulting(), x).w, Defaulting().other


def in_its_own_methods(x: Any) -> Any:
    return Described(x).total()


def of_one_of_two(x: Any) -> Any:
    one, two = Plain(), given(Slotted(), -x)
    one.w = 3
    owner = one if x.max() > 0.6 else two
    return hasattr(owner, "w"), getattr(owner, "w", x)


def by_its_name(x: Any) -> Any:
    owner = Plain()
    if x.sum() > 0:
        owner.w = x
    return owner.w


CASES = [
    asked_for, in_a_condition, with_a_default, read, read_and_not_used, read_in_a_try,
    deleted_in_one_branch, deleted, set_again, in_a_loop, the_objects_of_a_class, of_the_class,
    in_its_own_methods, of_one_of_two, by_its_name,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    check(function)


def test_the_class_is_as_it_was_after_the_trace() -> None:
    to_static(asked_for)(paddle.ones([2]))
    assert "w" not in vars(Plain)
    assert type(vars(Slotted)["w"]).__name__ == "member_descriptor"


def test_the_error_is_that_of_python() -> None:
    for owner in (Plain, Slotted):
        static = to_static(lambda x, owner=owner: given(owner(), x).w)
        with pytest.raises(AttributeError, match=f"'{owner.__name__}' object has no attribute 'w'"):
            static(-paddle.ones([2]))


@pytest.mark.parametrize("ask", [vars, dir])
def test_what_needs_all_attributes_is_refused(ask: Any) -> None:
    @to_static
    def f(x: Any) -> Any:
        return len(ask(given(Plain(), x)))

    with pytest.raises(ConversionError, match=r"has the attribute 'w'.*`hasattr`"):
        f(paddle.ones([2]))


def test_of_a_layer() -> None:
    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = paddle.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                self.last = self.linear(x)
            found = getattr(self, "last", None)
            if hasattr(self, "last"):
                del self.last
            return x if found is None else found

    net = Net()
    static = to_static(net.forward)
    for value in (1.0, -1.0):
        x = paddle.full([2], value)
        assert static(x).tolist() == net.linear(x).tolist() if value > 0 else x.tolist()
