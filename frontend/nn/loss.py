"""Losses as layers. Each calls the function of nn.functional of the same meaning."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .layer import Layer


class _Loss(Layer):
    """A loss `function` of two Tensors with the keyword arguments it was made with."""

    function: str

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        reduction = arguments.get("reduction", "mean")
        if reduction not in ("sum", "mean", "none", "batchmean"):
            raise ValueError(
                f"The value of 'reduction' in {type(self).__name__} should be 'sum', 'mean' or "
                f"'none', but received {reduction}, which is not allowed."
            )
        self._arguments = arguments
        for name, value in arguments.items():
            setattr(self, name, value)

    def forward(self, input: Tensor, label: Tensor) -> Tensor:
        out: Tensor = getattr(F, self.function)(input, label, **self._arguments)
        return out


class CrossEntropyLoss(_Loss):
    """`paddle.nn.functional.cross_entropy` as a layer.

    >>> import wherry as paddle
    >>> loss = paddle.nn.CrossEntropyLoss()(paddle.zeros([2, 4]), paddle.to_tensor([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """

    function = "cross_entropy"

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
        soft_label: bool = False, axis: int = -1, use_softmax: bool = True,
        label_smoothing: float = 0.0, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            weight=weight, ignore_index=ignore_index, reduction=reduction, soft_label=soft_label,
            axis=axis, use_softmax=use_softmax, label_smoothing=label_smoothing,
        )  # fmt: skip


class MSELoss(_Loss):
    """The mean (or sum) of the squared differences.

    >>> import wherry as paddle
    >>> paddle.nn.MSELoss()(paddle.ones([2]), paddle.zeros([2])).item()
    1.0
    """

    function = "mse_loss"

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class L1Loss(_Loss):
    """The mean (or sum) of the absolute differences."""

    function = "l1_loss"

    def __init__(self, reduction: str = "mean", name: str | None = None) -> None:
        super().__init__(reduction=reduction)


class SmoothL1Loss(_Loss):
    """Squared differences below delta, absolute ones above."""

    function = "smooth_l1_loss"

    def __init__(
        self, reduction: str = "mean", delta: float = 1.0, name: str | None = None
    ) -> None:
        super().__init__(reduction=reduction, delta=delta)


class NLLLoss(_Loss):
    """The negative of log-probabilities at the labels."""

    function = "nll_loss"

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction)


class BCELoss(_Loss):
    """The cross entropy of probabilities with labels in [0, 1]."""

    function = "binary_cross_entropy"

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", name: str | None = None
    ) -> None:
        super().__init__(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross entropy of sigmoid(logit) with labels in [0, 1]."""

    function = "binary_cross_entropy_with_logits"

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean",
                 pos_weight: Tensor | None = None, name: str | None = None) -> None:  # fmt: skip
        super().__init__(weight=weight, reduction=reduction, pos_weight=pos_weight)


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of log-probabilities from a target."""

    function = "kl_div"

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class HingeEmbeddingLoss(_Loss):
    """The input where the label is 1, max(0, margin - input) where it is -1."""

    function = "hinge_embedding_loss"

    def __init__(
        self, margin: float = 1.0, reduction: str = "mean", name: str | None = None
    ) -> None:
        super().__init__(margin=margin, reduction=reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-label * input))."""

    function = "soft_margin_loss"

    def __init__(self, reduction: str = "mean", name: str | None = None) -> None:
        super().__init__(reduction=reduction)


class MarginRankingLoss(Layer):
    """max(0, -label * (input - other) + margin)."""

    def __init__(
        self, margin: float = 0.0, reduction: str = "mean", name: str | None = None
    ) -> None:
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(self, input: Tensor, other: Tensor, label: Tensor) -> Tensor:
        return F.margin_ranking_loss(input, other, label, self.margin, self.reduction)


__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HingeEmbeddingLoss", "KLDivLoss", "L1Loss",
    "MSELoss", "MarginRankingLoss", "NLLLoss", "SmoothL1Loss", "SoftMarginLoss",
]  # fmt: skip
