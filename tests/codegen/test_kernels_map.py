"""Pointwise kernels and reductions: sizes around vector widths, symbols, broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.codegen import compile_count, jit
from wherry.ir.dims import Dim, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.program import Program
from wherry.runtime.executable import Executable
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError

Array = np.ndarray[Any, Any]
Spec = tuple[Sequence[Dim], str]
SIZES = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65, 511, 512, 513, 1100]
N, M = symbol("N"), symbol("M")


def compiled(fn: Callable[..., Any], *specs: Spec) -> Executable:
    """What `fn(F, *inputs)` records, in native code."""
    program = Program()
    block = program.global_block
    inputs = [block.add_arg(f"x{i}", s, as_dtype(d)) for i, (s, d) in enumerate(specs)]
    made = fn(BlockEmitter(block), *inputs)
    block.results.extend(made if isinstance(made, list) else [made])
    return jit(program)


def test_one_code_serves_all_sizes() -> None:
    before = compile_count()
    run = compiled(
        lambda F, x, y: F.tanh(F.elementwise_add(x, y)), ((N,), "float32"), ((N,), "float32")
    )
    assert compile_count() == before + 1
    rng = np.random.default_rng(0)
    for size in SIZES:
        x, y = rng.normal(size=(2, size)).astype(np.float32)
        np.testing.assert_allclose(run([x, y])[0], np.tanh(x + y), rtol=1e-6, atol=1e-7)
    assert compile_count() == before + 1


REDUCTIONS = {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_all_sizes(name: str, dtype: str) -> None:
    def all_axes(F: BlockEmitter, x: Any) -> list[Any]:
        reduce = getattr(F, f"reduce_{name}")
        return [reduce(x, dim=[0]), reduce(x, dim=[1]), reduce(x, reduce_all=True)]

    run = compiled(all_axes, ((N, M), dtype))
    rng = np.random.default_rng(1)
    for size in SIZES[1:]:
        for shape in ((size, 3), (3, size)):
            x = rng.integers(1, 4, shape).astype(dtype) if name != "sum" else rng.normal(
                size=shape, scale=5).astype(dtype)  # fmt: skip
            if name == "prod":
                x = np.minimum(x, np.where(rng.random(shape) < 20 / size, 2, 1)).astype(dtype)
            for got, axis in zip(run([x]), (0, 1, None), strict=True):
                want = REDUCTIONS[name](x, axis=axis, dtype=got.dtype) if name in ("sum", "prod") \
                    else REDUCTIONS[name](x, axis=axis)  # fmt: skip
                np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-4)


def test_sums_of_nothing_are_zero() -> None:
    run = compiled(lambda F, x: [F.reduce_sum(x, dim=[0]), F.reduce_sum(x)], ((N, M), "float32"))
    for shape in ((0, 3), (3, 0), (0, 0)):
        x = np.zeros(shape, np.float32)
        columns, total = run([x])
        assert columns.tolist() == [0.0] * shape[1] and total == 0


def test_a_sum_has_one_order_for_static_and_symbolic_sizes() -> None:
    for size in (5, 33, 700):
        x = np.random.default_rng(2).normal(size=(4, size)).astype(np.float32)
        results = [
            compiled(lambda F, x: F.reduce_sum(x, dim=[1]), (shape, "float32"))([x])[0]
            for shape in ((4, size), (4, N), (M, N))
        ]
        assert all(np.array_equal(results[0], other) for other in results)


def test_nan_passes_through_max_and_min() -> None:
    run = compiled(lambda F, x: [F.reduce_max(x), F.reduce_min(x)], ((N,), "float32"))
    for size in (1, 5, 40):
        for at in (0, size - 1):
            x = np.ones(size, np.float32)
            x[at] = np.nan
            assert all(np.isnan(value) for value in run([x]))


sizes = st.sampled_from([1, 2, 3, 17])


@settings(deadline=None, max_examples=30)
@given(st.tuples(sizes, sizes, sizes), st.integers(0, 63), st.booleans())
def test_what_broadcasts_is_seen_at_the_call(full: tuple[int, ...], ones: int, short: bool) -> None:
    run = broadcasting(short)
    rng = np.random.default_rng(ones)
    shapes = [
        [1 if ones >> (3 * operand + axis) & 1 else n for axis, n in enumerate(full)]
        for operand in range(2)
    ]
    x = rng.normal(size=shapes[0]).astype(np.float32)
    y = rng.normal(size=shapes[1][1:] if short else shapes[1]).astype(np.float32)
    added, total = run([x, y])
    np.testing.assert_array_equal(added, x - y)
    np.testing.assert_allclose(total, np.exp(x - y).sum(-1), rtol=1e-5)


_KEPT: dict[bool, Executable] = {}


def broadcasting(short: bool) -> Executable:
    """x - y and a reduction with it as prologue, where each size is a symbol of its own."""
    if short not in _KEPT:
        d = [symbol(f"D{i}") for i in range(6)]

        def net(F: BlockEmitter, x: Any, y: Any) -> list[Any]:
            difference = F.elementwise_sub(x, y)
            return [difference, F.reduce_sum(F.exp(difference), dim=[-1])]

        other = d[4:] if short else d[3:]
        _KEPT[short] = compiled(net, (d[:3], "float32"), (other, "float32"))
    return _KEPT[short]


def test_shapes_that_do_not_broadcast_are_refused_at_the_call() -> None:
    with pytest.raises(InputError, match="needs shapes that broadcast"):
        broadcasting(False)([np.ones((2, 2, 2), np.float32), np.ones((3, 2, 2), np.float32)])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "bool"])
def test_views_and_outputs_that_are_inputs(dtype: str) -> None:
    def net(F: BlockEmitter, x: Any) -> list[Any]:
        flat = F.reshape2(x, shape=[-1])
        return [x, flat, flat, F.unsqueeze2(x, axes=[0])]

    x = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    got = compiled(net, ((N, 3), dtype))([x])
    for one, want in zip(got, (x, x.reshape(-1), x.reshape(-1), x[None]), strict=True):
        assert one.dtype == want.dtype and one is not x
        np.testing.assert_array_equal(one, want)
        one[...] = 0  # each is its own memory
