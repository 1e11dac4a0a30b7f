"""Loops update their carries where they lie, and only where nothing needs the old value."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.codegen.driver import compile_program
from wherry.codegen.inprocess import load
from wherry.ir.backward import split_training
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.ir.text import parse_text
from wherry.schema.dtypes import as_dtype

B = symbol("B")
F32, I64 = as_dtype("float32"), as_dtype("int64")
CARRIES = 3
STEPS = ("tanh", "add", "cumsum", "write", "view", "if", "while")


def step(
    draw: random.Random, block: Block, values: list[Variable], at: Variable, deep: int
) -> None:
    """One more value of shape [B, 4], or some, made of those that there are."""
    F, kind = BlockEmitter(block), draw.choice(STEPS if deep else STEPS[:5])
    x, y = draw.choice(values), draw.choice(values)
    if kind == "tanh":
        values.append(F.tanh(x))
    elif kind == "add":
        values.append(F.tanh(F.elementwise_add(x, y)))
    elif kind == "cumsum":
        values.append(F.cumsum(F.tanh(x), axis=1))
    elif kind == "write":
        row = F.slice(y, axes=[0], starts=[0], ends=[1])
        values.append(F.scatter(x, F.reshape2(at, shape=[1]), F.tanh(row)))
    elif kind == "view":
        values.append(F.reshape2(F.reshape2(x, shape=[-1]), shape=[-1, 4]))
    elif kind == "if":
        values.extend(branch(draw, block, [x, y, draw.choice(values)], at, deep - 1))
    else:
        values.extend(loop(draw, block, [x, y, draw.choice(values)], at, deep - 1))


def sub_block(block: Block, like: list[Variable]) -> Block:
    sub = block.program.create_block(block)
    for var in like:
        sub.add_arg(block.program.unique("a"), var.shape, var.dtype)
    return sub


def filled(
    draw: random.Random, sub: Block, values: list[Variable], at: Variable, deep: int
) -> None:
    for _ in range(draw.randint(0, 4)):
        step(draw, sub, values, at, deep)


def branch(
    draw: random.Random, block: Block, xs: list[Variable], at: Variable, deep: int
) -> list[Variable]:
    F = BlockEmitter(block)
    blocks = []
    for _ in range(2):
        sub = sub_block(block, [*xs, at])
        *values, place = sub.args
        filled(draw, sub, values, place, deep)
        sub.results[:] = [draw.choice(values[-3:]) for _ in range(2)]
        blocks.append(sub)
    go = F.less_than(at, F.full((), 1, I64))
    found: list[Variable] = F.cond(go, [*xs, at], true_block=blocks[0], false_block=blocks[1])
    return found


def loop(
    draw: random.Random, block: Block, xs: list[Variable], at: Variable, deep: int
) -> list[Variable]:
    """Three rounds; the counter says into which row a write goes."""
    F = BlockEmitter(block)
    zero = F.full((), 0, I64)
    body = sub_block(block, [zero, *xs])
    i, *values = body.args
    filled(draw, body, values, i, deep)
    E = BlockEmitter(body)
    following = E.scale(i, bias=1.0)
    results = [draw.choice(values[-4:]) for _ in xs]
    body.results[:] = [E.less_than(following, E.full((), 3, I64)), following, *results]
    go = F.less_than(zero, F.full((), 1, I64))
    found: list[Variable] = F.emit(get_op("while"), [go, [zero, *xs], []], {"block": body})
    return found[1:]


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32))
def test_random_loops_compute_what_the_interpreter_does(seed: int) -> None:
    draw = random.Random(seed)
    program = Program()
    block = program.global_block
    xs = [block.add_arg(f"x{i}", (B, 4), F32) for i in range(CARRIES)]
    at = BlockEmitter(block).full((), 0, I64)
    block.results.extend(loop(draw, block, xs, at, 2))
    run = load(compile_program(program), {})
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(4, 4)).astype(np.float32) for _ in xs]
    kept = [array.copy() for array in inputs]
    want, _ = run_program(program, inputs, {})
    for one, other in zip(run(inputs), want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for array, before in zip(inputs, kept, strict=True):
        np.testing.assert_array_equal(array, before)


ROUND = """
program(n: int64[], x: float32[B, 4], row: float32[1, 4]) {{
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  go: bool[] = less_than(X=zero, Y=n)
  [i: int64[], y: float32[B, 4]] = while(Condition=go, X=[zero, x], Extra=[n, row],
      block=block(a: int64[], c: float32[B, 4], m: int64[], v: float32[1, 4]) {{
    p: int64[1] = reshape2(X=a, shape=[1])
    on: bool[] = less_than(X=a, Y=m)
    {body}
    a@1: int64[] = scale(X=a, bias=1.0)
    more: bool[] = less_than(X=a@1, Y=m)
    yield more, a@1, {result}
  }})
  yield y
}}
"""
WRITE = "d: float32[B, 4] = scatter(X=c, Ids=p, Updates=v)"
TWICE = f"{WRITE}\n e: float32[B, 4] = scatter(X=d, Ids=p, Updates=v)"
BRANCH = """d: float32[B, 4] = cond(Cond=on, X=[c, p, v], true_block=block(
        f: float32[B, 4], g: int64[1], h: float32[1, 4]) {
      k: float32[B, 4] = scatter(X=f, Ids=g, Updates=h)
      yield k
    }, false_block=block(q: float32[B, 4], r: int64[1], s: float32[1, 4]) {
      yield q
    })"""
# The old value is read after the write.
LATER = f"""{WRITE}
    e: float32[B, 4] = elementwise_add(X=d, Y=c)
    t: float32[B, 4] = cumsum(X=c, axis=0)
    u: float32[B, 4] = elementwise_add(X=e, Y=t)"""


def written_in(body: str, result: str) -> bool:
    """Whether every write of the body goes to the carry's own place."""
    compiled = compile_program(parse_text(ROUND.format(body=body, result=result)))
    plan, ops = compiled.memory, list(compiled.program.all_ops())
    (home,) = {plan.of(v) for op in ops if op.type == "while" for v in op.out_vars if v.ndim == 2}
    writes: list[OpDesc] = [op for op in ops if op.type == "put_along_axis"]
    assert writes
    return all({plan.of(op.in_vars[0]), plan.of(op.out_vars[0])} == {home} for op in writes)


@pytest.mark.parametrize(("body", "result"), [(WRITE, "d"), (TWICE, "e"), (BRANCH, "d")])
def test_a_write_to_a_carry_is_made_where_it_lies(body: str, result: str) -> None:
    assert written_in(body, result)


def test_a_carry_that_is_read_later_stays_as_it_was() -> None:
    assert not written_in(LATER, "u")


def test_the_gradient_of_a_loop_writes_where_its_arrays_lie() -> None:
    text = ROUND.format(body=WRITE, result="d").replace("x: float32", "x: grad float32")
    text = text.replace("row: float32", "row: grad float32").replace(
        "y: float32", "y: grad float32"
    )
    for name in ("c", "v", "d"):
        text = text.replace(f" {name}: float32", f" {name}: grad float32")
    compiled = compile_program(split_training(parse_text(text)).backward)
    inner = [op for op in compiled.program.all_ops() if op not in compiled.program.global_block.ops]
    writes = [op for op in inner if op.type == "put_along_axis"]
    assert writes
    for op in writes:
        assert compiled.memory.of(op.in_vars[0]) is compiled.memory.of(op.out_vars[0])
