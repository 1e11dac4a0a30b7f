"""`paddle.metric`: measures of a model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dispatch import run_op
from .ops.convert import cast_to
from .tensor import Array, Tensor


def accuracy(input: Tensor, label: Tensor, k: int = 1, correct: Any = None, total: Any = None,
             name: str | None = None) -> Tensor:  # fmt: skip
    """The share of rows of `input` [N, C] whose label ([N, 1] or [N]) is among the k largest.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> float(paddle.metric.accuracy(x, paddle.to_tensor([[1], [1]])))
    0.5
    """
    _, best = run_op("top_k_v2", input, k=k, axis=-1)
    column = run_op("reshape2", cast_to(label, best.dtype), shape=[-1, 1])
    hits = run_op("reduce_any", run_op("equal", best, column), dim=[1])
    return run_op("reduce_mean", cast_to(hits, input.dtype), reduce_all=True)  # type: ignore[no-any-return]


def _array(value: Any) -> Array:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


class Metric:
    """A measure that is added up over batches: reset, update, accumulate, name."""

    def __init__(self, name: Any = None) -> None:
        self._name = name or type(self).__name__.lower()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        raise NotImplementedError(f"{type(self).__name__} defines no reset")

    def update(self, *args: Any) -> Any:
        """Take in a batch."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def accumulate(self) -> Any:
        """The measure over all batches since reset."""
        raise NotImplementedError(f"{type(self).__name__} defines no accumulate")

    def name(self) -> Any:
        """The name, or the names."""
        return self._name

    def compute(self, *args: Any) -> Any:
        """What `update` takes, from a batch's outputs and labels; by default these."""
        return args


class Accuracy(Metric):
    """The share of samples whose label is among the k best, for each k of `topk`.

    >>> import wherry as paddle
    >>> metric = Accuracy()
    >>> correct = metric.compute(paddle.to_tensor([[0.1, 0.9]]), paddle.to_tensor([[1]]))
    >>> metric.update(correct), metric.accumulate()
    (1.0, 1.0)
    """

    total: list[float]
    count: int

    def __init__(self, topk: Sequence[int] = (1,), name: str | None = None) -> None:
        self.topk, self.maxk = tuple(topk), max(topk)
        base = name or "acc"
        super().__init__([f"{base}_top{k}" for k in self.topk] if self.maxk != 1 else [base])

    def compute(self, pred: Tensor, label: Tensor, *args: Any) -> Tensor:
        """[N, maxk]: 1 where the i-th best class is the label."""
        best = np.argsort(-pred.numpy(), axis=-1, kind="stable")[..., : self.maxk]
        wanted = label.numpy()
        if wanted.ndim == pred.ndim and wanted.shape[-1] != 1:
            wanted = wanted.argmax(-1)
        return Tensor((best == wanted.reshape(*best.shape[:-1], 1)).astype(np.float32))

    def update(self, correct: Any, *args: Any) -> Any:
        hits = _array(correct)
        counted = [float(hits[..., :k].sum()) for k in self.topk]
        samples = int(np.prod(hits.shape[:-1]))
        self.total = [a + b for a, b in zip(self.total, counted, strict=True)]
        self.count += samples
        shares = [c / samples if samples else 0.0 for c in counted]
        return shares[0] if len(shares) == 1 else shares

    def reset(self) -> None:
        self.total, self.count = [0.0] * len(self.topk), 0

    def accumulate(self) -> Any:
        shares = [t / self.count if self.count else 0.0 for t in self.total]
        return shares[0] if len(shares) == 1 else shares

    def name(self) -> Any:
        return self._name


class Precision(Metric):
    """Of what was called positive (prediction > 0.5), the share that is."""

    def reset(self) -> None:
        self.tp = self.fp = 0

    def update(self, preds: Any, labels: Any) -> None:
        positive, truth = _array(preds).ravel() > 0.5, _array(labels).ravel() == 1
        self.tp += int((positive & truth).sum())
        self.fp += int((positive & ~truth).sum())

    def accumulate(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0


class Recall(Metric):
    """Of what is positive, the share that was called so (prediction > 0.5)."""

    def reset(self) -> None:
        self.tp = self.fn = 0

    def update(self, preds: Any, labels: Any) -> None:
        positive, truth = _array(preds).ravel() > 0.5, _array(labels).ravel() == 1
        self.tp += int((positive & truth).sum())
        self.fn += int((~positive & truth).sum())

    def accumulate(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0


class Auc(Metric):
    """The area under the ROC curve, by counting predictions in `num_thresholds` bins."""

    def __init__(
        self, curve: str = "ROC", num_thresholds: int = 4095, name: str | None = None
    ) -> None:
        self.bins = num_thresholds + 1
        super().__init__(name or "auc")

    def reset(self) -> None:
        self.positive, self.negative = np.zeros(self.bins), np.zeros(self.bins)

    def update(self, preds: Any, labels: Any) -> None:
        scores, truth = _array(preds), _array(labels).ravel() == 1
        scores = scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores.ravel()
        bins = (scores * (self.bins - 1)).astype(int)
        self.positive += np.bincount(bins[truth], minlength=self.bins)
        self.negative += np.bincount(bins[~truth], minlength=self.bins)

    def accumulate(self) -> float:
        hits = np.concatenate([[0], np.cumsum(self.positive[::-1])])
        misses = np.concatenate([[0], np.cumsum(self.negative[::-1])])
        whole = hits[-1] * misses[-1]
        area = ((hits[1:] + hits[:-1]) / 2 * np.diff(misses)).sum()
        return float(area / whole) if whole else 0.0


__all__ = ["Accuracy", "Auc", "Metric", "Precision", "Recall", "accuracy"]
