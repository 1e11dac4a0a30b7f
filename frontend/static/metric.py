"""Metrics as ops of a Program."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from wherry.schema.dtypes import float32, float64, int64
from wherry.schema.errors import OpError

from ..dispatch import run_op, tracer
from ..location import user_location
from ..ops.convert import cast_to
from ..ops.creation import zeros
from ..ops.reduce import cumsum
from ..ops.search import scatter_nd_add, topk
from ..ops.shape import concat, flip
from ..unique_name import generate
from .mode import building
from .parameters import make_state
from .tracer import StaticTracer
from .variable import Variable


def accuracy(input: Any, label: Any, k: int = 1, correct: Any = None, total: Any = None) -> Any:
    """The share of rows of `input` [N, C] whose label [N, 1] is among the k largest, a 0-d float32.

    >>> import wherry as paddle
    >>> scores = paddle.to_tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> paddle.static.accuracy(scores, paddle.to_tensor([[1], [1]])).item()
    0.5
    """
    layer = generate("accuracy")
    with _naming(f"{layer}.tmp"):
        _, best = topk(input, k)
    with _naming(f"{layer}.hits"):
        hits = run_op("equal", best, cast_to(label, best.dtype))
        counted = cast_to(run_op("reduce_any", hits, dim=[1], keep_dim=False), float32)
    with _naming(f"{layer}.tmp"):
        share = run_op("reduce_mean", counted, dim=[0], keep_dim=False)
    if isinstance(share, Variable):
        share.stop_gradient = input.stop_gradient  # as Paddle prints it; there is no gradient
    return share


def _naming(prefix: str) -> AbstractContextManager[None]:
    active = tracer.get()
    return active.naming(prefix) if isinstance(active, StaticTracer) else nullcontext()


def auc(
    input: Any, label: Any, curve: str = "ROC", num_thresholds: int = 4095, topk: int = 1,
    slide_steps: int = 1, ins_tag_weight: Any = None,
) -> tuple[Any, Any, list[Any]]:  # fmt: skip
    """The area under the ROC curve of the probabilities `input` [N, 2] of labels [N, 1] that are 0
    or 1: over all runs, over the last `slide_steps` runs, and the four Variables that count.

    The counts are kept for `num_thresholds` + 1 steps of probability. Raises ValueError for another
    curve.
    """
    if curve != "ROC":
        raise ValueError(f"curve of auc must be 'ROC', the only one, but received {curve!r}")
    if ins_tag_weight is not None:
        raise ValueError("auc takes no ins_tag_weight: leave out the rows that do not count")
    active = building("paddle.static.auc")
    if len(input.shape) != 2 or input.shape[1] != 2:
        raise OpError(f"needs input [N, 2], got {input!r}", "auc", user_location())
    steps, slots = num_thresholds + 1, max(slide_steps, 0)
    sizes = [slots * steps + steps + 1] if slots else [1, steps]
    recent = [make_state(active, generate("_generated_var"), sizes, int64, 0) for _ in "+-"]
    ever = [make_state(active, generate("_generated_var"), [1, steps], int64, 0) for _ in "+-"]
    layer = generate("auc")
    with active.naming(f"{layer}.counts"):
        place = cast_to(input[:, 1] * float(num_thresholds), int64)
        positive = cast_to(run_op("not_equal", label, zeros([1], label.dtype)), int64)
        counted = [
            scatter_nd_add(zeros([steps], int64), place.reshape([-1, 1]), hits.reshape([-1]))
            for hits in (positive, 1 - positive)
        ]
        total = [_added(active, one, new) for one, new in zip(ever, counted, strict=True)]
        last = [_slid(active, one, new, slots) if slots else _added(active, one, new)
                for one, new in zip(recent, counted, strict=True)]  # fmt: skip
        areas = [_area(*total), _area(*last)]
    with active.naming(f"{layer}.tmp"):
        of_all, of_last = (run_op("elementwise_div", area, by) for area, by in areas)
        return of_all, of_last, [*recent, *ever]


def _added(active: StaticTracer, state: Any, new: Any) -> Any:
    """The counts of a state with the new ones, which it holds from now on."""
    total = active.as_traced(state).reshape([-1]) + new
    active.assign(state, total.reshape([1, -1]))
    return total


def _slid(active: StaticTracer, state: Any, new: Any, slots: int) -> Any:
    """The counts of the last runs. The state is a row for each of them, their sum, and the number
    of runs; the new counts take the place of the oldest.
    """
    known = active.as_traced(state)
    rows, run = known[:-1].reshape([slots + 1, -1]), known[-1:]
    place = run % slots
    oldest = run_op("gather", rows[:slots], place, axis=0)
    total = rows[slots:] + new - oldest
    kept = run_op("scatter", rows[:slots], place, new.reshape([1, -1]), overwrite=True)
    active.assign(state, concat([kept.flatten(), total.flatten(), run + 1]))
    return total.flatten()


def _area(positive: Any, negative: Any) -> tuple[Any, Any]:
    """The area under the curve of counts by threshold, in trapezoids, and what it is divided by: 1
    where one kind is absent.
    """
    up, right = (cumsum(cast_to(flip(one, 0), float64)) for one in (positive, negative))
    before = up - cast_to(flip(positive, 0), float64)
    widths = cast_to(flip(negative, 0), float64)
    area, both = (widths * (up + before)).sum() * 0.5, up[-1] * right[-1]
    absent = cast_to(run_op("equal", both, zeros([], float64)), float64)
    return area, both + absent
