"""nn.Layer: registration, names, walks, state, hooks, printing, errors."""

import copy

import numpy as np
import pytest

import wherry as paddle
from wherry import nn


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 3)
        self.block = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), ("last", nn.BatchNorm1D(3)))
        self.scale = self.create_parameter([1], default_initializer=nn.initializer.Constant(2.0))
        self.register_buffer("steps", paddle.zeros([1]))
        self.register_buffer("cache", paddle.zeros([2]), persistable=False)

    def forward(self, x):
        return self.block(self.linear(x)) * self.scale


NAMES = [
    "scale", "linear.weight", "linear.bias", "block.0.weight", "block.0.bias", "block.last.weight",
    "block.last.bias", "block.last._mean", "block.last._variance",
]  # fmt: skip


def test_parameters_are_found_by_name_in_paddles_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert list(net.state_dict()) == ["scale", "steps", *NAMES[1:]]
    assert [name for name, _ in net.named_buffers()] == ["steps", "cache"]
    assert [name for name, _ in net.named_sublayers()] == [
        "linear", "block", "block.0", "block.1", "block.last",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in net.children()] == ["Linear", "Sequential"]
    assert net._sub_layer is net._sub_layers and list(net._sub_layers) == ["linear", "block"]


def test_parameter_names_are_paddles():
    with paddle.utils.unique_name.guard():
        layers = [nn.Linear(1, 1), nn.Conv2D(1, 1, 1), nn.BatchNorm2D(1), nn.Linear(1, 1)]
    assert [layer.full_name() for layer in layers] == [
        "linear_0", "conv2d_0", "batch_norm2d_0", "linear_1",
    ]  # fmt: skip
    assert [p.name for layer in layers for p in layer.parameters()] == [
        "linear_0.w_0", "linear_0.b_0", "conv2d_0.w_0", "conv2d_0.b_0", "batch_norm2d_0.w_0",
        "batch_norm2d_0.b_0", "batch_norm2d_0.w_1", "batch_norm2d_0.w_2", "linear_1.w_0",
        "linear_1.b_0",
    ]  # fmt: skip


def test_parameters_are_what_paddle_says():
    weight = nn.Linear(10, 3).weight
    assert isinstance(weight, paddle.ParamBase) and isinstance(weight, paddle.Tensor)
    assert (weight.shape, weight.stop_gradient, weight.persistable, weight.trainable) == (
        [10, 3], False, True, True,
    )  # fmt: skip
    assert repr(weight).startswith("Parameter containing:\nTensor(shape=[10, 3], dtype=float32")
    weight.trainable = False
    assert weight.stop_gradient
    assert nn.Linear(2, 2, bias_attr=False).bias is None
    attr = paddle.ParamAttr(name="mine", learning_rate=0.5, trainable=False)
    made = nn.Linear(2, 2, weight_attr=attr).weight
    assert made.name == "mine" and made.optimize_attr == {"learning_rate": 0.5}
    assert made.stop_gradient


@pytest.mark.parametrize(
    ("layer", "std", "limit"),
    [
        (lambda: nn.Linear(100, 200), (2 / 300) ** 0.5, (6 / 300) ** 0.5),
        (lambda: nn.Embedding(1000, 50), (2 / 1050) ** 0.5, (6 / 1050) ** 0.5),
        (lambda: nn.Conv2D(16, 32, 3), (2 / 144) ** 0.5, 1.0),
        (lambda: nn.Conv2DTranspose(16, 32, 3), (2 / 432) ** 0.5, (6 / 432) ** 0.5),
    ],
)
def test_first_values_are_spread_as_paddles(layer, std, limit):
    made = layer()
    weight = made.weight.numpy()
    assert abs(weight.std() / std - 1) < 0.05 and abs(weight).max() <= limit * 1.0001
    bias = getattr(made, "bias", None)
    assert bias is None or not bias.numpy().any()


