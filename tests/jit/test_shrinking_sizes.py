"""Sizes that shrink from round to round of a loop: equal to dynamic mode, loaded, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry.cli import main
from wherry.jit import to_static
from wherry.schema.errors import ConversionError, OpError
from wherry.static import InputSpec

RNG = np.random.default_rng(7)
INPUTS = [
    RNG.normal(size=(6, 4)).astype(np.float32), -np.ones((6, 4), np.float32),
    np.ones((5, 4), np.float32), np.eye(6, 4, dtype=np.float32),
    RNG.normal(size=(40, 4)).astype(np.float32),
]  # fmt: skip


def assert_same(found: Any, wanted: Any) -> None:
    pairs = [one if isinstance(one, (list, tuple)) else [one] for one in (found, wanted)]
    for ours, theirs in zip(*[[np.asarray(value) for value in one] for one in pairs], strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5)


def overlap(box: Any, others: Any) -> Any:
    low = paddle.maximum(box[:2], others[:, :2])
    high = paddle.minimum(box[2:], others[:, 2:])
    common = (high - low).clip(0).prod(axis=1)
    return common / ((others[:, 2:] - others[:, :2]).prod(axis=1) + 0.1)


def suppressed(x: Any) -> Any:
    boxes = paddle.concat([x[:, :2], x[:, :2] + x[:, 2:].abs() + 0.1], axis=1)
    order, keep = x[:, 0].argsort(descending=True), []
    while order.shape[0] > 0:
        best, rest = order[0], order[1:]
        keep.append(best)
        order = rest[overlap(boxes[best], boxes[rest]) < 0.3]
    return paddle.stack(keep)


def halved(x: Any) -> Any:
    scores, total = x[:, 0] * 1, paddle.zeros([])
    while scores.shape[0] > 1:
        above = scores > scores.mean()
        x, scores = x[above] * 1.5, scores[above]
        total = total + (x.sum(axis=1) * scores).sum()
    return x, scores, total


def two_that_shrink_apart(x: Any) -> Any:
    a, b, i = x, x, paddle.to_tensor(0)
    while i < 3:
        a, b, i = a[a[:, 0] > -0.5], b[b[:, 1] > -0.5], i + 1
    return a, b, paddle.concat([a, b])


def shrunk_in_a_loop_in_a_loop(x: Any) -> Any:
    total, i = paddle.zeros([]), paddle.to_tensor(0)
    while i < 3:
        rows = x[x[:, 0] > i.astype("float32") / 2 - 1]
        while rows.shape[0] > 1:
            rows = rows[:-1]
            total = total + rows.sum()
        i = i + 1
    return total


def shrunk_in_a_branch(x: Any) -> Any:
    rows, i = x, paddle.to_tensor(0)
    while i < 4:
        if rows.sum() > 0:
            rows = rows[rows[:, 0] < 0.8]
        i = i + 1
    if rows.shape[0] == 0:
        return paddle.zeros([0, 4])
    return rows * 2


def suppressed_until_one_is_left(x: Any) -> Any:
    order, keep, count = x[:, 0].argsort(), paddle.zeros([x.shape[0]], "int64"), paddle.to_tensor(0)
    while len(order) > 0:
        keep[count] = order[0]
        count = count + 1
        if order.numel() == 1:
            break
        order = order[1:]
        if x[order].sum() > 0:
            order = order[paddle.nonzero(x[order][:, 1] < 1).flatten()]
    return keep, count, order


@pytest.mark.parametrize(
    "function",
    [
        suppressed, halved, two_that_shrink_apart, shrunk_in_a_loop_in_a_loop,
        suppressed_until_one_is_left, shrunk_in_a_branch,
    ],
)  # fmt: skip
def test_loops_carry_sizes_that_shrink(function: Callable[..., Any], tmp_path: Path) -> None:
    spec = [InputSpec([None, 4], name="x")]
    prefix = str(tmp_path / "net")
    paddle.jit.save(to_static(function, input_spec=spec), prefix)
    assert main(["compile", prefix]) == 0
    runs = to_static(function), paddle.jit.load(prefix), wherry.runtime.load(f"{prefix}.so")
    for x in INPUTS:
        wanted = function(paddle.to_tensor(x))
        for run in runs:
            argument = x if run is runs[2] else paddle.to_tensor(x)
            assert_same(run(argument), wanted)


def test_a_size_that_may_grow_in_a_loop_is_refused() -> None:
    def grow(x: Any) -> Any:
        while x.sum() < 9:
            x = paddle.concat([x, x[x > 0]])
        return x

    with pytest.raises(ConversionError, match=r"may grow(?s:.*)parts in a list"):
        to_static(grow)(paddle.ones([3]))


def test_a_loop_that_shrinks_has_no_gradient() -> None:
    x = paddle.to_tensor(INPUTS[0], stop_gradient=False)
    with pytest.raises(OpError, match=r"no gradient(?s:.*)paddle\.no_grad"):
        to_static(halved)(x)
    with paddle.no_grad():
        assert_same(to_static(halved)(x), halved(x))
