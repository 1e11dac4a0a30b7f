"""Losses. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

from typing import Any

from wherry.schema.errors import OpError

from ...dispatch import layer_name, run_op, tracer
from ...location import user_location
from ...ops.convert import cast_to, need_tensor, scalar
from ...tensor import Tensor
from .common import label_smooth, one_hot


def reduce_loss(loss: Tensor, reduction: str, function: str) -> Tensor:
    """The loss reduced as asked. Raises ValueError for another word."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"The value of 'reduction' in {function} should be 'sum', 'mean' or 'none', but "
            f"received {reduction}, which is not allowed."
        )
    if reduction == "none":
        return loss
    return run_op(f"reduce_{reduction}", loss, reduce_all=True)  # type: ignore[no-any-return]


def softmax_with_cross_entropy(
    logits: Tensor, label: Tensor, soft_label: bool = False, ignore_index: int = -100,
    numeric_stable_mode: bool = True, return_softmax: bool = False, axis: int = -1,
) -> Any:  # fmt: skip
    """The cross entropy of softmax(logits) along an axis, which the loss keeps with size 1.

    label: class numbers (with size 1 on the axis), or probabilities like logits if `soft_label`.
    """
    label = _column(logits, label, soft_label, axis)
    softmax, loss = run_op(
        "softmax_with_cross_entropy", logits, label, soft_label=soft_label,
        ignore_index=ignore_index, numeric_stable_mode=numeric_stable_mode, axis=axis,
    )  # fmt: skip
    return (loss, softmax) if return_softmax else loss


def _column(logits: Tensor, label: Tensor, soft_label: bool, axis: int) -> Tensor:
    """A label with as many dims as the logits; a constant, as in Paddle: no gradient enters it."""
    if label.ndim == logits.ndim - 1 and not soft_label:
        return run_op("unsqueeze2", label, axes=[axis % logits.ndim])  # type: ignore[no-any-return]
    if label.ndim != logits.ndim:
        raise OpError(
            f"needs a label of {logits.ndim - 1} or {logits.ndim} dims for input "
            f"{logits.shape}, got label {label.shape}",
            "cross_entropy", user_location(),
        )  # fmt: skip
    return label if label.stop_gradient else label.detach()


