"""Cross entropy from logits, and negative log likelihood: a class is picked by its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wherry.schema.errors import RunError

from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, axis_in, fail, require, show
from ..opdef import f32, f64, i64, lit, op, sample
from ..rules import floats, index_type, same_dtype, same_shape
from .build import Term, total, with_dim
from .grads import reshape_to
from .softmax import log_softmax_of, softmax_grad, softmax_of

Array = np.ndarray[Any, Any]


def _need_classes(x: TensorType, label: TensorType, axis: int, soft: bool) -> Shape:
    """The loss's shape: X's with 1 at the axis. Refuses a Label that does not fit."""
    wanted = with_dim(x.shape, axis, 1)
    if soft:
        same_dtype(x, label, "Logits and Label (soft_label)")
    else:
        index_type(label, "Label")
    needed = x.shape if soft else wanted
    message = (
        f"needs Label of shape {show(needed)} for Logits of shape {show(x.shape)}"
        f" (axis {axis}, soft_label {soft}), got Label = {show(label.shape)}"
    )
    same_shape(label.shape, needed, message)
    return wanted


def check_labels(label: Array, classes: int, ignore_index: int) -> None:
    """Raise RunError for a label outside [0, classes) that is not the one to ignore."""
    wrong = (label != ignore_index) & ((label < 0) | (label >= classes))
    if wrong.any():
        value = label.ravel()[int(np.argmax(wrong))]
        raise RunError(
            f"label {value} is out of range: needs 0 <= label < {classes}"
            f" or the ignore_index {ignore_index}"
        )


def picked(F: Emitter, values: Any, label: Any, axis: int, ignore_index: int) -> Term:
    """values at each label along the axis; anything where the label is ignored.

    A label out of range is an error of the gather.
    """
    index = Term(F, label)
    index = _equals(index, ignore_index).where(0, index)
    return Term(F, F.take_along_axis(values, index.value, Axis=axis))


def _equals(x: Term, number: int) -> Term:
    return x.op("equal", number)


def one_hot(F: Emitter, label: Any, like: Any, axis: int) -> Term:
    """The bool mask of `like`'s shape that is True where the class is the label."""
    shape = F.type_of(like).shape
    classes = F.range(start=0, end=shape[axis], step=1, dtype=F.type_of(label).dtype)
    view = [shape[axis] if i == axis else 1 for i in range(len(shape))]
    return Term(F, F.equal(label, reshape_to(F, classes, view)))


_CE_ATTRS: Mapping[str, Any] = {
    "soft_label": False, "use_softmax": True, "numeric_stable_mode": True, "ignore_index": -100,
    "axis": -1,
}  # fmt: skip


def _ce_infer(logits: TensorType, label: TensorType, **a: Any) -> tuple[TensorType, TensorType]:
    floats(logits, "Logits")
    axis = axis_in(a["axis"], logits.ndim)
    loss = _need_classes(logits, label, axis, a["soft_label"])
    return logits, TensorType(loss, logits.dtype)


def _ce(logits: Array, label: Array, **a: Any) -> tuple[Array, Array]:
    axis = a["axis"] % logits.ndim
    log_p = log_softmax_of(logits, axis) if a["use_softmax"] else np.log(logits)
    softmax = softmax_of(logits, axis) if a["use_softmax"] else logits.copy()
    if a["soft_label"]:
        return softmax, -np.sum(label * log_p, axis=axis, keepdims=True)
    check_labels(label, logits.shape[axis], a["ignore_index"])
    ignored = label == a["ignore_index"]
    chosen = np.take_along_axis(log_p, np.where(ignored, 0, label), axis)
    return softmax, np.where(ignored, logits.dtype.type(0), -chosen)


def _ce_expand(F: Emitter, logits: Any, label: Any, **a: Any) -> tuple[Any, Any]:
    axis = a["axis"] % F.type_of(logits).ndim
    log_p = F.log_softmax(logits, axis=axis) if a["use_softmax"] else F.log(logits)
    softmax = F.softmax(logits, axis=axis) if a["use_softmax"] else logits
    if a["soft_label"]:
        weighted = Term(F, label) * Term(F, log_p)
        return softmax, (-Term(F, total(F, weighted.value, [axis]))).value
    chosen = picked(F, log_p, label, axis, a["ignore_index"])
    return softmax, _equals(Term(F, label), a["ignore_index"]).where(0.0, -chosen).value


