"""A loaded model is a part of a static function that calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import load, save, to_static
from wherry.schema.errors import InputError
from wherry.static import InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(4, 4)
        self.norm = paddle.nn.BatchNorm1D(4)
        self.drop = paddle.nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        h = self.norm(self.linear(x))
        if h.sum() > 0:
            h = h * 2
        i = paddle.to_tensor(0)
        while i < 3:
            h = h + i
            i = i + 1
        return {"h": self.drop(h.reshape([x.shape[0] * 2, 2])), "n": 3}


class Outer(paddle.nn.Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.out = paddle.nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        found = self.inner(x * 2)
        return self.out(found["h"]) * found["n"]


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    paddle.seed(5)
    net = Net()
    net.eval()
    save(net, tmp_path / "net", [InputSpec([None, 4], name="x")])
    return load(tmp_path / "net")


def test_it_gives_what_it_gives_outside(loaded: Any) -> None:
    outer = Outer(loaded)
    outer.eval()
    static = to_static(outer.forward)
    for size in (1, 2, 3):
        for x in (paddle.rand([size, 4]), -paddle.rand([size, 4])):
            np.testing.assert_allclose(static(x).numpy(), outer(x).numpy(), atol=1e-5)


def test_it_trains_and_changes_its_mode(loaded: Any, tmp_path: Path) -> None:
    outer = to_static(Outer(loaded))
    before = loaded.parameters()[0].numpy()
    rule = paddle.optimizer.SGD(0.001, parameters=outer.parameters())
    x = paddle.rand([8, 4])
    paddle.seed(1)
    first = outer(x)
    first.mean().backward()
    rule.step()
    assert not np.array_equal(loaded.parameters()[0].numpy(), before)
    outer.eval()
    assert np.array_equal(outer(x).numpy(), outer(x).numpy())
    save(outer, tmp_path / "outer", [InputSpec([None, 4])])
    again = load(tmp_path / "outer")
    np.testing.assert_allclose(again(x).numpy(), outer(x).numpy(), atol=1e-5)


def test_an_input_that_does_not_fit_is_refused_with_the_users_line(loaded: Any) -> None:
    static = to_static(lambda x: loaded(x)["h"])
    text = r"(?s)loaded\(x\).*<--- HERE.*'x' of a loaded model needs float32\[-1, 4\]"
    with pytest.raises(InputError, match=text):
        static(paddle.ones([3, 5]))


def test_paddle_seed_reaches_a_loaded_model(loaded: Any, tmp_path: Path) -> None:
    save(to_static(lambda x: x + paddle.rand([3])), tmp_path / "noise", [InputSpec([3])])
    noise = load(tmp_path / "noise")
    assert list(noise.state_dict()) == []
    loaded.train()
    for model, x in ((loaded, paddle.ones([3, 4])), (noise, paddle.ones([3]))):
        drawn = []
        for seed in (7, 7, 8):
            paddle.seed(seed)
            found = model(x)
            drawn.append((found["h"] if isinstance(found, dict) else found).numpy())
        assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])
