"""The verifier: what it accepts, and that every broken rule has its own message."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.dims import symbol
from wherry.ir.infer import Guard
from wherry.ir.program import OpDesc, Program, Variable
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify
from wherry.schema.dtypes import float32, float64
from wherry.schema.errors import Loc, OpError, VerifyError

GOOD = """
program(x: data float32[B, 4], y: float32[C, 4], c: bool[]) {
  persist trainable w: grad float32[4, 3]
  persist total: float32[3] = [1.0, 2.0, 3.0]
  guard <B> broadcast <C> "needs shapes that broadcast"
  xy: float32[max(B, C)*min(1, min(B, C)), 4] = elementwise_add(X=x, Y=y)
  h: grad float32[B, 3] = matmul_v2(X=x, Y=w) @ net.py:7 "h = x @ w"
  z: grad float32[B, 3] = cond(Cond=c, X=h, true_block=block(a: float32[B, 3]) {
    b: float32[B, 3] = relu(X=a)
    yield b
  }, false_block=block(d: float32[B, 3]) {
    yield d
  })
  s: float32[3] = reduce_sum(X=z, dim=[0])
  assign_persistable(X=s, Target=total)
  yield z, xy
}
"""


def broken(change: Callable[[Program], Any]) -> str:
    """The message for the good Program after a change."""
    program = parse_text(GOOD)
    verify(program)
    change(program)
    with pytest.raises((VerifyError, OpError)) as error:
        verify(program)
    return str(error.value)


def op_of(program: Program, index: int) -> OpDesc:
    return program.global_block.ops[index]


def test_the_good_program_is_accepted() -> None:
    verify(parse_text(GOOD))
    verify(Program())


def test_undefined_inputs() -> None:
    def change(program: Program) -> None:
        program.global_block.ops[0], program.global_block.ops[3] = (
            op_of(program, 3),
            op_of(program, 0),
        )

    assert "reads 'z', which is not defined before it" in broken(change)


def test_two_definitions() -> None:
    def change(program: Program) -> None:
        program.global_block.ops.insert(2, op_of(program, 1))

    assert "its output 'h'" in broken(change) or "defined twice" in broken(change)


def test_a_sub_block_is_isolated() -> None:
    def change(program: Program) -> None:
        program.blocks[1].ops[0].inputs["X"] = [op_of(program, 1).output()]

    assert "reads 'h'" in broken(change)


def test_types_are_what_infer_says() -> None:
    def shape(program: Program) -> None:
        op_of(program, 1).output().shape = (4, 3)

    def dtype(program: Program) -> None:
        op_of(program, 1).output().dtype = float64

    message = broken(shape)
    assert "float32[4, 3], infer says float32[B, 3]" in message
    assert "'matmul_v2'" in message and "net.py:7: h = x @ w" in message
    assert "float64[B, 3], infer says float32[B, 3]" in broken(dtype)


def test_a_guard_that_is_missing() -> None:
    assert "misses the guard B broadcast C" in broken(lambda program: program.guards.clear())


def test_odd_guards() -> None:
    def relation(program: Program) -> None:
        program.guards.append(Guard(1, "!=", 2, ""))

    def side(program: Program) -> None:
        program.guards.append(Guard("B", "==", 2, ""))  # type: ignore[arg-type]

    assert "unknown relation '!='" in broken(relation)
    assert "a guard needs dims" in broken(side)


def test_ops_slots_and_attributes_are_the_declared_ones() -> None:
    def unknown(program: Program) -> None:
        op_of(program, 1).type = "matmul_v9"

    def slot(program: Program) -> None:
        op_of(program, 1).inputs["Z"] = [program.inputs[0]]

    def empty(program: Program) -> None:
        op_of(program, 1).inputs["Y"] = []

    def two(program: Program) -> None:
        op_of(program, 1).inputs["X"] = [program.inputs[0], program.inputs[0]]

    def attribute(program: Program) -> None:
        op_of(program, 1).attrs["trans_x"] = np.float32(1)

    def missing(program: Program) -> None:
        del op_of(program, 2).attrs["true_block"]

    assert "'matmul_v9' has no declaration" in broken(unknown)
    assert "no input slot 'Z'" in broken(slot)
    assert "its input 'Y' is empty" in broken(empty)
    assert "takes one Variable" in broken(two)
    assert "attribute 'trans_x'" in broken(attribute)
    assert "attribute 'true_block' is missing" in broken(missing)


def test_blocks() -> None:
    def shared(program: Program) -> None:
        op_of(program, 2).attrs["false_block"] = program.blocks[1]

    def foreign(program: Program) -> None:
        op_of(program, 2).attrs["false_block"] = parse_text(GOOD).blocks[2]

    def result(program: Program) -> None:
        program.blocks[2].results[0] = program.inputs[0]

    def results(program: Program) -> None:
        program.blocks[2].results.clear()

    assert "block 1 has two owners" in broken(shared)
    assert "block 2 is" in broken(foreign)
    assert "yields 'x', which is not defined" in broken(result)
    assert "equally many results" in broken(results)


def test_a_block_inside_itself() -> None:
    def change(program: Program) -> None:
        inner = program.blocks[1]
        inner.ops.insert(0, op_of(program, 2))

    assert broken(change)


def test_names_and_values() -> None:
    def same_name(program: Program) -> None:
        op_of(program, 1).output().name = "x"

    def stray_value(program: Program) -> None:
        program.values["nobody"] = np.zeros(3, np.float32)

    def wrong_value(program: Program) -> None:
        program.values["total"] = np.zeros(3, np.float64)

    def no_value(program: Program) -> None:
        program.values["total"] = [1.0, 2.0, 3.0]  # type: ignore[assignment]

    assert "two Variables are called 'x'" in broken(same_name)
    assert "arrays of no persistable: ['nobody']" in broken(stray_value)
    assert "its array is float64[3]" in broken(wrong_value)
    assert "no array" in broken(no_value)


def test_assignments_are_of_persistables_and_in_block_0() -> None:
    def target(program: Program) -> None:
        op_of(program, 4).inputs["Target"] = [op_of(program, 3).output()]

    assert "its Target is no persistable" in broken(target)


def test_the_shape_rules_error_names_the_users_line() -> None:
    def change(program: Program) -> None:
        program.persistables[0].shape = (5, 3)

    message = broken(change)
    assert "matmul" in message and "net.py:7: h = x @ w" in message


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.integers(-3, 3) | st.text(max_size=2) | st.none(), max_size=4),
    st.just(float32), st.just(symbol("B")), st.just(10**30), st.just([[[]]]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_odd_programs_raise_nothing_else(data: st.DataObject) -> None:
    """Attributes, slots, shapes and dtypes as a damaged file may have them."""
    program = parse_text(GOOD + "")
    ops = list(program.all_ops())
    op = data.draw(st.sampled_from(ops))
    what = data.draw(st.sampled_from(["attr", "shape", "slot", "type", "result"]))
    everything = [v for block in program.blocks for v in block.vars.values()]
    var: Variable = data.draw(st.sampled_from(everything))
    if what == "attr":
        names = sorted({"axis", "dim", "keep_dim", "trans_x", "true_block", *op.attrs})
        op.attrs[data.draw(st.sampled_from(names))] = data.draw(ODD)
    elif what == "shape":
        var.shape = data.draw(ODD)
    elif what == "slot":
        op.inputs[data.draw(st.sampled_from(["X", "Y", "Cond", "Target"]))] = [var]
    elif what == "type":
        op.type = data.draw(
            st.sampled_from(["", "conv2d", "reshape2", "while", "softmax", "fusion"])
        )
    else:
        program.blocks[data.draw(st.integers(0, 2))].results.append(var)
    try:
        verify(program)
    except (VerifyError, OpError):
        return


def test_the_messages_line_is_the_ops() -> None:
    program = parse_text(GOOD)
    op_of(program, 3).loc = Loc("net.py", 9, "s = z.sum(0)")
    op_of(program, 3).output().shape = (7,)
    with pytest.raises(VerifyError, match=r"reduce_sum'\n  at net.py:9: s = z.sum\(0\)"):
        verify(program)
    assert "net.py:9" in to_text(program)
