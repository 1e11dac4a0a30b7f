"""The gradient of a loop: right for any number of rounds, with n * log(n) rounds of work."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from wherry.codegen import jit
from wherry.ir import loop_gradient
from wherry.ir.backward import split_training
from wherry.ir.emit import run_reference
from wherry.ir.gradients import append_backward
from wherry.ir.interp import run_program
from wherry.ir.passes.dce import Dce
from wherry.ir.program import Program
from wherry.ir.text import parse_text

# x, w -> x after n rounds of sin(x * w); what the rounds gave goes into a buffer beside it.
TEXT = """
program(n: int64[], x: grad float64[2], w: grad float64[2], at: int64[1]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  rows: float64[4, 2] = fill_constant(shape=[4, 2], value=0.0, dtype=float64)
  go: bool[] = less_than(X=zero, Y=n)
  [i: int64[], y: grad float64[2], kept: grad float64[4, 2]] = while(
      Condition=go, X=[zero, x, rows], Extra=[n, w, at], block=block(a: int64[],
      b: grad float64[2], c: grad float64[4, 2], m: int64[], v: grad float64[2], p: int64[1]) {
    d: grad float64[2] = elementwise_mul(X=b, Y=v)
    e: grad float64[2] = sin(X=d)
    f: grad float64[1, 2] = reshape2(X=e, shape=[1, 2])
    g: grad float64[4, 2] = scatter(X=c, Ids=p, Updates=f)
    a@1: int64[] = scale(X=a, bias=1.0)
    more: bool[] = less_than(X=a@1, Y=m)
    yield more, a@1, e, g
  })
  s: grad float64[2] = reduce_sum(X=kept, dim=[0])
  z: grad float64[2] = elementwise_add(X=y, Y=s)
  yield z
}
"""


def gradient() -> Program:
    """TEXT with the gradients of the sum of z with respect to x and w as its results."""
    program = parse_text(TEXT)
    block = program.global_block
    wrt = [block.vars["x"], block.vars["w"]]
    grads = append_backward(program, list(program.outputs), None, wrt)
    block.results[:] = [grad for grad in grads if grad is not None]
    Dce().run(program)
    return program


def inputs(rounds: int) -> list[Any]:
    return [np.array(rounds), np.array([0.3, -1.2]), np.array([1.7, 0.9]), np.array([2])]


def by_hand(rounds: int) -> list[Any]:
    _, x, w, _ = inputs(rounds)
    # The last round's value counts twice: as the carry, and as a row of the buffer.
    total, by_x, by_w = 2.0 if rounds else 1.0, np.ones(2), np.zeros(2)
    for _ in range(rounds):
        slope = np.cos(x * w)
        by_x, by_w = slope * w * by_x, slope * (x + w * by_w)
        x = np.sin(x * w)
    return [total * by_x, total * by_w]


@pytest.mark.parametrize("places", [2, 3, 16])
def test_any_number_of_rounds(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_gradient, "PLACES", places)
    program = gradient()
    run = jit(program)
    for rounds in (0, 1, 2, 3, 8, 21):
        given, want = inputs(rounds), by_hand(rounds)
        got, _ = run_program(program, given, {})
        for one, other, exact in zip(got, run(given), want, strict=True):
            np.testing.assert_allclose(one, exact, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(other, exact, rtol=1e-9, atol=1e-12)


def body_runs(rounds: int, monkeypatch: pytest.MonkeyPatch) -> int:
    seen: Counter[str] = Counter()
    reference = run_reference

    def counted(opdef: Any, *args: Any) -> Any:
        seen[opdef.type] += 1
        return reference(opdef, *args)

    program = gradient()
    with monkeypatch.context() as patch:
        patch.setattr("wherry.ir.interp.run_reference", counted)
        run_program(program, inputs(rounds), {})
    return seen["sin"]


def test_rounds_are_computed_again_a_few_times_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert body_runs(100, monkeypatch) < 7 * 100
    assert body_runs(1000, monkeypatch) < 9 * 1000


def test_checkpoints_hold_only_what_the_gradient_reads() -> None:
    program = split_training(parse_text(TEXT)).backward
    loops = [op for op in program.global_block.ops if op.type == "while"]
    shapes = [var.shape for op in loops for var in op.inputs["X"]]
    places = loop_gradient.PLACES
    assert (places, 2) in shapes
    assert (places, 4, 2) not in shapes
