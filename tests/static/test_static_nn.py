"""paddle.static.nn: the values of the same layers in dynamic mode, the parameters of Paddle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static, nn = paddle.static, paddle.nn
F = paddle.nn.functional
rng = np.random.default_rng(5)
Case = tuple[tuple[Any, ...], Callable[[Any], Any], Callable[[Any, Any], Any], dict[str, Any]]
ones = nn.initializer.Constant(1.0)
# shape of x -> the static layer, the same in dynamic mode on (x, parameters), their shapes
CASES: dict[str, Case] = {
    "fc": (
        (None, 3, 4),
        lambda x: static.nn.fc(x, 5, activation="relu"),
        lambda x, p: F.relu(x.reshape([2, 12]) @ p["fc_0.w_0"] + p["fc_0.b_0"]),
        {"fc_0.w_0": [12, 5], "fc_0.b_0": [5]},
    ),
    "fc of two axes": (
        (None, 3, 4),
        lambda x: static.nn.fc(x, 5, num_flatten_dims=2, bias_attr=False, name="mine"),
        lambda x, p: x @ p["mine.w_0"],
        {"mine.w_0": [4, 5]},
    ),
    "conv2d": (
        (None, 4, 7, 7),
        lambda x: static.nn.conv2d(x, 6, 3, stride=2, padding=1, groups=2, act="tanh"),
        lambda x, p: F.tanh(
            F.conv2d(x, p["conv2d_0.w_0"], p["conv2d_0.b_0"], stride=2, padding=1, groups=2)
        ),
        {"conv2d_0.w_0": [6, 2, 3, 3], "conv2d_0.b_0": [6]},
    ),
    "conv2d NHWC": (
        (None, 7, 7, 4),
        lambda x: static.nn.conv2d(x, 2, (3, 2), bias_attr=False, data_format="NHWC"),
        lambda x, p: F.conv2d(x.transpose([0, 3, 1, 2]), p["conv2d_0.w_0"]).transpose([0, 2, 3, 1]),
        {"conv2d_0.w_0": [2, 4, 3, 2]},
    ),
    "conv2d_transpose": (
        (None, 3, 4, 4),
        lambda x: static.nn.conv2d_transpose(x, 2, filter_size=3, stride=2),
        lambda x, p: F.conv2d_transpose(
            x, p["conv2d_transpose_0.w_0"], p["conv2d_transpose_0.b_0"], stride=2
        ),
        {"conv2d_transpose_0.w_0": [3, 2, 3, 3], "conv2d_transpose_0.b_0": [2]},
    ),
    "conv2d_transpose to a size": (
        (None, 3, 4, 4),
        lambda x: static.nn.conv2d_transpose(x, 2, output_size=[9, 9], stride=2, bias_attr=False),
        lambda x, p: F.conv2d_transpose(x, p["conv2d_transpose_0.w_0"], stride=2),
        {"conv2d_transpose_0.w_0": [3, 2, 3, 3]},
    ),
    "batch_norm": (
        (None, 3, 4),
        lambda x: static.nn.batch_norm(x, act="relu", epsilon=1e-3),
        lambda x, p: F.relu(
            F.batch_norm(
                x, p["batch_norm_0.w_1"], p["batch_norm_0.w_2"], p["batch_norm_0.w_0"],
                p["batch_norm_0.b_0"], training=True, epsilon=1e-3,
            )
        ),
        {f"batch_norm_0.{name}": [3] for name in ("w_0", "b_0", "w_1", "w_2")},
    ),
    "batch_norm of given statistics": (
        (None, 3, 4),
        lambda x: static.nn.batch_norm(x, is_test=True, moving_mean_name="mean"),
        lambda x, p: F.batch_norm(
            x, p["mean"], p["batch_norm_0.w_1"], p["batch_norm_0.w_0"], p["batch_norm_0.b_0"]
        ),
        {"batch_norm_0.w_0": [3], "batch_norm_0.b_0": [3], "mean": [3], "batch_norm_0.w_1": [3]},
    ),
    "layer_norm": (
        (None, 3, 4),
        lambda x: static.nn.layer_norm(x, begin_norm_axis=1),
        lambda x, p: F.layer_norm(
            x, [3, 4], p["layer_norm_0.w_0"].reshape([3, 4]), p["layer_norm_0.b_0"].reshape([3, 4])
        ),
        {"layer_norm_0.w_0": [12], "layer_norm_0.b_0": [12]},
    ),
    "layer_norm plain": (
        (None, 3, 4),
        lambda x: static.nn.layer_norm(x, scale=False, shift=False, begin_norm_axis=2),
        lambda x, p: F.layer_norm(x, [4]),
        {},
    ),
    "group_norm": (
        (None, 4, 3),
        lambda x: static.nn.group_norm(x, 2),
        lambda x, p: F.group_norm(x, 2),
        {},
    ),
    "group_norm with attrs": (
        (None, 4, 3),
        lambda x: static.nn.group_norm(x, 2, param_attr=ones, bias_attr=ones, act="sigmoid"),
        lambda x, p: F.sigmoid(
            F.group_norm(x, 2, weight=p["group_norm_0.w_0"], bias=p["group_norm_0.b_0"])
        ),
        {"group_norm_0.w_0": [4], "group_norm_0.b_0": [4]},
    ),
    "instance_norm": (
        (None, 4, 3),
        lambda x: static.nn.instance_norm(x),
        lambda x, p: F.instance_norm(x),
        {},
    ),
    "instance_norm with attrs": (
        (None, 4, 3),
        lambda x: static.nn.instance_norm(x, param_attr=ones, bias_attr=ones),
        lambda x, p: F.instance_norm(
            x, weight=p["instance_norm_0.w_0"], bias=p["instance_norm_0.b_0"]
        ),
        {"instance_norm_0.w_0": [4], "instance_norm_0.b_0": [4]},
    ),
    "prelu of channels": (
        (None, 4, 3),
        lambda x: static.nn.prelu(x, "channel"),
        lambda x, p: F.prelu(x, p["prelu_0.w_0"].reshape([4])),
        {"prelu_0.w_0": [1, 4, 1, 1]},
    ),
    "prelu of all": (
        (None, 4, 3),
        lambda x: static.nn.prelu(x, "all"),
        lambda x, p: F.prelu(x, p["prelu_0.w_0"]),
        {"prelu_0.w_0": [1]},
    ),
    "prelu of elements": (
        (None, 4, 3),
        lambda x: static.nn.prelu(x, "element"),
        lambda x, p: paddle.where(x > 0, x, x * p["prelu_0.w_0"]),
        {"prelu_0.w_0": [1, 4, 3]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_parameters(name: str) -> None:
    shape, layer, dynamic, wanted = CASES[name]
    x = static.data("x", list(shape))
    out = layer(x)
    main, exe = static.default_main_program(), Executor()
    assert {p.name: list(p.shape) for p in main.all_parameters()} == wanted
    exe.run(static.default_startup_program())
    state = {name: value.numpy() for name, value in main.state_dict().items()}
    value = rng.standard_normal((2, *shape[1:])).astype("float32")
    (found,) = exe.run(feed={"x": value}, fetch_list=[out])
    assert out.shape == (-1, *found.shape[1:])
    paddle.disable_static()
    want = dynamic(paddle.to_tensor(value), {k: paddle.to_tensor(v) for k, v in state.items()})
    np.testing.assert_allclose(found, want.numpy(), rtol=1e-5, atol=1e-5)


def test_embedding() -> None:
    ids = static.data("ids", [None, 2], "int64")
    out = static.nn.embedding(ids, [5, 3], padding_idx=1)
    exe = Executor()
    exe.run(static.default_startup_program())
    table, rows = exe.run(
        feed={"ids": np.array([[0, 1], [4, 0]])}, fetch_list=["embedding_0.w_0", out]
    )
    want = table[[[0, 1], [4, 0]]]
    want[0, 1] = 0.0
    np.testing.assert_array_equal(rows, want)


def test_batch_norm_moves_its_statistics_while_training_only() -> None:
    x = static.data("x", [None, 3])
    out = static.nn.batch_norm(x, momentum=0.8)
    main, exe = static.default_main_program(), Executor()
    test = main.clone(for_test=True)
    exe.run(static.default_startup_program())
    value = rng.standard_normal((6, 3)).astype("float32") * 3 + 1
    feed = {"x": value}
    exe.run(main, feed=feed, fetch_list=[out])
    mean, variance = exe.run(main, feed={"x": value}, fetch_list=["batch_norm_0.w_1",
                             "batch_norm_0.w_2"])  # fmt: skip
    keep = 1 - 0.8**2
    np.testing.assert_allclose(mean, keep * value.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, keep * value.var(0) + 0.64, rtol=1e-5)
    (found,) = exe.run(test, feed=feed, fetch_list=[out.name])
    np.testing.assert_allclose(found, (value - mean) / np.sqrt(variance + 1e-5), rtol=1e-4)
    again, _ = exe.run(test, feed=feed, fetch_list=["batch_norm_0.w_1", out.name])
    np.testing.assert_array_equal(again, mean)


def test_default_initializers_are_paddles() -> None:
    x = static.data("x", [None, 16, 9, 9])
    static.nn.conv2d(x, 64, 3)
    static.nn.fc(x, 50)
    exe = Executor()
    exe.run(static.default_startup_program())
    state = {k: v.numpy() for k, v in static.default_main_program().state_dict().items()}
    filters, weight = state["conv2d_0.w_0"], state["fc_0.w_0"]
    assert abs(filters.std() - np.sqrt(2 / (9 * 16))) < 0.004
    limit = np.sqrt(6 / (16 * 81 + 50))
    assert 0.98 * limit < np.abs(weight).max() <= limit
    assert not state["conv2d_0.b_0"].any()


def test_layers_of_static_mode_make_parameters_of_the_program() -> None:
    net = nn.Sequential(nn.Conv2D(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm(3))
    x = static.data("x", [None, 1, 4, 4])
    out = net(x)
    main, exe = static.default_main_program(), Executor()
    names = [p.name for p in net.parameters()]
    assert names == [p.name for p in main.all_parameters()]
    assert isinstance(net[2].weight, static.Parameter)
    assert out.name == "layer_norm_1.tmp_2"
    with pytest.raises(RuntimeError, match=r"conv2d_0.w_0 has not been initialized"):
        exe.run(feed={"x": np.ones((2, 1, 4, 4), np.float32)}, fetch_list=[out])
    exe.run(static.default_startup_program())
    state = {key: main.state_dict()[p.name].numpy() for key, p in net.named_parameters()}
    value = rng.standard_normal((2, 1, 4, 4)).astype("float32")
    (found,) = exe.run(feed={"x": value}, fetch_list=[out])
    paddle.disable_static()
    twin = nn.Sequential(nn.Conv2D(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm(3))
    twin.set_state_dict(state)
    np.testing.assert_allclose(found, twin(paddle.to_tensor(value)).numpy(), rtol=1e-4, atol=1e-5)


def test_a_layers_state_is_set_in_the_scope() -> None:
    net = nn.Linear(2, 2)
    x = static.data("x", [None, 2])
    out, exe = net(x), Executor()
    exe.run(static.default_startup_program())
    net.set_state_dict({"weight": np.eye(2, dtype="float32"), "bias": np.ones(2, "float32")})
    (found,) = exe.run(feed={"x": np.array([[1.0, 2.0]], "float32")}, fetch_list=[out])
    assert found.tolist() == [[2.0, 3.0]]
    assert np.array(net.weight.get_value()).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(
        ValueError, match=r"expected a shape \[2\], but the received shape is \[3\]"
    ):
        net.bias.set_value(np.ones(3, "float32"))


def test_recurrent_and_attention_layers_train() -> None:
    x = static.data("x", [None, 5, 8])
    hidden, _ = nn.LSTM(8, 8)(x)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1)
    loss = paddle.mean(paddle.square(nn.TransformerEncoder(layer, 1)(hidden) - 0.5))
    paddle.optimizer.Adam(0.02).minimize(loss)
    exe = Executor()
    exe.run(static.default_startup_program())
    feed = {"x": rng.standard_normal((3, 5, 8)).astype("float32")}
    losses = [float(exe.run(feed=feed, fetch_list=[loss])[0]) for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]


def test_data_come_into_the_program_as_constants() -> None:
    x = static.data("x", [3])
    table = np.arange(3, dtype="float32")
    large = np.arange(5000, dtype="float32")
    outs = [x + paddle.to_tensor(table), paddle.to_tensor([1, 2]), paddle.sum(paddle.assign(large))]
    table[:] = 9
    exe = Executor()
    found = exe.run(feed={"x": np.ones(3, np.float32)}, fetch_list=outs)
    assert [one.tolist() for one in found[:2]] == [[1.0, 2.0, 3.0], [1, 2]]
    assert found[2] == large.sum()
    main = static.default_main_program()
    assert main.state_dict() == {}
    copy = static.deserialize_program(static.serialize_program([x], outs))
    again = exe.run(copy, feed={"x": np.ones(3, np.float32)}, fetch_list=[o.name for o in outs])
    for one, two in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_accuracy() -> None:
    scores, label = static.data("scores", [None, 3]), static.data("label", [None, 1], "int64")
    first = static.accuracy(scores, label)
    second = static.accuracy(scores, label, k=2)
    feed = {
        "scores": np.array([[1, 2, 3], [3, 2, 1], [1, 3, 2], [3, 1, 2]], np.float32),
        "label": np.array([[2], [1], [0], [0]]),
    }
    found = Executor().run(feed=feed, fetch_list=[first, second])
    assert [one.item() for one in found] == [0.5, 0.75]


def test_wrong_arguments() -> None:
    x = static.data("x", [None, 4, 5])
    with pytest.raises(
        TypeError, match=r"The type of 'x' in fc must be Variable, but received int"
    ):
        static.nn.fc(3, 4)
    with pytest.raises(ValueError, match=r"there is no activation 'nope' in paddle.nn.functional"):
        static.nn.fc(x, 4, activation="nope")
    with pytest.raises(ValueError, match=r"mode should be one of all, channel, element"):
        static.nn.prelu(x, "some")
    open_channels = static.data("y", [None, None, 4, 4])
    with pytest.raises(ValueError, match=r"(?s)conv2d needs an input whose axis 1 is known.*at "):
        static.nn.conv2d(open_channels, 4, 3)
    with pytest.raises(ValueError, match="must be divisible by groups"):
        static.nn.conv2d(static.data("z", [None, 3, 4, 4]), 4, 3, groups=2)
    with pytest.raises(ValueError, match="output_size must be set when filter_size is None"):
        static.nn.conv2d_transpose(static.data("z", [None, 3, 4, 4]), 4)
    with pytest.raises(AttributeError, match=r"paddle.static.nn.sequence_pool works on .*LoD"):
        static.nn.sequence_pool  # noqa: B018
    paddle.disable_static()
    with pytest.raises(RuntimeError, match=r"static.nn.conv2d builds a Program"):
        static.nn.conv2d(paddle.ones([1, 1, 4, 4]), 1, 3)
