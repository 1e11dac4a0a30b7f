"""Pooling, compiled, against its references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_harness import check, compiled, reference

from wherry.schema.errors import RunError

WINDOWS: list[dict[str, Any]] = [
    {"ksize": [2, 2], "strides": [2, 2]},
    {"ksize": [3, 2], "strides": [2, 1], "paddings": [1, 1]},
    {"ksize": [3, 3], "strides": [2, 2], "paddings": [1, 1], "ceil_mode": True},
    {"ksize": [2, 3], "strides": [3, 2], "padding_algorithm": "SAME"},
    {"ksize": [3, 2], "adaptive": True},
]


@pytest.mark.parametrize("size", [4, 5, 9])
@pytest.mark.parametrize("attrs", WINDOWS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_symbolic_sizes(size: int, attrs: dict[str, Any], dtype: str) -> None:
    x = np.random.default_rng(size).normal(size=(2, 3, size, size + 1)).astype(dtype)
    symbolic, tolerance = [(0, 0), (0, 2), (0, 3)], 1e-5 if dtype == "float32" else 2e-3
    check("max_pool2d_with_index", x, symbolic=symbolic, **attrs)
    g, mask = reference("max_pool2d_with_index", [x], **attrs)
    area = list(x.shape[2:])
    check("max_pool2d_grad", mask, g, input_size=area, rtol=tolerance, atol=tolerance)
    check("max_pool2d_gather", x, mask, symbolic=symbolic)
    for exclusive in (False, True):
        check("avg_pool2d", x, symbolic=symbolic, exclusive=exclusive, rtol=tolerance, **attrs)
        check("avg_pool2d_grad", g, symbolic=[(0, 0)], input_size=area, exclusive=exclusive,
              rtol=tolerance, atol=tolerance, **attrs)  # fmt: skip


def test_a_mask_outside_of_the_plane_is_an_error() -> None:
    mask, g = np.full((1, 1, 1, 1), 4, np.int32), np.ones((1, 1, 1, 1), np.float32)
    with pytest.raises(RunError, match="4"):
        compiled("max_pool2d_grad", [mask, g], input_size=[2, 2])
