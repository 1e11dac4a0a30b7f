"""`wherry inspect`: what it says of a saved model, and of the kernels it becomes."""

from __future__ import annotations

import re

import pytest

import wherry as paddle
from wherry.cli import main


class Net(paddle.nn.Layer):
    def __init__(self, width):
        super().__init__()
        self.linear = paddle.nn.Linear(32, width)

    def forward(self, x):
        y = self.linear(x)
        y = paddle.nn.functional.relu(y)
        return paddle.nn.functional.softmax(paddle.flip(y, [1]))


@pytest.fixture
def saved(tmp_path):
    def save(batch: int | None, width: int = 64) -> str:
        net = Net(width)
        net.eval()
        spec = [paddle.static.InputSpec([batch, 32], "float32", "x")]
        paddle.jit.save(net, str(tmp_path / "net"), input_spec=spec)
        return str(tmp_path / "net")

    return save


def shown(capsys, *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 0
    return capsys.readouterr().out


def test_it_lists_inputs_ops_kernels_and_memory(saved, capsys):
    text = shown(capsys, saved(4))
    for title in ("inputs", "outputs", "parameters", "ops", "kernels, in the order", "memory"):
        assert re.search(f"^{title}", text, re.M), title
    assert "test_inspect.py" in text


def test_each_kernel_has_its_work_and_its_lines(saved, capsys):
    text = shown(capsys, saved(4), "--kernels")
    heads = re.findall(r"^ +\d+  (.*) -> ", text, re.M)
    work = re.findall(r"^ +([\d,]+) FLOPs, ([\d,]+) bytes moved$", text, re.M)
    assert len(heads) == len(work) >= 2
    assert "matmul_v2" in heads[0] and "relu" in heads[0]
    flops, moved = (int(number.replace(",", "")) for number in work[0])
    # The product, its bias and relu; x, weight, bias and the result once each.
    assert flops == 2 * 4 * 32 * 64 + 2 * 4 * 64
    assert moved == 4 * (4 * 32 + 32 * 64 + 64 + 4 * 64)
    assert re.search(r"test_inspect.py:\d+  y = paddle.nn.functional.relu\(y\)", text)
    total, _ = re.search(r"^in all ([\d,]+) FLOPs, ([\d,]+) bytes", text, re.M).groups()
    assert int(total.replace(",", "")) == sum(int(f.replace(",", "")) for f, _ in work)


def test_the_arena_stands_beside_the_largest_live_set(saved, capsys):
    text = shown(capsys, saved(4), "--kernels")
    live, size = re.search(r"live set: ([\d,]+) bytes, the arena ([\d,]+)", text).groups()
    assert 0 < int(live.replace(",", "")) <= int(size.replace(",", ""))


def test_sizes_that_are_not_known_are_formulas(saved, capsys):
    text = shown(capsys, saved(None), "--kernels")
    assert re.search(r"\*\w+ \+ \d+ bytes moved|\d+\*\w+ FLOPs", text)
    assert "= 64: " in text


def test_it_says_where_the_call_lays_out_the_arena(saved, capsys):
    text = shown(capsys, saved(None), "--kernels")
    assert "each call with other sizes lays out the arena anew" in text
    assert "anew" not in shown(capsys, saved(4), "--kernels")


def test_text_and_kernels_exclude_each_other(saved, capsys):
    with pytest.raises(SystemExit):
        main(["inspect", "net", "--text", "--kernels"])
    assert "not allowed with" in capsys.readouterr().err