def _ce_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    logits, label = c.inputs
    axis = c["axis"] % F.type_of(logits).ndim
    g_softmax, g = c.grads
    soft, use_softmax = c["soft_label"], c["use_softmax"]
    dx = None
    if g is not None:
        value = Term(F, c.outputs[0])
        rule = _ce_grad_soft if soft else _ce_grad_hard
        dx = rule(F, Term(F, g), value, label, axis, c["ignore_index"], use_softmax)
    if g_softmax is not None:
        other = softmax_grad(F, g_softmax, c.outputs[0], axis) if use_softmax else g_softmax
        dx = Term(F, other) if dx is None else dx + Term(F, other)
    dlabel = None
    if soft and c.needs[1] and g is not None:
        log_p = F.log_softmax(logits, axis=axis) if use_softmax else F.log(logits)
        dlabel = (-Term(F, log_p) * Term(F, g)).value
    return None if dx is None else dx.value, dlabel


def _ce_grad_hard(
    F: Emitter, g: Term, value: Term, label: Any, axis: int, ignore: int, use_softmax: bool
) -> Term:
    """(softmax - one_hot) * g, or -one_hot / p * g; 0 where the label is ignored."""
    hot = one_hot(F, label, value.value, axis)
    g = _equals(Term(F, label), ignore).where(0.0, g)
    if not use_softmax:
        return hot.where(-g / value, value * 0.0)
    return hot.where(value - 1.0, value) * g


def _ce_grad_soft(
    F: Emitter, g: Term, value: Term, label: Any, axis: int, ignore: int, use_softmax: bool
) -> Term:
    """(softmax * sum(label) - label) * g, or -label / p * g."""
    if not use_softmax:
        return -Term(F, label) / value * g
    mass = Term(F, total(F, label, [axis]))
    return (value * mass - Term(F, label)) * g


def _labels(*shape: int, classes: int) -> Any:
    return i64(*shape, low=0, high=classes)


softmax_with_cross_entropy = op(
    "softmax_with_cross_entropy", "Logits Label", "Softmax Loss",
    attrs=_CE_ATTRS,
    infer=_ce_infer,
    reference=_ce,
    expand=_ce_expand,
    grad=_ce_grad,
    samples=[
        sample(f32(4, 5), _labels(4, 1, classes=5)),
        sample(f32(2, 5, 3), _labels(2, 1, 3, classes=5), axis=1),
        sample(f64(3, 4), lit([[1], [-100], [3]], "int64")),
        sample(f32(3, 4), lit([[1], [2], [3]], "int32"), ignore_index=2),
        sample(f32(4, 5), f32(4, 5, low=0.0), soft_label=True),
        sample(f64(2, 3, 4), f64(2, 3, 4, low=0.0), soft_label=True, axis=1),
        sample(f32(4, 5, low=0.1, high=1.0), _labels(4, 1, classes=5), use_softmax=False),
        sample(f64(4, 5, low=0.1), f64(4, 5, low=0.0), soft_label=True, use_softmax=False),
        sample(f32(0, 5), _labels(0, 1, classes=5)),
        # Differences of so large a loss round to nothing.
        sample(lit([[1000.0, 0.0], [-1000.0, 0.0]]), lit([[1], [0]], "int64"), grad=False),
    ],
)  # fmt: skip


def _nll_infer(
    x: TensorType, label: TensorType, weight: TensorType | None, *, ignore_index: int,
    reduction: str,
) -> tuple[TensorType, TensorType]:  # fmt: skip
    floats(x)
    index_type(label, "Label")
    if reduction not in ("none", "mean", "sum"):
        fail(f"needs reduction none, mean or sum, got {reduction!r}")
    message = (
        f"needs X [N, C, ...] and Label [N, ...], got X = {show(x.shape)}"
        f" and Label = {show(label.shape)}"
    )
    if x.ndim < 2:
        fail(message)
    wanted = (x.shape[0], *x.shape[2:])
    same_shape(label.shape, wanted, message)
    if weight is not None:
        need = f"needs Weight [{x.shape[1]}], one per class, got {show(weight.shape)}"
        same_dtype(x, weight, "X and Weight")
        require(weight.ndim, "==", 1, need)
        require(weight.shape[0], "==", x.shape[1], need)
    out = wanted if reduction == "none" else ()
    return TensorType(out, x.dtype), TensorType((), x.dtype)


