"""Recurrent layers over a number of steps that the run knows only are loops of the Program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry import nn
from wherry.aot import compile_model
from wherry.jit import to_static
from wherry.static import Executor, InputSpec

LENGTHS = InputSpec([None], "int64", "lengths")


class Net(nn.Layer):
    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self.body(x, None, lengths)


def ops_of(program: Any) -> list[str]:
    return [op.type for op in program.global_block().ops]


def sequences(batch: int, steps: int, time_major: bool = False) -> Any:
    shape = (steps, batch, 4) if time_major else (batch, steps, 4)
    rng = np.random.default_rng(steps)
    return paddle.to_tensor(rng.normal(size=shape).astype("float32"), stop_gradient=False)


def gradients(net: Any, out: Any, x: Any) -> list[Any]:
    sum((one**2).sum() for one in paddle.utils.flatten(out)).backward()
    found = [one.grad.numpy() for one in (*net.parameters(), x)]
    net.clear_gradients()
    x.clear_gradient(False)
    return found


@pytest.mark.parametrize(("make", "time_major"), [
    (lambda: nn.LSTM(4, 3, direction="bidirect"), False),
    (lambda: nn.GRU(4, 3, time_major=True), True),
])  # fmt: skip
def test_one_program_serves_any_number_of_steps(make: Any, time_major: bool) -> None:
    net = Net(make())
    dynamic, size = net.forward, InputSpec([None, None, 4], name="x")
    static = to_static(net, input_spec=[size, LENGTHS])
    for batch, steps in ((3, 5), (2, 1)):
        x = sequences(batch, steps, time_major)
        lengths = paddle.to_tensor([max(1, steps - i) for i in range(batch)])
        out, want = static(x, lengths), dynamic(x, lengths)
        pairs = zip(paddle.utils.flatten(out), paddle.utils.flatten(want), strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)
        found, wanted = (gradients(net, one, x) for one in (out, want))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert "while" in ops_of(net.forward.main_program)
    assert len(net.forward.program_cache) == 1


@pytest.mark.parametrize(("steps", "loops"), [(32, 0), (33, 1)])
def test_many_steps_are_a_loop_and_few_are_not(steps: int, loops: int) -> None:
    net = to_static(nn.GRU(4, 3), input_spec=[InputSpec([None, steps, 4])])
    assert ops_of(net.forward.main_program).count("while") == loops


def test_a_saved_model_and_a_shared_object_take_any_number_of_steps(tmp_path: Path) -> None:
    net = Net(nn.LSTM(4, 3))
    net.eval()
    paddle.jit.save(net, str(tmp_path / "net"), [InputSpec(["B", "T", 4], name="x")])
    loaded = paddle.jit.load(str(tmp_path / "net"))
    native = wherry.runtime.load(str(compile_model(tmp_path / "net")))
    for batch, steps in ((1, 1), (2, 6)):
        x = sequences(batch, steps)
        want, (h, c) = net(x)
        out, (loaded_h, _) = loaded(x)
        np.testing.assert_allclose(out.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(loaded_h.numpy(), h.numpy(), rtol=1e-5, atol=1e-6)
        for one, other in zip(native(x.numpy()), (want, h, c), strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-6)


def test_no_step_at_all_is_an_error_with_the_line() -> None:
    net = Net(nn.GRU(4, 3))
    static = to_static(net, input_spec=[InputSpec([None, None, 4], name="x")])
    with pytest.raises(ValueError, match=r"self\.body\(x, None, lengths\)"):
        static(paddle.zeros([2, 0, 4]))


def test_static_mode_trains_over_any_number_of_steps() -> None:
    paddle.seed(1)
    paddle.enable_static()
    static, programs = paddle.static, (paddle.static.Program(), paddle.static.Program())
    try:
        with static.program_guard(*programs), static.scope_guard(static.Scope()):
            x = static.data("x", [None, None, 4])
            out, _ = nn.GRU(4, 3)(x, None, static.data("lengths", [None], "int64"))
            loss = paddle.mean(out * out)
            paddle.optimizer.SGD(0.5).minimize(loss)
            exe = Executor()
            exe.run(programs[1])
            for steps in (2, 4):
                feed = {"x": np.ones((2, steps, 4), "float32"), "lengths": np.array([steps, 1])}
                runs = [exe.run(feed=feed, fetch_list=[out, loss]) for _ in range(3)]
                assert runs[0][0].shape == (2, steps, 3)
                assert not runs[0][0][1, 1:].any()
                assert runs[-1][1] < runs[0][1]
    finally:
        paddle.disable_static()
