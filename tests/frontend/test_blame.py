"""An op's error names the layer of the net that it comes from."""

import pytest

import wherry as paddle
from wherry.schema.errors import OpError


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.body = paddle.nn.Sequential(paddle.nn.ReLU(), paddle.nn.Linear(3, 4))

    def forward(self, x):
        return self.body(x)


class Own(paddle.nn.Layer):
    def forward(self, x):
        return x.reshape([7])


@pytest.mark.parametrize("static", [False, True])
def test_the_layer_is_named_by_its_place_in_the_net(static):
    net = paddle.jit.to_static(Net()) if static else Net()
    with pytest.raises(OpError) as caught:
        net(paddle.ones([2, 5]))
    inside = "\n  in Net.body.1: Linear(in_features=3, out_features=4, dtype=float32)"
    assert str(caught.value).endswith(inside)
    assert str(caught.value).count("\n  in ") == 1


def test_a_layer_alone_is_named_by_what_it_is():
    with pytest.raises(OpError, match=r"in Linear\(in_features=3, out_features=4, dtype=float32\)"):
        paddle.nn.Linear(3, 4)(paddle.ones([2, 5]))


def test_a_layer_of_the_users_is_known_by_its_line():
    with pytest.raises(OpError) as caught:
        paddle.nn.Sequential(Own())(paddle.ones([2]))
    assert "\n  in " not in str(caught.value)
    assert "at tests/frontend/test_blame.py" in str(caught.value)
