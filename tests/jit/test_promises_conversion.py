"""What `to_static` promises of the conversion, one test for each promise."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import StaticFunction, enable_to_static, save, to_static
from wherry.static import BuildStrategy, InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)

    def forward(self, x: Any, use_act: bool = False) -> Any:
        out = self.linear(x)
        return paddle.nn.functional.relu(out) if use_act else out


def losses_of(net: Any, steps: int = 5) -> list[float]:
    rule = paddle.optimizer.Adam(0.01, parameters=net.parameters())
    x = paddle.to_tensor(np.linspace(-1, 1, 40, dtype=np.float32).reshape(4, 10))
    found = []
    for step in range(steps):
        loss = (net(x, use_act=step % 2 == 0) ** 2).mean()
        loss.backward()
        rule.step()
        rule.clear_grad()
        found.append(float(loss))
    return found


def two_nets() -> tuple[Any, Any]:
    first, second = Net(), Net()
    second.set_state_dict(first.state_dict())
    return first, second


def test_decorating_without_parentheses_converts_forward() -> None:
    class Decorated(Net):
        @to_static
        def forward(self, x: Any) -> Any:
            return self.linear(x)

    net = Decorated()
    assert isinstance(net.forward, StaticFunction)
    assert net(paddle.ones([2, 10])).shape == [2, 3]


def test_calling_to_static_with_a_layer_returns_that_layer_with_a_static_forward() -> None:
    net = Net()
    assert to_static(net) is net
    assert isinstance(net.forward, StaticFunction)


@pytest.mark.parametrize("full_graph", [True, False])
def test_full_graph_is_taken_and_changes_nothing(full_graph: bool) -> None:
    net = to_static(Net(), input_spec=[InputSpec([None, 10], name="x")], full_graph=full_graph)
    net(paddle.ones([2, 10]))
    assert "def forward(self, x" in net.forward.code
    assert net.forward.inputs[0].name == "x"
    assert len(net.forward.program_cache) == 1


def test_a_net_converted_by_calling_trains_as_in_dynamic_mode() -> None:
    dynamic, static = two_nets()
    np.testing.assert_allclose(losses_of(to_static(static)), losses_of(dynamic), rtol=1e-5)
    for one, other in zip(static.parameters(), dynamic.parameters(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


def test_gradients_flow_to_parameters_and_to_inputs_that_want_them() -> None:
    net = to_static(Net())
    x = paddle.ones([2, 10])
    x.stop_gradient = False
    for mode in (net.train, net.eval):
        mode()
        out = net(x)
        assert out.stop_gradient is False
        out.sum().backward()
        wanted = np.broadcast_to(net.linear.weight.numpy().sum(1), [2, 10])
        np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-5)
        assert net.linear.bias.grad.tolist() == [2.0, 2.0, 2.0]
        x.clear_gradient()
        net.clear_gradients()


def test_the_layers_code_runs_once_for_each_signature() -> None:
    runs = []

    class Counted(Net):
        @to_static
        def forward(self, x: Any) -> Any:
            runs.append(x.dtype)
            return self.linear(x)

    net = Counted()
    for _ in range(3):
        net(paddle.ones([2, 10]))
    assert len(runs) == 1
    net.eval()
    net(paddle.ones([2, 10]))
    assert len(runs) == 2 and len(net.forward.program_cache) == 2


def test_the_cache_counts_signatures() -> None:
    net = to_static(Net())
    counts = []

    def call(x: Any) -> None:
        net(x)
        counts.append(len(net.forward.program_cache))

    for size in (2, 2, 4):
        call(paddle.ones([size, 10]))
    call(np.ones([4, 10], "float32"))  # as a tensor that stops gradients
    net.eval()
    call(paddle.ones([2, 10]))
    wants = paddle.ones([2, 10])
    wants.stop_gradient = False
    call(wants)
    assert counts == [1, 1, 2, 2, 3, 4]
    open_batch = to_static(Net(), input_spec=[InputSpec([None, 10])])
    for size in (2, 3, 4):
        open_batch(paddle.ones([size, 10]))
    assert len(open_batch.forward.program_cache) == 1


def test_each_instance_of_a_decorated_class_has_its_own_programs() -> None:
    class Decorated(Net):
        @to_static
        def forward(self, x: Any) -> Any:
            return self.linear(x)

    first, second = Decorated(), Decorated()
    x = paddle.ones([2, 10])
    first(x)
    assert (len(first.forward.program_cache), len(second.forward.program_cache)) == (1, 0)
    assert not np.array_equal(first(x).numpy(), second(x).numpy())


def test_the_eleventh_program_is_warned_of_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    f = to_static(lambda x, k: x * k)
    with caplog.at_level(logging.WARNING):
        for k in range(12):
            f(paddle.ones([2]), k + 2)
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == 1
    assert found[0].startswith("Current traced program number: 11 > `max_tracing_count`:10.")


def test_training_chooses_whether_dropout_drops_and_batch_norm_counts() -> None:
    net = to_static(paddle.nn.Sequential(paddle.nn.BatchNorm1D(4), paddle.nn.Dropout(0.5)))
    twin = paddle.nn.BatchNorm1D(4)
    x = paddle.rand([256, 4])
    dropped = float((net(x) == 0).astype("float32").mean())
    twin(x)
    assert 0.4 < dropped < 0.6
    np.testing.assert_allclose(net[0]._mean.numpy(), twin._mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(net[0]._variance.numpy(), twin._variance.numpy(), rtol=1e-5)
    net.eval()
    before = net[0]._mean.numpy()
    assert float((net(x) == 0).astype("float32").mean()) == 0.0
    assert np.array_equal(net[0]._mean.numpy(), before)


def test_a_method_of_a_plain_class_is_refused() -> None:
    class Plain:
        @to_static
        def decorated(self, x: Any) -> Any:
            return x

        def bound(self, x: Any) -> Any:
            return x

    for use in (lambda: Plain().decorated, lambda: to_static(Plain().bound)):
        with pytest.raises(TypeError, match=r"ensure the class inherits from nn\.Layer"):
            use()


def test_the_first_parameter_need_not_be_called_self() -> None:
    class Odd(Net):
        @to_static(input_spec=[InputSpec([None, 10])])
        def forward(this, x: Any) -> Any:
            return this.linear(x)

    assert Odd()(paddle.ones([2, 10])).shape == [2, 3]


def test_a_static_function_needs_dynamic_mode() -> None:
    f = to_static(lambda x: x * 2)
    x = paddle.ones([2])
    paddle.enable_static()
    try:
        with pytest.raises(RuntimeError, match=r"NOT in dynamic mode(?s:.*)disable_static"):
            f(x)
    finally:
        paddle.disable_static()


def test_options_are_checked_and_unknown_ones_ignored() -> None:
    with pytest.raises(ValueError, match="should be 'CINN' or None, but received LLVM"):
        to_static(backend="LLVM")
    with pytest.raises(TypeError, match=r"BuildStrategy`, but received int"):
        to_static(build_strategy=3)
    strategy = BuildStrategy()
    strategy.fuse_elewise_add_act_ops = True
    strategy.enable_addto = True
    f = to_static(lambda x: x + 1, build_strategy=strategy, backend="CINN", nonsense=4)
    assert f(paddle.ones([1])).tolist() == [2.0]


def test_switched_off_everything_runs_as_dynamic_code(tmp_path: Any) -> None:
    net = to_static(Net())
    enable_to_static(False)
    try:
        net(paddle.ones([2, 10]))
        assert len(net.forward.program_cache) == 0
        with pytest.raises(RuntimeError, match="enable_to_static' to False"):
            save(net, tmp_path / "net", [InputSpec([None, 10])])
    finally:
        enable_to_static(True)
    assert list(tmp_path.iterdir()) == []


def test_rollback_restores_the_bound_method_and_decorating_again_replaces_it() -> None:
    net = to_static(Net())
    first = net.forward
    to_static(net)
    assert net.forward is not first and isinstance(net.forward, StaticFunction)
    net.forward.rollback()
    assert net.forward.__func__ is Net.forward
