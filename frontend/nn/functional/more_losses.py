"""Losses over pairs and triples, for segmentation and detection, and of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wherry.schema.dtypes import float32

from ...dispatch import run_op
from ...ops.compare import equal
from ...ops.convert import cast_to, need_tensor
from ...ops.linalg import matmul
from ...ops.math import clip, exp, log, maximum
from ...ops.reduce import mean
from ...ops.reduce import sum as total
from ...tensor import Tensor
from .common import one_hot, pairwise_distance
from .loss import binary_cross_entropy_with_logits, reduce_loss, softmax_with_cross_entropy


def ctc_loss(
    log_probs: Tensor, labels: Tensor, input_lengths: Tensor, label_lengths: Tensor, blank: int = 0,
    reduction: str = "mean", norm_by_times: bool = False,
) -> Tensor:  # fmt: skip
    """The loss of labels [B, L] without places, from unscaled logits [T, B, C].

    `blank` is the class that stands for no label. The mean is of losses divided by their number of
    labels; `norm_by_times` divides the gradient by the number of steps.

    >>> import wherry as paddle
    >>> logits, two = paddle.zeros([2, 1, 3]), paddle.to_tensor([2])
    >>> labels, one = paddle.to_tensor([[1]], "int32"), paddle.to_tensor([1])
    >>> round(paddle.nn.functional.ctc_loss(logits, labels, two, one).item(), 4)  # log(9 / 3)
    1.0986
    """
    need_tensor(log_probs, "ctc_loss", "log_probs"), need_tensor(labels, "ctc_loss", "labels")
    losses, _ = run_op(
        "warpctc", log_probs, labels, input_lengths, label_lengths, blank=blank,
        norm_by_times=bool(norm_by_times),
    )  # fmt: skip
    losses = run_op("squeeze2", losses, axes=[-1])
    if reduction == "mean":
        losses = losses / cast_to(label_lengths, losses.dtype)
    return reduce_loss(losses, reduction, "ctc_loss")


def dice_loss(
    input: Tensor, label: Tensor, epsilon: float = 1e-05, name: str | None = None
) -> Tensor:
    """1 - 2 * |intersection| / (|input| + |label|) of probabilities [..., C] and classes [..., 1].

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1.0, 0.0]])
    >>> round(paddle.nn.functional.dice_loss(x, paddle.to_tensor([[0]])).item(), 4)
    0.0
    """
    if input.ndim != label.ndim or label.shape[-1] != 1:
        raise ValueError(
            "dice_loss needs a label of input's dims whose last size is 1, got input "
            f"{input.shape} and label {label.shape}"
        )
    classes = one_hot(run_op("squeeze2", label, axes=[label.ndim - 1]), input.shape[-1])
    axes = list(range(1, input.ndim))
    inside = total(input * classes, axes)
    both = total(input, axes) + total(classes, axes)
    return mean(1 - inside * 2 / (both + epsilon))


def sigmoid_focal_loss(
    logit: Tensor, label: Tensor, normalizer: Tensor | None = None, alpha: float = 0.25,
    gamma: float = 2.0, reduction: str = "sum", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The binary cross entropy of logits, weighed down where it is small already.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([0.0])
    >>> round(paddle.nn.functional.sigmoid_focal_loss(x, paddle.ones([1])).item(), 4)
    0.0433
    """
    if reduction not in ("sum", "mean", "none"):
        reduce_loss(logit, reduction, "sigmoid_focal_loss")
    if normalizer is not None and normalizer.ndim > 1:
        raise ValueError(
            f"Expected zero or one dimension of normalizer in sigmoid_focal_loss but got "
            f"{normalizer.ndim}."
        )
    # As in Paddle, the cross entropy takes the label as a constant.
    loss = binary_cross_entropy_with_logits(logit, label.detach(), reduction="none")
    chance = run_op("sigmoid", logit)
    right = chance * label + (1 - chance) * (1 - label)
    loss = (alpha * label + (1 - alpha) * (1 - label)) * loss * (1 - right) ** gamma
    return reduce_loss(
        loss if normalizer is None else loss / normalizer, reduction, "sigmoid_focal_loss"
    )


