"""Losses over pairs, triples, several labels and distributions, as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .layer import Layer
from .loss import _Loss


class _LossOfThree(Layer):
    """A loss `function` of three Tensors with the keyword arguments it was made with."""

    function: str

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        if arguments["reduction"] not in ("sum", "mean", "none"):
            raise ValueError(
                f"'reduction' in '{type(self).__name__}' should be 'sum', 'mean' or 'none', but "
                f"received {arguments['reduction']}."
            )
        self._arguments = arguments

    def _loss(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        out: Tensor = getattr(F, self.function)(x, y, z, **self._arguments)
        return out


class CosineEmbeddingLoss(_LossOfThree):
    """1 - cos where the label is 1, max(0, cos - margin) where it is -1.

    >>> import wherry as paddle
    >>> x, y = paddle.ones([1, 2]), paddle.to_tensor([1])
    >>> round(paddle.nn.CosineEmbeddingLoss()(x, x, y).item(), 4)
    0.0
    """

    function = "cosine_embedding_loss"

    def __init__(self, margin: float = 0, reduction: str = "mean", name: str | None = None) -> None:
        if not -1 <= margin <= 1:
            raise ValueError(
                f"The value of 'margin' should be in the interval of [-1, 1], but received {margin}"
            )
        super().__init__(margin=margin, reduction=reduction)

    def forward(self, input1: Tensor, input2: Tensor, label: Tensor) -> Tensor:
        return self._loss(input1, input2, label)


class TripletMarginLoss(_LossOfThree):
    """max(0, distance to the positive - distance to the negative + margin).

    >>> import wherry as paddle
    >>> x = paddle.zeros([1, 2])
    >>> paddle.nn.TripletMarginLoss()(x, x, x).item()
    1.0
    """

    function = "triplet_margin_loss"

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, epsilon: float = 1e-6, swap: bool = False,
        reduction: str = "mean", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(margin=margin, p=p, epsilon=epsilon, swap=swap, reduction=reduction)

    def forward(self, input: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return self._loss(input, positive, negative)


class TripletMarginWithDistanceLoss(_LossOfThree):
    """`TripletMarginLoss` with a distance of one's own."""

    function = "triplet_margin_with_distance_loss"

    def __init__(
        self, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0, swap: bool = False, reduction: str = "mean", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            distance_function=distance_function, margin=margin, swap=swap, reduction=reduction
        )

    def forward(self, input: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return self._loss(input, positive, negative)


class GaussianNLLLoss(_LossOfThree):
    """The loss of numbers that a normal distribution of mean `input` and `variance` gave."""

    function = "gaussian_nll_loss"

    def __init__(
        self, full: bool = False, epsilon: float = 1e-6, reduction: str = "mean",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(full=full, epsilon=epsilon, reduction=reduction)

    def forward(self, input: Tensor, label: Tensor, variance: Tensor) -> Tensor:
        return self._loss(input, label, variance)


class PoissonNLLLoss(_Loss):
    """The loss of counts that a Poisson distribution gave.

    >>> import wherry as paddle
    >>> paddle.nn.PoissonNLLLoss()(paddle.zeros([1]), paddle.ones([1])).item()
    1.0
    """

    function = "poisson_nll_loss"

    def __init__(
        self, log_input: bool = True, full: bool = False, epsilon: float = 1e-8,
        reduction: str = "mean", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(log_input=log_input, full=full, epsilon=epsilon, reduction=reduction)


class MultiLabelSoftMarginLoss(_Loss):
    """The mean over classes of the binary cross entropies of logits and labels of 0 and 1."""

    function = "multi_label_soft_margin_loss"

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", name: str | None = None
    ) -> None:
        super().__init__(weight=weight, reduction=reduction)


class MultiMarginLoss(_Loss):
    """The mean over other classes of max(0, margin - score of the label + score) ** p."""

    function = "multi_margin_loss"

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
        reduction: str = "mean", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(p=p, margin=margin, weight=weight, reduction=reduction)


class CTCLoss(Layer):
    """`nn.functional.ctc_loss` as a layer: labels without places, of unscaled logits [T, B, C].

    >>> import wherry as paddle
    >>> logits, two = paddle.zeros([2, 1, 3]), paddle.to_tensor([2])
    >>> labels, one = paddle.to_tensor([[1]], "int32"), paddle.to_tensor([1])
    >>> round(paddle.nn.CTCLoss(blank=0)(logits, labels, two, one).item(), 4)
    1.0986
    """

    def __init__(self, blank: int = 0, reduction: str = "mean") -> None:
        super().__init__()
        self.blank, self.reduction = blank, reduction

    def forward(
        self, log_probs: Tensor, labels: Tensor, input_lengths: Tensor, label_lengths: Tensor,
        norm_by_times: bool = False,
    ) -> Tensor:  # fmt: skip
        return F.ctc_loss(log_probs, labels, input_lengths, label_lengths, self.blank,
                          self.reduction, norm_by_times)  # fmt: skip


__all__ = [
    "CTCLoss", "CosineEmbeddingLoss", "GaussianNLLLoss", "MultiLabelSoftMarginLoss",
    "MultiMarginLoss", "PoissonNLLLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip
