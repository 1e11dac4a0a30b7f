"""What loaded models and saved states promise, one test for each promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import TranslatedLayer, load, save
from wherry.schema.errors import InputError
from wherry.static import InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)

    def forward(self, pair: Any, extra: Any) -> Any:
        return {"sum": self.linear(pair[0]) + pair[1], "extra": (extra["z"] * 2, None, 7)}


SPECS = [
    [InputSpec([None, 10], name="x"), InputSpec([3], name="y")], {"z": InputSpec([2], name="z")},
]  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Net, Path]:
    net = Net()
    save(net, tmp_path / "net", SPECS)
    return net, tmp_path / "net"


def given(size: int = 2) -> tuple[Any, Any, Any]:
    return paddle.rand([size, 10]), paddle.rand([3]), paddle.rand([2])


def test_it_is_a_translated_layer_in_eval_mode(saved: Any) -> None:
    loaded = load(saved[1])
    assert isinstance(loaded, TranslatedLayer) and isinstance(loaded, paddle.nn.Layer)
    assert loaded.training is False


def test_calls_take_the_originals_structure_or_flat_tensors(saved: Any) -> None:
    net, path = saved
    loaded = load(path)
    x, y, z = given()
    want = net([x, y], {"z": z})
    for found in (
        loaded([x, y], {"z": z}), loaded(x, y, z), loaded([x, y], extra={"z": z}),
        loaded(x.numpy(), y.numpy(), z.numpy()),
    ):  # fmt: skip
        np.testing.assert_allclose(found["sum"].numpy(), want["sum"].numpy(), rtol=1e-5)
        assert found["extra"][0].tolist() == want["extra"][0].tolist()
        assert found["extra"][1:] == (None, 7)


def test_what_contradicts_the_signature_is_refused_by_name(saved: Any) -> None:
    loaded = load(saved[1])
    x, y, z = given()
    with pytest.raises(InputError, match=r"'x' needs the shape \[-1, 10\], got \[2, 9\]"):
        loaded(x[:, :9], y, z)
    with pytest.raises(InputError, match="'y' needs the dtype float32, got float64"):
        loaded(x, y.astype("float64"), z)
    with pytest.raises(InputError, match="needs 3 inputs"):
        loaded(x, y, z, z)
    with pytest.raises(ValueError, match="got none for z"):
        loaded([x, y])
    with pytest.raises(KeyError, match=r"argument 'extra' needs the key 'z', got the keys \['q'\]"):
        loaded([x, y], {"q": z})


def test_parameters_keep_their_names_and_param_0_works(saved: Any) -> None:
    net, path = saved
    loaded = load(path)
    assert list(loaded.state_dict()) == ["linear.weight", "linear.bias"]
    assert loaded.set_state_dict(net.state_dict()) == ([], [])
    weight, bias = net.linear.weight, net.linear.bias
    assert loaded.set_state_dict({"param_0": weight * 0, "param_1": bias}) == ([], [])
    assert not loaded.parameters()[0].numpy().any()


def test_a_missing_path_and_a_missing_method_are_named(saved: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"The ``path`` \(\S*nope\) to load model not exists"):
        load(tmp_path / "nope")
    with pytest.raises(ValueError, match="The method `zzz` does not exist in loaded"):
        load(saved[1]).program("zzz")


def test_train_and_eval_change_what_dropout_does(tmp_path: Path) -> None:
    save(paddle.nn.Sequential(paddle.nn.Dropout(0.5)), tmp_path / "net", [InputSpec([None])])
    loaded = load(tmp_path / "net")
    x = paddle.ones([256])
    loaded.train()
    assert 0.3 < float((loaded(x) == 0).astype("float32").mean()) < 0.7
    loaded.eval()
    assert loaded(x).tolist() == [1.0] * 256


def test_fine_tuning_trains_it_as_it_would_the_original(saved: Any, tmp_path: Path) -> None:
    net, path = saved
    loaded = load(path)
    loaded.train()
    x, y, z = given(8)
    losses: list[list[float]] = []
    for model in (net, loaded):
        rule = paddle.optimizer.SGD(0.1, parameters=model.parameters())
        losses.append([])
        for _ in range(5):
            loss = (model([x, y], {"z": z})["sum"] ** 2).mean()
            assert not loss.stop_gradient
            loss.backward()
            rule.step()
            rule.clear_grad()
            losses[-1].append(float(loss))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[1][-1] < losses[1][0]
    save(loaded, tmp_path / "again")
    found = load(tmp_path / "again")(x, y, z)["sum"].numpy()
    np.testing.assert_allclose(found, net([x, y], {"z": z})["sum"].numpy(), rtol=1e-4)


def test_paddle_load_reads_the_parameters_of_a_saved_model(saved: Any) -> None:
    net, path = saved
    for name in (path, f"{path}.pdiparams"):
        state = paddle.load(str(name))
        assert list(state) == ["linear.weight", "linear.bias"]
        assert np.array_equal(np.asarray(state["linear.bias"]), net.linear.bias.numpy())
    with pytest.raises(FileNotFoundError, match="neither"):
        paddle.load(f"{path}_of_nobody")


# Dynamic mode: printing, states, containers.


def test_a_tensor_prints_with_shape_dtype_place_and_data() -> None:
    wanted = (
        "Tensor(shape=[1, 2], dtype=float32, place=CPUPlace, stop_gradient=True,\n"
        "       [[0., 0.]])"
    )
    assert str(paddle.zeros([1, 2])) == wanted


def test_states_are_saved_and_loaded_as_tensors_or_arrays(tmp_path: Path) -> None:
    net, other = Net(), Net()
    assert [p.name.split(".")[1] for p in net.parameters()] == ["w_0", "b_0"]
    assert {k: v.shape for k, v in net.state_dict().items()} == {
        "linear.weight": [10, 3], "linear.bias": [3],
    }  # fmt: skip
    paddle.save(net.state_dict(), str(tmp_path / "net.pdparams"))
    tensors = paddle.load(str(tmp_path / "net.pdparams"))
    assert all(isinstance(value, paddle.Tensor) for value in tensors.values())
    arrays = paddle.load(str(tmp_path / "net.pdparams"), return_numpy=True)
    assert all(isinstance(value, np.ndarray) for value in arrays.values())
    assert other.set_state_dict(tensors) == ([], [])
    assert np.array_equal(other.linear.weight.numpy(), net.linear.weight.numpy())


def test_parameters_and_sublayers_are_ordered_containers_under_both_names() -> None:
    net = Net()
    assert list(net._sub_layers) == list(net._sub_layer) == ["linear"]
    weight = net.linear._parameters["weight"]
    assert type(weight).__name__ in ("Parameter", "EagerParamBase", "ParamBase")
    assert (weight.stop_gradient, weight.persistable, weight.trainable) == (False, True, True)
    rule = paddle.optimizer.SGD(learning_rate=0.1, parameters=net.parameters())
    net([paddle.ones([1, 10]), paddle.ones([3])], {"z": paddle.ones([2])})["sum"].sum().backward()
    before = net.linear.bias.numpy()
    rule.step()
    np.testing.assert_allclose(net.linear.bias.numpy(), before - 0.1, rtol=1e-5)
