"""Pointwise losses: binary cross entropy, Huber, Kullback-Leibler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, show
from ..opdef import Sample, f32, f64, lit, op, sample
from ..rules import broadcast, floats, same_dtype, same_shape
from ..scalar import Scalar, ScalarBuilder
from .build import Term, mean, total
from .grads import unbroadcast

Array = np.ndarray[Any, Any]


def _pairwise(
    type: str,
    slots: str,
    meaning: Callable[..., Any],
    formula: Callable[..., Scalar],
    rules: Sequence[Callable[..., Term]],
    samples: Sequence[Sample],
    attrs: Mapping[str, Any] | None = None,
    output: str = "Out",
) -> None:
    """Declare a pointwise loss of two operands; `rules` are the gradients of both, on Terms."""

    def reference(x: Array, y: Array, **attrs: Any) -> Array:
        return np.asarray(meaning(x, y, **attrs)).astype(x.dtype, copy=False)

    def grad(F: Emitter, c: GradContext) -> list[Any]:
        g, x, y = (Term(F, value) for value in (c.g, c.x, c.y))
        return [
            unbroadcast(F, rule(g, x, y, **c.attrs).value, c.inputs[i]) if c.needs[i] else None
            for i, rule in enumerate(rules)
        ]

    op(
        type, slots, output, attrs=attrs, infer=lambda x, y, **_: broadcast(floats(x), y),
        reference=reference, scalar=formula, grad=grad, samples=samples,
    )  # fmt: skip


def _unit(*shape: int, wide: bool = False) -> Any:
    return (f64 if wide else f32)(*shape, low=0.05, high=0.95)


def _bce_formula(b: ScalarBuilder, x: Scalar, label: Scalar) -> Scalar:
    yes, no = b.max(b.log(x), -100.0), b.max(b.log(1.0 - x), -100.0)
    return (label - 1.0) * no - label * yes


def _bce(x: Array, label: Array) -> Array:
    of = x.dtype.type
    yes, no = np.maximum(np.log(x), of(-100)), np.maximum(np.log(of(1) - x), of(-100))
    return np.asarray((label - of(1)) * no - label * yes)


_pairwise(
    "bce_loss", "X Label", _bce, _bce_formula,
    [
        lambda g, x, label: g
        * (x - label)
        / ((1.0 - x) * x).op("elementwise_max", 1e-12),
        lambda g, x, label: g
        * (
            (1.0 - x).op("log").op("elementwise_max", -100.0)
            - x.op("log").op("elementwise_max", -100.0)
        ),
    ],
    [
        sample(_unit(3, 4), _unit(3, 4)), sample(_unit(5, wide=True), _unit(5, wide=True)),
        sample(_unit(0), _unit(0)), sample(_unit(), _unit()),
        sample(lit([0.0, 1.0, 0.0, 1.0, np.nan]), lit([0.0, 1.0, 1.0, 0.0, 1.0]), grad=False),
    ],
)  # fmt: skip


def _huber(x: Array, y: Array, delta: float) -> tuple[Array, Array]:
    of = x.dtype.type
    residual = y - x
    size = np.abs(residual)
    small = of(0.5) * residual * residual
    large = of(delta) * (size - of(0.5 * delta))
    return np.where(size <= of(delta), small, large), residual


def _huber_expand(F: Emitter, x: Any, y: Any, *, delta: float) -> tuple[Any, Any]:
    residual = Term(F, y) - Term(F, x)
    size = abs(residual)
    small, large = residual * residual * 0.5, (size - 0.5 * delta) * delta
    return (size <= delta).where(small, large).value, residual.value


def _huber_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    delta, residual = c["delta"], Term(F, c.y) - Term(F, c.x)
    dy = residual * 0.0
    if c.grads[0] is not None:
        slope = residual.op("elementwise_max", -delta).op("elementwise_min", delta)
        dy = Term(F, c.grads[0]) * slope
    if c.grads[1] is not None:
        dy = dy + Term(F, c.grads[1])
    return unbroadcast(F, (-dy).value, c.x), unbroadcast(F, dy.value, c.y)


def _huber_infer(x: TensorType, y: TensorType, **_: Any) -> tuple[TensorType, TensorType]:
    out = broadcast(floats(x), y)
    return out, out


huber_loss = op(
    "huber_loss", "X Y", "Out Residual",
    attrs={"delta": 1.0},
    infer=_huber_infer,
    reference=_huber,
    expand=_huber_expand,
    grad=_huber_grad,
    samples=[
        sample(f32(3, 4), f32(3, 4)), sample(f64(6), f64(6), delta=0.3),
        sample(f32(3, 1), f32(1, 4), delta=2.0), sample(f32(0), f32(0)),
        sample(lit([0.0, np.nan, np.inf]), lit([0.0, 1.0, 1.0]), grad=False),  # not finite
    ],
)  # fmt: skip


def _counted(label: Array, ignore_index: int) -> Array:
    return np.asarray(label != label.dtype.type(ignore_index))


def _sigmoid_ce(
    x: Array, label: Array, pos_weight: Array | None, *, ignore_index: int, normalize: bool
) -> Array:
    of = x.dtype.type
    # -label * log(sigmoid(x)) * w - (1 - label) * log(1 - sigmoid(x)), without overflow.
    tail = np.log1p(np.exp(-np.abs(x))) + np.maximum(-x, 0)
    weight = 1 if pos_weight is None else (pos_weight - of(1)) * label + of(1)
    loss = (of(1) - label) * x + weight * tail
    counted = _counted(label, ignore_index)
    loss = np.where(counted, loss, of(0))
    return np.asarray(loss / of(max(counted.sum(), 1)) if normalize else loss, x.dtype)


def _sigmoid_ce_expand(
    F: Emitter, x: Any, label: Any, pos_weight: Any, *, ignore_index: int, normalize: bool
) -> Any:
    value, target = Term(F, x), Term(F, label)
    tail = -value.op("logsigmoid")
    if pos_weight is not None:
        tail = ((Term(F, pos_weight) - 1.0) * target + 1.0) * tail
    loss = (1.0 - target) * value + tail
    ignored = target.op("equal", float(ignore_index))
    loss = ignored.where(0.0, loss)
    return (loss / _count(F, ignored, target)).value if normalize else loss.value


def _count(F: Emitter, ignored: Term, target: Term) -> Term:
    """How many labels are not ignored, at least 1."""
    ones = ignored.where(0.0, target * 0.0 + 1.0)
    axes = list(range(F.type_of(ones.value).ndim))
    return Term(F, total(F, ones.value, axes, keep=False)).op("elementwise_max", 1.0)


def _sigmoid_ce_grad(F: Emitter, c: GradContext) -> tuple[Any, Any, Any]:
    x, label, weight = Term(F, c.x), Term(F, c.y), c.inputs[2]
    ignored = label.op("equal", float(c["ignore_index"]))
    g = ignored.where(0.0, Term(F, c.g))
    g = g / _count(F, ignored, label) if c["normalize"] else g
    tail = -x.op("logsigmoid")
    factor = None if weight is None else (Term(F, weight) - 1.0) * label + 1.0
    rise = -(-x).op("sigmoid")
    dx = g * (1.0 - label + (rise if factor is None else factor * rise))
    dlabel = -x if weight is None else (Term(F, weight) - 1.0) * tail - x
    dweight = None
    if weight is not None and c.needs[2]:
        dweight = unbroadcast(F, (g * label * tail).value, weight)
    return dx.value, (g * dlabel).value, dweight


def _sigmoid_ce_infer(
    x: TensorType, label: TensorType, pos_weight: TensorType | None, **_: Any
) -> TensorType:
    message = f"needs Label of X's shape {show(x.shape)}, got Label = {show(label.shape)}"
    same_dtype(floats(x), label, "X and Label")
    same_shape(x.shape, label.shape, message)
    return x if pos_weight is None else broadcast(x, pos_weight)


op(
    "sigmoid_cross_entropy_with_logits", "X Label pos_weight?",
    attrs={"ignore_index": -100, "normalize": False},
    infer=_sigmoid_ce_infer,
    reference=_sigmoid_ce,
    expand=_sigmoid_ce_expand,
    grad=_sigmoid_ce_grad,
    samples=[
        sample(f32(3, 4), _unit(3, 4)),
        sample(f64(3, 4), _unit(3, 4, wide=True), f64(4, low=0.5)),
        sample(f64(2, 3), _unit(2, 3, wide=True), normalize=True),
        # A label that counts no more when it moves: a step.
        sample(f64(2, 2), lit([[1.0, -100.0], [0.0, 1.0]], "float64"), normalize=True, grad=False),
        sample(lit([-1000.0, 1000.0, -1000.0]), lit([0.0, 1.0, 1.0]), grad=False),  # saturated
        sample(f32(0), f32(0)),
    ],
)  # fmt: skip


def _kldiv(x: Array, target: Array, *, reduction: str) -> Array:
    positive = target > 0
    safe = np.where(positive, target, 1)
    loss = np.where(positive, target * (np.log(safe) - x), x.dtype.type(0))
    if reduction == "none":
        return np.asarray(loss)
    count = {"mean": loss.size, "batchmean": x.shape[0] if x.ndim else 1, "sum": 1}[reduction]
    return np.asarray(np.sum(loss) / x.dtype.type(count), x.dtype)


def _kldiv_expand(F: Emitter, x: Any, target: Any, *, reduction: str) -> Any:
    goal = Term(F, target)
    log = (goal > 0.0).where(goal, 1.0).op("log")
    loss = (goal > 0.0).where(goal * (log - Term(F, x)), 0.0)
    return _reduced(F, loss, reduction)


def _reduced(F: Emitter, loss: Term, reduction: str) -> Any:
    t = F.type_of(loss.value)
    axes = list(range(t.ndim))
    if reduction == "none":
        return loss.value
    if reduction == "mean":
        return mean(F, loss.value, axes, keep=False)
    summed = Term(F, total(F, loss.value, axes, keep=False))
    if reduction == "batchmean" and t.ndim:
        summed = summed / Term(F, F.full((), t.shape[0], t.dtype))
    return summed.value


def _kldiv_infer(x: TensorType, target: TensorType, *, reduction: str) -> TensorType:
    if reduction not in ("none", "mean", "batchmean", "sum"):
        fail(f"needs reduction none, mean, batchmean or sum, got {reduction!r}")
    message = f"needs Target of X's shape {show(x.shape)}, got Target = {show(target.shape)}"
    same_dtype(floats(x), target, "X and Target")
    same_shape(x.shape, target.shape, message)
    return x if reduction == "none" else TensorType((), x.dtype)


def _kldiv_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    x, target = Term(F, c.x), Term(F, c.y)
    g = Term(F, c.g)
    if c["reduction"] == "mean":
        g = g / Term(F, F.full((), F.type_of(c.x).size, F.type_of(c.x).dtype))
    if c["reduction"] == "batchmean" and F.type_of(c.x).ndim:
        g = g / Term(F, F.full((), F.type_of(c.x).shape[0], F.type_of(c.x).dtype))
    log = (target > 0.0).where(target, 1.0).op("log")
    dx = (target > 0.0).where(-(target * g), 0.0)
    dtarget = (target > 0.0).where((log - x + 1.0) * g, 0.0)
    return dx.value, dtarget.value


op(
    "kldiv_loss", "X Target", "Loss",
    attrs={"reduction": "mean"},
    infer=_kldiv_infer,
    reference=_kldiv,
    expand=_kldiv_expand,
    grad=_kldiv_grad,
    samples=[
        sample(f32(3, 4), _unit(3, 4)), sample(f64(3, 4), _unit(3, 4, wide=True), reduction="sum"),
        sample(f32(3, 4), _unit(3, 4), reduction="batchmean"),
        sample(f32(3, 4), _unit(3, 4), reduction="none"), sample(f32(), _unit()),
        sample(f32(0, 2), f32(0, 2), reduction="sum"),
        sample(f32(3), lit([0.0, -1.0, 0.5]), grad=False),  # a kink at 0
    ],
)  # fmt: skip
