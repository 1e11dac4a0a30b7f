"""Random Programs with sizes as symbols: interpreted and compiled, they give the same.

A failure names its seed; `check(seed)` runs that one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wherry.codegen import jit
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.gradients import append_backward
from wherry.ir.interp import run_program
from wherry.ir.program import Program, Variable
from wherry.ir.verify import verify
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError, OpError

B, H = symbol("B"), symbol("H")
SHAPES: list[tuple[Any, ...]] = [
    (B, H), (H,), (B, 1), (), (B, 3, H), (1, H), (4, H), (B, H, 2),
]  # fmt: skip
Step = Callable[["Draw", BlockEmitter, Variable, Variable], Any]


class Draw:
    """What the steps draw from."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def below(self, count: int) -> int:
        return int(self.rng.integers(count))

    def one(self, choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def axis(self, x: Variable) -> int:
        return self.below(max(x.ndim, 1))


def binary(draw: Draw, F: BlockEmitter, x: Variable, y: Variable) -> Any:
    name = draw.one(["elementwise_add", "elementwise_mul", "elementwise_max", "elementwise_sub"])
    return getattr(F, name)(x, y)


def unary(draw: Draw, F: BlockEmitter, x: Variable, y: Variable) -> Any:
    name = draw.one(["tanh", "exp", "sigmoid", "square", "relu"])
    return getattr(F, name)(F.scale(x, scale=0.3))


def reduction(draw: Draw, F: BlockEmitter, x: Variable, y: Variable) -> Any:
    name = draw.one(["reduce_sum", "reduce_mean", "reduce_max"])
    return getattr(F, name)(x, dim=[draw.axis(x)], keep_dim=draw.below(2) == 1)


def part(draw: Draw, F: BlockEmitter, x: Variable, y: Variable) -> Any:
    end = draw.one([2**31 - 1, -1, 3])
    return F.slice(x, axes=[draw.axis(x)], starts=[draw.below(4) - 2], ends=[end])


STEPS: list[Step] = [
    binary, binary, binary, unary, unary, reduction, reduction, part,
    lambda draw, F, x, y: F.transpose2(x, axis=draw.rng.permutation(x.ndim).tolist()),
    lambda draw, F, x, y: F.reshape2(x, shape=[-1]),
    lambda draw, F, x, y: F.unsqueeze2(x, axes=[0]),
    lambda draw, F, x, y: F.concat([x, x], axis=draw.axis(x)),
    lambda draw, F, x, y: F.softmax(x, axis=-1),
    lambda draw, F, x, y: F.logsumexp(x, axis=[draw.axis(x)]),
    lambda draw, F, x, y: F.cumsum(x, axis=draw.axis(x)),
    lambda draw, F, x, y: F.where(F.less_than(x, y), x, y),
    lambda draw, F, x, y: F.flip(x, axis=[draw.axis(x)]),
]  # fmt: skip


def program_of(draw: Draw) -> tuple[Program, list[Any]]:
    """A Program of some steps, in half of the cases with gradients, and arrays for its inputs."""
    program = Program()
    block = program.global_block
    F = BlockEmitter(block)
    sizes = {"B": draw.one([0, 1, 2, 3, 17, 33]), "H": draw.one([1, 2, 5, 16, 31, 64])}
    found: list[Variable] = []
    arrays = []
    for i in range(4):
        shape = draw.one(SHAPES)
        found.append(block.add_arg(f"x{i}", shape, as_dtype("float64"), stop_gradient=False))
        arrays.append(draw.rng.uniform(0.3, 1.7, [sizes.get(str(d), d) for d in shape]))
    for _ in range(20):
        try:
            out = draw.one(STEPS)(draw, F, draw.one(found), draw.one(found))
        except OpError:
            continue  # these shapes do not fit together: another step
        if out.ndim <= 4 and len(found) < 12:
            found.append(out)
    results = found[-3:]
    if draw.below(2):
        grads = append_backward(program, [found[-1]], None, found[:4])
        results = [found[-1], *(grad for grad in grads if grad is not None)]
    block.results.extend(results)
    return program, arrays


def check(seed: int) -> None:
    program, arrays = program_of(Draw(seed))
    verify(program)
    try:
        wanted = run_program(program, arrays)[0]
    except InputError:
        # A guard refuses these sizes: compiled code must refuse them too.
        with pytest.raises(InputError):
            jit(program)(arrays)
        return
    for got, want in zip(jit(program)(arrays), wanted, strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype), f"seed {seed}"
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=f"seed {seed}")


@pytest.mark.parametrize("seed", range(40))
def test_random_program(seed: int) -> None:
    check(seed)
