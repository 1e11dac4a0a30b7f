"""What `jit.save` and its files promise, one test for each promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import load, save, to_static
from wherry.schema.errors import OpError
from wherry.static import InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)

    def forward(self, x: Any, y: Any) -> Any:
        return self.linear(x) + y

    def another(self, x: Any) -> Any:
        return self.linear(x) * 2


X, Y = InputSpec([None, 10], name="x"), InputSpec([3], name="y")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_converts_the_forward_of_an_undecorated_layer_and_returns_nothing(
    tmp_path: Path,
) -> None:
    assert save(Net(), tmp_path / "net", [X, Y]) is None
    assert names(tmp_path) == ["net.pdiparams", "net.pdiparams.info", "net.pdmodel"]
    assert not hasattr(load(tmp_path / "net"), "another")


def test_a_size_that_cannot_fit_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OpError) as caught:
        save(Net(), tmp_path / "net", [InputSpec([None, 3]), Y])
    text = str(caught.value)
    for part in ("return self.linear(x) + y", "<--- HERE", "matmul", "[-1, 3]", "[10, 3]"):
        assert part in text
    assert names(tmp_path) == []


def test_a_decorated_spec_needs_no_call(tmp_path: Path) -> None:
    class Decorated(Net):
        @to_static(input_spec=[X, Y])
        def forward(self, x: Any, y: Any) -> Any:
            return self.linear(x) + y

    save(Decorated(), tmp_path / "net")
    assert [var.name for var in load(tmp_path / "net").program().inputs] == ["x", "y"]


def test_without_spec_and_call_it_says_what_to_give(tmp_path: Path) -> None:
    text = r"No valid transformed program for function: forward\(x,y\), input_spec: None"
    with pytest.raises(ValueError, match=text):
        save(to_static(Net()), tmp_path / "net")


def test_after_calls_the_last_program_is_saved_for_every_batch(tmp_path: Path) -> None:
    net = to_static(Net())
    for size in (2, 5):
        net(paddle.ones([size, 10]), paddle.ones([3]))
    save(net, tmp_path / "net")
    assert load(tmp_path / "net")(paddle.ones([7, 10]), paddle.ones([3])).shape == [7, 3]


def test_the_decorators_spec_wins_and_another_dtype_is_a_conflict(tmp_path: Path) -> None:
    net = to_static(Net(), input_spec=[X, Y])
    save(net, tmp_path / "net", [InputSpec([4, 10], name="a"), InputSpec([3], name="b")])
    assert [var.name for var in load(tmp_path / "net").program().inputs] == ["x", "y"]
    with pytest.raises(ValueError, match="conflict"):
        save(net, tmp_path / "net", [InputSpec([None, 10], "float64"), Y])


def test_example_tensors_are_specs_under_their_names(tmp_path: Path) -> None:
    x, y = paddle.ones([2, 10]), paddle.ones([3])
    x.name, y.name = "image", "offset"
    save(Net(), tmp_path / "net", [x, y])
    assert [var.name for var in load(tmp_path / "net").program().inputs] == ["image", "offset"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    save(Net(), tmp_path / "a" / "b" / "net", [X, Y])
    assert len(names(tmp_path / "a" / "b")) == 3


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"path": "{}/"}, ValueError, "MUST be format of dirname/file_prefix"),
        ({"layer": 3}, TypeError, "should be 'Layer' or 'Function', but received input type is"),
        ({"foo": 1}, ValueError, r"additional config \(foo\) of `paddle.jit.save` is not"),
        ({"input_spec": X}, TypeError, "input_spec should be 'list', but received input_spec's"),
    ],
)
def test_arguments_that_do_not_fit(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], text: str
) -> None:
    given: dict[str, Any] = {"layer": Net(), "path": "{}/net", "input_spec": [X, Y], **change}
    given["path"] = given["path"].format(tmp_path)
    with pytest.raises(error, match=text):
        save(**given)
    assert names(tmp_path) == []


class Several(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(4, 2)

    @to_static(input_spec=[InputSpec([None, 4], name="x")])
    def forward(self, x: Any) -> Any:
        return self.linear(x)

    @to_static(input_spec=[InputSpec([None, 2], name="z"), InputSpec([2], name="s")])
    def decode(self, z: Any, s: Any) -> Any:
        return z @ self.linear.weight.t() * s.sum()


def test_several_static_methods_are_saved_beside_each_other(tmp_path: Path) -> None:
    net = Several()
    save(net, tmp_path / "net")
    assert {"net.pdmodel", "net.decode.pdmodel"} <= set(names(tmp_path))
    loaded = load(tmp_path / "net")
    x, z, s = paddle.rand([3, 4]), paddle.rand([5, 2]), paddle.ones([2])
    np.testing.assert_allclose(loaded(x).numpy(), net(x).numpy(), rtol=1e-5)
    np.testing.assert_allclose(loaded.decode(z, s).numpy(), net.decode(z, s).numpy(), rtol=1e-5)
    assert len(loaded.parameters()) == 2, "the methods share their parameters"


def test_with_several_static_methods_a_spec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="other than 'forward' that need to be saved"):
        save(Several(), tmp_path / "net", [InputSpec([None, 4])])


def test_parameters_and_buffers_are_persistables_under_their_names(tmp_path: Path) -> None:
    net = paddle.nn.Sequential(paddle.nn.Linear(4, 3), paddle.nn.BatchNorm1D(3))
    net.eval()
    save(net, tmp_path / "net", [InputSpec([None, 4])])
    info = json.loads((tmp_path / "net.pdiparams.info").read_text())
    found = {str(one["structured_name"]) for one in _entries(info)}
    assert found == {"0.weight", "0.bias", "1.weight", "1.bias", "1._mean", "1._variance"}


def _entries(info: Any) -> list[dict[str, Any]]:
    values = info.values() if isinstance(info, dict) else info
    found = []
    for one in values:
        if isinstance(one, dict) and "structured_name" in one:
            found.append(one)
        elif isinstance(one, (dict, list)):
            found += _entries(one)
    return found


def test_a_tensor_that_is_no_buffer_is_saved_too(tmp_path: Path) -> None:
    class Odd(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.table = [paddle.to_tensor([1.0, 2.0])]

        def forward(self, x: Any) -> Any:
            return x * self.table[0]

    save(Odd(), tmp_path / "net", [InputSpec([2])])
    assert load(tmp_path / "net")(paddle.ones([2])).tolist() == [1.0, 2.0]


def test_what_is_saved_drops_nothing_out_in_whatever_mode_the_net_was(tmp_path: Path) -> None:
    net = paddle.nn.Sequential(paddle.nn.Dropout(0.5))
    save(net, tmp_path / "net", [InputSpec([None])])
    assert load(tmp_path / "net")(paddle.ones([64])).tolist() == [1.0] * 64
    assert net.training


def test_a_function_without_parameters_is_saved(tmp_path: Path) -> None:
    @to_static(input_spec=[InputSpec([None], name="x")])
    def f(x: Any) -> Any:
        return x * 2

    save(f, tmp_path / "f")
    assert "f.pdmodel" in names(tmp_path)
    assert load(tmp_path / "f")(paddle.ones([3])).tolist() == [2.0] * 3


def test_the_info_file_is_json_with_names_and_flags(tmp_path: Path) -> None:
    net = Net()
    net.linear.bias.stop_gradient = True
    save(net, tmp_path / "net", [X, Y])
    found = {
        one["structured_name"]: (one["stop_gradient"], one["trainable"])
        for one in _entries(json.loads((tmp_path / "net.pdiparams.info").read_text()))
    }
    assert found == {"linear.weight": (False, True), "linear.bias": (True, True)}


def test_a_decorator_without_a_layer_says_how_to_give_it_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decorated\(python_func\)(?s:.*)to_static\(net, input"):
        save(to_static(input_spec=[X, Y]), tmp_path / "net")


def test_output_spec_chooses_the_outputs_that_are_saved(tmp_path: Path) -> None:
    class Two(paddle.nn.Layer):
        @to_static(input_spec=[InputSpec([None], name="x")])
        def forward(self, x: Any) -> Any:
            return x + 1, {"double": x * 2, "note": 3}

    net = Two()
    outputs = net.forward.outputs
    save(net, tmp_path / "net", output_spec=[outputs[1]])
    loaded = load(tmp_path / "net")
    assert [op.type for op in loaded.program().global_block().ops] == ["scale"]
    assert loaded(paddle.ones([2])).tolist() == [2.0, 2.0]
    net(paddle.ones([2]))
    save(net, tmp_path / "named", output_spec=[outputs[0].name])
    assert load(tmp_path / "named")(paddle.ones([2])).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match=r"output_spec(?s:.*)returns"):
        save(net, tmp_path / "bad", output_spec=["nothing"])
    with pytest.raises(TypeError, match="output_spec"):
        save(net, tmp_path / "bad", output_spec=3)
