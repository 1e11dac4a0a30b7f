"""What weights give is computed once, and again when one of them was written."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import prepared, to_static

Array = np.ndarray[Any, Any]


class Net(paddle.nn.Layer):
    """Filters to pack and a batch norm to fold; `plain` is the dynamic forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = paddle.nn.Conv2D(16, 32, 3, padding=1)
        self.norm = paddle.nn.BatchNorm2D(32)
        self.norm._mean.set_value(paddle.linspace(-0.5, 0.5, 32))
        self.norm._variance.set_value(paddle.linspace(0.5, 1.5, 32))

    def plain(self, x: Any) -> Any:
        return paddle.nn.functional.relu(self.norm(self.conv(x)))

    @to_static
    def forward(self, x: Any) -> Any:
        return self.plain(x)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The calls of a prepare step so far: one element for each."""
    calls: list[int] = []

    class Counted(prepared.Prepared[Any]):
        def __init__(self, sources: Any, compute: Any) -> None:
            super().__init__(sources, lambda: (calls.append(1), compute())[1])

    monkeypatch.setattr("wherry.jit.native.Prepared", Counted)
    return calls


def image(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return paddle.to_tensor(rng.normal(size=(2, 16, 6, 6)).astype(np.float32))


def agree(net: Any, x: Any = None) -> None:
    x = image() if x is None else x
    with paddle.no_grad():
        np.testing.assert_allclose(net(x).numpy(), net.plain(x).numpy(), rtol=1e-4, atol=1e-5)


def step(net: Net) -> None:
    sgd = paddle.optimizer.SGD(0.5, parameters=net.parameters())
    net(image()).mean().backward()
    sgd.step()
    sgd.clear_grad()


def add(net: Net) -> None:
    with paddle.no_grad():
        net.conv.weight.add_(paddle.full([1], 0.25))


def write_item(net: Net) -> None:
    with paddle.no_grad():
        net.conv.weight[3] = 2.0


def through_a_view(net: Net) -> None:
    with paddle.no_grad():
        net.conv.weight.detach().reshape([32, -1]).add_(paddle.full([1], 0.25))


WRITES = {
    "set_state_dict": lambda net: net.set_state_dict(Net().state_dict()),
    "step": step,
    "set_value": lambda net: net.conv.weight.set_value(net.conv.weight * 2),
    "statistics": lambda net: net.norm._variance.set_value(net.norm._variance * 4),
    "add_": add,
    "setitem": write_item,
    "view": through_a_view,
    "dtype and back": lambda net: (add(net.astype("float64")), net.astype("float32")),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_seen(name: str, computed: list[int]) -> None:
    net = Net()
    net.eval()
    agree(net)
    agree(net, image(1))
    assert len(computed) == 1
    before = net(image()).numpy()
    WRITES[name](net)
    agree(net)
    agree(net, image(1))
    assert len(computed) == 2
    assert abs(net(image()).numpy() - before).max() > 1e-3


def test_other_writes_compute_nothing(computed: list[int]) -> None:
    net, other = Net(), paddle.ones([3])
    net.eval()
    agree(net)
    other.add_(paddle.ones([3]))
    paddle.rand([2])
    agree(net)
    assert len(computed) == 1


def test_training_between_evaluations(computed: list[int]) -> None:
    net = Net()
    for count in (1, 2, 3):
        net.train()
        step(net)
        net.eval()
        agree(net)
        agree(net)
        assert len(computed) == count
    net.train()
    x = image()
    mean = net.norm._mean.numpy()
    twin = Net()
    twin.set_state_dict(net.state_dict())
    twin.train()
    with paddle.no_grad():
        np.testing.assert_allclose(net(x).numpy(), twin.plain(x).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net.norm._mean.numpy(), twin.norm._mean.numpy(), rtol=1e-4)
    assert abs(net.norm._mean.numpy() - mean).max() > 0


def test_nets_that_share_parameters(computed: list[int]) -> None:
    first, second = Net(), Net()
    second.conv = first.conv
    first.eval(), second.eval()
    second.norm.bias.set_value(paddle.full([32], 0.5))
    for _ in range(2):
        agree(first)
        agree(second)
    assert len(computed) == 2
    add(first)
    agree(second)
    agree(first)
    assert len(computed) == 4
    second.norm.bias.set_value(paddle.full([32], 0.75))
    agree(second)
    agree(first)
    assert len(computed) == 5


def test_a_loaded_model(tmp_path: Path, computed: list[int]) -> None:
    net = Net()
    net.eval()
    paddle.jit.save(net, str(tmp_path / "net"), [paddle.static.InputSpec([None, 16, 6, 6])])
    loaded = paddle.jit.load(str(tmp_path / "net"))
    x = image()
    for count in (1, 2):
        with paddle.no_grad():
            expected = net.plain(x).numpy()
            np.testing.assert_allclose(loaded(x).numpy(), expected, rtol=1e-4, atol=1e-5)
            loaded(x)
        assert len(computed) == count
        add(net)
        loaded.set_state_dict(net.state_dict())


def test_threads_see_one_state_or_the_other() -> None:
    """Each result belongs to weights that were there, while another thread changes them."""
    net = Net()
    net.eval()
    x = image()
    states = [{k: v.numpy() for k, v in Net().state_dict().items()} for _ in range(2)]
    wanted = []
    for state in states:
        net.set_state_dict(state)
        with paddle.no_grad():
            wanted.append(net(x).numpy())
    failures: list[BaseException] = []
    turn = threading.Barrier(5)

    def call() -> None:
        try:
            for number in range(20):
                turn.wait()
                with paddle.no_grad():
                    found = net(x).numpy()
                np.testing.assert_array_equal(found, wanted[number % 2])
                turn.wait()
        except BaseException as error:
            failures.append(error)
            turn.abort()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for one in threads:
        one.start()
    # A call that failed breaks the barrier; what it raised is in `failures`.
    with suppress(threading.BrokenBarrierError):
        for number in range(20):
            net.set_state_dict(states[number % 2])
            turn.wait()
            turn.wait()
    for one in threads:
        one.join()
    assert not failures, failures[0]


def test_arrays_that_show_the_memory_cannot_be_written() -> None:
    """A write that no version counts would leave what was prepared as it was."""
    net = Net()
    seen = np.asarray(net.conv.weight.numpy())
    seen[...] = 0  # a copy
    assert abs(net.conv.weight.numpy()).max() > 0
    with pytest.raises(ValueError, match="read-only"):
        net.conv.weight.__array__(copy=False)[...] = 0
