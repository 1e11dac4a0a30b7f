"""Attention against its formula in numpy, compiled for any length, and in layers."""

import copy

import numpy as np
import pytest

import wherry as paddle
from wherry.nn import functional as F
from wherry.schema.errors import OpTypeError
from wherry.static import InputSpec

RNG = np.random.RandomState(0)
QUERY, KEY, VALUE = (RNG.randn(2, size, 3, 8).astype("float32") for size in (5, 7, 7))
SEEN = RNG.rand(2, 1, 5, 7) > 0.3
SEEN[..., 0] = True


def expected(mask):
    scores = np.einsum("blhd,bshd->bhls", QUERY, KEY).astype("float64") / np.sqrt(8)
    scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhls,bshd->blhd", weights, VALUE)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, SEEN, np.where(SEEN, 0, -1e9).astype("float32")])
def test_masks_and_causality_hide_keys(mask, causal):
    given = None if mask is None else paddle.to_tensor(mask)
    tensors = [paddle.to_tensor(one) for one in (QUERY, KEY, VALUE)]
    found = F.scaled_dot_product_attention(*tensors, attn_mask=given, is_causal=causal)
    visible = (SEEN if mask is not None else True) & (np.tri(5, 7, dtype=bool) | (not causal))
    np.testing.assert_allclose(found.numpy(), expected(visible), rtol=1e-5, atol=1e-6)


def test_one_program_takes_any_length():
    spec = InputSpec([None, "T", 3, 8], name="x")
    causal = paddle.jit.to_static(
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), input_spec=[spec]
    )
    for length in (1, 4, 6):
        x = paddle.to_tensor(RNG.randn(2, length, 3, 8).astype("float32"))
        want = F.scaled_dot_product_attention(x, x, x, is_causal=True)
        np.testing.assert_allclose(causal(x).numpy(), want.numpy(), rtol=1e-5, atol=1e-6)
    assert len(causal.program_cache) == 1


def test_what_is_no_tensor_is_named():
    with pytest.raises(OpTypeError, match="argument 'key' must be Tensor, but got ndarray"):
        F.scaled_dot_product_attention(paddle.to_tensor(QUERY), KEY, VALUE)


def test_further_layers_are_made_like_the_first_with_names_and_values_of_their_own():
    """The names are Paddle 2.6.2's."""
    normal = paddle.nn.initializer.Normal(7.0, 0.1)
    with paddle.utils.unique_name.guard():
        first = paddle.nn.TransformerEncoderLayer(4, 2, 6, weight_attr=normal, bias_attr=False)
        net = paddle.nn.TransformerEncoder(first, 2)
    names = [parameter.name for parameter in net.parameters()]
    weights = [f"linear_{i}.w_0" for i in range(12)]
    norms = [f"layer_norm_{i}.{kind}_0" for i in range(4) for kind in "wb"]
    assert names == [*weights[:6], *norms[:4], *weights[6:], *norms[4:]]
    one, two = (layer.self_attn.q_proj.weight.numpy() for layer in net.layers)
    assert (one != two).all()
    assert (abs(two - 7.0) < 1.0).all()


def test_a_deep_copy_has_a_name_of_its_own():
    with paddle.utils.unique_name.guard():
        net = paddle.nn.Linear(2, 2)
        assert net.weight.name == "linear_0.w_0"
        assert copy.deepcopy(net.weight).name == "linear_0.w_0_deepcopy_0"
