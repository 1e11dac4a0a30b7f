"""What stands behind a contraction: any pointwise ops, any operands that broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from kernel_harness import agree

from wherry.codegen import compile_program, jit
from wherry.codegen.kernels.registry import LOWERINGS, load_lowerings
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.passes import prepare_for_codegen
from wherry.ir.passes.fuse_contract import HEADS
from wherry.ir.program import Program, Variable
from wherry.schema.dtypes import as_dtype

Array = np.ndarray[Any, Any]
Build = Callable[[BlockEmitter, list[Variable]], list[Variable]]


def random(*shape: int, dtype: str = "float32") -> Array:
    return (np.random.default_rng(len(shape)).normal(size=shape) * 2).astype(dtype)


def program_of(
    arrays: Sequence[Array], build: Build, symbolic: Sequence[tuple[int, int]]
) -> Program:
    """A Program that takes these arrays; equal sizes of symbolic axes are one symbol."""
    program = Program()
    block = program.global_block
    names = {size: symbol(f"S{size}") for size in (arrays[i].shape[axis] for i, axis in symbolic)}
    args = []
    for i, array in enumerate(arrays):
        shape = [
            names[size] if (i, axis) in symbolic else size for axis, size in enumerate(array.shape)
        ]
        args.append(block.add_arg(f"x{i}", shape, as_dtype(array.dtype), is_data=True))
    block.results.extend(build(BlockEmitter(block), args))
    return program


def check(
    arrays: Sequence[Array],
    build: Build,
    symbolic: Sequence[tuple[int, int]] = (),
    in_parts: bool = False,
    **tolerance: Any,
) -> None:
    """The compiled Program is one kernel, and gives what the interpreter gives.

    With `in_parts` others come before it, without pointwise ops.
    """
    program = program_of(arrays, build, symbolic)
    ops = prepare_for_codegen(program, inference=False).global_block.ops
    kinds = [op.attrs.get("kind") for op in ops]
    assert ([kind for kind in kinds if kind] if in_parts else kinds) == ["contract"]
    want, _ = run_program(program, list(arrays), {})
    agree(jit(program)(list(arrays)), want, **{"rtol": 1e-4, "atol": 1e-5, **tolerance})


def test_the_pass_and_the_lowerings_name_the_same_heads() -> None:
    load_lowerings()
    assert {type for type, lowering in LOWERINGS.items() if lowering.head} == HEADS


SIZES = [(1, 1, 4), (1, 40, 3), (3, 16, 5), (5, 33, 2), (14, 32, 7), (17, 70, 9), (30, 2, 6)]


@pytest.mark.parametrize("symbolic", [[], [(0, 0), (3, 0)]])
def test_bias_gelu_and_residual(symbolic: list[tuple[int, int]]) -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, bias, residual = args
        return [F.elementwise_add(residual, F.gelu(F.elementwise_add(F.matmul_v2(x, w), bias)))]

    for m, n, k in SIZES:
        check([random(m, k), random(k, n), random(n), random(m, n)], build, symbolic)


@pytest.mark.parametrize("symbolic", [[], [(0, 0), (3, 0)]])
@pytest.mark.parametrize("sizes", [(1, 37, 9), (5, 64, 18), (8, 21, 35), (1, 1, 40), (19, 1, 33)])
def test_behind_few_rows_and_dot_products(
    sizes: tuple[int, int, int], symbolic: list[tuple[int, int]]
) -> None:
    """No element of a residual is taken twice, wherever the results lie."""
    m, n, k = sizes
    arrays = [random(m, k), random(n, k), random(n), random(m, n)]

    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, bias, residual = args
        value = F.elementwise_add(F.matmul_v2(x, w, trans_y=True), bias)
        return [F.elementwise_add(residual, F.gelu(value))]

    def in_place(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        (out,) = build(F, [*args[:3], F.exp(args[3])])
        return [F.exp(F.scale(F.cumsum(out, axis=0), scale=0.01))]

    check(arrays, build, symbolic)
    program = program_of(arrays, in_place, symbolic)
    want, _ = run_program(program, arrays, {})
    agree(jit(program)(arrays), want, 1e-4, 1e-5)


@pytest.mark.parametrize("trans", [False, True])
def test_operands_of_every_form(trans: bool) -> None:
    """A row, a column, a scalar, a whole one; over a stack of matrices and its flat form."""

    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, *others = args
        value = F.matmul_v2(x, w, trans_x=trans)
        for other in others:
            value = F.elementwise_mul(F.elementwise_add(value, other), other)
        return [value]

    for shape in [(3, 7, 20), (2, 18, 3), (4, 1, 1), (1, 5, 16)]:
        b, m, n = shape
        x = random(b, 6, m) if trans else random(b, m, 6)
        others = [
            random(n),
            random(m, 1),
            random(1, 1),
            random(b, 1, n),
            random(b, m, n),
            random(m, n),
        ]
        check([x, random(6, n), *others], build, rtol=1e-3)


def test_sizes_that_broadcast_at_the_call() -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        return [F.elementwise_add(F.matmul_v2(args[0], args[1]), args[2])]

    for rows in (1, 9):
        for columns in (1, 21):
            arrays = [random(9, 4), random(4, 21), random(rows, columns)]
            shown = [(2, 0)] if rows == 1 else []
            check(arrays, build, [*shown, *([(2, 1)] if columns == 1 else [])])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64"])
def test_dtypes_and_casts(dtype: str) -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, b, flags = args
        value = F.elementwise_add(F.matmul_v2(x, w), b)
        wide = F.elementwise_mul(F.cast(value, out_dtype=as_dtype("float64")), flags)
        above = F.greater_than(value, b)
        return [value, F.cast(wide, out_dtype=as_dtype("float32")), above]

    def whole(*shape: int, dtype: str = dtype) -> Array:
        return np.rint(random(*shape, dtype=dtype)).astype(dtype)

    for m, n in [(3, 5), (20, 35), (1, 8), (33, 1)]:
        check([whole(m, 3), whole(3, n), whole(n), whole(m, n, dtype="float64")], build)


def test_a_convolution_with_bias_and_residual() -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, bias, residual = args
        value = F.elementwise_add(F.conv2d(x, w, paddings=[1, 1], groups=2), bias)
        return [F.relu(F.elementwise_add(value, residual)), value]

    check([random(2, 4, 7, 5), random(6, 2, 3, 3), random(6, 1, 1), random(2, 6, 7, 5)], build)


@pytest.mark.parametrize("symbolic", [[], [(0, 0), (0, 2), (0, 3)]])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_with_bias_and_residual(
    groups: int, symbolic: list[tuple[int, int]]
) -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, w, bias, factor = args
        attrs = {"strides": [2, 2], "paddings": [1, 1], "output_padding": [1, 0]}
        value = F.elementwise_add(F.conv2d_transpose(x, w, groups=groups, **attrs), bias)
        return [F.gelu(F.elementwise_mul(value, factor)), value]

    for channels in (2, 34):
        outputs = channels // groups
        arrays = [random(3, 4, 7, 5), random(4, outputs, 3, 3), random(channels, 1, 1)]
        scaled = [*symbolic, *[(3, 0)] * bool(symbolic)]
        check([*arrays, random(3, 1, 1, 1)], build, scaled, in_parts=not symbolic)


def test_the_output_takes_the_residuals_memory_and_not_the_factors() -> None:
    def build(F: BlockEmitter, args: list[Variable]) -> list[Variable]:
        x, y = (F.tanh(arg) for arg in args)
        product = F.elementwise_add(F.matmul_v2(x, x), y)
        return [F.cumsum(product, axis=1)]

    arrays = [random(40, 40), random(40, 40)]
    program = program_of(arrays, build, [])
    module = compile_program(program)
    left, residual, fused, _ = module.program.global_block.ops
    assert fused.attrs["kind"] == "contract"
    places = [module.memory.of(op.out_vars[0]) for op in (left, residual, fused)]
    assert places[0] is not places[2] and places[1] is places[2]
    want, _ = run_program(program, arrays, {})
    agree(jit(program)(arrays), want, rtol=1e-4, atol=1e-4)
