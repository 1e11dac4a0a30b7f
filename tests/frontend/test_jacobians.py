"""Jacobians and Hessians: forms, and what cannot be."""

import pytest

import wherry as paddle
from wherry.autograd import hessian, jacobian


def leaf(*shape):
    x = paddle.rand(list(shape))
    x.stop_gradient = False
    return x


def test_lists_give_tuples():
    x, y = leaf(3), leaf(2)
    both = jacobian([x * 2, x.sum()], [x, y])
    assert [[one.shape for one in row] for row in both] == [[[3, 3], [3, 2]], [[3], [2]]]
    assert both[0][1][:].tolist() == [[0.0, 0.0]] * 3
    assert [[one.shape for one in row] for row in hessian((x * x).sum() + y.sum(), [x, y])] == [
        [[3, 3], [3, 2]], [[2, 3], [2, 2]]
    ]  # fmt: skip


def test_it_can_be_differentiated_again():
    x = leaf(3)
    jacobian(x * x, x)[:].sum().backward()
    assert x.grad.tolist() == [2.0] * 3


def test_it_is_computed_when_it_is_looked_at(monkeypatch):
    from wherry import jacobians

    asked = []
    real = jacobians.grad
    monkeypatch.setattr(jacobians, "grad", lambda *a, **k: asked.append(1) or real(*a, **k))
    x = leaf(3)
    found = jacobian(x * x, x)
    assert found.shape == [3, 3] and not asked
    assert found[1].shape == [3] and len(asked) == 3
    assert found[:, 0].shape == [3] and len(asked) == 3


@pytest.mark.parametrize("call, kind, message", [
    (lambda: jacobian(leaf(2, 3) * 2, leaf(3)), ValueError, "ys.ndim should be 0 or 1"),
    (lambda: jacobian(leaf(3) * 2, leaf(3), batch_axis=1), ValueError, "None or 0, but got 1"),
    (lambda: hessian(leaf(3) * 2, leaf(3)), ValueError, r"ys.numel\(\)\(3\)==1"),
    (lambda: jacobian(leaf().sum(), leaf())[:], IndexError, "can not be indexed"),
])  # fmt: skip
def test_wrong_shapes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
