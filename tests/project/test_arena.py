"""The memory between the ops of networks is hardly more than what is needed at once."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import wherry
from wherry import nn
from wherry.codegen import compile_program
from wherry.ir.serialize import load_program
from wherry.vision import models

ROOT = Path(__file__).resolve().parents[2]


NETWORKS = ["mlp", "lenet", "bert-tiny", "resnet18", "gelu_norm-1024", "newton"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arena_is_at_most_a_tenth_larger(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    backends, workloads = (importlib.import_module(m) for m in ("backends", "workloads"))
    workload = next(w for w in workloads.WORKLOADS if w.name == name)
    backends.save_paddle_style(wherry, workload, tmp_path / "net")
    program, _ = load_program(str(tmp_path / "net"))
    check(program, [])


def check(program, sizes):
    memory = compile_program(program, embed=program.values, inference=True).memory
    for size in sizes or [0]:
        symbols = dict.fromkeys(memory.symbols, size)
        assert bool(symbols) == bool(sizes)
        _, total = memory.laid_out(symbols)
        assert total <= 1.1 * memory.largest_live_set(symbols)


def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64), 2)


# The network, its input, and values of each of its open sizes.
OPEN = {
    "lenet": (models.LeNet, [None, 1, 28, 28], [1, 2, 3, 17, 64]),
    "transformer": (encoder, [None, None, 32], [1, 2, 7, 64]),
    "lstm": (lambda: nn.LSTM(16, 32), [None, None, 16], [1, 2, 7, 33]),
    "images of any size": (lambda: models.resnet18(num_classes=10), [1, 3, None, None], [33, 64]),
}


@pytest.mark.parametrize("name", OPEN)
def test_so_it_is_where_the_call_tells_sizes(name, tmp_path):
    make, shape, sizes = OPEN[name]
    net = make()
    net.eval()
    spec = [wherry.static.InputSpec(shape, "float32", "x")]
    wherry.jit.save(net, str(tmp_path / "net"), input_spec=spec)
    check(load_program(str(tmp_path / "net"))[0], sizes)
