"""Products of every form and size around the tiles, the vectors and the blocks of any machine."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_harness import build, check

from wherry.codegen import jit
from wherry.ir.opdef import get_op

Array = np.ndarray[Any, Any]
FORMS = [(a, b) for a in (False, True) for b in (False, True)]
SIZES = st.integers(1, 70)
# As many rows as are few, half of the time.
ROWS = st.one_of(st.integers(1, 9), SIZES)


def whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Small whole numbers: sums of their products are exact in every dtype."""
    return rng.integers(-3, 4, shape).astype(dtype)


@cache
def compiled(dtype: str, trans_x: bool, trans_y: bool) -> Any:
    """One code for all sizes."""
    x, y = np.zeros((2, 2), dtype), np.zeros((2, 2), dtype)
    rows, inner = (1, 0) if trans_x else (0, 1)
    program = build(
        "matmul_v2", [x, y], [(0, rows), (0, inner), (1, 0), (1, 1)],
        trans_x=trans_x, trans_y=trans_y,
    )  # fmt: skip
    return jit(program)


@pytest.mark.parametrize(
    ("dtype", "trans_x", "trans_y"),
    [
        *(("float32", *form) for form in FORMS),
        ("float64", False, False), ("float64", False, True), ("float16", False, True),
        ("int32", True, False), ("uint8", True, True),
    ],
)  # fmt: skip
def test_every_size(dtype: str, trans_x: bool, trans_y: bool) -> None:
    function = compiled(dtype, trans_x, trans_y)
    reference = get_op("matmul_v2").reference
    assert reference is not None

    @settings(max_examples=50, deadline=None)
    @given(m=ROWS, n=SIZES, k=SIZES)
    def agrees(m: int, n: int, k: int) -> None:
        rng = np.random.default_rng([m, n, k])
        x = whole(rng, (k, m) if trans_x else (m, k), dtype)
        y = whole(rng, (n, k) if trans_y else (k, n), dtype)
        want = reference(x, y, trans_x=trans_x, trans_y=trans_y)
        np.testing.assert_array_equal(function([x, y])[0], want)

    agrees()


@pytest.mark.parametrize(("trans_x", "trans_y"), FORMS)
def test_static_sizes(trans_x: bool, trans_y: bool) -> None:
    """Where sizes are known the code is another one: its tiles, its edges, what it packs."""
    sizes = [
        (13, 70, 31),
        (29, 33, 64),
        (70, 10, 65),
        (14, 96, 16),
        (33, 5, 17),
        (9, 4, 40),
        (64, 1, 50),
        (1, 33, 67),
        (3, 16, 64),
        (8, 41, 130),
        (9, 64, 33),
        (1, 1, 77),
    ]
    for m, n, k in sizes:
        rng = np.random.default_rng(m)
        x = whole(rng, (k, m) if trans_x else (m, k), "float32")
        y = whole(rng, (n, k) if trans_y else (k, n), "float32")
        check("matmul_v2", x, y, trans_x=trans_x, trans_y=trans_y, rtol=0, atol=0)


def test_rows_that_fall_on_each_other_in_the_cache() -> None:
    """Then the left matrix is packed; and blocks of columns do not divide the matrix."""
    rng = np.random.default_rng(0)
    for m, n, k in [(35, 70, 512), (70, 300, 1024), (40, 523, 6)]:
        check("matmul_v2", whole(rng, (m, k), "float32"), whole(rng, (k, n), "float32"),
              rtol=0, atol=0)  # fmt: skip


def test_a_large_matrix_with_few_rows_and_with_many() -> None:
    """More than the second-level cache holds; rows in one pass, in two, and in tiles."""
    rng = np.random.default_rng(0)
    y = whole(rng, (257, 1031), "float32")
    for m in (1, 3, 7, 9, 33):
        check("matmul_v2", whole(rng, (m, 257), "float32"), y, rtol=0, atol=0)