def npair_loss(anchor: Tensor, positive: Tensor, labels: Tensor, l2_reg: float = 0.002) -> Tensor:
    """The cross entropy of which positive belongs to which anchor, [N, D] each, by equal labels
    [N], and `l2_reg` times their squares."""
    count = labels.shape[0]
    labels = run_op("reshape2", labels, shape=[count, 1])
    same = cast_to(run_op("equal", labels, run_op("transpose2", labels, axis=[1, 0])), float32)
    target = same / total(same, 1, keepdim=True)
    squares = mean(total(anchor * anchor, 1)) + mean(total(positive * positive, 1))
    scores = matmul(anchor, positive, transpose_y=True)
    entropy = softmax_with_cross_entropy(scores, target, soft_label=True)
    crossed = mean(total(target * entropy, 0))
    return squares * 0.25 * l2_reg + crossed


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, label: Tensor, margin: float = 0, reduction: str = "mean",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """1 - cos where the label is 1, max(0, cos - margin) where it is -1.

    >>> import wherry as paddle
    >>> x, y = paddle.ones([1, 2]), paddle.to_tensor([1])
    >>> round(paddle.nn.functional.cosine_embedding_loss(x, x, y).item(), 4)
    0.0
    """
    if label.ndim != 1:
        raise ValueError("1D target tensor expected, multi-target not supported")
    if input1.shape != input2.shape or input1.ndim > 2:
        raise ValueError(
            "cosine_embedding_loss needs two inputs [N, M] or [M] of one shape, got "
            f"{input1.shape} and {input2.shape}"
        )
    if input1.dtype.name not in ("float32", "float64"):
        raise ValueError("The data type of input Variable must be 'float32' or 'float64'")
    cosine = total(input1 * input2, -1) / run_op(
        "sqrt", (total(input1 * input1, -1) + 1e-12) * (total(input2 * input2, -1) + 1e-12)
    )
    zero = run_op("fill_any_like", cosine, value=0, dtype=cosine.dtype)
    loss = run_op("where", equal(label, 1), 1 - cosine, zero)
    loss = loss + run_op("where", equal(label, -1), clip(cosine - margin, min=0), zero)
    return reduce_loss(loss, reduction, "cosine_embedding_loss")


