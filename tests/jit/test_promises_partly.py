# ruff: noqa: SIM108, PERF401  (the statements are what is tested)
"""What Paddle's guides call partly supported or not supported: right here, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry.jit import save, to_static
from wherry.schema.errors import ConversionError
from wherry.static import InputSpec

RIGHT: dict[str, Callable[[Any], Any]] = {}


def right(text: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def add(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        assert text not in RIGHT
        RIGHT[text] = function
        return function

    return add


@right("del, reverse, insert and slices of a list of known length in a branch")
def _(x: Any) -> Any:
    found = [x, x + 1, x + 2, x + 3]
    if x.sum() > 0:
        del found[0]
        found[0:2] = [x * 9, x * 8]
        found.reverse()
    else:
        found.insert(0, x)
        found = found[1:]
    return found[0], found[-1], x * len(found)


@right("nested lists of tensors in branches and loops")
def _(x: Any) -> Any:
    table = [[x, x + 1], [x + 2, x + 3]]
    outs = [[], []]
    for i in range(x.max().astype("int64")):
        table[0][1] = table[0][1] * 2
        outs[0].append(x * i)
    if x.sum() > 0:
        table[1] = [x, x]
    return table, len(outs[0])


@right("an element of a container that changes in a loop without an assignment to its name")
def _(x: Any) -> Any:
    res = {"a": [x, x]}
    i = paddle.to_tensor(0)
    while i < 3:
        res["a"][0] = res["a"][0] + res["a"][1]
        i = i + 1
    return res["a"][0]


@right("constants in a dict that takes part in control flow stay Python values")
def _(x: Any) -> Any:
    config = {"name": "relu", "times": 2, "value": x}
    i = paddle.to_tensor(0)
    while i < 3:
        config["value"] = config["value"] * config["times"]
        i = i + 1
    return config["value"] * len(config["name"]) * isinstance(config["times"], int)


@right("a variable that is a tensor in one branch and a bool in the other")
def _(x: Any) -> Any:
    if x.sum() > 0:
        y = x > 1
    else:
        y = False
    return x + 1 if x.sum() < 0 else x * y


@right("a condition that changes from a bool to a tensor")
def _(x: Any) -> Any:
    going = True
    while going:
        x = x + 1
        going = x.sum() < 6
    return x


@right("a variable that is None before a loop and a tensor after it")
def _(x: Any) -> Any:
    best = None
    for i in range(3):
        y = x * i
        if best is None or y.sum() > best.sum():
            best = y
    return best


@right("the shape after a reshape to a shape that is a tensor")
def _(x: Any) -> Any:
    y = x.unsqueeze(1).expand([2, 3]).reshape(paddle.shape(paddle.ones([3, 2])))
    return y * y.shape[0] + y.shape[1]


@right("isinstance of what control flow on a tensor gave")
def _(x: Any) -> Any:
    n, same = 3, 4
    if x.sum() > 0:
        n = 5
    return x * n * isinstance(same, int) + isinstance(x, paddle.Tensor)


@right("slices with steps, negative ends, None, an ellipsis and tensors")
def _(x: Any) -> Any:
    y = paddle.stack([x, x + 1, x + 2])
    i = x.argmax()
    return y[::2, -1], y[..., None, 0], y[i], y[1:, i], y[-2:None:1, 0:1]


@right("a growing list of which a part is read, and that is read from behind")
def _(x: Any) -> Any:
    found = [x]
    for i in range(x.max().clip(1, 4).astype("int64")):
        found.append(x * i)
    first, second = found[0:2]
    return first + second + found[-1]


class Helper:
    """No Layer."""

    def __init__(self) -> None:
        self.weight = paddle.full([2], 3.0)

    def __call__(self, x: Any) -> Any:
        return x * self.weight if x.sum() > 0 else x


HELPER = Helper()


@right("a part of a model that is no Layer")
def _(x: Any) -> Any:
    return HELPER(x)


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, paddle.Tensor) else value


@pytest.mark.parametrize("text", RIGHT)
def test_is_right(text: str) -> None:
    static = to_static(RIGHT[text])
    for values in ([1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [3.0, 1.0]):
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(RIGHT[text](x)), values


def test_a_part_that_is_no_layer_is_saved_with_its_tensors(tmp_path: Any) -> None:
    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.helper = Helper()

        def forward(self, x: Any) -> Any:
            return self.helper(x)

    save(Net(), f"{tmp_path}/net", input_spec=[InputSpec([2])])
    assert paddle.jit.load(f"{tmp_path}/net")(paddle.ones([2])).tolist() == [3.0, 3.0]


def test_decorating_only_a_method_that_is_not_forward_works() -> None:
    class Net(paddle.nn.Layer):
        @to_static
        def other(self, x: Any) -> Any:
            return x * 2 if x.sum() > 0 else x

    net = Net()
    assert net.other(paddle.ones([2])).tolist() == [2.0, 2.0]
    assert net.other(-paddle.ones([2])).tolist() == [-1.0, -1.0]


def test_keys_of_one_branch_are_those_that_the_caller_sees() -> None:
    def f(x: Any) -> Any:
        table = {"a": x}
        if x.sum() > 0:
            table["b"] = x * 2
        return table

    for values in ([1.0, 2.0], [-1.0, -2.0]):
        x = paddle.to_tensor(values)
        found, wanted = to_static(f)(x), f(x)
        assert {key: one.tolist() for key, one in found.items()} == {
            key: one.tolist() for key, one in wanted.items()
        }


def shape_in_a_loop(x: Any) -> Any:
    i = paddle.to_tensor(0)
    while i < 2:
        x = paddle.concat([x, x])
        i = i + 1
    return x


def deletion_in_a_growing_list(x: Any) -> Any:
    found = []
    for i in range(x.max().astype("int64")):
        found.append(x * i)
    del found[0]
    return found


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (shape_in_a_loop, "give it its final shape and dtype before the loop"),
        (
            deletion_in_a_growing_list,
            "whose length depends on a tensor does not have `__delitem__`",
        ),
    ],
)
def test_is_refused_with_the_line_and_a_way_out(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(ConversionError, match=text) as caught:
        to_static(function)(paddle.ones([2]))
    assert "test_promises_partly.py" in str(caught.value)


def test_set_state_dict_inside_is_done_by_each_call() -> None:
    net = paddle.nn.Linear(1, 1)
    state = {name: value * 0 + 5 for name, value in net.state_dict().items()}

    @to_static
    def f(x: Any) -> Any:
        if x.sum() > 0:
            net.set_state_dict(state)
        return net(x)

    for value, wanted in ((1.0, 10.0), (-1.0, 0.0), (1.0, 10.0)):
        assert f(paddle.full([1, 1], value)).tolist() == [[wanted]]
        assert net.weight.tolist() == [[5.0]]
        if value < 0:
            net.weight.set_value(paddle.ones([1, 1]))
