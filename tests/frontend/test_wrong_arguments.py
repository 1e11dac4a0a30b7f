"""Arguments that make no sense are refused where they are given, by one exception that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wherry as paddle
from wherry import nn

F = nn.functional


def x() -> Any:
    return paddle.ones([2, 3])


def fit(parameters: Any) -> Any:
    return paddle.optimizer.SGD(0.1, parameters=parameters)


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Linear(-1, 2), ValueError, "sizes >= 0, got [-1, 2]"),
    (lambda: nn.Conv2D(3, 4, 0), ValueError, "kernel_size needs ints > 0"),
    (lambda: nn.Conv2D(3, 4, 3, stride=0), ValueError, "stride needs ints > 0"),
    (lambda: nn.Conv2D(3, 4, 3, dilation=0), ValueError, "dilation needs ints > 0"),
    (lambda: nn.Conv2D(3, 4, 3, groups=0), ValueError, "groups must be > 0, got 0"),
    (lambda: F.interpolate(paddle.ones([1, 1, 2, 2]), size=[0, 2]), ValueError, "ints > 0"),
    (lambda: F.linear(x(), None), TypeError, "argument 'weight' must be Tensor, but got NoneType"),
    (lambda: paddle.cast(x(), None), TypeError, "data type 'None' not understood"),
    (lambda: x()[True], IndexError, "0-d bool; x[None] adds an axis"),
    (lambda: paddle.grad(None, x()), ValueError, "at least one Tensor as outputs"),
    (lambda: paddle.grad([x()], [3]), TypeError, "Tensors as inputs, got int"),
    (lambda: x().backward(3), TypeError, "initial gradient needs a Tensor, got int"),
    (lambda: fit(nn.Linear(1, 1)), TypeError, "pass net.parameters()"),
    (lambda: paddle.optimizer.lr.StepDecay(0.1, 0), ValueError, "step_size must be > 0"),
    (lambda: paddle.io.DataLoader([1], batch_size=0), ValueError, "positive integer, but got 0"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
@pytest.mark.filterwarnings("ignore:backward of a tensor")
def test_wrong_argument(call: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_full_has_the_default_dtype() -> None:
    assert [paddle.full([1], value).dtype for value in (3, 3.0, True)] == [paddle.float32] * 3
    assert paddle.full([1], 3, "int32").dtype is paddle.int32


def test_all_and_any_take_numbers() -> None:
    assert paddle.to_tensor([1, 2]).all().item() is True
    assert paddle.to_tensor([0.0, 0.5]).all().item() is False
    assert paddle.to_tensor([0.0, 0.5]).any().item() is True


def test_ties_share_the_gradient_of_amax_and_each_take_that_of_max() -> None:
    for reduced, expected in ((paddle.amax, 0.5), (paddle.amin, 0.5), (paddle.max, 1.0)):
        t = paddle.to_tensor([2.0, 2.0], stop_gradient=False)
        reduced(t).backward()
        assert t.grad.tolist() == [expected, expected]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            lambda: nn.Bilinear(4, 3, 2),
            "in1_features=4, in2_features=3, out_features=2, dtype=float32",
        ),
        (lambda: nn.PairwiseDistance(1.0, 1e-3, True), "p=1.0, epsilon=0.001, keepdim=True"),
        (lambda: nn.PairwiseDistance(), "p=2.0"),
        (lambda: nn.ZeroPad2D(1), "padding=[1, 1, 1, 1], data_format=NCHW"),
        (lambda: nn.UpsamplingBilinear2D(scale_factor=2), "scale_factor=2, data_format=NCHW"),
        (lambda: nn.UpsamplingNearest2D(size=[2, 3]), "size=[2, 3], data_format=NCHW"),
    ],
)
def test_layers_print_their_arguments(layer: Callable[[], Any], text: str) -> None:
    assert layer().extra_repr() == text
