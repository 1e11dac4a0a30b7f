"""jit.save and jit.load: what is written, called and refused, and a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import TranslatedLayer, load, save, to_static
from wherry.schema.errors import ConversionError, InputError, OpError
from wherry.static import InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)

    def forward(self, x: Any, y: Any) -> Any:
        out = self.linear(x)
        return out + y


SPECS = [InputSpec([None, 10], "float32", "x"), InputSpec([3], "float32", "y")]


def inputs(batch: int = 2) -> tuple[Any, Any]:
    return paddle.rand([batch, 10]), paddle.rand([3])


def test_round_trip(tmp_path: Path) -> None:
    net = Net()
    assert save(net, tmp_path / "deep" / "net", SPECS) is None
    files = sorted(p.name for p in (tmp_path / "deep").iterdir())
    assert files == ["net.pdiparams", "net.pdiparams.info", "net.pdmodel"]
    loaded = load(str(tmp_path / "deep" / "net"))
    assert type(loaded) is TranslatedLayer and loaded.training is False
    for batch in (0, 1, 2, 7):
        x, y = inputs(batch)
        assert np.allclose(loaded(x, y).numpy(), net(x, y).numpy(), atol=1e-6)
    assert np.allclose(loaded(x.numpy(), y.numpy()).numpy(), net(x, y).numpy(), atol=1e-6)
    assert [op.type for op in loaded.program().global_block().ops] == [
        "matmul_v2", "elementwise_add", "elementwise_add",
    ]  # fmt: skip
    assert loaded.program().inputs[0].shape[1] == 10
    assert "shape(-1, 10)" in str(loaded.program())


def test_fresh_process_without_the_source(tmp_path: Path) -> None:
    net = Net()
    save(net, tmp_path / "net", SPECS)
    x, y = inputs()
    np.savez(tmp_path / "io.npz", x=x.numpy(), y=y.numpy(), want=net(x, y).numpy())
    script = (
        "import numpy as np, wherry as paddle\n"
        "io = np.load('io.npz')\n"
        "got = paddle.jit.load('net')(paddle.to_tensor(io['x']), paddle.to_tensor(io['y']))\n"
        "print(np.abs(got.numpy() - io['want']).max() < 1e-6)\n"
    )
    for blocked in ("", "import sys; sys.modules['llvmlite'] = None\n"):
        done = subprocess.run(
            [sys.executable, "-c", blocked + script], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"}, check=False,
        )  # fmt: skip
        assert done.stdout.strip() == "True", done.stderr


def test_state_dict_keeps_structured_names(tmp_path: Path) -> None:
    net = Net()
    save(net, tmp_path / "net", SPECS)
    loaded = load(tmp_path / "net")
    assert list(loaded.state_dict()) == ["linear.weight", "linear.bias"]
    other = Net()
    assert loaded.set_state_dict(other.state_dict()) == ([], [])
    x, y = inputs()
    assert np.allclose(loaded(x, y).numpy(), other(x, y).numpy(), atol=1e-6)
    assert loaded.set_state_dict({"param_0": net.linear.weight, "param_1": net.linear.bias}) == (
        [],
        [],
    )
    assert np.allclose(loaded(x, y).numpy(), net(x, y).numpy(), atol=1e-6)


def test_fine_tuning_and_saving_again(tmp_path: Path) -> None:
    net = Net()
    save(net, tmp_path / "net", SPECS)
    loaded = load(tmp_path / "net")
    loaded.train()
    rule = paddle.optimizer.SGD(0.1, parameters=loaded.parameters())
    x, y = inputs(8)
    losses = []
    for _ in range(5):
        loss = (loaded(x, y) ** 2).mean()
        loss.backward()
        rule.step()
        rule.clear_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    save(loaded, tmp_path / "tuned")
    again = load(tmp_path / "tuned")
    assert np.allclose(again(x, y).numpy(), loaded(x, y).numpy(), atol=1e-6)


class Trained(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = paddle.nn.BatchNorm1D(4), paddle.nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(self.norm(x))


def test_saved_in_training_mode_infers(tmp_path: Path) -> None:
    net = Trained()
    net(paddle.rand([16, 4]))
    save(net, tmp_path / "net", [InputSpec([None, 4])])
    loaded = load(tmp_path / "net")
    net.eval()
    x = paddle.rand([200, 4])
    assert np.allclose(loaded(x).numpy(), net(x).numpy(), atol=1e-6)
    assert [op.type for op in loaded.program().global_block.ops] == ["batch_norm", "dropout"]
    assert set(loaded.state_dict()) == set(net.state_dict())
    loaded.train()
    share = float((loaded(x).numpy() == 0).mean())
    assert 0.4 < share < 0.6, "dropout is active again"
    loaded.eval()
    assert (loaded(x).numpy() == loaded(x).numpy()).all()


class Nested(paddle.nn.Layer):
    def forward(self, pair: Any, options: Any, scale: float = 2.0) -> Any:
        return {
            "sum": pair[0] + pair[1] * scale,
            "rest": (options["bias"], [pair[0], None, "text"]),
        }


def test_nested_calls_and_results(tmp_path: Path) -> None:
    spec = InputSpec([None, 3])
    save(Nested(), tmp_path / "net", [[spec, spec], {"bias": InputSpec([3], name="bias")}])
    loaded = load(tmp_path / "net")
    a, b, c = (paddle.rand([2, 3]), paddle.rand([2, 3]), paddle.rand([3]))
    for result in (
        loaded(a, b, c),
        loaded([a, b], {"bias": c}),
        loaded(pair=[a, b], options={"bias": c}),
    ):
        assert set(result) == {"sum", "rest"}
        assert np.allclose(result["sum"].numpy(), (a + b * 2).numpy())
        bias, (first, none, text) = result["rest"]
        assert bias.shape == [3] and first.shape == [2, 3] and none is None and text == "text"
    assert [var.name for var in loaded.program().inputs] == ["pair", "pair_1", "bias"]
    with pytest.raises(KeyError, match="bias"):
        loaded([a, b], {"other": c})


def test_calls_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    save(Net(), tmp_path / "net", SPECS)
    loaded = load(tmp_path / "net")
    x, y = inputs()
    with pytest.raises(InputError, match=r"'x' needs the shape \[-1, 10\], got \[2, 9\]"):
        loaded(x[:, :9], y)
    with pytest.raises(InputError, match="'y' needs the dtype float32, got float64"):
        loaded(x, y.astype("float64"))
    with pytest.raises(InputError, match="none for y"):
        loaded(x)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        loaded(x, x=x)
    with pytest.raises(InputError, match="2 inputs"):
        loaded(x, y, y)
    with pytest.raises(TypeError, match="numpy array or Variable"):
        loaded(x, 3)
    with pytest.raises(ValueError, match="`zzz` does not exist"):
        loaded.program("zzz")


def test_nothing_is_written_on_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpError, match=r"(?s)matmul.*\[-1, 3\].*\[10, 3\].*") as caught:
        save(Net(), tmp_path / "net", [InputSpec([None, 3]), InputSpec([3])])
    text = str(caught.value)
    assert "In transformed code:" in text and "out = self.linear(x)" in text and "<--- HERE" in text
    assert "frontend" not in text
    assert not list(tmp_path.iterdir())


def test_arguments_are_checked(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "net"
    with pytest.raises(ValueError, match="requires `y` arguments"):
        save(net, path, SPECS[:1])
    with pytest.raises(ValueError, match=r"requires 2 arguments: \['x', 'y'\], but received 3"):
        save(net, path, [*SPECS, SPECS[0]])
    with pytest.raises(TypeError, match="The input input_spec should be 'list'"):
        save(net, path, SPECS[0])
    with pytest.raises(ValueError, match="No valid transformed program for function: forward"):
        save(net, path)
    with pytest.raises(ValueError, match="dirname/file_prefix"):
        save(net, str(tmp_path) + "/", SPECS)
    with pytest.raises(TypeError, match=r"should be 'Layer' or 'Function'.*<class 'int'>"):
        save(3, path)
    with pytest.raises(ValueError, match=r"config \(foo\)"):
        save(net, path, SPECS, foo=1)
    with pytest.raises(ValueError, match="has been created before"):
        save(net, path, [InputSpec([None, 10], name="x"), InputSpec([3], name="x")])
    with pytest.raises(ValueError, match=r"to_static\(net, input_spec="):
        save(to_static(input_spec=SPECS), path)
    with pytest.raises(ValueError, match="not exists"):
        load(tmp_path / "nope")
    assert not list(tmp_path.iterdir())


def test_the_decorators_spec_wins(tmp_path: Path) -> None:
    net = to_static(Net(), input_spec=SPECS)
    save(net, tmp_path / "net", [InputSpec([4, 10]), InputSpec([3])])
    assert load(tmp_path / "net").program().inputs[0].name == "x"
    with pytest.raises(ValueError, match="conflict"):
        save(net, tmp_path / "net", [InputSpec([4, 10], "float64"), InputSpec([3])])


def test_after_a_call_and_with_example_tensors(tmp_path: Path) -> None:
    net = to_static(Net())
    net(*inputs(2))
    save(net, tmp_path / "net")
    assert load(tmp_path / "net")(*inputs(7)).shape == [7, 3]
    x, y = inputs(4)
    x.name = "example"
    save(Net(), tmp_path / "other", [x, y])
    assert load(tmp_path / "other").program().inputs[0].name == "example"


def test_constants_in_the_spec(tmp_path: Path) -> None:
    class Scaled(paddle.nn.Layer):
        def forward(self, x: Any, factor: float) -> Any:
            return x * factor

    save(Scaled(), tmp_path / "net", [InputSpec([None, 2], name="x"), 4])
    loaded = load(tmp_path / "net")
    assert [v.name for v in loaded.program().inputs] == ["x"]
    assert loaded(paddle.ones([1, 2])).tolist() == [[4.0, 4.0]]


def test_functions_and_control_flow(tmp_path: Path) -> None:
    def f(x: Any, n: Any) -> Any:
        for i in range(n):
            x = x + i
        return x if x.sum() > 0 else -x

    save(f, tmp_path / "f", [InputSpec([None]), InputSpec([], "int64")])
    loaded = load(tmp_path / "f")
    for n in (0, 1, 5):
        for data in ([1.0, 2.0], [-50.0, 3.0]):
            x, count = paddle.to_tensor(data), paddle.to_tensor(n)
            assert loaded(x, count).tolist() == f(x, count).tolist()


def test_results_without_a_tensor(tmp_path: Path) -> None:
    save(lambda x: (3, [True, "s", None]), tmp_path / "f", [InputSpec([2])])
    assert load(tmp_path / "f")(paddle.ones([2])) == (3, [True, "s", None])


def test_captured_tensors_are_saved(tmp_path: Path) -> None:
    table = paddle.to_tensor([1.0, 2.0])
    save(to_static(lambda x: x * table), tmp_path / "f", [InputSpec([2])])
    assert load(tmp_path / "f")(paddle.ones([2])).tolist() == [1.0, 2.0]


def test_further_methods(tmp_path: Path) -> None:
    class Two(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.linear = paddle.nn.Linear(4, 2)

        @to_static(input_spec=[InputSpec([None, 4])])
        def forward(self, x: Any) -> Any:
            return self.linear(x)

        @to_static(input_spec=[InputSpec([None, 4])])
        def twice(self, x: Any) -> Any:
            return self.linear(x) * 2

    net = Two()
    with pytest.raises(ValueError, match="other than 'forward'"):
        save(net, tmp_path / "net", [InputSpec([None, 4])])
    save(net, tmp_path / "net")
    loaded = load(tmp_path / "net")
    x = paddle.rand([3, 4])
    assert np.allclose(loaded.twice(x).numpy(), loaded(x).numpy() * 2, atol=1e-6)


def test_what_cannot_be_saved_says_why(tmp_path: Path) -> None:
    def leaves_a_number(x: Any) -> Any:
        return x.numpy().tolist()

    with pytest.raises(ConversionError, match="a list of numbers"):
        save(leaves_a_number, tmp_path / "f", [InputSpec([2])])
    assert not list(tmp_path.iterdir())