@pytest.mark.parametrize(
    ("initializer", "mean", "std"),
    [
        (nn.initializer.Constant(3.0), 3, 0), (nn.initializer.Uniform(-2, 2), 0, 4 / 12**0.5),
        (nn.initializer.Normal(1, 2), 1, 2), (nn.initializer.TruncatedNormal(0, 1), 0, 0.8796),
        (nn.initializer.XavierNormal(), 0, (2 / 200) ** 0.5),
        (nn.initializer.KaimingNormal(), 0, (2 / 100) ** 0.5),
        (nn.initializer.KaimingUniform(), 0, (2 / 100) ** 0.5),
        (nn.initializer.Assign(np.ones((100, 100))), 1, 0), (nn.initializer.Orthogonal(), 0, 0.1),
    ],
)  # fmt: skip
def test_initializers(initializer, mean, std):
    value = nn.Linear(100, 100, weight_attr=initializer).weight.numpy().astype("float64")
    assert abs(value.mean() - mean) < 0.05 * max(std, 0.1) + 1e-6
    assert abs(value.std() - std) < 0.03 * std + 1e-6


def test_global_initializer():
    nn.initializer.set_global_initializer(
        nn.initializer.Constant(1.0), nn.initializer.Constant(2.0)
    )
    try:
        made = nn.Linear(2, 2)
    finally:
        nn.initializer.set_global_initializer(None)
    assert made.weight.numpy().min() == 1 and made.bias.numpy().min() == 2


def test_state_round_trips_and_tells_what_did_not_fit():
    first, second = Net(), Net()
    assert second.set_state_dict(first.state_dict()) == ([], [])
    x = paddle.randn([4, 10])
    first.eval(), second.eval()
    assert first(x).tolist() == second(x).tolist()
    state = dict(first.state_dict())
    state["linear.weight"], state["foreign"] = np.zeros((2, 2), "float32"), np.zeros(1)
    del state["scale"]
    with pytest.warns(UserWarning, match="Skip loading"):
        missing, unexpected = second.set_dict(state)
    assert missing == ["scale", "linear.weight"] and unexpected == ["linear.weight", "foreign"]


def test_modes_apply_and_conversion():
    net = Net()
    assert net.training and net.block.training
    net.eval()
    assert not net.block["last"].training
    net.train()
    assert net.block["last"].training
    seen = []
    assert net.apply(lambda layer: seen.append(type(layer).__name__)) is net
    assert seen == ["Linear", "Linear", "ReLU", "BatchNorm1D", "Sequential", "Net"]
    net.to(dtype="float64")
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    assert net(paddle.ones([2, 10], "float64")).dtype is paddle.float64
    assert copy.deepcopy(net).linear.weight is not net.linear.weight


def test_hooks_change_inputs_and_outputs():
    layer = nn.Linear(1, 1, bias_attr=False, weight_attr=nn.initializer.Constant(1.0))
    before = layer.register_forward_pre_hook(lambda net, inputs: (inputs[0] * 2,))
    after = layer.register_forward_post_hook(lambda net, inputs, output: output + inputs[0])
    assert layer(paddle.ones([1, 1])).item() == 4
    before.remove(), after.remove()
    assert layer(paddle.ones([1, 1])).item() == 1


def test_assignment_rules_are_paddles():
    net = Net()
    with pytest.raises(TypeError, match="should be of type Parameter or None, but got 'int'"):
        net.scale = 3
    with pytest.raises(KeyError, match="already exists"):
        net.register_buffer("linear", paddle.ones([1]))
    with pytest.raises(KeyError, match=r"can not contain `\.`"):
        net.add_parameter("a.b", net.scale)
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'absent'"):
        net.absent  # noqa: B018
    net.steps = paddle.ones([1])
    assert net.state_dict()["steps"].item() == 1
    net.linear = None
    assert net.linear is None and "linear.weight" not in net.state_dict()
    net.scale = None
    del net.block
    assert net.parameters() == []
    net.scale = nn.Linear(1, 1)
    assert list(net._sub_layers) == ["linear", "scale"]

    class Early(nn.Layer):
        def __init__(self):
            self.linear = nn.Linear(1, 1)

    with pytest.raises(ValueError, match=r"super\(\).__init__\(\) should be called first"):
        Early()


