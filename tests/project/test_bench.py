"""`make bench`: its table, its file, its selection, and what it says of peers that fail."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"workload", "batch", "threads", "ours_us", "peers", "ratio", "limit_share"}


@pytest.fixture
def bench(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "benchmarks/bench.py"), "--rounds=2", "--threads=1"]
        places = [f"--output={tmp_path}/bench.json", f"--environments={tmp_path}"]
        return subprocess.run(
            [*command, *places, *arguments], capture_output=True, text=True, timeout=600
        )

    return run


def pretend_installed(folder: Path, name: str, needs: str, script: str) -> None:
    """An environment that counts as set up, whose interpreter is a shell script."""
    python = folder / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    (folder / name / ".ready").write_text(needs)


def test_ours_alone_gives_a_table_and_a_record_each(bench, tmp_path):
    done = bench("--only=matmul-64,lenet", "--peers=none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # no progress where nobody looks
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["us,", "1", "thread", "batch", "wherry", "ratio", "of", "limit"]
    records = json.loads((tmp_path / "bench.json").read_text())
    assert [(r["workload"], r["batch"]) for r in records] == [
        ("lenet", 1),
        ("lenet", 64),
        ("matmul-64", 1),
    ]
    for row, record in zip(rows, records, strict=True):
        assert set(record) == KEYS
        assert record["ours_us"] > 0 and record["limit_share"] > 0 and record["threads"] == 1
        assert record["peers"] == {} and record["ratio"] is None
        assert row.split()[:3] == [
            record["workload"],
            str(record["batch"]),
            f"{record['ours_us']:.1f}",
        ]


def test_a_peer_that_cannot_start_or_answers_wrongly_is_named(bench, tmp_path):
    pretend_installed(tmp_path, "jax", "jax", "echo 'no such library' >&2; exit 1")
    # The interpreter of these tests has numpy but no torch.
    pretend_installed(tmp_path, "torch", "torch==2.13.0", f'exec {sys.executable} "$@"')
    done = bench("--only=matmul-64", "--peers=jax,torch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" in done.stdout.splitlines()[1]
    assert "jax failed at matmul-64 1, 1 thread: its process ended: no such library" in done.stdout
    assert "torch failed at matmul-64 1, 1 thread: ModuleNotFoundError" in done.stdout
    (record,) = json.loads((tmp_path / "bench.json").read_text())
    assert record["ours_us"] > 0 and record["peers"] == {}


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--only=alexnet", "no workload is named like 'alexnet'; there are mlp, lenet"),
        ("--peers=tvm", "PEERS needs all, none or names of onnxruntime"),
        ("--threads=0", "--threads needs 1 to"),
        ("--rounds=0", "--rounds needs at least 1"),
    ],
)
def test_a_wrong_choice_says_what_there_is(bench, argument, message):
    done = bench("--peers=none", argument)
    assert done.returncode != 0
    assert message in done.stderr


def test_a_peer_that_cannot_be_installed_is_named(bench, tmp_path):
    (tmp_path / "jax").write_text("a file where the environment should be")
    done = bench("--only=matmul-64", "--peers=jax")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" in done.stdout.splitlines()[1]
    assert "jax failed at matmul-64 1, 1 thread: not installed: Error: " in done.stdout


def test_each_number_of_threads_has_its_table(bench, tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        bench_threads, want = "--threads=1,1", [1, 1]
    else:
        bench_threads, want = "--threads=1,2", [1, 2]
    done = bench("--only=matmul-64", "--peers=none", bench_threads)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("of limit") == 2
    assert [r["threads"] for r in json.loads((tmp_path / "bench.json").read_text())] == want


def test_a_record_replaces_what_follows_the_mark(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    bench = importlib.import_module("bench")
    page = tmp_path / "README.md"
    page.write_text(f"# Benchmarks\n\n{bench.MARK}\n\nan older one\n")
    bench.record(["| a |", "| b |"], page)
    assert page.read_text() == f"# Benchmarks\n\n{bench.MARK}\n\n| a |\n\n| b |\n"
    assert bench.MARK in bench.README.read_text()
