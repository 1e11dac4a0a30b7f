"""matmul_v2, compiled, against its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_harness import check


def random(*shape: int, dtype: str = "float32") -> Any:
    return (np.random.default_rng(sum(shape)).normal(size=shape) * 3).astype(dtype)


SIZES = [(1, 1, 1), (1, 16, 3), (4, 17, 5), (5, 15, 1), (3, 33, 9), (17, 32, 8), (20, 3, 7),
         (19, 40, 21), (2, 2, 2), (0, 3, 2), (3, 0, 2), (6, 5, 0)]  # fmt: skip


@pytest.mark.parametrize("trans_x", [False, True])
@pytest.mark.parametrize("trans_y", [False, True])
def test_sizes_around_the_tile(trans_x: bool, trans_y: bool) -> None:
    for m, n, k in SIZES:
        x, y = random(*((k, m) if trans_x else (m, k))), random(*((n, k) if trans_y else (k, n)))
        check("matmul_v2", x, y, trans_x=trans_x, trans_y=trans_y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("m", [0, 1, 3, 16, 18])
@pytest.mark.parametrize("trans", [False, True])
def test_symbolic_sizes(m: int, trans: bool) -> None:
    x, y = random(m, 7), random(*((12, 7) if trans else (7, 12)))
    check("matmul_v2", x, y, symbolic=[(0, 0)], trans_y=trans, rtol=1e-4, atol=1e-5)
    inner = random(7, m), random(*((12, m) if trans else (m, 12)))
    axis = (1, 1) if trans else (1, 0)
    check("matmul_v2", *inner, symbolic=[(0, 1), axis], trans_y=trans, rtol=1e-4, atol=1e-5)
    check("matmul_v2", random(5, 7), random(7, m), symbolic=[(1, 1)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_stacks_broadcast(size: int) -> None:
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    check("matmul_v2", random(size, 1, 5, 6), random(3, 6, 4), symbolic=[(0, 0)], **tolerance)
    check("matmul_v2", random(size, 5, 6), random(3, 6, 4)[:size], symbolic=[(0, 0), (1, 0)],
          **tolerance)  # fmt: skip
    check("matmul_v2", random(size, 5, 6), random(6, 20), symbolic=[(0, 0), (0, 1)], **tolerance)
    check("matmul_v2", random(5, 6), random(size, 6, 20), symbolic=[(1, 0)], **tolerance)
    check("matmul_v2", random(6), random(size, 6, 20), symbolic=[(1, 0)], **tolerance)
    check("matmul_v2", random(size, 9, 6), random(6), symbolic=[(0, 0)], **tolerance)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64"])
def test_dtypes(dtype: str) -> None:
    tolerance = {"rtol": 2e-3, "atol": 1e-3} if dtype == "float16" else {"rtol": 1e-12}
    for m, n, k in [(5, 19, 6), (2, 8, 3), (20, 20, 20), (7, 1, 4)]:
        check("matmul_v2", random(m, k, dtype=dtype), random(k, n, dtype=dtype), **tolerance)
        check("matmul_v2", random(m, k, dtype=dtype), random(n, k, dtype=dtype), trans_y=True,
              **tolerance)  # fmt: skip