@pytest.mark.parametrize("trans_y", [False, True])
def test_the_bits_do_not_depend_on_the_rows_beside(trans_y: bool) -> None:
    """A row gives the same sums alone, among few and among many, whatever the sizes tell."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 150)), rng.normal(size=(120, 150) if trans_y else (150, 120))
    left, right = x.astype(np.float32), y.astype(np.float32)
    want = jit(build("matmul_v2", [left, right], trans_y=trans_y))([left, right])[0]
    function = compiled("float32", False, trans_y)
    for rows in (1, 5, 14, 33):
        part = np.ascontiguousarray(left[:rows])
        static = jit(build("matmul_v2", [part, right], trans_y=trans_y))([part, right])[0]
        np.testing.assert_array_equal(static, want[:rows])
    for rows in range(1, 65):
        part = np.ascontiguousarray(left[:rows])
        np.testing.assert_array_equal(function([part, right])[0], want[:rows])


def test_infinities_and_nans_beside_an_edge_stay_where_they_are() -> None:
    """What lies behind the last column or row is never added to a sum that is stored."""
    x, y = np.ones((5, 7), np.float32), np.ones((7, 19), np.float32)
    y[:, 18], x[4] = np.nan, np.inf
    got = jit(build("matmul_v2", [x, y]))([x, y])[0]
    assert np.isnan(got[:, 18]).all()
    np.testing.assert_array_equal(got[:4, :18], np.full((4, 18), 7.0))
    np.testing.assert_array_equal(got[4, :18], np.full(18, np.inf))


def in_lanes(x: Array, y: Array) -> Array:
    """The rows of x times y, in the order in which the kernel adds, of products that are exact."""
    count, total = 128 // x.itemsize, np.zeros((len(x), 128 // x.itemsize), x.dtype)
    for start in range(0, x.shape[1], count):
        part = x[:, start : start + count] * y[start : start + count]
        total[:, : part.shape[1]] += part
    while total.shape[1] > 1:
        half = total.shape[1] // 2
        total = total[:, :half] + total[:, half:]
    return total


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("trans_y", [False, True])
def test_a_matrix_times_a_vector(dtype: str, trans_y: bool) -> None:
    """The sum of a row is taken in one order, whatever the rows beside and whatever sizes tell."""
    rng = np.random.default_rng(0)
    inner = (1, 1) if trans_y else (1, 0)
    shape = [(1, 2) if trans_y else (2, 1), (2, 2)]
    zeros = [np.zeros(one, dtype) for one in reversed(shape)]
    any_size = jit(build("matmul_v2", zeros, [(0, 0), (0, 1), inner], trans_y=trans_y))
    for m, k in [
        (1, 1),
        (1, 300),
        (2, 31),
        (7, 64),
        (16, 33),
        (37, 128),
        (50, 151),
        (0, 5),
        (3, 0),
    ]:
        x = rng.normal(size=(m, k)).astype(dtype)
        y = np.exp2(rng.integers(-3, 4, (k, 1))).astype(dtype)
        right = np.ascontiguousarray(y.T) if trans_y else y
        want = in_lanes(x, y[:, 0])
        static = jit(build("matmul_v2", [x, right], trans_y=trans_y))
        np.testing.assert_array_equal(static([x, right])[0], want)
        np.testing.assert_array_equal(any_size([x, right])[0], want)


@pytest.mark.parametrize("x_shape", [(40,), (9, 40), (3, 9, 40), (2, 3, 1, 40)])
@pytest.mark.parametrize("y_shape", [(40,), (40, 1), (3, 40, 1), (3, 40, 70)])
def test_vectors_and_stacks_of_them(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = whole(rng, x_shape, "float32"), whole(rng, y_shape, "float32")
    check("matmul_v2", x, y, rtol=0, atol=0)
    if y.ndim > 1:
        turned = np.ascontiguousarray(np.swapaxes(y, -1, -2))
        check("matmul_v2", x, turned, trans_y=True, rtol=0, atol=0)


def test_few_rows_whose_matrix_is_read_across_edges() -> None:
    """Infinities in the last columns and behind the last whole piece stay in their sums."""
    x, y = np.ones((3, 19), np.float32), np.ones((37, 19), np.float32)
    y[36, 18], y[0, 17] = np.inf, np.nan
    got = jit(build("matmul_v2", [x, y], trans_y=True))([x, y])[0]
    assert np.isnan(got[:, 0]).all() and np.isinf(got[:, 36]).all()
    np.testing.assert_array_equal(got[:, 1:36], np.full((3, 35), 19.0))