def _nll(
    x: Array, label: Array, weight: Array | None, *, ignore_index: int, reduction: str
) -> tuple[Array, Array]:
    check_labels(label, x.shape[1], ignore_index)
    ignored = label == ignore_index
    index = np.where(ignored, 0, label)
    weights = np.ones(label.shape, x.dtype) if weight is None else weight[index]
    weights = np.where(ignored, x.dtype.type(0), weights)
    loss = -np.take_along_axis(x, index[:, None], 1)[:, 0] * weights
    loss = np.where(ignored, x.dtype.type(0), loss)
    total_weight = np.asarray(np.sum(weights), x.dtype)
    if reduction == "none":
        return loss, total_weight
    summed = np.asarray(np.sum(loss), x.dtype)
    return (summed / total_weight if reduction == "mean" else summed), total_weight


def _nll_weights(F: Emitter, x: Any, label: Any, weight: Any, ignore_index: int) -> Term:
    """The weight of each element, 0 where it is ignored."""
    ignored = _equals(Term(F, label), ignore_index)
    if weight is None:
        ones = F.full(F.type_of(label).shape, 1.0, F.type_of(x).dtype)
        return ignored.where(0.0, Term(F, ones))
    shape = F.type_of(label).shape
    index = reshape_to(F, label, (F.type_of(label).size,))
    return ignored.where(
        0.0, Term(F, reshape_to(F, picked(F, weight, index, 0, ignore_index).value, shape))
    )


def _nll_expand(
    F: Emitter, x: Any, label: Any, weight: Any, *, ignore_index: int, reduction: str
) -> tuple[Any, Any]:
    shape = F.type_of(label).shape
    column = reshape_to(F, label, (shape[0], 1, *shape[1:]))
    chosen = Term(F, reshape_to(F, picked(F, x, column, 1, ignore_index).value, shape))
    weights = _nll_weights(F, x, label, weight, ignore_index)
    ignored = _equals(Term(F, label), ignore_index)
    loss = ignored.where(0.0, -(chosen * weights))
    axes = list(range(len(shape)))
    total_weight = Term(F, total(F, weights.value, axes, keep=False))
    if reduction == "none":
        return loss.value, total_weight.value
    summed = Term(F, total(F, loss.value, axes, keep=False))
    out = summed / total_weight if reduction == "mean" else summed
    return out.value, total_weight.value


def _nll_grad(F: Emitter, c: GradContext) -> tuple[Any, None, None]:
    """X's gradient; Weight is data here, as in Paddle."""
    x, label, weight = c.inputs
    if c.grads[0] is None:
        return None, None, None
    shape = F.type_of(label).shape
    column = (shape[0], 1, *shape[1:])
    weights = _nll_weights(F, x, label, weight, c["ignore_index"])
    if c["reduction"] == "mean":
        weights = weights / Term(F, c.outputs[1])
    g = weights * Term(F, c.grads[0])
    spread = Term(F, reshape_to(F, g.value, column))
    hot = one_hot(F, reshape_to(F, label, column), x, 1)
    return hot.where(-spread, 0.0).value, None, None


nll_loss = op(
    "nll_loss", "X Label Weight?", "Out Total_weight",
    attrs={"ignore_index": -100, "reduction": "mean"},
    infer=_nll_infer,
    reference=_nll,
    expand=_nll_expand,
    grad=_nll_grad,
    samples=[
        sample(f32(4, 5), _labels(4, classes=5)),
        sample(f64(4, 5), lit([1, -100, 0, 4], "int64"), reduction="sum"),
        sample(f32(2, 3, 2), _labels(2, 2, classes=3), reduction="none"),
        sample(f32(4, 3), lit([1, 2, 0, 1], "int32"), f32(3, low=0.2), ignore_index=1, grad=False),
        sample(f32(0, 3), _labels(0, classes=3), reduction="sum"),
    ],
)  # fmt: skip
