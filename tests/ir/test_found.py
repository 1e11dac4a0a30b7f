"""Sizes that the run finds: their bounds, where they may be used, what passes leave of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.codegen.inprocess import jit
from wherry.ir.dims import Dim, dim_max, dim_min, evaluate, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.found import Found
from wherry.ir.interp import run_program
from wherry.ir.passes import Dce, prepare_for_codegen
from wherry.ir.program import Program
from wherry.ir.serialize import program_to_tables, tables_to_program
from wherry.ir.text import equal, parse_text, to_text
from wherry.ir.verify import verify
from wherry.schema.dtypes import bool_, float32
from wherry.schema.errors import InputError, OpTypeError, VerifyError
from wherry.schema.flat import Numbers, Where
from wherry.schema.program import PROGRAM

N, M, B = symbol("n"), symbol("m"), symbol("B")

SELECTED = """
program(x: float32[B, 4], mask: bool[B]) {
  at: int64[n] = true_positions(X=mask, size=<n>)
  rows: float32[n, 4] = index_select(X=x, Index=at, dim=0)
  check_size(left=<4*n>, relation="==", right=12, message="needs three rows")
  flat: float32[12] = reshape2(X=rows, shape=[12])
  out: float32[12] = relu(X=flat)
  yield out
}
"""


def run_both(program: Program, *arrays: Any) -> tuple[list[Any], list[Any]]:
    interpreted, _ = run_program(program, list(arrays))
    return interpreted, jit(program)(list(arrays))


def test_text_and_file_hold_what_was_written() -> None:
    program = parse_text(SELECTED)
    verify(program)
    assert equal(parse_text(to_text(program)), program)


def test_a_check_stops_the_run_with_its_message() -> None:
    program = parse_text(SELECTED)
    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    for results in run_both(program, x, np.array([True, False, True, True])):
        assert np.array_equal(results[0], x[[0, 2, 3]].reshape(-1))
    compiled = jit(program)
    for run in (lambda m: run_program(program, [x, m]), lambda m: compiled([x, m])):
        for mask in ([False] * 4, [True] * 4):
            with pytest.raises(InputError, match="needs three rows"):
                run(np.array(mask))


def test_the_mask_is_bool() -> None:
    program = Program()
    x = program.global_block.add_arg("x", (3,), float32)
    with pytest.raises(OpTypeError, match="bool, got float32"):
        BlockEmitter(program.global_block).true_positions(x, size=N)


def test_guards_on_found_sizes_are_checks_before_the_op() -> None:
    program = Program()
    x = program.global_block.add_arg("x", (B,), float32)
    F = BlockEmitter(program.global_block)
    small = F.index_select(x, F.true_positions(F.less_than(x, F.full((), 0.0, float32)), size=N))
    large = F.index_select(x, F.true_positions(F.greater_than(x, F.full((), 0.0, float32)), size=M))
    program.outputs.append(F.elementwise_add(small, large))
    F.elementwise_mul(small, large)
    verify(program)
    checks = [op for op in program.global_block.ops if op.type == "check_size"]
    assert [(str(op.attrs["left"]), str(op.attrs["right"])) for op in checks] == [("n", "m")]
    assert program.guards == []


def test_use_before_the_finder_is_refused() -> None:
    program = parse_text(SELECTED)
    block = program.global_block
    block.ops.insert(0, block.ops.pop(2))
    with pytest.raises(VerifyError, match=r"uses \['n'\] before an op that finds it"):
        verify(program)


def test_a_missing_check_is_refused() -> None:
    program = parse_text(SELECTED)
    del program.global_block.ops[2]
    with pytest.raises(VerifyError, match="misses the guard"):
        verify(program)


def test_what_a_round_finds_stays_in_the_round() -> None:
    program = parse_text(
        """
        program(mask: bool[5], go: bool[]) {
          end: bool[] = while(Condition=go, X=[go], Extra=[mask],
              block=block(a: bool[], b: bool[5]) {
            at: int64[n] = true_positions(X=b, size=<n>)
            size: int64[] = fill_constant(shape=[], value=<n>, dtype=int64)
            three: int64[] = fill_constant(shape=[], value=3, dtype=int64)
            more: bool[] = less_than(X=size, Y=three)
            yield more, more
          })
          out: int64[] = fill_constant(shape=[], value=<n>, dtype=int64)
          yield end, out
        }
        """
    )
    with pytest.raises(VerifyError, match="before an op that finds it"):
        verify(program)
    program.global_block.remove(program.global_block.ops[1])
    program.outputs.pop()
    verify(program)
    mask = np.array([True, True, False, True, False])
    assert [bool(found[0]) for found in run_both(program, mask, np.array(True))] == [False, False]


def test_dce_keeps_what_finds_a_size_that_is_used() -> None:
    program = Program()
    mask = program.global_block.add_arg("mask", (B,), bool_)
    F = BlockEmitter(program.global_block)
    F.true_positions(mask, size=N)
    F.true_positions(mask, size=M)
    program.outputs.append(F.full((), N, float32))
    Dce().run(program)
    verify(program)
    assert [str(op.attrs["size"]) for op in program.global_block.ops if "size" in op.attrs] == ["n"]
    for found in run_both(program, np.array([True, False, True])):
        assert found[0].item() == 2.0


def test_a_branch_finds_a_size_for_what_follows() -> None:
    program = parse_text(
        """
        program(x: float32[B], flag: bool[]) {
          y: float32[n] = cond(Cond=flag, X=[x], true_block=block(a: float32[B]) {
            zero: float32[] = fill_constant(shape=[], value=0.0, dtype=float32)
            mask: bool[B] = greater_than(X=a, Y=zero)
            at: int64[n] = true_positions(X=mask, size=<n>)
            picked: float32[n] = index_select(X=a, Index=at, dim=0)
            yield picked
          }, false_block=block(b: float32[B]) {
            none: float32[n] = fill_constant(shape=[<n>], value=0.0, dtype=float32)
            yield none
          })
          size: int64[] = fill_constant(shape=[], value=<n>, dtype=int64)
          out: float32[n] = scale(X=y, scale=2.0)
          yield size, out
        }
        """
    )
    verify(program)
    verify(prepare_for_codegen(program, inference=False))
    x = np.array([1, -1, 2, -2, 3], np.float32)
    for size, out in run_both(program, x, np.array(True)):
        assert size.item() == 3
        assert out.tolist() == [2.0, 4.0, 6.0]
    for size, out in run_both(program, x, np.array(False)):
        assert size.item() == 0
        assert out.shape == (0,)


SHRINKING = """
program(x: float32[B], go: bool[]) {
  [end: float32[s], rounds: int64[]] = while(Condition=go, X=[x, zero], sizes=[<s>],
    block=block(a: float32[s], i: int64[]) {
      sum: float32[] = reduce_sum(X=a, dim=[0])
      size: float32[] = fill_constant(shape=[], value=<s>, dtype=float32)
      mean: float32[] = elementwise_div(X=sum, Y=size)
      mask: bool[s] = greater_than(X=a, Y=mean)
      at: int64[n] = true_positions(X=mask, size=<n>)
      kept: float32[n] = index_select(X=a, Index=at)
      j: int64[] = scale(X=i, bias=1.0)
      one: int64[] = fill_constant(shape=[], value=1, dtype=int64)
      left: int64[] = fill_constant(shape=[], value=<n>, dtype=int64)
      more: bool[] = less_than(X=one, Y=left)
      yield more, kept, j
    })
  out: float32[s] = scale(X=end, scale=10.0)
  yield out, rounds
}
""".replace("{\n", "{\n  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)\n", 1)


def test_a_loop_carries_a_size_that_shrinks() -> None:
    program = parse_text(SHRINKING)
    verify(program)
    assert equal(parse_text(to_text(program)), program)
    for count in (1, 2, 5, 100):
        x = np.random.default_rng(count).normal(size=count).astype(np.float32)
        kept, rounds = x, 0
        while len(kept) > 1 or rounds == 0:
            kept, rounds = kept[kept > kept.mean()], rounds + 1
        for out, counted in run_both(program, x, np.array(True)):
            np.testing.assert_allclose(out, kept * 10, rtol=1e-6)
            assert counted.item() == rounds
        for out, _ in run_both(program, x, np.array(False)):
            np.testing.assert_allclose(out, x * 10, rtol=1e-6)


def test_a_loop_refuses_a_size_that_may_grow() -> None:
    text = SHRINKING.replace(
        "Index=at)", "Index=at)\n      big: float32[2*n] = concat(X=[kept, kept])"
    )
    with pytest.raises(VerifyError, match="the size s may grow from B to 2"):
        verify(parse_text(text.replace("yield more, kept", "yield more, big")))


def test_a_branch_gives_a_value_of_its_own_size() -> None:
    program = parse_text(
        """
        program(x: float32[B], mask: bool[B], flag: bool[]) {
          y: float32[s] = cond(Cond=flag, X=[x, mask], sizes=[<s>, <n>, <B>],
            true_block=block(a: float32[B], m: bool[B]) {
              at: int64[n] = true_positions(X=m, size=<n>)
              picked: float32[n] = index_select(X=a, Index=at)
              yield picked
            }, false_block=block(b: float32[B], k: bool[B]) {
              yield b
            })
          out: float32[s] = scale(X=y, scale=2.0)
          size: int64[] = fill_constant(shape=[], value=<s>, dtype=int64)
          yield out, size
        }
        """
    )
    verify(program)
    assert equal(parse_text(to_text(program)), program)
    verify(prepare_for_codegen(program, inference=False))
    x, mask = np.arange(4, dtype=np.float32), np.array([True, False, True, False])
    for flag, wanted in ((True, x[mask]), (False, x)):
        for out, size in run_both(program, x, mask, np.array(flag)):
            assert out.tolist() == (wanted * 2).tolist()
            assert size.item() == len(wanted)


sizes = st.integers(0, 7)


@st.composite
def dims(draw: Any) -> Dim:
    """A dim made of the found n and m, the known B, and numbers."""
    made: list[Dim] = [N, M, B, draw(st.integers(-4, 9))]
    for _ in range(draw(st.integers(1, 5))):
        a, b = draw(st.sampled_from(made)), draw(st.sampled_from(made))
        positive = draw(st.integers(1, 5))
        made.append(
            draw(
                st.sampled_from([
                    a + b, a - b, a * b, a // positive, a % positive, dim_min(a, b), dim_max(a, b),
                    a // (B + 1), a % (B + 1),
                ])
            )
        )  # fmt: skip
    return made[-1]


@given(dims(), sizes, sizes, sizes)
def test_no_size_exceeds_its_ceiling(dim: Dim, b: int, n: int, m: int) -> None:
    program = Program()
    for name, shape in (("p", (B,)), ("q", (B, 2))):
        program.global_block.add_arg(name, shape, bool_)
    F = BlockEmitter(program.global_block)
    for mask, size in zip(program.inputs, (N, M), strict=True):
        F.true_positions(mask, size=size)
    ceiling = Found(program).ceiling(dim)
    values = {"B": b, "n": min(n, b), "m": min(m, 2 * b)}
    assert evaluate(dim, values) <= evaluate(ceiling, {"B": b})


def test_a_file_holds_found_sizes() -> None:
    program = parse_text(SELECTED)
    data = PROGRAM.write(program_to_tables(program))
    again = tables_to_program(Numbers(PROGRAM.read(data, Where("test")), Where("test")))
    assert equal(again, program)


def test_kernels_read_sizes_where_they_are_found() -> None:
    """Ops without inputs, which only mention the size, stay behind the op that finds it."""
    program = Program()
    mask = program.global_block.add_arg("mask", (B,), bool_)
    F = BlockEmitter(program.global_block)
    F.true_positions(mask, size=N)
    ones = F.full((N,), 1.0, float32)
    total = F.reduce_sum(F.scale(ones, scale=2.0), dim=[0])
    program.outputs.extend([F.softmax(ones, axis=-1), total, F.full((N, N), N, float32)])
    for count in (1, 4, 9):
        (soft, found, square), _ = run_program(program, [np.ones(count, np.bool_)])
        for got, wanted in zip(
            jit(program)([np.ones(count, np.bool_)]), (soft, found, square),
            strict=True,
        ):  # fmt: skip
            np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_the_finder_of_a_known_size_checks_it() -> None:
    program = parse_text(
        "program(mask: bool[4]) {\n  at: int64[2] = true_positions(X=mask, size=2)\n  yield at\n}"
    )
    for found in run_both(program, np.array([False, True, True, False])):
        assert found[0].tolist() == [1, 2]
    for run in (lambda m: run_program(program, [m]), lambda m: jit(program)([m])):
        with pytest.raises(InputError):
            run(np.ones(4, np.bool_))