def test_layers_that_do_not_fit_name_the_users_line():
    with pytest.raises(ValueError) as caught:
        nn.Linear(10, 3)(paddle.ones([2, 5]))
    text = str(caught.value)
    assert "matmul_v2" in text and "[2, 5]" in text and "[10, 3]" in text
    assert "test_layer.py" in text and "nn.Linear(10, 3)(paddle.ones([2, 5]))" in text
    for layer, x, words in [
        (nn.Linear(2, 2), paddle.ones([2, 2], "int64"), "weight's dtype float32, got int64"),
        (nn.Linear(2, 2), paddle.ones([]), "at least 1 dim"),
        (nn.Conv2D(3, 4, 3), paddle.ones([1, 2, 5, 5]), "conv2d"),
        (nn.Conv2D(3, 4, 3), paddle.ones([3, 5, 5]), "4 dims"),
        (nn.BatchNorm2D(3), paddle.ones([2, 3]), "4 dims"),
        (nn.BatchNorm1D(4), paddle.ones([2, 3]), "one value per channel"),
        (nn.LayerNorm(4), paddle.ones([2, 3]), "ends in normalized_shape"),
        (nn.Embedding(4, 2), paddle.ones([2]), "int32 or int64"),
    ]:
        with pytest.raises(ValueError, match=words) as caught:
            layer(x)
        assert "test_layer.py" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"9.*\n.*test_layer\.py"):
        nn.Embedding(4, 2)(paddle.to_tensor([9]))


