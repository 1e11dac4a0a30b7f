"""The tape: gradients, hooks, modes, writes in place, higher orders, errors."""

import gc
import weakref

import numpy as np
import pytest
from gradient_harness import check_gradients, leaf
from hypothesis import given, settings
from hypothesis import strategies as st

import wherry as paddle
from wherry.autograd import GradNode
from wherry.function_node import FunctionNode

F = paddle.nn.functional
RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.5, 2, (2, 3)), RNG.uniform(0.5, 2, (2, 3))
ROW, CUBE = RNG.uniform(0.5, 2, 3), RNG.uniform(-1, 1, (2, 3, 4))

CASES = {
    "operators": (lambda x, y: (x + 2 * y) / (x * y) - x**2 + 3 / y, A, B),
    "broadcast": (lambda x, y: x * y + y, A, ROW),
    "matmul": (lambda x, y: paddle.matmul(x, y, transpose_y=True) * 2, A, B),
    "batched": (lambda x: paddle.matmul(x, x.transpose([0, 2, 1])), CUBE),
    "views": (lambda x: x.reshape([4, 6]).t()[1:3].flatten() ** 2, CUBE),
    "index": (lambda x: x[0, ..., 1:3] * x[1, [0, 2, 2]][..., :2].sum(0), CUBE),
    "mask": (lambda x: x[x > 0] ** 2, CUBE),
    "assign": (lambda x, y: _assigned(x, y), A, ROW),
    "masked assign": (lambda x: _mask_assigned(x), A),
    "list assign": (lambda x, y: _list_assigned(x, y), A, ROW[:2]),
    "reduce": (lambda x: x.mean(1) * x.max(1) + x.std() + x.prod(0).sum() + x.var(0).sum(), A),
    "concat": (lambda x, y: paddle.concat([x, y], 1) * paddle.concat([y, y], 1), A, B),
    "stack split": (lambda x, y: paddle.split(paddle.stack([x, y]), 3, 2)[1] ** 2, A, B),
    "norms": (lambda x: x.norm() + x.norm(p=1, axis=1).sum() + x.norm(axis=[0, 1]), A),
    "where": (lambda x, y: paddle.where(x > y, x * y, x - y), A, B),
    "gather": (lambda x: paddle.gather(x, paddle.to_tensor([1, 0, 1])) ** 2, A),
    "einsum-like": (lambda x, y: paddle.tensordot(x, y, [[0, 1], [0, 1]]), A, B),
    "softmax": (lambda x: F.softmax(x) * F.log_softmax(x, 0), A),
    "cross entropy": (lambda x: F.cross_entropy(x, paddle.to_tensor([2, 0])), A),
    "layer norm": (lambda x, w: F.layer_norm(x, 3, w) ** 2, A, ROW),
    "conv": (lambda x, w: F.conv2d(x, w, padding=1) ** 2,
             RNG.uniform(-1, 1, (1, 2, 4, 4)), RNG.uniform(-1, 1, (3, 2, 3, 3))),
    "transposed conv": (lambda x, w: F.conv2d_transpose(x, w, stride=2) ** 2,
                        RNG.uniform(-1, 1, (1, 2, 3, 3)), RNG.uniform(-1, 1, (2, 1, 2, 2))),
    "pools": (lambda x: F.max_pool2d(x, 2) * F.avg_pool2d(x, 2),
    RNG.permutation(np.arange(16.0)).reshape(1, 1, 4, 4)),
    "group norm": (lambda x: F.group_norm(x, 2) ** 2, RNG.uniform(-1, 1, (2, 4, 3))),
    "diagonal": (lambda x: paddle.diagonal(x, 1) ** 2 + paddle.trace(x), RNG.uniform(-1, 1, (3,
    4))),
}  # fmt: skip


def _assigned(x, y):
    z = x * 1
    z[1] = y * (z[0] * 1)
    return z * z


def _mask_assigned(x):
    z = x * 1
    z[z > 1] = z.mean()
    return z * x


def _list_assigned(x, y):
    z = x * 1
    z[:, [0, 2]] = y
    return z * z


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_differences(name):
    function, *arrays = CASES[name]
    check_gradients(function, *arrays)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["tanh", "square", "sin", "view", "add", "mul"]), max_size=6))
def test_random_chains(names):
    steps = {
        "tanh": paddle.tanh, "square": paddle.square, "sin": paddle.sin,
        "view": lambda x: x.t().reshape([2, 3]), "add": lambda x: x + x.mean(0),
        "mul": lambda x: x * x.sum(),
    }  # fmt: skip

    def chain(x):
        for name in names:
            x = paddle.tanh(steps[name](x))
        return x

    check_gradients(chain, A, rtol=1e-4, atol=1e-6)


def test_accumulation_and_clearing():
    x = leaf([1.0, 2.0])
    for _ in range(2):
        (x * x).sum().backward()
    assert x.grad.tolist() == [4, 8]
    kept = x.grad
    x.clear_grad()
    assert x.grad.tolist() == [0, 0]
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3] and x.grad is kept
    x.clear_gradient(set_to_zero=False)
    assert x.grad is None


def test_gradients_do_not_share_memory():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).sum().backward()
    x.grad.array.fill(7)
    assert y.grad.tolist() == [1, 1]


def test_second_backward_needs_retain_graph():
    x = leaf([2.0])
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8]
    with pytest.raises(RuntimeError, match=r"elementwise_mul.*retain_graph=True"):
        y.backward()


def test_overwritten_values_are_refused_by_name_of_the_op():
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    y.add_(paddle.ones([2], "float64"))
    with pytest.raises(
        RuntimeError, match=r"`elementwise_mul`.*version is 1 but the expected version is 0"
    ):
        z.sum().backward()


