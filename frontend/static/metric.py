"""Metrics as ops of a Program."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import float32

from ..dispatch import run_op
from ..ops.convert import cast_to
from ..ops.search import topk


def accuracy(input: Any, label: Any, k: int = 1, correct: Any = None, total: Any = None) -> Any:
    """The share of rows of `input` [N, C] whose label [N, 1] is among the k largest, a 0-d float32.

    >>> import wherry as paddle
    >>> scores = paddle.to_tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> paddle.static.accuracy(scores, paddle.to_tensor([[1], [1]])).item()
    0.5
    """
    _, best = topk(input, k)
    hits = run_op("equal", best, cast_to(label, best.dtype))
    counted = run_op("reduce_any", hits, dim=[1], keep_dim=False)
    return run_op("reduce_mean", cast_to(counted, float32), dim=[0], keep_dim=False)
