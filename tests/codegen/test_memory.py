"""The memory plan: nothing that is needed is overwritten, and memory is shared where it can be."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.codegen.driver import compile_program
from wherry.codegen.inprocess import load
from wherry.codegen.memory import Buffer, MemoryPlan
from wherry.ir.dims import evaluate, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype

B = symbol("B")
F32 = as_dtype("float32")
STEPS = ("exp", "softmax", "cumsum", "transpose", "rows", "columns", "add", "view")


def grow(program: Program, steps: list[tuple[str, int, int]], outputs: list[int]) -> None:
    """Ops on randomly chosen earlier values, all of shape [B, 4] again at each step."""
    block = program.global_block
    F = BlockEmitter(block)
    values = [block.add_arg("x", (B, 4), F32), block.add_arg("y", (B, 4), F32)]
    for step, a, b in steps:
        x, y = values[a % len(values)], values[b % len(values)]
        made = {
            "exp": lambda x=x: F.tanh(x),
            "softmax": lambda x=x: F.softmax(x),
            "cumsum": lambda x=x: F.scale(F.cumsum(x, axis=1), scale=0.5),
            "transpose": lambda x=x: F.transpose2(F.transpose2(x, axis=[1, 0]), axis=[1, 0]),
            "rows": lambda x=x, y=y: F.elementwise_mul(y, F.reduce_max(x, dim=[1], keep_dim=True)),
            "columns": lambda x=x, y=y: F.elementwise_sub(y, F.reduce_mean(x, dim=[0])),
            "add": lambda x=x, y=y: F.elementwise_add(x, y),
            "view": lambda x=x: F.reshape2(F.reshape2(x, shape=[-1]), shape=[-1, 4]),
        }[step]()
        values.append(made)
    block.results.extend(values[i % len(values)] for i in outputs)


def place(buffer: Buffer, rows: int) -> tuple[int, int]:
    """The bytes [first, last) of a buffer in the arena."""
    assert buffer.slot is not None
    first = evaluate(buffer.slot.offset, {"B": rows})
    return first, first + evaluate(buffer.size, {"B": rows})


def check_plan(plan: MemoryPlan, rows: int) -> None:
    """Buffers that are live at once lie apart, aligned, inside the arena."""
    size = evaluate(plan.arena_size, {"B": rows})
    spans = [(buffer, *place(buffer, rows)) for buffer in plan.arena]
    for i, (buffer, first, last) in enumerate(spans):
        assert first % 64 == 0 and last <= size
        for other, start, stop in spans[:i]:
            apart = last <= start or stop <= first
            assert apart or not buffer.overlaps(other)


numbers = st.integers(0, 9)
steps = st.lists(st.tuples(st.sampled_from(STEPS), numbers, numbers), max_size=9)


@settings(deadline=None, max_examples=40)
@given(steps, st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_random_networks_keep_what_they_need(
    steps: list[tuple[str, int, int]], outputs: list[int]
) -> None:
    program = Program()
    grow(program, steps, outputs)
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
        for array, before in zip(inputs, kept, strict=True):
            np.testing.assert_array_equal(array, before)


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
    sizes = {
        length: evaluate(compile_program(chain(length)).memory.arena_size, {"B": 100})
        for length in (3, 30)
    }
    assert sizes[3] == sizes[30]


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
    assert call.arena_bytes <= evaluate(compiled.memory.arena_size, {"B": 1000})
