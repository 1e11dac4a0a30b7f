"""What docs/migrating.md says of wherry is so: an example for each row of its first table."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry import nn
from wherry.schema.errors import RunError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "migrating.md").read_text()
NAN, INF = math.nan, math.inf


def tensor(*values: Any, dtype: str | None = None) -> Any:
    return paddle.to_tensor(list(values), dtype=dtype)


def gradient(function: Callable[[Any], Any], *values: float) -> list[float]:
    x = paddle.to_tensor(list(values), stop_gradient=False)
    function(x).sum().backward()
    return list(x.grad.tolist())


def extremes_of_nan() -> list[Any]:
    x = tensor(1.0, NAN, 2.0)
    reduced = [getattr(paddle, name)(x) for name in ("max", "min", "amax", "amin")]
    pairs = [getattr(paddle, name)(x, x.flip(0))[1:2] for name in ("maximum", "minimum")]
    return [bool(paddle.isnan(one).all()) for one in reduced + pairs]


def unusual_gradients() -> list[bool]:
    x = tensor(1.0, 2.0)
    return [
        any(gradient(lambda v: nn.functional.gaussian_nll_loss(x, x, v), 1.0, 2.0)),
        any(gradient(paddle.diag_embed, 1.0, 2.0)),
        any(gradient(lambda v: v % 2.0, 1.0, 3.0)),
    ]


def slope_of_spectral_norm() -> float:
    """How the norm of a weight changes along the weight itself: it does not."""
    norm = nn.SpectralNorm([2, 2], power_iters=50)
    weight = [3.0, 1.0, 1.0, 2.0]
    slopes = gradient(lambda w: norm(w.reshape([2, 2])).abs(), *weight)
    return sum(a * b for a, b in zip(slopes, weight, strict=True))


def unread_part() -> list[float]:
    """The gradient in the diagonal, of ones, and above it."""
    x = paddle.to_tensor([[2.0, 5.0], [3.0, 4.0]], stop_gradient=False)
    y = tensor(1.0, 2.0).reshape([2, 1])
    paddle.linalg.triangular_solve(x, y, upper=False, unitriangular=True).sum().backward()
    return [x.grad[i, j].item() for i, j in ((0, 0), (1, 1), (0, 1))]


def no_inverse() -> list[bool]:
    """Whether the error names the user's line, in both modes."""
    said = []
    for run in (paddle.inverse, paddle.jit.to_static(lambda x: paddle.inverse(x))):
        try:
            run(paddle.zeros([2, 2]))
        except RunError as error:
            said.append("paddle.inverse" in str(error) or "run(" in str(error))
    return said


def drawn_twice() -> bool:
    draws = []
    for draw in (paddle.rand, paddle.jit.to_static(lambda shape: paddle.rand(shape))):
        paddle.seed(3)
        draws.append(draw([4]).tolist())
    return draws[0] == draws[1]


ROWS: dict[str, tuple[Callable[[], Any], Any]] = {
    "`maximum`, `minimum`, `max`, `min`, `amax`, `amin` of NaN": (extremes_of_nan, [True] * 6),
    "`argmax`, `argmin` of NaN": (
        lambda: [f(tensor(1.0, NAN, 3.0)).item() for f in (paddle.argmax, paddle.argmin)], [1, 1],
    ),
    "`logsumexp` of infinities only": (
        lambda: [paddle.logsumexp(tensor(x, x)).item() for x in (-INF, INF)], [-INF, INF],
    ),
    "`heaviside(NaN, y)`": (
        lambda: paddle.isnan(paddle.heaviside(tensor(NAN), tensor(1.0))).item(), True,
    ),
    "float to int out of range, and NaN": (
        lambda: tensor(3e10, -3e10, NAN).astype("int32").tolist(), [2**31 - 1, -(2**31), 0],
    ),
    "float32 to float16": (
        lambda: tensor(1 + 3 * 2**-12, 1 + 2**-11).astype("float16").tolist(), [1 + 2**-10, 1.0],
    ),
    "integer `pow` that overflows": (
        lambda: (tensor(3, dtype="int32") ** tensor(21, dtype="int32")).tolist(),
        [(3**21 + 2**31) % 2**32 - 2**31],
    ),
    "integer `0 ** -1`": (lambda: (tensor(0) ** tensor(-1)).tolist(), [0]),
    "gradient of `prod` where x is 0": (
        lambda: gradient(paddle.prod, 0.0, 2.0, 3.0), [6.0, 0.0, 0.0],
    ),
    "gradient of `x ** 0` at 0": (lambda: gradient(lambda x: x**0, 0.0), [0.0]),
    "gradient of `0.0 ** y` in y": (
        lambda: gradient(lambda y: paddle.zeros([2]) ** y, 2.0, 0.0), [0.0, 0.0],
    ),
    "equal elements in `topk`": (
        lambda: paddle.topk(tensor(1.0, 2.0, 2.0, 2.0), 2)[1].tolist(), [1, 2],
    ),
    "`clip` with min > max": (
        lambda: paddle.clip(tensor(1.0, 5.0), min=3.0, max=2.0).tolist(), [2.0, 2.0],
    ),
    "gradient of `gaussian_nll_loss` in the variance, of `diag_embed`, of `%`": (
        unusual_gradients, [True, True, True],
    ),
    "gradient of `nn.SpectralNorm`": (slope_of_spectral_norm, pytest.approx(0.0, abs=1e-6)),
    "gradient of `triangular_solve` in what it does not look at": (unread_part, [0.0] * 3),
    "`erfinv` outside of [-1, 1]": (
        lambda: paddle.isnan(paddle.erfinv(tensor(2.0, -1.5))).tolist(), [True, True],
    ),
    "`inverse`, `solve`, `cholesky` without an answer": (no_inverse, [True, True]),
    "`multi_margin_loss` with a weight, summed or not reduced": (
        lambda: nn.functional.multi_margin_loss(
            paddle.zeros([3, 2]), tensor(0, 1, 0), weight=paddle.ones([2]), reduction="none"
        ).shape, [3],
    ),
    "`where(condition, x, 0.0)` of float32": (
        lambda: paddle.where(tensor(True), tensor(1.0), 0.0).dtype, paddle.float32,
    ),
    "random numbers": (drawn_twice, True),
}  # fmt: skip


def test_every_row_has_an_example() -> None:
    table = PAGE.partition("## Numbers")[2].partition("## Sizes")[0]
    assert re.findall(r"^\| (.*?) \|", table, re.M)[2:] == list(ROWS)


@pytest.mark.parametrize("what", ROWS)
def test_a_row_is_true(what: str) -> None:
    run, wanted = ROWS[what]
    assert run() == wanted


def test_what_is_said_to_be_missing_is_missing() -> None:
    table = PAGE.partition("## Not there")[2]
    rows = re.findall(r"^\| `?([a-z.]+)`? \| (`.*) \|$", table, re.M)
    assert [part for part, _ in rows][:2] == ["paddle", "paddle.nn"] and len(rows) == 8
    for part, names in rows:
        module = importlib.import_module(
            part.replace("packages", "paddle").replace("paddle", "wherry")
        )
        assert [name for name in re.findall(r"`(\w+)`", names) if hasattr(module, name)] == []
