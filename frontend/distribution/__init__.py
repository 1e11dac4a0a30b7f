"""`paddle.distribution`: random numbers with their probabilities."""

from .base import Distribution, ExponentialFamily, kl_divergence, register_kl
from .continuous import Gumbel, Laplace, LogNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical
from .event_transforms import (
    ChainTransform,
    IndependentTransform,
    ReshapeTransform,
    SoftmaxTransform,
    StackTransform,
    StickBreakingTransform,
)
from .transformed import Independent, TransformedDistribution
from .transforms import (
    AbsTransform,
    AffineTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    TanhTransform,
    Transform,
)

__all__ = [
    "AbsTransform", "AffineTransform", "Bernoulli", "Categorical", "ChainTransform", "Distribution",
    "ExpTransform", "ExponentialFamily", "Gumbel", "Independent", "IndependentTransform", "Laplace",
    "LogNormal", "Normal", "PowerTransform", "ReshapeTransform", "SigmoidTransform",
    "SoftmaxTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform",
    "TransformedDistribution", "Uniform", "kl_divergence", "register_kl",
]  # fmt: skip
