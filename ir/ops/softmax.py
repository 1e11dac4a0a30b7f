"""softmax and log_softmax along an axis: composites over a maximum, a sum and maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..emit import Emitter, GradContext
from ..infer import TensorType, require, show
from ..opdef import f32, f64, lit, op, sample
from ..rules import axes_in, floats
from .build import Term, largest, total

Array = np.ndarray[Any, Any]


def _infer(x: TensorType, *, axis: int) -> TensorType:
    for found in axes_in(axis, x.ndim):
        message = f"needs at least one element along axis {axis}, got X of shape {show(x.shape)}"
        require(1, "<=", x.shape[found], message)
    return floats(x)


def _axes(x: Any, axis: int) -> tuple[int, ...]:
    """The axis as a tuple for numpy; empty for a 0-d tensor, whose only group is itself."""
    return (axis % x.ndim,) if x.ndim else ()


def shifted(x: Array, axis: int) -> Array:
    """x minus its maximum along the axis, so that exp cannot overflow."""
    return np.asarray(x - np.max(x, axis=_axes(x, axis), keepdims=True)) if x.size else x


def softmax_of(x: Array, axis: int) -> Array:
    """What softmax means, in x's dtype."""
    e = np.exp(_wide(shifted(x, axis)))
    return np.asarray(e / np.sum(e, axis=_axes(x, axis), keepdims=True)).astype(x.dtype, copy=False)


def log_softmax_of(x: Array, axis: int) -> Array:
    """What log_softmax means, in x's dtype."""
    d = _wide(shifted(x, axis))
    log_sum = np.log(np.sum(np.exp(d), axis=_axes(x, axis), keepdims=True))
    return np.asarray(d - log_sum).astype(x.dtype, copy=False)


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def expand_softmax(F: Emitter, x: Any, *, axis: int) -> Any:
    """softmax in primitives."""
    e = _shifted(F, x, axis).op("exp")
    # A product with the reciprocal rounds once more, and spares a division per element.
    return (e * Term(F, total(F, e.value, _emitted_axes(F, x, axis))).op("reciprocal")).value


def expand_log_softmax(F: Emitter, x: Any, *, axis: int) -> Any:
    """log_softmax in primitives: never the log of a softmax that has become 0."""
    d = _shifted(F, x, axis)
    log_sum = Term(F, total(F, d.op("exp").value, _emitted_axes(F, x, axis))).op("log")
    return (d - log_sum).value


def _emitted_axes(F: Emitter, x: Any, axis: int) -> list[int]:
    ndim = F.type_of(x).ndim
    return [axis % ndim] if ndim else []


def _shifted(F: Emitter, x: Any, axis: int) -> Term:
    if 0 in F.type_of(x).shape:  # nothing has no maximum
        return Term(F, x)
    return Term(F, x) - Term(F, largest(F, x, _emitted_axes(F, x, axis)))


def softmax_grad(F: Emitter, g: Any, out: Any, axis: int) -> Any:
    """The gradient of softmax from its result: (g - sum(g * out)) * out."""
    weighted = Term(F, g) * Term(F, out)
    inner = Term(F, total(F, weighted.value, _emitted_axes(F, out, axis)))
    return ((Term(F, g) - inner) * Term(F, out)).value


def _log_softmax_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    axis = c["axis"]
    sums = Term(F, total(F, c.g, _emitted_axes(F, c.x, axis)))
    return ((Term(F, c.g) - Term(F, c.out).op("exp") * sums).value,)


def _samples() -> list[Any]:
    return [
        sample(f32(3, 4)),
        sample(f32(2, 3, 4), axis=1),
        sample(f32(2, 3, 4), axis=0),
        sample(f64(2, 5, low=-50.0, high=50.0), grad=False),  # saturated: differences round to 0
        sample(f32(1)), sample(f32()), sample(f32(0, 3)), sample(f32(2, 1)),
        # Not finite, or so large that a naive exp would overflow.
        sample(lit([[1000.0, 999.0, -1000.0], [-1000.0, -1000.0, -999.0]]), grad=False),
        sample(lit([[1.0, -np.inf, 2.0], [np.nan, 1.0, 2.0]]), grad=False),
    ]  # fmt: skip


softmax = op(
    "softmax", "X",
    attrs={"axis": -1},
    infer=_infer,
    reference=lambda x, *, axis: softmax_of(x, axis),
    expand=expand_softmax,
    grad=lambda F, c: (softmax_grad(F, c.g, c.out, c["axis"]),),
    samples=_samples(),
)  # fmt: skip

log_softmax = op(
    "log_softmax", "X",
    attrs={"axis": -1},
    infer=_infer,
    reference=lambda x, *, axis: log_softmax_of(x, axis),
    expand=expand_log_softmax,
    grad=_log_softmax_grad,
    samples=_samples(),
)  # fmt: skip
