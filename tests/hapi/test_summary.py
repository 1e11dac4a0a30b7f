"""paddle.summary prints Paddle 2.6.2's table."""

import re

import pytest

import wherry as paddle


class Two(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.a, self.e = paddle.nn.Linear(3, 2), paddle.nn.Embedding(5, 3)
        self.l = paddle.nn.LSTM(3, 4)

    def forward(self, x, i):
        return self.a(x) + self.a(self.e(i)), self.l(self.e(i).unsqueeze(0))[0]


def table(capsys):
    """What was printed, the numbers of layers, which count over the process, as N."""
    text = capsys.readouterr().out
    # The name is centred with its number, of one digit or more.
    return re.sub(r"^ *(\w+)-\d+ *", r"\1-N ", text, flags=re.M)


def test_the_table_of_a_convolution_net(capsys):
    found = paddle.summary(paddle.vision.models.LeNet(), (1, 1, 28, 28))
    assert found == {"total_params": 61610, "trainable_params": 61610}
    lines = table(capsys).splitlines()
    assert lines[0] == "-" * 75 and lines[2] == "=" * 75
    assert lines[1].split() == [
        "Layer",
        "(type)",
        "Input",
        "Shape",
        "Output",
        "Shape",
        "Param",
        "#",
    ]
    assert lines[3].rstrip() == ("Conv2D-N [[1, 1, 28, 28]]      [1, 6, 28, 28]          60")
    assert [line.split()[-1] for line in lines[3:12]] == [
        "60", "0", "0", "2,416", "0", "0", "48,120", "10,164", "850"
    ]  # fmt: skip
    assert lines[13:16] == [
        "Total params: 61,610", "Trainable params: 61,610", "Non-trainable params: 0"
    ]  # fmt: skip
    assert lines[17:21] == [
        "Input size (MB): 0.00", "Forward/backward pass size (MB): 0.11", "Params size (MB): 0.24",
        "Estimated Total Size (MB): 0.35",
    ]  # fmt: skip


def test_layers_called_twice_and_recurrent_ones_have_one_row(capsys):
    found = paddle.summary(Two(), [(2, 3), (2,)], ["float32", "int64"])
    assert found == {"total_params": 167, "trainable_params": 167}
    rows = [line.split() for line in table(capsys).splitlines()[3:6]]
    assert [(row[0], row[-1]) for row in rows] == [
        ("Linear-N", "8"), ("Embedding-N", "15"), ("LSTM-N", "144")
    ]  # fmt: skip


def test_running_statistics_are_not_trained(capsys):
    net = paddle.nn.Sequential(paddle.nn.Conv2D(1, 2, 3), paddle.nn.BatchNorm2D(2))
    found = paddle.summary(net, input=paddle.ones([1, 1, 4, 4]))
    assert found == {"total_params": 28, "trainable_params": 24}
    assert "Non-trainable params: 4" in capsys.readouterr().out
    assert net.training and net[1].training


def test_a_size_is_needed():
    with pytest.raises(ValueError, match="cannot be None at the same time"):
        paddle.summary(paddle.nn.Linear(2, 2))
