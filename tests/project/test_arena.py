"""The memory between the ops of networks is hardly more than what is needed at once."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import wherry
from wherry.codegen import compile_program
from wherry.ir.serialize import load_program

ROOT = Path(__file__).resolve().parents[2]


NETWORKS = ["mlp", "lenet", "bert-tiny", "resnet18", "gelu_norm-1024", "newton"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arena_is_at_most_a_tenth_larger(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    backends, workloads = (importlib.import_module(m) for m in ("backends", "workloads"))
    workload = next(w for w in workloads.WORKLOADS if w.name == name)
    backends.save_paddle_style(wherry, workload, tmp_path / "net")
    program, _ = load_program(str(tmp_path / "net"))
    memory = compile_program(program, embed=program.values, inference=True).memory
    assert memory.arena_size <= 1.1 * memory.largest_live_set({})
