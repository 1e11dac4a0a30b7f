"""Branches, loops, prints and asserts in native code, against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wherry.codegen import jit
from wherry.ir.interp import run_program
from wherry.ir.text import parse_text
from wherry.schema.errors import AssertError, RunError

Array = np.ndarray[Any, Any]


def check(text: str, *inputs: Array) -> list[Array]:
    """The Program's outputs, which native code and the interpreter agree on."""
    program = parse_text(text)
    want, _ = run_program(program, inputs, program.values)
    got = jit(program)(list(inputs))
    for one, other in zip(got, want, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6)
    return list(got)


BRANCH = """
program(go: bool[], x: float32[B, 3]) {
  big: float32[B, 3] = scale(X=x, scale=10.0)
  [y: float32[B, 3], z: float32[B, 3]] = cond(Cond=go, X=[x, big],
      true_block=block(a: float32[B, 3], b: float32[B, 3]) {
    s: float32[B, 3] = elementwise_add(X=a, Y=b)
    yield s, a
  }, false_block=block(c: float32[B, 3], d: float32[B, 3]) {
    e: float32[B, 3] = exp(X=c)
    yield e, e
  })
  out: float32[B, 3] = elementwise_sub(X=y, Y=z)
  yield out, y, z
}
"""


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("go", [False, True])
def test_a_branch_gives_what_it_computes_and_what_it_was_given(go: bool, rows: int) -> None:
    check(BRANCH, np.array(go), np.random.default_rng(0).normal(size=(rows, 3)).astype("f"))


FIBONACCI = """
program(n: int64[], a: int64[2], b: int64[2]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  more: bool[] = less_than(X=zero, Y=n)
  [i: int64[], x: int64[2], y: int64[2]] = while(Condition=more, X=[zero, a, b], Extra=[n],
      block=block(k: int64[], p: int64[2], q: int64[2], m: int64[]) {
    one: int64[] = fill_constant(shape=[], value=1, dtype=int64)
    next: int64[] = elementwise_add(X=k, Y=one)
    on: bool[] = less_than(X=next, Y=m)
    sum: int64[2] = elementwise_add(X=p, Y=q)
    yield on, next, q, sum
  })
  yield x, i, y
}
"""


@pytest.mark.parametrize("rounds", [0, 1, 2, 50])
def test_a_loop_carries_values_that_change_places(rounds: int) -> None:
    x, i, _ = check(FIBONACCI, np.array(rounds), np.array([0, 2]), np.array([1, 1]))
    assert i == rounds
    if rounds == 50:
        assert x[0] == 12586269025


SWAP = """
program(n: int64[], a: float32[B], b: float32[B]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  more: bool[] = less_than(X=zero, Y=n)
  [i: int64[], x: float32[B], y: float32[B]] = while(Condition=more, X=[zero, a, b], Extra=[n],
      block=block(k: int64[], p: float32[B], q: float32[B], m: int64[]) {
    one: int64[] = fill_constant(shape=[], value=1, dtype=int64)
    next: int64[] = elementwise_add(X=k, Y=one)
    on: bool[] = less_than(X=next, Y=m)
    yield on, next, q, p
  })
  yield x, y, a
}
"""


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_a_loop_may_swap_its_carries(rounds: int) -> None:
    check(SWAP, np.array(rounds), np.float32([1, 2, 3]), np.float32([4, 5, 6]))


NESTED = """
program(n: int64[], x: float32[4]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  more: bool[] = less_than(X=zero, Y=n)
  [i: int64[], r: float32[4]] = while(Condition=more, X=[zero, x], Extra=[n, x],
      block=block(k: int64[], p: float32[4], m: int64[], x0: float32[4]) {
    one: int64[] = fill_constant(shape=[], value=1, dtype=int64)
    two: int64[] = fill_constant(shape=[], value=2, dtype=int64)
    next: int64[] = elementwise_add(X=k, Y=one)
    on: bool[] = less_than(X=next, Y=m)
    half: int64[] = elementwise_mod(X=k, Y=two)
    odd: bool[] = equal(X=half, Y=one)
    [q: float32[4]] = cond(Cond=odd, X=[p, x0], true_block=block(a: float32[4], b: float32[4]) {
      s: float32[4] = elementwise_add(X=a, Y=b)
      c: float32[4] = cumsum(X=s)
      yield c
    }, false_block=block(d: float32[4], e: float32[4]) {
      f: float32[4] = scale(X=d, scale=0.5)
      yield f
    })
    yield on, next, q
  })
  yield r
}
"""


@pytest.mark.parametrize("rounds", [0, 1, 2, 7])
def test_a_branch_in_a_loop(rounds: int) -> None:
    check(NESTED, np.array(rounds), np.float32([1, -2, 3, 4]))


def test_a_failed_assert_names_the_line() -> None:
    run = jit(
        parse_text("""
        program(ok: bool[], x: float32[2]) {
          assert(Cond=ok, Data=[x], message="x is bad") @ net.py:7 "assert ok"
          y: float32[2] = exp(X=x)
          yield y
        }
    """)
    )
    x = np.float32([0, 1])
    np.testing.assert_allclose(run([np.array(True), x])[0], np.exp(x), rtol=1e-6)
    with pytest.raises(AssertError, match=r"x is bad(.|\n)*net\.py:7: assert ok"):
        run([np.array(False), x])


def test_a_print_shows_the_tensor(capfd: pytest.CaptureFixture[str]) -> None:
    run = jit(
        parse_text("""
        program(x: int64[B]) {
          y: int64[B] = print(In=x, message="x is ")
          z: int64[B] = elementwise_add(X=y, Y=y)
          yield z
        }
    """)
    )
    assert run([np.array([3, 4])])[0].tolist() == [6, 8]
    shown = capfd.readouterr().out
    assert "x is " in shown and "[3 4]" in shown


def test_an_integer_division_by_zero_names_the_line() -> None:
    run = jit(
        parse_text("""
        program(x: int64[3], y: int64[3]) {
          z: int64[3] = elementwise_floordiv(X=x, Y=y) @ net.py:9 "x // y"
          w: int64[3] = elementwise_add(X=z, Y=x)
          yield w
        }
    """)
    )
    x = np.array([7, -7, 9])
    assert run([x, np.array([2, 2, 3])])[0].tolist() == [10, -11, 12]
    with pytest.raises(RunError, match=r"floordiv(.|\n)*zero(.|\n)*net\.py:9: x // y"):
        run([x, np.array([1, 1, 0])])
