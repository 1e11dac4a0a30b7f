"""`explain()` tells what a trace baked in and what it decided, each with its line."""

from __future__ import annotations

from typing import Any

import pytest

import wherry as paddle
from wherry.jit import set_verbosity, to_static
from wherry.static import InputSpec

OFFSET = 0.5


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 0.25
        self.tail = [2, 1]

    @to_static
    def forward(self, x: Any, shift: bool = True, rounds: int = 2) -> Any:
        if shift:
            x = x * self.scale + OFFSET
        for i in range(rounds):
            x = x + i
        while x.sum() < 3:
            x = x * 2
        y = x if x.mean() > 0 else -x
        for row in y:
            y = y + row
        return y.reshape([x.shape[0], *self.tail])


def test_values_branches_and_loops_are_told_with_their_lines() -> None:
    net = Net()
    net(paddle.ones([3, 2]), rounds=3)
    found = net.forward.explain()
    first = Net.forward._function.__code__.co_firstlineno + 2
    assert found.arguments == [("shift", True), ("rounds", 3)]
    assert [(one.loc.line - first, one.name, one.values) for one in found.constants] == [
        (1, "self.scale", [0.25]), (1, "OFFSET", [0.5]), (3, "i", [0, 1, 2]),
        (9, "self.tail", [[2, 1]]),
    ]  # fmt: skip
    assert [(one.loc.line - first, one.statement, one.outcome) for one in found.decided] == [
        (0, "if", "True"), (2, "for", "unrolled, 3 rounds"), (7, "for", "unrolled, 3 rounds"),
    ]  # fmt: skip
    assert [(one.loc.line - first, one.statement, one.outcome) for one in found.recorded] == [
        (4, "while", "while"), (6, "a if b else c", "cond"),
    ]  # fmt: skip


def test_the_text_shows_the_users_lines() -> None:
    net = Net()
    net(paddle.ones([3, 2]))
    text = str(net.forward.explain())
    assert "rounds = 2" in text and "self.scale = 0.25  in `x = x * self.scale + OFFSET`" in text
    assert "while x.sum() < 3:  ->  while" in text and "test_explain.py:" in text


def test_without_a_call_the_spec_is_traced() -> None:
    @to_static(input_spec=[InputSpec([None], name="x")])
    def f(x: Any) -> Any:
        return x * 2

    assert str(f.explain()).startswith("f, traced for x: float32[x_0]\n")
    assert str(f.explain()).count("none") == 4
    with pytest.raises(ValueError, match="No valid transformed program"):
        to_static(lambda x: x).explain()


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_verbosity_tells_more_with_each_level(
    level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def f(x: Any, k: int = 2) -> Any:
        return x * k

    f.__code__ = f.__code__.replace()  # code that was not converted before
    set_verbosity(level, also_to_stdout=level == 1)
    try:
        to_static(f)(paddle.ones([2]))
    finally:
        set_verbosity(0)
    out, err = capsys.readouterr()
    assert ("to_static converts" in err) == (level >= 1)
    assert ("def f(x: Any, k: int = 2) -> Any:" in err) == (level >= 2)
    assert ("decided while tracing:" in err) == (level >= 3)
    assert ("test_explain.py" in out) == (level == 1)
