"""`paddle.distribution`: random numbers with their probabilities."""

from .base import Distribution, ExponentialFamily, kl_divergence, register_kl
from .continuous import Gumbel, Laplace, LogNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical

__all__ = [
    "Bernoulli", "Categorical", "Distribution", "ExponentialFamily", "Gumbel", "Laplace",
    "LogNormal", "Normal", "Uniform", "kl_divergence", "register_kl",
]  # fmt: skip
