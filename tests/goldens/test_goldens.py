"""The public API gives what real Paddle 2.6.2 gives: values, dtypes, shapes and gradients.

`record.py` made the .npz files; its FILES names them and the files of cases.
"""

from importlib import import_module
from pathlib import Path

import cases
import numpy as np
import pytest
import record
import training_cases as training

import wherry as paddle

HERE = Path(__file__).resolve().parent

for module in record.FILES:
    import_module(module)
WANT = {k: v for file in record.FILES.values() for k, v in np.load(HERE / file).items()}
WANT_TRAINING = dict(np.load(HERE / "training.npz"))


@pytest.mark.parametrize("name", cases.CASES)
def test_it_is_what_paddle_gives(name):
    got = record.run(paddle, cases.CASES[name])
    want = {k.split("/")[1]: v for k, v in WANT.items() if k.split("/")[0] == name}
    assert set(got) == set(want)
    for key, array in want.items():
        assert got[key].shape == array.shape, key
        assert got[key].dtype == array.dtype, key
        np.testing.assert_allclose(got[key], array, rtol=2e-5, atol=2e-6, err_msg=key)


def compiled(call):
    """The case as a static function, of the tensors alone."""
    return lambda p, *tensors: p.jit.to_static(lambda *xs: call(p, *xs))(*tensors)


COMPILED = """
    F.conv3d_1 F.conv3d_transpose_3 F.max_pool3d_1 F.avg_pool3d_2 F.adaptive_pools3d
    F.affine_grid_True F.grid_sample_bilinear_zeros_True F.grid_sample_nearest_reflection_False
    F.unfold_1 F.fold F.pixel_unshuffle F.channel_shuffle F.temporal_shift F.gather_tree
    F.diag_embed F.dice_loss F.sigmoid_focal_loss F.cosine_embedding_loss F.triplet_margin_loss
    F.multi_margin_loss F.poisson_nll_loss F.gaussian_nll_loss F.npair_loss
    index_add index_fill index_put take multiplex cummax cummin kthvalue mode histogram bucketize
    nan_to_num logaddexp frac_sgn hypot ldexp logspace corners masked_index_put
    linalg.solve_stacks linalg.cholesky linalg.qr linalg.svd linalg.eigh linalg.lu linalg.lu_unpack
    linalg.pinv linalg.matrix_power linalg.slogdet linalg.multi_dot renorm lgamma digamma erfinv gcd
    shard_index F.ctc_loss_mean CTCLoss
"""


@pytest.mark.parametrize("name", COMPILED.split())
def test_it_is_so_in_compiled_code(name):
    one = cases.CASES[name]
    got = record.run(paddle, one._replace(call=compiled(one.call)))
    for key, array in ((k.split("/")[1], v) for k, v in WANT.items() if k.startswith(name + "/")):
        np.testing.assert_allclose(got[key], array, rtol=2e-5, atol=5e-6, err_msg=key)


@pytest.mark.parametrize("name", training.OPTIMIZERS)
def test_an_optimizer_steps_as_paddles(name):
    for i, value in enumerate(training.train(paddle, training.OPTIMIZERS[name])):
        want = WANT_TRAINING[f"{name}/{i}"]
        np.testing.assert_allclose(value, want, rtol=2e-5, atol=2e-6, err_msg=f"value {i}")


@pytest.mark.parametrize("name", training.SCHEDULERS)
def test_a_scheduler_gives_paddles_rates(name):
    rates = training.rates(paddle, training.SCHEDULERS[name])
    np.testing.assert_allclose(rates, WANT_TRAINING[f"lr.{name}/rates"], rtol=1e-9)


def test_every_case_was_recorded():
    assert {key.split("/")[0] for key in WANT} == set(cases.CASES)
