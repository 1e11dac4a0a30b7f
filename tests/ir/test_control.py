"""cond, while, print, assert and assign_persistable: what their shape rules take and refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.gradients import append_backward
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, Program, Variable
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc, OpError

B = symbol("B")
Body = Callable[..., list[Any]]


class Net:
    """A Program with a float input x[B, 2] and a bool input."""

    def __init__(self) -> None:
        self.program = Program()
        self.block = self.program.global_block
        self.x = self.input("x", (B, 2), "float32", stop_gradient=False)
        self.go = self.input("go", (), "bool")
        self.F = BlockEmitter(self.block, Loc("net.py", 3, "if go:"))

    def input(self, name: str, shape: Any, dtype: str, **flags: bool) -> Variable:
        return self.block.add_arg(name, shape, as_dtype(dtype), is_data=True, **flags)

    def sub_block(self, body: Body, *likes: Variable) -> Block:
        block = self.program.create_block(self.block)
        args = [
            block.add_arg(self.program.unique("a"), v.shape, v.dtype, stop_gradient=v.stop_gradient)
            for v in likes
        ]
        block.results = list(body(BlockEmitter(block), *args))
        return block

    def cond(self, yes: Body, no: Body, *xs: Variable, go: Variable | None = None) -> list[Any]:
        blocks = {"true_block": self.sub_block(yes, *xs), "false_block": self.sub_block(no, *xs)}
        found: list[Any] = self.F.cond(self.go if go is None else go, list(xs), **blocks)
        return found


def same(F: BlockEmitter, x: Any) -> list[Any]:
    return [x]


def doubled(F: BlockEmitter, x: Any) -> list[Any]:
    return [F.scale(x, scale=2.0)]


def test_a_cond_has_its_branches_types_and_lets_gradients_through() -> None:
    net = Net()
    (y,) = net.cond(doubled, same, net.x)
    assert (y.shape, y.dtype.name, y.stop_gradient) == ((B, 2), "float32", False)
    (gradient,) = append_backward(net.program, [y], None, [net.x])
    net.block.results = [gradient]
    for go, factor in ((True, 2.0), (False, 1.0)):
        (found,), _ = run_program(net.program, [np.ones((3, 2), np.float32), np.array(go)])
        np.testing.assert_array_equal(found, np.full((3, 2), factor))


def test_a_branch_that_leaves_a_value_out_gives_it_no_gradient() -> None:
    net = Net()
    (y,) = net.cond(doubled, lambda F, x: [F.fill_any_like(x, value=7.0)], net.x)
    (gradient,) = append_backward(net.program, [y], None, [net.x])
    net.block.results = [gradient]
    (found,), _ = run_program(net.program, [np.ones((1, 2), np.float32), np.array(False)])
    np.testing.assert_array_equal(found, np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("no", "message"),
    [
        (lambda F, x: [F.cast(x, out_dtype=as_dtype("int64"))], "one dtype in both branches"),
        (lambda F, x: [F.reshape2(x, shape=[-1])], "equally many dims in both branches"),
        (
            lambda F, x: [F.concat([x, x], axis=1)],
            r"one shape .*float32\[-1, 2\] and float32\[-1, 4\]",
        ),
        (lambda F, x: [x, x], "equally many results, got 1 and 2"),
    ],
)
def test_branches_must_agree(no: Body, message: str) -> None:
    net = Net()
    with pytest.raises(OpError, match=message) as error:
        net.cond(same, no, net.x)
    assert "net.py:3: if go:" in str(error.value)


def test_branches_whose_sizes_may_differ_are_guarded() -> None:
    net = Net()
    other = net.input("other", (symbol("C"), 2), "float32")
    net.cond(lambda F, x, y: [x], lambda F, x, y: [y], net.x, other)
    (guard,) = net.program.guards
    assert (guard.left, guard.relation, guard.right) == (B, "==", symbol("C"))


def test_a_condition_is_one_bool() -> None:
    net = Net()
    with pytest.raises(OpError, match="a bool in Cond, got float32"):
        net.cond(same, same, net.x, go=net.x)
    flags = net.input("flags", (4,), "bool")
    with pytest.raises(OpError, match=r"a single value in Cond, got Cond = \[4\]"):
        net.cond(same, same, net.x, go=flags)


def test_a_loop_keeps_the_types_of_what_it_carries() -> None:
    net = Net()
    go = lambda F: F.fill_constant(shape=[], value=False, dtype=as_dtype("bool"))  # noqa: E731
    good = net.sub_block(lambda F, x: [go(F), F.relu(x)], net.x)
    emit = getattr(net.F, "while")
    (y,) = emit(net.go, [net.x], [], block=good)
    assert y.type == net.x.type
    grown = net.sub_block(lambda F, x: [go(F), F.concat([x, x], axis=1)], net.x)
    with pytest.raises(OpError, match=r"one dtype and shape in every round") as error:
        emit(net.go, [net.x], [], block=grown)
    assert "float32[-1, 2] before a round and float32[-1, 4] after it" in str(error.value)
    short = net.sub_block(lambda F, x: [go(F)], net.x)
    with pytest.raises(OpError, match="next condition and 1 carries, got 1 results"):
        emit(net.go, [net.x], [], block=short)


def test_what_a_persistable_becomes_has_its_type() -> None:
    net = Net()
    target = net.block.create_var("total", (3,), as_dtype("float32"), persistable=True)
    with pytest.raises(OpError, match=r"X of Target's shape \[3\], got \[-1, 2\]"):
        net.F.assign_persistable(net.x, target)
    with pytest.raises(OpError, match="Target's dtype float32, got bool"):
        net.F.assign_persistable(net.go, target)


def test_effects_are_marked() -> None:
    for type in ("print", "assert", "assign_persistable"):
        assert get_op(type).side_effect
    net = Net()
    assert getattr(net.F, "assert")(net.go, [net.x], message="no") is None
    assert net.block.ops[-1].outputs == {}
