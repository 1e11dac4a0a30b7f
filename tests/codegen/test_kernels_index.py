"""Ops that read and write at indices, sort, scan and draw, compiled, against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_harness import build, check, compiled

from wherry.codegen import jit
from wherry.ir.philox import philox_bits
from wherry.schema.dtypes import int32, int64
from wherry.schema.errors import RunError


def random(*shape: int, dtype: str = "float32") -> Any:
    return (np.random.default_rng(sum(shape)).normal(size=shape) * 4).astype(dtype)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 17, 100])
@pytest.mark.parametrize("descending", [False, True])
def test_sorts_of_symbolic_sizes(size: int, descending: bool) -> None:
    x = np.round(random(3, size))  # with ties
    check("argsort", x, symbolic=[(0, 0), (0, 1)], descending=descending)
    check("argsort", x.T.copy(), symbolic=[(0, 0)], axis=0, descending=descending)
    if size > 1:
        check("top_k_v2", x, symbolic=[(0, 1)], k=2, largest=descending)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8"])
def test_sorts_of_other_dtypes(dtype: str) -> None:
    x = np.abs(random(4, 13)).astype(dtype)
    check("argsort", x, axis=-1)
    check("arg_max", x, axis=0)
    check("arg_min", x, flatten=True)


@pytest.mark.parametrize("size", [1, 2, 9, 33])
def test_scans_of_symbolic_sizes(size: int) -> None:
    x = random(2, size, 3)
    for axis in (0, 1, 2):
        check("cumsum", x, symbolic=[(0, 1)], axis=axis, reverse=True, atol=1e-5)
        check("cumprod", x / 4, symbolic=[(0, 0)], dim=axis, exclusive=True)
        check("linear_scan", x / 9, x, symbolic=[(0, 1), (1, 1)], axis=axis)
    check("arg_max", x, symbolic=[(0, 1)], axis=1)
    check("cumsum", x, symbolic=[(0, 1)], flatten=True, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_gathers_of_symbolic_sizes(count: int) -> None:
    x, at = random(4, 3, 2), np.arange(count) % 3
    symbols = [(0, 0), (1, 0)]
    check("index_select", x, at, symbolic=symbols, dim=1)
    check("index_add", x, at, random(4, count, 2), symbolic=[(0, 2), (2, 2)], axis=1)
    check("lookup_table_v2", random(7, 3), at, symbolic=symbols, padding_idx=1)
    check("embedding_grad", at, random(count, 3), symbolic=[(0, 0), (1, 0)], num_rows=5)
    check("gather_nd", x, np.stack([at, at], 1), symbolic=symbols)
    check("scatter_nd_add", x, np.stack([at, at], 1), random(count, 2), symbolic=[(1, 0), (2, 0)])
    check("put_along_axis", random(count, 3), np.zeros((count, 2), np.int64), random(1, 2),
          symbolic=[(0, 0), (1, 0)], Axis=1)  # fmt: skip


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_an_index_outside_is_an_error(wrong: int) -> None:
    x, at = random(3, 3), np.array([0, wrong])
    for type, inputs, attrs in [
        ("index_select", [x, at], {"dim": 1}),
        ("index_add", [x, at, x[:2]], {"axis": 0}),
        ("take_along_axis", [x[:2], at[:, None]], {"Axis": 1}),
        ("put_along_axis", [x[:2], at[:, None], x[0, :1]], {"Axis": 1}),
        ("gather_nd", [x, at[:, None]], {}),
        ("scatter_nd_add", [x, at[:, None], x[:2]], {}),
        ("lookup_table_v2", [x, at], {}),
        ("embedding_grad", [at, x[:2]], {"num_rows": 3}),
    ]:
        with pytest.raises(RunError, match=str(wrong)):
            compiled(type, inputs, **attrs)


@pytest.mark.parametrize("count", [1, 3, 4, 6, 1001])
def test_random_bits_are_those_of_the_reference(count: int) -> None:
    state = np.array([-5, 2**33 + 1])
    run = jit(build("rng_bits", [state], shape=[count], dtype=int32))
    np.testing.assert_array_equal(run([state])[0], philox_bits(-5, 2**33 + 1, count) >> 1)
    wide = compiled("rng_bits", [state], shape=[count], dtype=int64)[0]
    words = philox_bits(-5, 2**33 + 1, 2 * count).astype(np.uint64)
    np.testing.assert_array_equal(wide, (words[::2] | words[1::2] << np.uint64(32)) >> np.uint64(1))


@pytest.mark.parametrize("size", [1, 16, 17, 33, 70])
def test_the_first_of_lines_around_vector_widths(size: int) -> None:
    """With ties, NaN and sorted lines, selected (few) and sorted (many)."""
    rng = np.random.default_rng(size)
    ties = rng.integers(0, 5, (3, size)).astype(np.float32)
    ties[0, rng.integers(0, size)] = np.nan
    lines = np.concatenate([ties, np.sort(rng.normal(size=(2, size)).astype(np.float32))])
    lines[-1] = lines[-1][::-1]
    for k in sorted({1, min(size, 5), size}):
        check("top_k_v2", lines, k=k, axis=1, largest=True)
        check("top_k_v2", lines.T.copy(), symbolic=[(0, 0)], k=k, axis=0, largest=k == 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("width", [1, 7, 16, 17, 70])
def test_rows_that_are_picked_and_added(width: int, dtype: str) -> None:
    table = np.arange(6 * width).reshape(6, width).astype(dtype)
    ids = np.array([[5, 0], [3, 3]])
    check("lookup_table_v2", table, ids)
    check("index_select", table, ids[:, 0], dim=0)
    check("gather_nd", table, ids[..., None], symbolic=[(0, 1)])
    check("scatter_nd_add", table, ids[..., None], np.ones((2, 2, width), dtype))
    check("index_add", table, ids[:, 0], np.ones((2, width), dtype), axis=0)