def triplet_margin_with_distance_loss(
    input: Tensor, positive: Tensor, negative: Tensor,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """max(0, distance to the positive - distance to the negative + margin); `swap` takes the
    smaller of the negative's distances to input and positive."""
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(input, positive), distance(input, negative)
    if swap:
        far = run_op("elementwise_min", far, distance(positive, negative))
    return reduce_loss(
        clip(near - far + margin, min=0.0), reduction, "triplet_margin_with_distance_loss"
    )


def triplet_margin_loss(
    input: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    epsilon: float = 1e-06, swap: bool = False, reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """`triplet_margin_with_distance_loss` by the p-norm of differences.

    >>> import wherry as paddle
    >>> x = paddle.zeros([1, 2])
    >>> paddle.nn.functional.triplet_margin_loss(x, x, x).item()
    1.0
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, epsilon)

    if margin <= 0:
        raise ValueError(f"The margin should be greater than 0, got {margin}")
    return triplet_margin_with_distance_loss(
        input, positive, negative, distance, margin, swap, reduction
    )


def multi_label_soft_margin_loss(
    input: Tensor, label: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean over classes of the binary cross entropies of logits [N, C] and labels of 0 and 1.

    >>> import wherry as paddle
    >>> x = paddle.zeros([1, 2])
    >>> round(paddle.nn.functional.multi_label_soft_margin_loss(x, x).item(), 4)
    0.6931
    """
    if input.shape != label.shape:
        raise ValueError(
            "The input and label should have same dimension, but received "
            f"{input.shape}!={label.shape}"
        )
    label = cast_to(label, input.dtype)
    loss = -(label * run_op("logsigmoid", input) + (1 - label) * run_op("logsigmoid", -input))
    loss = loss if weight is None else loss * weight
    return reduce_loss(mean(loss, -1), reduction, "multi_label_soft_margin_loss")


def multi_margin_loss(
    input: Tensor, label: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean over other classes of max(0, margin - score of the label + score) ** p.

    >>> import wherry as paddle
    >>> x, y = paddle.to_tensor([[3.0, 0.0]]), paddle.to_tensor([1])
    >>> paddle.nn.functional.multi_margin_loss(x, y).item()
    2.0
    """
    if label.ndim != 1 or input.ndim != 2 or input.shape[0] != label.shape[0]:
        raise ValueError(
            "multi_margin_loss needs input [N, C] and label [N], got "
            f"{input.shape} and {label.shape}"
        )
    column = run_op("reshape2", label, shape=[-1, 1])
    own = run_op("take_along_axis", input, column, Axis=1)
    loss = clip(margin - own + input, min=0.0)
    own_share: Any = margin**p  # what the label's own class adds, which does not count
    if weight is not None:
        weights = run_op("gather", weight, label, axis=0)
        loss, own_share = loss * run_op("reshape2", weights, shape=[-1, 1]), own_share * weights
    loss = total(loss if p == 1 else loss**p, 1) - own_share
    return reduce_loss(loss / input.shape[1], reduction, "multi_margin_loss")


def poisson_nll_loss(
    input: Tensor, label: Tensor, log_input: bool = True, full: bool = False,
    epsilon: float = 1e-8, reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The loss of counts that a Poisson distribution gave; `full` adds Stirling's approximation.

    >>> import wherry as paddle
    >>> x = paddle.zeros([1])
    >>> paddle.nn.functional.poisson_nll_loss(x, paddle.ones([1])).item()
    1.0
    """
    if epsilon <= 0:
        raise ValueError(f"The value of `epsilon` should be positive, but received {epsilon:f}")
    label = cast_to(label, input.dtype)
    loss = exp(input) - label * input if log_input else input - label * log(input + epsilon)
    if full:
        stirling = label * log(label) - label + 0.5 * log(2 * math.pi * label)
        zero = run_op("fill_any_like", loss, value=0, dtype=loss.dtype)
        loss = loss + run_op("where", label > 1, stirling, zero)
    return reduce_loss(loss, reduction, "poisson_nll_loss")


def gaussian_nll_loss(
    input: Tensor, label: Tensor, variance: Tensor, full: bool = False, epsilon: float = 1e-6,
    reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The loss of numbers that a normal distribution of mean `input` and this variance gave.

    >>> import wherry as paddle
    >>> x = paddle.ones([1])
    >>> paddle.nn.functional.gaussian_nll_loss(x, x, x).item()
    0.0
    """
    need_tensor(variance, "gaussian_nll_loss", "variance")
    if variance.shape != input.shape:
        if list(input.shape[:-1]) == list(variance.shape):
            variance = run_op("unsqueeze2", variance, axes=[variance.ndim])
        elif [*input.shape[:-1], 1] != list(variance.shape):
            raise ValueError(f"variance is of incorrect shape {variance.shape} for {input.shape}")
    low = run_op("fill_any_like", variance, value=epsilon, dtype=variance.dtype)
    # The limit is data: no gradient goes through it.
    limit = maximum(variance.detach(), low) - variance.detach()
    variance = variance + limit
    loss = 0.5 * (log(variance) + (input - label) ** 2 / variance)
    loss = loss + 0.5 * math.log(2 * math.pi) if full else loss
    return reduce_loss(loss, reduction, "gaussian_nll_loss")


__all__ = [
    "cosine_embedding_loss", "dice_loss", "gaussian_nll_loss", "multi_label_soft_margin_loss",
    "multi_margin_loss", "npair_loss", "poisson_nll_loss", "sigmoid_focal_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip
