"""Matrices the whole way: what native code asks its caller to compute, and how that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry import nn
from wherry.aot import compile_model
from wherry.schema.errors import RunError
from wherry.static import InputSpec


class Whitened(nn.Layer):
    """Rows by the inverse of the Cholesky factor of their covariance, and its determinant."""

    def forward(self, x: Any) -> Any:
        centred = x - x.mean(0)
        covariance = centred.t() @ centred / x.shape[0]
        factor = paddle.linalg.cholesky(covariance)
        rows = paddle.linalg.triangular_solve(factor, centred.t(), upper=False).t()
        return rows, paddle.linalg.slogdet(covariance)[1]


SPEC = [InputSpec([None, 3], "float32", "x")]


def rows(count: int) -> Any:
    return np.random.default_rng(0).normal(size=(count, 3)).astype("float32")


def test_dynamic_static_loaded_and_shared_object_agree(tmp_path: Path) -> None:
    net = Whitened()
    net.eval()
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=SPEC)
    compiled = wherry.runtime.load(compile_model(tmp_path / "net"))
    loaded, static = paddle.jit.load(str(tmp_path / "net")), paddle.jit.to_static(Whitened())
    for count in (9, 5):
        x = rows(count)
        wanted = [one.numpy() for one in Whitened()(paddle.to_tensor(x))]
        for run in (compiled, loaded, static):
            found = run(x if run is compiled else paddle.to_tensor(x))
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(np.asarray(one), other, 2e-4, 2e-4)


def test_data_without_an_answer_names_the_op_and_the_line(tmp_path: Path) -> None:
    net = Whitened()
    net.eval()
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=SPEC)
    compiled = wherry.runtime.load(compile_model(tmp_path / "net"))
    same = np.ones((4, 3), "float32")
    static = paddle.jit.to_static(Whitened())
    for run in (
        compiled,
        lambda x: static(paddle.to_tensor(x)),
        lambda x: net(paddle.to_tensor(x)),
    ):
        with pytest.raises(RunError) as error:
            run(same)
        text = str(error.value)
        assert "cholesky" in text and "needs positive definite matrices" in text
        assert "test_linear_algebra.py" in text and "paddle.linalg.cholesky(covariance)" in text
    assert np.isfinite(np.asarray(compiled(rows(6))[0])).all(), "the next call is as ever"


def test_a_loop_asks_in_each_round() -> None:
    @paddle.jit.to_static
    def root(x: Any) -> Any:
        """The square root of a matrix by Newton's steps."""
        y = paddle.eye(2)
        while (y @ y - x).abs().max() > 1e-4:
            y = (y + paddle.linalg.solve(y, x)) / 2
        return y

    x = paddle.to_tensor([[5.0, 4.0], [4.0, 5.0]])
    np.testing.assert_allclose(root(x).numpy(), [[2.0, 1.0], [1.0, 2.0]], atol=1e-3)


def test_training_through_a_determinant() -> None:
    """The normal distribution that fits best has the covariance of the data."""
    x = paddle.to_tensor(rows(400) @ np.float32([[1, 0, 0], [0.5, 1, 0], [0, 0.3, 0.7]]))
    covariance = (x.t() @ x / x.shape[0]).numpy()
    start = nn.initializer.Assign(np.eye(3))
    precision = paddle.create_parameter([3, 3], "float32", default_initializer=start)
    rule = paddle.optimizer.Adam(0.05, parameters=[precision])

    @paddle.jit.to_static
    def loss(x: Any) -> Any:
        both = precision @ precision.t()
        squares = (x @ both * x).sum(1)
        return squares.mean() - paddle.linalg.slogdet(both)[1]

    for _ in range(300):
        loss(x).backward()
        rule.step()
        rule.clear_grad()
    found = np.linalg.inv((precision @ precision.t()).numpy())
    np.testing.assert_allclose(found, covariance, atol=0.02)