def cross_entropy(
    input: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean", soft_label: bool = False, axis: int = -1, use_softmax: bool = True,
    label_smoothing: float = 0.0, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The cross entropy of class scores `input` [..., C] against labels.

    label: class numbers [...] or [..., 1], or probabilities [..., C] if `soft_label`. `weight` [C]
    weighs the classes; `ignore_index` marks labels that do not count, not in the mean either.
    Without `use_softmax` the input holds probabilities. A label out of range raises RunError.

    >>> import wherry as paddle
    >>> loss = paddle.nn.functional.cross_entropy(paddle.zeros([2, 4]), paddle.to_tensor([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """
    need_tensor(input, "cross_entropy", "input"), need_tensor(label, "cross_entropy", "label")
    if reduction not in ("mean", "sum", "none"):
        reduce_loss(input, reduction, "softmax_cross_entropy")
    given_ndim = label.ndim
    if label_smoothing > 0.0:
        if not soft_label:
            flat = run_op("squeeze2", label, axes=[axis]) if given_ndim == input.ndim else label
            label, soft_label = cast_to(one_hot(flat, input.shape[axis]), input.dtype), True
        label = label_smooth(label, epsilon=label_smoothing)
    label = _column(input, label, soft_label, axis)
    _, loss = run_op(
        "softmax_with_cross_entropy", input, label, soft_label=soft_label, use_softmax=use_softmax,
        ignore_index=ignore_index, axis=axis,
    )  # fmt: skip
    weights = _class_weights(input, label, weight, soft_label, ignore_index, axis)
    if weights is not None:
        loss = loss * weights
    if reduction == "none":
        return run_op("squeeze2", loss, axes=[axis]) if given_ndim == input.ndim - 1 else loss  # type: ignore[no-any-return]
    if reduction == "sum":
        return run_op("reduce_sum", loss, reduce_all=True)  # type: ignore[no-any-return]
    return _mean_over_counted(loss, label, weights, soft_label, ignore_index)


def _class_weights(
    input: Tensor,
    label: Tensor,
    weight: Tensor | None,
    soft_label: bool,
    ignore_index: int,
    axis: int,
) -> Tensor | None:
    """What each loss is multiplied by, in the loss' shape; None without class weights."""
    if weight is None:
        return None
    if soft_label:
        shape = [1] * input.ndim
        shape[axis] = -1
        spread = label * run_op("reshape2", cast_to(weight, input.dtype), shape=shape)
        return run_op("reduce_sum", spread, dim=[axis], keep_dim=True)  # type: ignore[no-any-return]
    ignored = run_op("equal", label, scalar(ignore_index, label.dtype))
    known = run_op("where", ignored, scalar(0, label.dtype), label)
    flat = run_op("gather", weight, run_op("reshape2", known, shape=[-1]), axis=0)
    taken = run_op("reshape2", flat, shape=list(label.shape))
    return run_op("where", ignored, scalar(0.0, weight.dtype), taken)  # type: ignore[no-any-return]


def _mean_over_counted(
    loss: Tensor, label: Tensor, weights: Tensor | None, soft_label: bool, ignore_index: int
) -> Tensor:
    if weights is not None:
        return _quotient(loss, weights)
    none_ignored = (
        tracer.get() is None and not soft_label and not (label.array == ignore_index).any()
    )
    if soft_label or none_ignored:
        return run_op("reduce_mean", loss, reduce_all=True)  # type: ignore[no-any-return]
    with layer_name("counted"):
        counted = cast_to(run_op("not_equal", label, scalar(ignore_index, label.dtype)), loss.dtype)
    return _quotient(loss, counted)


def _quotient(loss: Tensor, weights: Tensor) -> Tensor:
    """The sum of the losses by that of their weights, 0 where that is 0. It is named as a mean."""
    with layer_name("counted"):
        total, count = (run_op("reduce_sum", one, reduce_all=True) for one in (loss, weights))
        count += cast_to(run_op("equal", count, scalar(0, count.dtype)), count.dtype)
    with layer_name("mean"):
        return run_op("elementwise_div", total, count)  # type: ignore[no-any-return]


def nll_loss(
    input: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean", name: str | None = None,
) -> Tensor:  # fmt: skip
    """The negative of the log-probabilities `input` [N, C, ...] at the labels [N, ...].

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[-1.0, -2.0]])
    >>> paddle.nn.functional.nll_loss(x, paddle.to_tensor([1])).item()
    2.0
    """
    out: Tensor = run_op(
        "nll_loss", input, label, weight, ignore_index=ignore_index, reduction=reduction
    )[0]
    return out


def mse_loss(
    input: Tensor, label: Tensor, reduction: str = "mean", name: str | None = None
) -> Tensor:
    """(input - label) ** 2.

    >>> import wherry as paddle
    >>> paddle.nn.functional.mse_loss(paddle.ones([2]), paddle.zeros([2])).item()
    1.0
    """
    return reduce_loss(square_error_cost(input, label), reduction, "mse_loss")


def square_error_cost(input: Tensor, label: Tensor) -> Tensor:
    """(input - label) ** 2, elementwise.

    >>> import wherry as paddle
    >>> paddle.nn.functional.square_error_cost(paddle.ones([1]), paddle.zeros([1])).tolist()
    [1.0]
    """
    with layer_name("square_error_cost"):
        return run_op("square", input - label)  # type: ignore[no-any-return]


def l1_loss(
    input: Tensor, label: Tensor, reduction: str = "mean", name: str | None = None
) -> Tensor:
    """|input - label|.

    >>> import wherry as paddle
    >>> paddle.nn.functional.l1_loss(paddle.ones([2]), paddle.zeros([2]), "sum").item()
    2.0
    """
    return reduce_loss(run_op("abs", input - label), reduction, "l1_loss")


def smooth_l1_loss(
    input: Tensor,
    label: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    name: str | None = None,
) -> Tensor:
    """0.5 * d * d where |d| < delta, else delta * (|d| - 0.5 * delta), d = input - label.

    >>> import wherry as paddle
    >>> paddle.nn.functional.smooth_l1_loss(paddle.to_tensor([3.0]), paddle.zeros([1])).item()
    2.5
    """
    loss = run_op("huber_loss", input, label, delta=float(delta))[0]
    return reduce_loss(loss, reduction, "smooth_l1_loss")


def binary_cross_entropy(
    input: Tensor, label: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """-(label * log(input) + (1 - label) * log(1 - input)) for probabilities.

    >>> import wherry as paddle
    >>> loss = paddle.nn.functional.binary_cross_entropy(paddle.to_tensor([0.5]), paddle.ones([1]))
    >>> round(loss.item(), 4)
    0.6931
    """
    loss = run_op("bce_loss", input, label)
    return reduce_loss(loss if weight is None else loss * weight, reduction, "binary_cross_entropy")


def binary_cross_entropy_with_logits(
    logit: Tensor, label: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    pos_weight: Tensor | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """binary_cross_entropy of sigmoid(logit), without overflow; `pos_weight` weighs the positive
    labels.

    >>> import wherry as paddle
    >>> F = paddle.nn.functional
    >>> round(F.binary_cross_entropy_with_logits(paddle.zeros([1]), paddle.ones([1])).item(), 4)
    0.6931
    """
    positive = (
        None if pos_weight is None else run_op("expand_v2", pos_weight, shape=list(logit.shape))
    )
    loss = run_op("sigmoid_cross_entropy_with_logits", logit, label, positive)
    loss = loss if weight is None else loss * weight
    return reduce_loss(loss, reduction, "binary_cross_entropy_with_logits")


def kl_div(
    input: Tensor, label: Tensor, reduction: str = "mean", name: str | None = None
) -> Tensor:
    """label * (log(label) - input) for log-probabilities `input`; "batchmean" divides by the batch
    size.

    >>> import wherry as paddle
    >>> paddle.nn.functional.kl_div(paddle.zeros([1]), paddle.ones([1])).item()
    0.0
    """
    return run_op("kldiv_loss", input, label, reduction=reduction)  # type: ignore[no-any-return]


def margin_ranking_loss(
    input: Tensor, other: Tensor, label: Tensor, margin: float = 0.0, reduction: str = "mean",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """max(0, -label * (input - other) + margin), label 1 or -1."""
    loss = run_op("relu", (other - input) * label + margin)
    return reduce_loss(loss, reduction, "margin_ranking_loss")


def hinge_embedding_loss(
    input: Tensor,
    label: Tensor,
    margin: float = 1.0,
    reduction: str = "mean",
    name: str | None = None,
) -> Tensor:
    """input where label is 1, max(0, margin - input) where it is -1."""
    loss = run_op(
        "where",
        run_op("equal", label, scalar(1, label.dtype)),
        input,
        run_op("relu", margin - input),
    )
    return reduce_loss(loss, reduction, "hinge_embedding_loss")


def log_loss(
    input: Tensor, label: Tensor, epsilon: float = 1e-4, name: str | None = None
) -> Tensor:
    """-label * log(input + epsilon) - (1 - label) * log(1 - input + epsilon)."""
    hit = label * run_op("log", input + epsilon)
    miss = (1.0 - label) * run_op("log", 1.0 - input + epsilon)
    return -(hit + miss)  # type: ignore[no-any-return]


def soft_margin_loss(
    input: Tensor, label: Tensor, reduction: str = "mean", name: str | None = None
) -> Tensor:
    """log(1 + exp(-label * input)), label 1 or -1."""
    loss = run_op("softplus", -(cast_to(label, input.dtype) * input))
    return reduce_loss(loss, reduction, "soft_margin_loss")


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "hinge_embedding_loss", "kl_div", "l1_loss", "log_loss", "margin_ranking_loss", "mse_loss",
    "nll_loss", "smooth_l1_loss", "soft_margin_loss", "softmax_with_cross_entropy",
    "square_error_cost",
]  # fmt: skip
