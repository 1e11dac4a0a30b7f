"""Transforms: shapes, slopes against gradients, draws, errors. Values are compared with Paddle's in
tests/goldens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry import distribution as d

POINTWISE = [
    d.ExpTransform(), d.SigmoidTransform(), d.TanhTransform(), d.PowerTransform(1.5),
    d.AffineTransform(1.0, -2.0), d.ChainTransform([d.TanhTransform(), d.ExpTransform()]),
    d.ExpTransform()(d.AffineTransform(0.5, 3.0)),
]  # fmt: skip


@pytest.mark.parametrize("one", POINTWISE, ids=lambda one: type(one).__name__)
def test_the_slope_is_the_gradient(one: Any) -> None:
    x = paddle.to_tensor([0.3, 0.9, 1.4], stop_gradient=False)
    y = one.forward(x)
    y.sum().backward()
    np.testing.assert_allclose(
        one.forward_log_det_jacobian(x).numpy(), np.log(np.abs(x.grad.numpy())), 1e-4, 1e-5
    )
    np.testing.assert_allclose(one.inverse(y).numpy(), x.numpy(), 1e-4)
    back, there = one.inverse_log_det_jacobian(y), one.forward_log_det_jacobian(x)
    np.testing.assert_allclose(back.numpy(), -there.numpy(), 1e-3, 1e-4)


def test_the_slope_of_stick_breaking_is_a_determinant() -> None:
    stick, x = d.StickBreakingTransform(), paddle.to_tensor([0.2, -0.7, 1.1])
    x.stop_gradient = False
    y = stick.forward(x)[:3]
    rows = [paddle.grad(y[i], x, retain_graph=True)[0].numpy() for i in range(3)]
    _, wanted = np.linalg.slogdet(np.stack(rows))
    np.testing.assert_allclose(stick.forward_log_det_jacobian(x).item(), wanted, rtol=1e-3)


def test_shapes() -> None:
    fold = d.ReshapeTransform((6,), (2, 3))
    assert fold.forward_shape((5, 6)) == (5, 2, 3) and fold.inverse_shape((2, 3)) == (6,)
    assert d.StickBreakingTransform().forward_shape((4, 3)) == (4, 4)
    assert d.StickBreakingTransform().inverse_shape((4, 4)) == (4, 3)
    assert d.AffineTransform(paddle.zeros([3]), 1.0).forward_shape((2, 1)) == (2, 3)
    chain = d.ChainTransform([fold, d.IndependentTransform(d.ExpTransform(), 2)])
    assert chain.forward_shape((5, 6)) == (5, 2, 3) and chain.inverse_shape((2, 3)) == (6,)
    assert chain.forward_log_det_jacobian(paddle.ones([5, 6])).tolist() == [6.0] * 5
    base = d.Normal(paddle.zeros([4, 6]), paddle.ones([4, 6]))
    mapped = d.TransformedDistribution(base, [fold])
    assert (mapped.batch_shape, mapped.event_shape) == ((4,), (2, 3))
    assert mapped.sample([7]).shape == [7, 4, 2, 3]
    assert mapped.log_prob(paddle.zeros([4, 2, 3])).shape == [4]
    own = d.Independent(base, 1)
    assert (own.batch_shape, own.event_shape) == ((4,), (6,)) and own.sample([2]).shape == [2, 4, 6]


def test_draws_and_gradients_through_them() -> None:
    paddle.seed(5)
    loc = paddle.to_tensor([0.5], stop_gradient=False)
    lognormal = d.ExpTransform()(d.Normal(loc, paddle.to_tensor([0.25])))
    drawn = lognormal.rsample([4000])
    drawn.mean().backward()
    wanted = float(np.exp(0.5 + 0.25**2 / 2))
    np.testing.assert_allclose(drawn.numpy().mean(), wanted, rtol=0.02)
    np.testing.assert_allclose(loc.grad.item(), wanted, rtol=0.02)  # d exp(loc + ...) / d loc
    assert lognormal.sample([2]).stop_gradient


def test_in_a_static_function() -> None:
    transforms = [d.AffineTransform(1.0, 2.0), d.TanhTransform()]
    mapped = d.TransformedDistribution(d.Normal(0.0, 1.0), transforms)
    x = paddle.to_tensor([0.1, -0.4])
    static = paddle.jit.to_static(lambda x: mapped.log_prob(x))
    np.testing.assert_allclose(static(x).numpy(), mapped.log_prob(x).numpy(), rtol=1e-5)


def test_what_cannot_be() -> None:
    with pytest.raises(NotImplementedError, match="AbsTransform takes several x to one y"):
        d.AbsTransform().forward_log_det_jacobian(paddle.ones([2]))
    with pytest.raises(TypeError, match="ExpTransform needs a Tensor, got float"):
        d.ExpTransform().forward(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as many elements"):
        d.ReshapeTransform((2, 3), (5,))
    with pytest.raises(ValueError, match="a size of 2 at axis 0"):
        d.StackTransform([d.ExpTransform()] * 2).forward(paddle.ones([3]))
    with pytest.raises(ValueError, match="0 < reinterpreted_batch_rank <= 1"):
        d.Independent(d.Normal(paddle.zeros([2]), paddle.ones([2])), 2)
