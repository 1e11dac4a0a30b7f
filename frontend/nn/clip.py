"""Gradient clipping: objects given to an optimizer as `grad_clip`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Array, Parameter

Pairs = list[tuple[Parameter, Array]]


class ClipGradBase:
    """Changes (parameter, gradient) pairs before a step, but not where need_clip is False."""

    def clip(self, pairs: Pairs) -> Pairs:
        """The pairs with clipped gradients."""
        raise NotImplementedError(f"{type(self).__name__} clips nothing")

    def __call__(self, params_grads: Any) -> Any:
        """The same on (parameter, gradient Tensor) pairs."""
        from ..tensor import Tensor

        given = [(p, g.array) for p, g in params_grads if g is not None]
        return [(p, Tensor(g)) for p, g in self.clip(given)]


class ClipGradByValue(ClipGradBase):
    """Each element limited to [min, max]; min is -max by default."""

    def __init__(self, max: float, min: float | None = None) -> None:
        if min is None and max <= 0:
            raise ValueError(f"ClipGradByValue needs max > 0 without min, got {max}")
        self.max = float(max)
        self.min = -self.max if min is None else float(min)

    def clip(self, pairs: Pairs) -> Pairs:
        return [(p, np.clip(g, self.min, self.max) if p.need_clip else g) for p, g in pairs]

    def __str__(self) -> str:
        return f"Clip Gradient By Value, min = {self.min:f}, max={self.max:f}"


class ClipGradByNorm(ClipGradBase):
    """Each gradient scaled to a 2-norm of at most clip_norm."""

    def __init__(self, clip_norm: float) -> None:
        self.clip_norm = float(clip_norm)

    def clip(self, pairs: Pairs) -> Pairs:
        return [(p, self._one(g) if p.need_clip else g) for p, g in pairs]

    def _one(self, grad: Array) -> Array:
        norm = np.sqrt(np.sum(np.square(grad)))
        return grad if norm <= self.clip_norm else grad * grad.dtype.type(self.clip_norm / norm)

    def __str__(self) -> str:
        return f"Gradient Clip By Norm, clip_norm={self.clip_norm:f}"


class ClipGradByGlobalNorm(ClipGradBase):
    """All gradients scaled by one factor, so that their common 2-norm is at most clip_norm."""

    def __init__(
        self, clip_norm: float, group_name: str = "default_group", auto_skip_clip: bool = False
    ) -> None:
        self.clip_norm, self.auto_skip_clip = float(clip_norm), auto_skip_clip

    def clip(self, pairs: Pairs) -> Pairs:
        squares = [np.sum(np.square(g)) for p, g in pairs if p.need_clip]
        if not squares:
            return pairs
        norm = np.sqrt(sum(squares))
        if self.auto_skip_clip and norm <= self.clip_norm:
            return pairs
        factor = self.clip_norm / max(norm, self.clip_norm)
        return [(p, g * g.dtype.type(factor) if p.need_clip else g) for p, g in pairs]

    def __str__(self) -> str:
        return f"Gradient Clip By GlobalNorm, global_norm={self.clip_norm:f}"


__all__ = ["ClipGradBase", "ClipGradByGlobalNorm", "ClipGradByNorm", "ClipGradByValue"]
