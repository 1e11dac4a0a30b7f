"""conv2d and its gradients, compiled, against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_harness import check, reference


@pytest.fixture(autouse=True, params=["turned", "gathered"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Input gradients as convolutions, where they are, and as products of gathered columns."""
    if request.param == "gathered":
        monkeypatch.setenv("WHERRY_DISABLE", "turn_gradients")


def random(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def check_all(
    x: Any, w: Any, symbolic: bool = False, tolerance: float = 1e-4, **attrs: Any
) -> None:
    """The convolution and both its gradients."""
    options = {"rtol": tolerance, "atol": tolerance * 10, **attrs}
    image = [(0, 0), (0, 2), (0, 3)] if symbolic else []
    check("conv2d", x, w, symbolic=image, **options)
    g = reference("conv2d", [x, w], **attrs)[0] + x.dtype.type(0.5)
    check("conv2d_input_grad", w, g, input_size=list(x.shape[2:]), **options)
    check("conv2d_filter_grad", x, g, filter_size=list(w.shape[2:]), **options)


@pytest.mark.parametrize("size", [3, 7, 20])
@pytest.mark.parametrize("symbolic", [False, True])
def test_sizes(size: int, symbolic: bool) -> None:
    check_all(random(2, 3, size, size + 1), random(5, 3, 3, 3), symbolic, paddings=[1, 1])
    check_all(random(1, 2, size, size), random(3, 2, 3, 2), symbolic, strides=[2, 1])
    check_all(random(1, 4, size, size), random(18, 4, 1, 1), symbolic)


@pytest.mark.parametrize("width", [1, 2, 4, 5, 8, 9, 15, 16, 17, 31, 33, 48, 65])
def test_input_gradients_of_known_widths(width: int) -> None:
    """Around the vectors and tiles of every machine; all widths that the call tells have a test."""
    w, g = random(7, 15, 1, 3), random(1, 7, 2, width)
    check("conv2d_input_grad", w, g, input_size=[2, width + 2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_padding_algorithms(algorithm: str, stride: int) -> None:
    for symbolic in (False, True):
        check_all(random(2, 3, 9, 8), random(4, 3, 3, 2), symbolic, strides=[stride, stride],
                  padding_algorithm=algorithm)  # fmt: skip


def test_dilation_groups_and_uneven_padding() -> None:
    check_all(random(2, 4, 9, 10), random(6, 2, 3, 3), groups=2, dilations=[2, 1], paddings=[2, 1])
    check_all(random(2, 6, 7, 7), random(6, 1, 3, 3), groups=6, paddings=[1, 1])
    check_all(random(1, 6, 7, 7), random(12, 1, 2, 2), groups=6, strides=[2, 2])
    check_all(random(1, 2, 6, 6), random(3, 2, 2, 3), paddings=[0, 3, 2, 1], strides=[3, 2])
    check_all(random(1, 2, 5, 5), random(3, 2, 1, 1), paddings=[2, 2], strides=[2, 2])


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_no_images_give_zero_gradients(batch: int) -> None:
    check_all(random(batch, 2, 5, 5), random(3, 2, 3, 3), symbolic=True)


def test_dtypes() -> None:
    check_all(random(2, 3, 6, 7, dtype="float64"), random(4, 3, 3, 3, dtype="float64"),
              tolerance=1e-11, paddings=[1, 1])  # fmt: skip
    check_all(random(2, 3, 6, 7, dtype="float16"), random(4, 3, 3, 3, dtype="float16"),
              tolerance=3e-3, paddings=[1, 1])  # fmt: skip
