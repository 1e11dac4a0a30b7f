"""What is done to gradients before an optimizer's step, as ops of the Program: clipping and weight
decay.
"""

from __future__ import annotations

from typing import Any

from ..jit.tracer import ProgramTracer
from ..nn.clip import ClipGradBase, ClipGradByGlobalNorm, ClipGradByNorm, ClipGradByValue
from ..regularizer import L1Decay, L2Decay, Regularizer
from ..traced import Traced

Pairs = list[tuple[Any, Traced]]


def clipped(tracer: ProgramTracer, clip: ClipGradBase | None, pairs: Pairs) -> Pairs:
    """The (parameter, gradient) pairs with clipped gradients, where need_clip is True.

    Raises TypeError for a clip whose `clip` works on arrays: it cannot be a part of a Program.
    """
    chosen = [(param, grad) for param, grad in pairs if param.need_clip]
    if clip is None or not chosen:
        return pairs
    emit, kind = tracer.emit, type(clip)
    if isinstance(clip, ClipGradByValue) and kind.clip is ClipGradByValue.clip:
        found = [emit("clip", grad, min=clip.min, max=clip.max) for _, grad in chosen]
    elif isinstance(clip, ClipGradByNorm) and kind.clip is ClipGradByNorm.clip:
        found = [emit("clip_by_norm", grad, max_norm=clip.clip_norm) for _, grad in chosen]
    elif isinstance(clip, ClipGradByGlobalNorm) and kind.clip is ClipGradByGlobalNorm.clip:
        found = _by_global_norm(tracer, clip.clip_norm, [grad for _, grad in chosen])
    else:
        raise TypeError(
            f"{kind.__name__} clips arrays, which a Program cannot: give minimize one of "
            "paddle.nn.ClipGradByValue, ClipGradByNorm and ClipGradByGlobalNorm"
        )
    new = {param.name: grad for (param, _), grad in zip(chosen, found, strict=True)}
    return [(param, new.get(param.name, grad)) for param, grad in pairs]


def _by_global_norm(tracer: ProgramTracer, clip_norm: float, grads: list[Traced]) -> list[Any]:
    emit = tracer.emit
    squares = emit("sum", [emit("squared_l2_norm", grad) for grad in grads])
    limit = emit("fill_constant", shape=[1], value=clip_norm, dtype=squares.dtype)
    factor = emit("elementwise_div", limit, emit("elementwise_max", limit, emit("sqrt", squares)))
    return [_scaled(tracer, grad, factor) for grad in grads]


def _scaled(tracer: ProgramTracer, grad: Traced, factor: Traced) -> Any:
    if not grad.ndim:
        factor = tracer.emit("reshape2", factor, shape=[])
    return tracer.emit("elementwise_mul", grad, factor)


def decayed(tracer: ProgramTracer, penalty: Regularizer | None, param: Traced, grad: Traced) -> Any:
    """The gradient plus the derivative of the penalty. TypeError for a penalty on arrays."""
    if penalty is None:
        return grad
    if type(penalty) not in (L1Decay, L2Decay):
        raise TypeError(
            f"{type(penalty).__name__} works on arrays, which a Program cannot: use "
            "paddle.regularizer.L1Decay or L2Decay"
        )
    source = tracer.emit("sign", param) if type(penalty) is L1Decay else param
    scaled = tracer.emit("scale", source, scale=penalty.coeff, bias=0.0)
    return tracer.emit("sum", [grad, scaled])