# What real Paddle 2.6.2 prints.
PRINTED = [
    (lambda: nn.Linear(2, 3), "Linear(in_features=2, out_features=3, dtype=float32)"),
    (lambda: nn.Conv2D(16, 32, 3, groups=4),
     "Conv2D(16, 32, kernel_size=[3, 3], groups=4, data_format=NCHW)"),
    (lambda: nn.Conv2D(3, 8, 3, stride=2, padding=1),
     "Conv2D(3, 8, kernel_size=[3, 3], stride=[2, 2], padding=1, data_format=NCHW)"),
    (lambda: nn.Conv2D(3, 8, (3, 5), padding="SAME", dilation=2),
     "Conv2D(3, 8, kernel_size=[3, 5], padding=SAME, dilation=[2, 2], data_format=NCHW)"),
    (lambda: nn.Conv1D(2, 3, 3), "Conv1D(2, 3, kernel_size=[3], data_format=NCL)"),
    (lambda: nn.BatchNorm2D(8), "BatchNorm2D(num_features=8, momentum=0.9, epsilon=1e-05)"),
    (lambda: nn.BatchNorm1D(3),
     "BatchNorm1D(num_features=3, momentum=0.9, epsilon=1e-05, data_format=NCL)"),
    (lambda: nn.BatchNorm(8), "BatchNorm()"),
    (lambda: nn.MaxPool2D(2), "MaxPool2D(kernel_size=2, stride=None, padding=0)"),
    (lambda: nn.AvgPool2D(3, 2, 1), "AvgPool2D(kernel_size=3, stride=2, padding=1)"),
    (lambda: nn.AdaptiveAvgPool2D(1), "AdaptiveAvgPool2D(output_size=1)"),
    (lambda: nn.Flatten(), "Flatten()"),
    (lambda: nn.Dropout(0.3), "Dropout(p=0.3, axis=None, mode=upscale_in_train)"),
    (lambda: nn.LayerNorm([3, 4]), "LayerNorm(normalized_shape=[3, 4], epsilon=1e-05)"),
    (lambda: nn.GroupNorm(2, 4), "GroupNorm(num_groups=2, num_channels=4, epsilon=1e-05)"),
    (lambda: nn.Embedding(5, 3, padding_idx=0), "Embedding(5, 3, padding_idx=0, sparse=False)"),
    (lambda: nn.Softmax(), "Softmax(axis=-1)"), (lambda: nn.GELU(), "GELU(approximate=False)"),
    (lambda: nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"), (lambda: nn.ReLU(), "ReLU()"),
    (lambda: nn.Hardtanh(), "Hardtanh(min=-1.0, max=1.0)"),
    (lambda: nn.Softplus(), "Softplus(beta=1, threshold=20)"),
    (lambda: nn.PReLU(), "PReLU(num_parameters=1, data_format=NCHW, init=0.25, dtype=float32)"),
    (lambda: nn.Pad2D(1),
     "Pad2D(padding=[1, 1, 1, 1], mode=constant, value=0.0, data_format=NCHW)"),
    (lambda: nn.Unflatten(1, [2, 2]), "Unflatten(axis=1, shape=[2, 2])"),
    (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    (lambda: nn.ParameterList([paddle.create_parameter([2], "float32")]), "ParameterList()"),
    (lambda: nn.LayerDict({"a": nn.Linear(1, 1)}),
     "LayerDict(\n  (a): Linear(in_features=1, out_features=1, dtype=float32)\n)"),
    (lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU()),
     "Sequential(\n  (0): Linear(in_features=2, out_features=3, dtype=float32)\n  (1): ReLU()\n)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "text"), PRINTED, ids=[t.split("(")[0] for _, t in PRINTED])
def test_printing(make, text):
    assert repr(make()) == text


def test_containers():
    layers = nn.LayerList([nn.Linear(1, 1) for _ in range(3)])
    layers.append(nn.ReLU()).insert(0, nn.Tanh())
    assert [type(layer).__name__ for layer in layers][::4] == ["Tanh", "ReLU"]
    assert len(layers[1:3]) == 2 and layers[-1] is layers[4]
    del layers[0]
    assert len(layers) == 4 and list(layers._sub_layers) == ["0", "1", "2", "3"]
    with pytest.raises(IndexError):
        layers[4]
    named = nn.LayerDict([("a", nn.ReLU())])
    named.update({"b": nn.Tanh()})
    assert list(named) == ["a", "b"] and "a" in named and type(named.pop("a")) is nn.ReLU
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    assert len(net) == 3 and len(net[:2]) == 2 and net[-1] is net[2]


def test_batch_norm_keeps_running_statistics():
    layer = nn.BatchNorm1D(2, momentum=0.9)
    x = np.float32([[1, 2], [3, 6]])
    version = layer._mean.inplace_version
    out = layer(paddle.to_tensor(x))
    np.testing.assert_allclose(out.numpy(), [[-1, -1], [1, 1]], atol=1e-4)
    np.testing.assert_allclose(layer._mean.numpy(), 0.1 * x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer._variance.numpy(), 0.9 + 0.1 * x.var(0), rtol=1e-6)
    assert layer._mean.stop_gradient and layer._mean.inplace_version == version + 1
    layer.eval()
    kept = layer._mean.numpy()
    layer(paddle.to_tensor(x))
    np.testing.assert_array_equal(layer._mean.numpy(), kept)


def test_dropout_in_and_out_of_training():
    layer = nn.Dropout(0.25)
    out = layer(paddle.ones([4000])).numpy()
    assert set(np.unique(out)) == {0, np.float32(1 / 0.75)} and abs((out == 0).mean() - 0.25) < 0.03
    layer.eval()
    assert layer(paddle.ones([4])).tolist() == [1, 1, 1, 1]
    rows = nn.functional.dropout(paddle.ones([100, 5]), 0.5, axis=0).numpy()
    assert all(len(set(row)) == 1 for row in rows)
    paddle.seed(3)
    first = nn.functional.dropout(paddle.ones([50]), 0.5).tolist()
    paddle.seed(3)
    assert nn.functional.dropout(paddle.ones([50]), 0.5).tolist() == first


def test_a_name_beside_an_attr_keeps_the_rest_of_the_attr():
    attr = paddle.ParamAttr(need_clip=False, learning_rate=0.5)
    made = paddle.create_parameter([2], "float32", name="named_beside_attr", attr=attr)
    assert (made.name, made.need_clip) == ("named_beside_attr", False)
    assert made.optimize_attr["learning_rate"] == 0.5
    assert attr.name is None
