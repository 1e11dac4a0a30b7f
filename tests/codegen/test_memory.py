"""The memory plan: nothing that is needed is overwritten, and memory is shared where it can be."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from wherry.codegen import packing
from wherry.codegen.arena import place_of
from wherry.codegen.driver import compile_program
from wherry.codegen.inplace import origin
from wherry.codegen.inprocess import load
from wherry.codegen.memory import MemoryPlan
from wherry.ir.dims import evaluate, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, Program, Variable
from wherry.runtime.executable import Executable
from wherry.schema.dtypes import as_dtype

B = symbol("B")
F32 = as_dtype("float32")
STEPS = ("exp", "softmax", "cumsum", "transpose", "rows", "columns", "add", "view", "if", "while")


def grow(program: Program, steps: list[tuple[str, int, int]], outputs: list[int]) -> None:
    """Ops on earlier values that the numbers choose, all of shape [B, 4] again at each step."""
    block = program.global_block
    values = [block.add_arg("x", (B, 4), F32), block.add_arg("y", (B, 4), F32)]
    for step, a, b in steps:
        x, y = values[a % len(values)], values[b % len(values)]
        if step in ("if", "while"):
            values.extend((branch if step == "if" else loop)(block, x, y))
        else:
            values.append(simple(BlockEmitter(block), step, x, y))
    block.results.extend(values[i % len(values)] for i in outputs)


def simple(F: BlockEmitter, step: str, x: Variable, y: Variable) -> Variable:
    made: dict[str, Callable[[], Variable]] = {
        "exp": lambda: F.tanh(x),
        "softmax": lambda: F.softmax(x),
        "cumsum": lambda: F.cumsum(F.tanh(x), axis=1),
        "transpose": lambda: F.flip(F.flip(F.tanh(x), axis=[1]), axis=[0]),
        "rows": lambda: F.elementwise_mul(y, F.tanh(F.reduce_max(x, dim=[1], keep_dim=True))),
        "columns": lambda: F.elementwise_sub(y, F.reduce_mean(x, dim=[0])),
        "add": lambda: F.tanh(F.elementwise_add(x, y)),
        "view": lambda: F.reshape2(F.reshape2(x, shape=[-1]), shape=[-1, 4]),
    }
    return made[step]()


def sub_block(block: Block, types: list[Variable]) -> Block:
    program = block.program
    sub = program.create_block(block)
    for like in types:
        sub.add_arg(program.unique("a"), like.shape, like.dtype)
    return sub


def branch(block: Block, x: Variable, y: Variable) -> list[Variable]:
    """Where the sum of x is above 0.37 (cumsum(x), y), else (x + y twice)."""
    F = BlockEmitter(block)
    # Not 0: centred columns sum to 0 up to rounding, which must not decide.
    go = F.greater_than(F.reduce_sum(x), F.full((), 0.37, F32))
    yes, no = sub_block(block, [x, y]), sub_block(block, [x, y])
    a, b = yes.args
    yes.results.extend([simple(BlockEmitter(yes), "cumsum", a, b), b])
    a, b = no.args
    total = simple(BlockEmitter(no), "add", simple(BlockEmitter(no), "columns", a, b), b)
    no.results.extend([total, total])
    found: list[Variable] = F.cond(go, [x, y], true_block=yes, false_block=no)
    return found


def loop(block: Block, x: Variable, y: Variable) -> list[Variable]:
    """Three rounds of (x, z) = (z, cumsum(x) + y), beginning with z = tanh(x)."""
    F = BlockEmitter(block)
    zero, z = F.full((), 0.0, F32), F.tanh(x)
    body = sub_block(block, [zero, x, z, y])
    i, a, c, outside = body.args
    inner = BlockEmitter(body)
    following = inner.scale(i, bias=1.0)
    summed = simple(inner, "add", simple(inner, "cumsum", a, c), outside)
    more = inner.less_than(following, inner.full((), 3.0, F32))
    body.results.extend([more, following, c, summed])
    go = F.less_than(zero, F.full((), 3.0, F32))
    found: list[Variable] = F.emit(get_op("while"), [go, [zero, x, z], [y]], {"block": body})
    return found[1:]


def check_plan(plan: MemoryPlan, rows: int) -> None:
    """Buffers that are live at once lie apart, aligned, inside an arena that is hardly larger."""
    offsets, size = plan.laid_out({"B": rows})
    blocks = []
    for buffer, first in offsets.items():
        length = evaluate(buffer.size, {"B": rows})
        last = first + length
        assert first % buffer.alignment == 0 and plan.table_bytes <= first and last <= size
        for other, (start, stop) in blocks:
            assert last <= start or stop <= first or not buffer.overlaps(other)
        blocks.append((buffer, (first, last)))
    assert size <= 1.1 * live_set(plan, rows) + plan.table_bytes


def live_set(plan: MemoryPlan, rows: int) -> int:
    """The most that is live at once, in whole cache lines where a call lays out the arena."""
    unit = 64 if plan.symbols else 1
    sizes = (packing.round_up(evaluate(b.size, {"B": rows}), unit) for b in plan.arena)
    blocks = [packing.Block(n, b.start, b.end) for n, b in zip(sizes, plan.arena, strict=True)]
    return packing.largest_live_set(blocks)


def check_table(plan: MemoryPlan, run: Executable, rows: int) -> None:
    """Where native code put the buffers at the last call is where Python would."""
    if not plan.symbols:
        return
    offsets, size = plan.laid_out({"B": rows})
    (call,) = run._idle
    words = (ctypes.c_int64 * (plan.table_bytes // 8)).from_address(call.ctx.arena)
    first = place_of(plan, 0)
    assert words[:first] == [1, rows]
    assert words[first : first + len(offsets) + 1] == [*offsets.values(), size]
    assert call.arena_bytes >= size


def random_network(seed: int, outputs: int, first: int = 0) -> Program:
    """A network with so many outputs, which are values from the first one on.

    Drawn from a seed: hypothesis's own lists are mostly too plain to have something to overwrite.
    """
    draw, program = random.Random(seed), Program()
    steps = [
        (draw.choice(STEPS), draw.randrange(10), draw.randrange(10))
        for _ in range(draw.randint(3, 9))
    ]
    grow(program, steps, [draw.randrange(first, 10) for _ in range(outputs)])
    return program


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_random_networks_keep_what_they_need(seed: int) -> None:
    program = random_network(seed, 1 + seed % 3)
    compiled = compile_program(program)
    run = load(compiled, compiled.program.values)
    rng = np.random.default_rng(0)
    for rows in (1, 3, 17):
        check_plan(compiled.memory, rows)
        inputs = [rng.normal(size=(rows, 4)).astype(np.float32) for _ in range(2)]
        kept = [array.copy() for array in inputs]
        want, _ = run_program(program, inputs, program.values)
        for one, other in zip(run(inputs), want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        check_table(compiled.memory, run, rows)
        for array, before in zip(inputs, kept, strict=True):
            np.testing.assert_array_equal(array, before)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.integers(0, 2**32))
def test_outputs_that_overwrite_inputs(seed: int) -> None:
    """Two results go where x and y were, the third one to an array of its own."""
    program = random_network(seed, 3)
    assume(len({origin(var) for var in program.outputs}) == 3)
    assume(all(origin(var).op is not None for var in program.outputs))
    compiled = compile_program(program, overwrites={0: 1, 1: 0})
    run = load(compiled, compiled.program.values)
    rng = np.random.default_rng(0)
    for rows in (1, 3, 17):
        check_plan(compiled.memory, rows)
        inputs = [rng.normal(size=(rows, 4)).astype(np.float32) for _ in range(2)]
        want, _ = run_program(program, [array.copy() for array in inputs], program.values)
        (last,) = run(inputs)
        check_table(compiled.memory, run, rows)
        for one, other in zip([inputs[1], inputs[0], last], want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_map_is_computed_in_the_input_that_it_overwrites() -> None:
    program = Program()
    block = program.global_block
    F = BlockEmitter(block)
    x, y = (block.add_arg(name, (B,), F32) for name in "xy")
    block.results.append(F.elementwise_add(x, y))
    assert compile_program(program, overwrites={0: 0}).memory.at_home == {0}
    assert compile_program(program, overwrites={0: 1}).memory.at_home == {0}
    block.results.append(F.cumsum(x, axis=0))  # reads x when the sum is there
    assert compile_program(program, overwrites={0: 0}).memory.at_home == set()
    assert compile_program(program, overwrites={0: 1}).memory.at_home == {0}
    block.results[:] = [F.reshape2(y, shape=[-1])]
    assert compile_program(program, overwrites={0: 1}).memory.at_home == {0}  # as it is


def chain(length: int) -> Program:
    program = Program()
    block = program.global_block
    F = BlockEmitter(block)
    x = block.add_arg("x", (B, 4), F32)
    for _ in range(length):
        x = F.softmax(F.cumsum(x, axis=0), axis=0)
    block.results.append(x)
    return program


def test_the_arena_does_not_grow_with_the_network() -> None:
    plans = [compile_program(chain(length)).memory for length in (3, 30)]
    short, long = (plan.laid_out({"B": 100})[1] - plan.table_bytes for plan in plans)
    assert short == long


def test_equal_ops_share_a_kernel() -> None:
    assert compile_program(chain(30)).kernels == compile_program(chain(3)).kernels


def test_a_map_takes_the_memory_of_its_dying_input() -> None:
    program = Program()
    block = program.global_block
    F = BlockEmitter(block)
    x = F.cumsum(block.add_arg("x", (B, 4), F32), axis=0)
    block.results.append(F.cumsum(F.exp(x), axis=0))
    plan = compile_program(program).memory
    assert len(plan.arena) == 1


def test_memory_stays_flat_over_many_shapes() -> None:
    compiled = compile_program(chain(3))
    run = load(compiled, {})
    for rows in (1000, 1, 500, 2, 999):
        run([np.ones((rows, 4), np.float32)])
    (call,) = run._idle
    assert call.arena_bytes <= compiled.memory.laid_out({"B": 1000})[1]


def test_known_and_other_sizes_lie_in_one_arena() -> None:
    """Two live rows of 4096 bytes at a time beside one of 64: not one slot for each size."""
    program = Program()
    block = program.global_block
    F = BlockEmitter(block)
    x = block.add_arg("x", (B, 16), F32)
    for width in (1024, 16, 512, 1024):
        w = F.full((x.shape[1], width), 0.5, F32)
        x = F.matmul_v2(x, w)
    block.results.append(F.reduce_sum(x))
    plan = compile_program(program).memory
    for rows in (1, 7, 1000):
        check_plan(plan, rows)
