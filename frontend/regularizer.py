"""Weight decay as a penalty on the gradient."""

from __future__ import annotations

import numpy as np

from .tensor import Array


class Regularizer:
    """Adds the penalty's derivative to a gradient."""

    def __init__(self, coeff: float = 0.0) -> None:
        self.coeff = float(coeff)

    def __call__(self, param: Array, grad: Array) -> Array:
        """grad plus the derivative of the penalty at param."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")


class L2Decay(Regularizer):
    """0.5 * coeff * sum(param ** 2): adds coeff * param to the gradient.

    >>> L2Decay(0.1)(np.array([1.0]), np.array([0.0])).tolist()
    [0.1]
    """

    def __call__(self, param: Array, grad: Array) -> Array:
        penalized: Array = grad + param.dtype.type(self.coeff) * param
        return penalized

    def __str__(self) -> str:
        return f"L2Decay, coeff={self.coeff:f}"


class L1Decay(Regularizer):
    """coeff * sum(|param|): adds coeff * sign(param) to the gradient.

    >>> L1Decay(0.1)(np.array([-1.0]), np.array([0.0])).tolist()
    [-0.1]
    """

    def __call__(self, param: Array, grad: Array) -> Array:
        penalized: Array = grad + param.dtype.type(self.coeff) * np.sign(param)
        return penalized

    def __str__(self) -> str:
        return f"L1Decay, coeff={self.coeff:f}"
