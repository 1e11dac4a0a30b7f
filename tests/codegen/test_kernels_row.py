"""The row kernel and pointwise chains: sizes around vector widths, NaN and inf, equal bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_programs import (
    Array,
    Spec,
    attention,
    batch_statistics,
    chain,
    chosen,
    norms,
    program_of,
    two_kept,
)

from wherry.codegen import Target, compile_program, jit
from wherry.codegen.inprocess import load
from wherry.ir.dims import symbol
from wherry.ir.interp import run_program
from wherry.ir.passes import prepare_for_codegen
from wherry.runtime.cpu import supported_levels

N, M, K = symbol("N"), symbol("M"), symbol("K")
SIZES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 63, 64, 65, 70, 127, 128, 129, 300]


def kinds(fn: Callable[..., Any], *specs: Spec) -> list[str]:
    prepared = prepare_for_codegen(program_of(fn, *specs), inference=False)
    return [op.attrs["kind"] for op in prepared.global_block.ops if op.type == "fusion"]


def random(shape: Sequence[int], dtype: str = "float32") -> Array:
    rng = np.random.default_rng(sum(shape))
    return np.asarray(rng.normal(size=shape) * 2).astype(dtype)


def compare(
    fn: Callable[..., Any], specs: Sequence[Spec], inputs: Sequence[Array], atol: float = 2e-6
) -> None:
    """Compiled code gives what the interpreter gives."""
    program = program_of(fn, *specs)
    for got, want in zip(jit(program)(inputs), run_program(program, inputs, {})[0], strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=atol)


def test_one_code_serves_rows_of_all_sizes() -> None:
    specs = ((N, M), "float32"), ((M,), "float32"), ((M,), "float32")
    assert kinds(norms, *specs) == ["row"]
    program = program_of(norms, *specs)
    run = jit(program)
    for size in SIZES:
        inputs = [random((3, size)), random((size,)), random((size,))]
        want, _ = run_program(program, inputs, {})
        for got, other in zip(run(inputs), want, strict=True):
            np.testing.assert_allclose(got, other, rtol=2e-5, atol=2e-5)
    assert [out.shape[0] for out in run([random((0, 4)), random((4,)), random((4,))])] == [0] * 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_broadcast_into_rows(dtype: str) -> None:
    specs = ((N, K, M, M), dtype), ((N, 1, 1, M), dtype)
    assert kinds(attention, *specs) == ["row"]
    for size in (1, 5, 16, 33):
        scores, mask = random((2, 3, size, size), dtype), random((2, 1, 1, size), dtype)
        mask[..., : size // 2] = -np.inf
        compare(attention, specs, [scores, mask])
        compare(attention, [(scores.shape, dtype), (mask.shape, dtype)], [scores, mask])


def test_sizes_may_turn_out_to_broadcast() -> None:
    """A mask whose sizes are symbols of their own may be 1 along the rows and across them."""
    specs = ((N, M), "float32"), ((K, symbol("L")), "float32")
    run = jit(program_of(attention, *specs))
    for shape in ((4, 19), (1, 19), (4, 1), (1, 1)):
        scores, mask = random((4, 19)), random(shape)
        (want,), _ = run_program(program_of(attention, *specs), [scores, mask], {})
        np.testing.assert_allclose(run([scores, mask])[0], want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [1, 7, 16, 40, 130])
def test_values_wait_in_scratch_memory_for_later_passes(size: int) -> None:
    specs = [((N, M), "float32")]
    assert kinds(two_kept, *specs) == ["row"]
    compare(two_kept, specs, [random((5, size))], atol=3e-4)  # differences of large values


@pytest.mark.parametrize("area", [1, 4, 49])
def test_statistics_over_several_axes_are_rows(area: int) -> None:
    shape = (4, 3, area, 5)
    specs = [(shape, "float32"), *[((3,), "float32")] * 4]
    assert kinds(batch_statistics, *specs) == ["row"]
    inputs = [random(shape), *(np.abs(random((3,))) + 0.5 for _ in range(4))]
    compare(batch_statistics, specs, inputs)


def test_what_is_not_finite_passes_through_rows() -> None:
    run = jit(program_of(lambda F, x: F.softmax(x), ((N, M), "float32")))
    for size in (3, 16, 33, 200):
        x = random((4, size))
        x[0, -1], x[1, 0], x[2, size // 2] = np.nan, np.inf, -np.inf
        with np.errstate(invalid="ignore"):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            want = e / e.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(run([x])[0], want, rtol=1e-5, atol=1e-7)


# -- equal bits ----------------------------------------------------------------------------------


def as_one_and_apart(
    monkeypatch: pytest.MonkeyPatch, fn: Callable[..., Any], inputs: Sequence[Array]
) -> None:
    """The fused kernels give the bits that the ops give one by one."""
    program = program_of(fn, *((x.shape, x.dtype.name) for x in inputs))
    fused = jit(program)(inputs)
    monkeypatch.setenv("WHERRY_DISABLE", "fuse,fuse_contract")
    apart = jit(program)(inputs)
    monkeypatch.delenv("WHERRY_DISABLE")
    for one, other in zip(fused, apart, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float16", 33), ("float32", 5), ("float32", 70), ("float64", 16)]
)
def test_fusion_changes_no_bits(monkeypatch: pytest.MonkeyPatch, dtype: str, size: int) -> None:
    x, row, column = random((6, size), dtype), random((size,), dtype), random((6, 1), dtype)
    as_one_and_apart(monkeypatch, norms, [x, row, row])
    as_one_and_apart(monkeypatch, attention, [x, row])
    as_one_and_apart(monkeypatch, chain, [x, row, row, x])
    as_one_and_apart(monkeypatch, chosen, [x, x[::-1].copy(), column])


def test_a_machine_changes_no_bits() -> None:
    """Sums and extremes have one order for vectors of all widths (formulas may use an fma)."""

    def net(F: Any, x: Any) -> list[Any]:
        y, mean, variance = F.layer_norm(x, None, None, begin_norm_axis=1)
        return [y, mean, variance, F.reduce_max(x), F.reduce_sum(x, dim=[0]), F.reduce_sum(x)]

    x = random((9, 333))
    results = []
    for level in supported_levels():
        compiled = compile_program(program_of(net, ((N, M), "float32")), target=Target.named(level))
        results.append(load(compiled, {})([x]))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


# -- pointwise -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 5), st.sampled_from(SIZES), st.booleans())
def test_chains_over_rows_columns_and_scalars(rows: int, size: int, same: bool) -> None:
    x = random((rows, size))
    y = random((rows, size)) if same else random((1, size))
    column = random((rows, 1))
    run = _chosen()
    with np.errstate(invalid="ignore"):
        wins = x > y
    want = np.where(wins, x * column, wins.astype(np.float32)), wins & (x < column)
    for got, other in zip(run([x, y, column]), want, strict=True):
        np.testing.assert_array_equal(got, other)


_RUN: list[Any] = []


def _chosen() -> Any:
    if not _RUN:
        specs = ((N, M), "float32"), ((K, M), "float32"), ((N, 1), "float32")
        _RUN.append(jit(program_of(chosen, *specs)))
    return _RUN[0]


def test_a_division_by_zero_names_the_first_element() -> None:
    from wherry.schema.errors import RunError

    def net(F: Any, x: Any, y: Any) -> Any:
        return F.elementwise_floordiv(x, y)

    run = jit(program_of(net, ((N,), "int32"), ((N,), "int32")))
    for size in (1, 3, 16, 17, 40):
        for at in {0, size // 2, size - 1}:
            x, y = np.arange(size, dtype=np.int32), np.ones(size, np.int32)
            assert (run([x, y])[0] == x).all()
            y[at:] = 0
            with pytest.raises(RunError, match=f"division by zero, at element {at}"):
                run([x, y])


def test_rows_take_the_memory_of_what_they_read_last() -> None:
    """A softmax of scores that die is computed in their place; x is still read, so not in its."""

    def net(F: Any, x: Any, y: Any) -> list[Any]:
        scores = F.matmul_v2(x, y)
        other = F.matmul_v2(y, x)
        return [F.matmul_v2(F.softmax(scores), x), F.layer_norm(other, None, None)[0]]

    x, y = random((32, 32)), random((32, 32))
    program = program_of(net, ((32, 32), "float32"), ((32, 32), "float32"))
    compiled = compile_program(program)
    for got, want in zip(load(compiled, {})([x, y]), run_program(program, [x, y], {})[0],
                         strict=True):  # fmt: skip
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    sizes = [buffer.size for buffer in compiled.memory.arena if buffer.size == x.nbytes]
    assert len(sizes) <= 2
