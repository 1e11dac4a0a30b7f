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
        ("float64", False, False), ("float16", False, True),
        ("int32", True, False), ("uint8", True, True),
    ],
)  # fmt: skip
def test_every_size(dtype: str, trans_x: bool, trans_y: bool) -> None:
    function = compiled(dtype, trans_x, trans_y)
    reference = get_op("matmul_v2").reference
    assert reference is not None

    @settings(max_examples=50, deadline=None)
    @given(m=SIZES, n=SIZES, k=SIZES)
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


def test_the_bits_do_not_depend_on_the_rows_beside() -> None:
    """A row gives the same sums alone, among few and among many, whatever the sizes tell."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 150)), rng.normal(size=(150, 120))
    left, right = x.astype(np.float32), y.astype(np.float32)
    want = jit(build("matmul_v2", [left, right]))([left, right])[0]
    function = compiled("float32", False, False)
    for rows in (1, 5, 14, 33):
        part = np.ascontiguousarray(left[:rows])
        static = jit(build("matmul_v2", [part, right]))([part, right])[0]
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
