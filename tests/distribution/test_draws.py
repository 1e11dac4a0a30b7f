"""What distributions draw has their shape, their moments and, for rsample, a gradient."""

import numpy as np
import pytest

import wherry as paddle
from wherry import distribution as D


def tensor(*values):
    return paddle.to_tensor(list(values))


@pytest.mark.parametrize("made", [
    D.Normal(1.0, 2.0), D.Uniform(1.0, 3.0), D.Laplace(1.0, 0.5), D.Gumbel(1.0, 0.5),
    D.LogNormal(0.0, 0.25), D.Bernoulli(0.3),
], ids=lambda made: type(made).__name__)  # fmt: skip
def test_draws_have_the_moments(made):
    drawn = made.sample([40000])
    assert drawn.shape == [40000] and drawn.stop_gradient
    mean, deviation = float(made.mean), float(made.variance) ** 0.5
    np.testing.assert_allclose(drawn.numpy().mean(), mean, atol=5 * deviation / 200)
    np.testing.assert_allclose(drawn.numpy().std(), deviation, rtol=0.05)


@pytest.mark.parametrize("kind", [D.Normal, D.Laplace, D.Gumbel, D.LogNormal])
def test_gradients_flow_through_rsample(kind):
    loc = paddle.to_tensor([0.5, 1.0], stop_gradient=False)
    drawn = kind(loc, tensor(1.0, 1.0)).rsample([3])
    assert drawn.shape == [3, 2]
    drawn.sum().backward()
    assert loc.grad is not None and (loc.grad.numpy() > 0).all()


def test_numbers_are_drawn_by_their_shares():
    drawn = D.Categorical(tensor(1.0, 2.0, 3.0)).sample([30000]).numpy()
    shares = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    np.testing.assert_allclose([(drawn == i).mean() for i in range(3)], shares, atol=0.015)
    rows = D.Categorical(paddle.to_tensor([[9.0, 0.0], [0.0, 9.0]])).sample([4, 5])
    assert rows.shape == [4, 5, 2]
    assert rows.numpy()[..., 0].mean() < 0.2 < 0.8 < rows.numpy()[..., 1].mean()


def test_a_divergence_of_ones_own():
    class Mine(D.Distribution):
        pass

    with pytest.raises(NotImplementedError, match=r"from Mine to Normal; .*register_kl enters"):
        D.kl_divergence(Mine(), D.Normal(0.0, 1.0))
    D.register_kl(Mine, D.Normal)(lambda p, q: q.scale * 3)
    assert D.kl_divergence(Mine(), D.Normal(0.0, 1.0)).item() == 3.0
    with pytest.raises(TypeError, match="must be subclass of Distribution"):
        D.register_kl(int, Mine)


def test_what_is_not_written_is_named():
    with pytest.raises(NotImplementedError, match="Distribution has no rsample"):
        D.Distribution().sample()