def test_overwriting_what_backward_does_not_need_is_fine():
    x = leaf([1.0, 2.0])
    y = x + 1
    z = y + y
    y.scale_(3.0)
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_in_place_results_are_differentiated():
    x = leaf([1.0, 2.0])
    y = x * 2
    y.multiply_(x)
    y[0] = y[1] * 3
    y.sum().backward()
    assert x.grad.tolist() == [0, 32]


def test_leaves_are_not_written_in_place():
    x = leaf([1.0])
    for write in (lambda: x.add_(x), lambda: x.__setitem__(0, 5.0), lambda: x.reshape_([1, 1])):
        with pytest.raises(ValueError, match="Leaf Var"):
            write()
    with paddle.no_grad():
        x.add_(paddle.ones([1], "float64"))
    x.set_value(np.array([5.0]))
    assert x.tolist() == [5]


def test_a_base_that_its_view_overtook_is_refused():
    x = leaf([1.0, 2.0])
    base = x * 2
    part = base[0]
    part.multiply_(paddle.to_tensor(3.0, dtype="float64"))
    part.backward()
    assert x.grad.tolist() == [6, 0]
    with pytest.raises(RuntimeError, match="changed in place through a view"):
        base * 1


def test_modes():
    x = leaf([1.0])
    with paddle.no_grad():
        assert (x * 2).stop_gradient
        with paddle.enable_grad():
            assert not (x * 2).stop_gradient
    assert not (x * 2).stop_gradient

    @paddle.no_grad()
    def with_call():
        return x * 2

    @paddle.no_grad
    def bare():
        return x * 2

    assert with_call().stop_gradient and bare().stop_gradient
    with paddle.set_grad_enabled(False):
        assert not paddle.is_grad_enabled()
    assert paddle.is_grad_enabled()
    assert x.detach().stop_gradient and (x > 0).stop_gradient and x.astype("int64").stop_gradient


def test_hooks():
    x = leaf([1.0, 2.0])
    seen = []
    y = x * 3
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    assert seen == [[6, 12]] and x.grad.tolist() == [37, 73]
    assert handle.remove() and not handle.remove()
    with pytest.raises(RuntimeError, match="stop gradient"):
        paddle.ones([1]).register_hook(print)


def test_retain_grads():
    x = leaf([2.0])
    y = x * x
    y.retain_grads()
    (y * 3).backward()
    assert y.grad.tolist() == [3] and x.grad.tolist() == [12]


def test_paddle_grad():
    x, y = leaf([2.0]), leaf([3.0])
    z = x * x * y
    gx, gy = paddle.grad(z, [x, y])
    assert gx.tolist() == [12] and gy.tolist() == [4] and x.grad is None
    middle = x * y
    (g,) = paddle.grad(middle * middle, middle)
    assert g.tolist() == [12]
    with pytest.raises(ValueError, match="The 0-th input does not appear"):
        paddle.grad(x * 2, y)
    assert paddle.grad(x * 2, [y], allow_unused=True) == [None]
    (g,) = paddle.grad(x * y, x, grad_outputs=paddle.to_tensor([5.0], dtype="float64"))
    assert g.tolist() == [15]
    inner = x * 1
    assert paddle.grad(inner * x, x, no_grad_vars=[inner])[0].tolist() == [2]


def test_higher_orders():
    x = leaf(1.3)
    value = paddle.exp(x) * x**3
    orders = []
    for _ in range(3):
        (value,) = paddle.grad(value, x, create_graph=True)
        orders.append(value.item())
    a = 1.3
    e = np.exp(a)
    expected = [e * (a**3 + 3 * a**2), e * (a**3 + 6 * a**2 + 6 * a),
                e * (a**3 + 9 * a**2 + 18 * a + 6)]  # fmt: skip
    np.testing.assert_allclose(orders, expected, rtol=1e-12)


def test_gradient_penalty():
    w, x = leaf(A), leaf(B)
    (g,) = paddle.grad(paddle.tanh(w * x).sum(), x, create_graph=True)
    (g * g).sum().backward()
    check_gradients(lambda w: ((1 - paddle.tanh(w * paddle.to_tensor(B)) ** 2) * w) ** 2, A)
    expected = leaf(A)
    (((1 - paddle.tanh(expected * paddle.to_tensor(B)) ** 2) * expected) ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), expected.grad.numpy(), rtol=1e-10)


def test_backward_of_a_constant_says_so():
    with pytest.warns(UserWarning, match="nothing to differentiate"):
        paddle.ones([1]).backward()


def test_initial_gradients_are_checked():
    x = leaf([1.0, 2.0])
    (x * 2).backward(paddle.to_tensor([1.0, 10.0], dtype="float64"))
    assert x.grad.tolist() == [2, 20]
    with pytest.raises(ValueError, match=r"float64\[2\].*float64\[1\]"):
        (x * 2).backward(paddle.to_tensor([1.0], dtype="float64"))


def test_graphs_are_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(np.ones((4, 4)))
        y = F.layer_norm(paddle.tanh(x @ x), 4).sum()
        node = weakref.ref(y.node)
        assert isinstance(node(), GradNode)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_a_node_of_ones_own():
    x = leaf([1.0, 2.0])
    node = FunctionNode("triple", [x], lambda grads: [grads[0] * 3])
    out = paddle.to_tensor([3.0, 6.0], dtype="float64")
    paddle.autograd.attach(node, [out])
    (out * out).sum().backward()
    assert x.grad.tolist() == [18, 36]


def test_deep_graphs_do_not_recurse():
    x = leaf([1.0])
    y = x
    for _ in range(3000):
        y = y + 1.0
    y.backward()
    assert x.grad.tolist() == [1]
    del y
