"""Cases for paddle.distribution: probabilities, entropies, moments, divergences."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import case, ints, positive


def _moments(one: Any) -> list[Any]:
    return [one.mean, one.variance, one.entropy()]


def _continuous() -> None:
    case("distribution.Normal", lambda p, a, b, x: [
        *_moments(p.distribution.Normal(a, b)), p.distribution.Normal(a, b).log_prob(x),
        p.distribution.Normal(a, b).probs(x),
        p.distribution.Normal(a, b).kl_divergence(p.distribution.Normal(x, b))],
        (3,), positive(3), (3,))  # fmt: skip
    case("distribution.Normal_numbers", lambda p, x: [
        *_moments(p.distribution.Normal(0.0, 2.0)), p.distribution.Normal(1, 2).log_prob(x),
        p.distribution.Normal([0.0, 1.0], [1.0, 2.0]).entropy()], (3,), grad=False)  # fmt: skip
    case("distribution.LogNormal", lambda p, a, b, x: [
        *_moments(p.distribution.LogNormal(a, b)), p.distribution.LogNormal(a, b).log_prob(x)],
        (3,), positive(3), positive(3))  # fmt: skip
    case("distribution.Uniform", lambda p, a, x: [
        p.distribution.Uniform(a, a + 2.0).entropy(), p.distribution.Uniform(0.0, 2.0).probs(x),
        p.distribution.Uniform(0.0, 2.0).log_prob(x)], (3,), np.float32([0.5, -1.0, 2.5]),
        grad=False)  # fmt: skip
    case("distribution.Laplace", lambda p, a, b, x: [
        *_moments(p.distribution.Laplace(a, b)), p.distribution.Laplace(a, b).log_prob(x),
        p.distribution.Laplace(a, b).cdf(x), p.distribution.Laplace(a, b).icdf(b * 0.4),
        p.distribution.kl_divergence(p.distribution.Laplace(a, b), p.distribution.Laplace(x, b))],
        (3,), positive(3), (3,), grad=False)  # fmt: skip
    case("distribution.Gumbel", lambda p, a, b, x: [
        *_moments(p.distribution.Gumbel(a, b)), p.distribution.Gumbel(a, b).log_prob(x),
        p.distribution.Gumbel(a, b).cdf(x)], (3,), positive(3), (3,), grad=False)  # fmt: skip


def _discrete() -> None:
    def bernoulli(p: Any, a: Any, x: Any) -> list[Any]:
        one = p.distribution.Bernoulli(a)
        other = p.distribution.Bernoulli(1 - a)
        return [*_moments(one), one.log_prob(x), one.prob(x), one.cdf(x), one.kl_divergence(other)]

    case("distribution.Bernoulli", bernoulli, 0.4 * positive(4), np.float32([0, 1, 1, 0]),
         grad=False)  # fmt: skip

    def categorical(p: Any, a: Any, b: Any, i: Any) -> list[Any]:
        one, other = p.distribution.Categorical(a), p.distribution.Categorical(b)
        return [one.entropy(), one.log_prob(i), one.probs(i), one.kl_divergence(other)]

    case("distribution.Categorical", categorical, positive(4), positive(4)[::-1].copy(), ints(0, 3))
    case("distribution.Categorical_rows", categorical, positive(2, 3), positive(2, 3)[::-1].copy(),
         ints([0], [2]))  # fmt: skip
    case("distribution.Categorical_row_of_values", lambda p, a, i: p.distribution.Categorical(
        a).probs(i), positive(2, 3), ints(0, 2))  # fmt: skip


def _all_of(one: Any, x: Any) -> list[Any]:
    """A transform there and back, with its slopes."""
    y = one.forward(x)
    return [y, one.inverse(y), one.forward_log_det_jacobian(x), one.inverse_log_det_jacobian(y)]


def _transforms() -> None:
    def pointwise(p: Any, x: Any, scale: Any) -> list[Any]:
        d = p.distribution
        power = _all_of(d.PowerTransform(scale), x.abs() + 0.1)
        affine = d.AffineTransform(x, x.abs() + scale)
        found = [d.ExpTransform(), d.SigmoidTransform(), d.TanhTransform(), affine]
        return [*power, *(value for one in found for value in _all_of(one, x))]

    def events(p: Any, x: Any) -> list[Any]:
        d = p.distribution
        found = [
            d.StickBreakingTransform(),
            d.ReshapeTransform((2, 3), (3, 2)),
            d.IndependentTransform(d.ExpTransform(), 1),
            d.StackTransform([d.ExpTransform(), d.TanhTransform()]),
            d.ChainTransform([d.TanhTransform(), d.IndependentTransform(d.ExpTransform(), 1)]),
        ]
        soft = d.SoftmaxTransform()
        return [
            soft.forward(x),
            soft.inverse(soft.forward(x)),
            d.AbsTransform().forward(x),
            *d.AbsTransform().inverse(x.abs()),
            *(value for one in found for value in _all_of(one, x)),
        ]

    def distributions(p: Any, loc: Any, scale: Any) -> list[Any]:
        d = p.distribution
        normal, y = d.Normal(loc, scale), p.nn.functional.sigmoid(loc + 0.3)
        mapped = d.TransformedDistribution(
            normal, [d.AffineTransform(loc, scale), d.SigmoidTransform()]
        )
        own = d.Independent(normal, 1)
        both = d.TransformedDistribution(own, [d.TanhTransform()])
        return [mapped.log_prob(y), own.log_prob(y), own.entropy(), own.mean, both.log_prob(y)]

    case("distribution.transforms", pointwise, (2, 3), positive(3))
    case("distribution.transforms_of_events", events, (2, 3), grad=False)
    case("distribution.transformed", distributions, (2, 3), positive(2, 3))


for _family in (_continuous, _discrete, _transforms):
    _family()
