"""How many threads a call may use; one predictor and one pool for many callers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry.runtime
from wherry.codegen import build_shared_object
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.program import Program
from wherry.runtime import num_threads, set_num_threads, threads
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError

F32 = as_dtype("float32")


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., int]:
    """Counts the threads of a process in the given control groups."""

    def count(membership: str, files: dict[str, str], cpus: int = 16, **environment: str) -> int:
        (tmp_path / "proc/self").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/self/cgroup").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return threads.find_count(environment, cpus, tmp_path / "proc", tmp_path / "cgroup")

    return count


@pytest.mark.parametrize(
    ("membership", "files", "count"),
    [
        ("", {}, 16),
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, 16),
        ("0::/job\n", {"job/cpu.max": "200000 100000\n"}, 2),
        ("0::/job\n", {"job/cpu.max": "250000 100000\n"}, 3),
        ("0::/job\n", {"job/cpu.max": "1000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        ("0::/\n", {"cpu.max": "400000 100000"}, 4),
        ("0::/hidden/from/us\n", {"cpu.max": "400000 100000"}, 4),
        ("0::/job\n", {"job/cpu.max": "rubbish"}, 16),
        (
            "4:cpu,cpuacct:/job\n2:memory:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "50000\n",
            },
            3,
        ),
        ("4:cpu:/job\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "1"}, 16),
    ],
)
def test_the_quota_of_control_groups(
    system: Callable[..., int], membership: str, files: dict[str, str], count: int
) -> None:
    assert system(membership, files) == count


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"WHERRY_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"WHERRY_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"WHERRY_NUM_THREADS": "400"}, 16),
        ({"WHERRY_NUM_THREADS": ""}, 16),
    ],
)
def test_the_environment(
    system: Callable[..., int], environment: dict[str, str], count: int
) -> None:
    assert system("", {}, **environment) == count


@pytest.mark.parametrize("text", ["two", "-1", "1.5", "0"])
def test_a_variable_that_is_no_count(system: Callable[..., int], text: str) -> None:
    with pytest.raises(
        InputError, match=f"WHERRY_NUM_THREADS needs a count of threads, got '{text}'"
    ):
        system("", {}, WHERRY_NUM_THREADS=text)


@pytest.mark.parametrize("count", [0, -2, 1025, 1.0, True, "2"])
def test_a_count_that_is_none(count: Any) -> None:
    with pytest.raises(InputError, match="set_num_threads needs a count from 1 to 1024"):
        set_num_threads(count)


def test_the_affinity_of_the_process_counts() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import wherry.runtime; print(wherry.runtime.num_threads())\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "1\n"


@pytest.fixture
def several() -> Iterator[None]:
    """More threads than this machine has cores."""
    before = num_threads()
    set_num_threads(2 * (os.cpu_count() or 1) + 1)
    yield
    set_num_threads(before)


def network(folder: Path, name: str) -> wherry.runtime.Predictor:
    """Softmax of a product, large enough to be shared, as a shared object."""
    program = Program()
    block = program.global_block
    rng = np.random.default_rng(0)
    x = block.add_arg("x", (symbol("B"), 200), F32)
    w = program.add_constant("w", rng.normal(size=(200, 300)).astype(np.float32), F32)
    F = BlockEmitter(block)
    block.results.append(F.softmax(F.matmul_v2(x, w)))
    path = folder / f"{name}.so"
    path.write_bytes(build_shared_object(program, program.values, supported_levels()[:1], name))
    return wherry.runtime.load(path)


@pytest.mark.usefixtures("several")
def test_many_callers_of_two_models_share_a_pool(tmp_path: Path) -> None:
    """Rows are independent, so that what each caller gets is part of what one call gives."""
    models = [network(tmp_path, name) for name in ("first", "second")]
    x = np.random.default_rng(1).normal(size=(4000, 200)).astype(np.float32)
    set_num_threads(1)
    wanted = models[0](x)
    set_num_threads(5)

    def call(number: int) -> bool:
        rows = slice(number * 100, 4000 - number * 50)
        found = [models[(number + i) % 2](x[rows]) for i in range(4)]
        return all(np.array_equal(one, wanted[rows]) for one in found)

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(call, range(24)))


@pytest.mark.usefixtures("several")
def test_the_count_may_change_between_calls(tmp_path: Path) -> None:
    model = network(tmp_path, "net")
    x = np.random.default_rng(1).normal(size=(3000, 200)).astype(np.float32)
    set_num_threads(1)
    wanted = model(x).tobytes()
    for count in (4, 2, 7, 1, 3):
        set_num_threads(count)
        assert model(x).tobytes() == wanted


def fork() -> int:
    with warnings.catch_warnings():  # newer Pythons warn of what is tested here
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_a_forked_child_computes_what_its_parent_does(tmp_path: Path, pause: float) -> None:
    """Also where the parent's threads are asleep; and the parent goes on."""
    model = network(tmp_path, "net")
    x = np.random.default_rng(1).normal(size=(3000, 200)).astype(np.float32)
    wanted = model(x).tobytes()
    time.sleep(pause)
    child = fork()
    if not child:
        right = all(model(x).tobytes() == wanted for _ in range(3))
        threads_ = len(os.listdir("/proc/self/task"))
        os._exit(0 if right and threads_ == num_threads() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert model(x).tobytes() == wanted


# A process of its own: `model` and `x` are there, on four threads, and `alone` is what one gives.
PROCESS = """
import ctypes, os, sys, threading
import numpy as np
import wherry.runtime
model = wherry.runtime.load(sys.argv[1])
x = np.random.default_rng(1).normal(size=(3000, 200)).astype(np.float32)
wherry.runtime.set_num_threads(1)
alone = model(x).tobytes()
wherry.runtime.set_num_threads(4)
"""


def run_process(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    network(folder, "net")
    command = [sys.executable, "-c", PROCESS + code, str(folder / "net.so")]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "os._exit(3)"])
def test_a_process_ends_while_a_thread_of_it_calls(tmp_path: Path, end: str) -> None:
    ended = run_process(tmp_path, f"""
begun = threading.Event()
def call():
    while True:
        model(x)
        begun.set()
threading.Thread(target=call, daemon=True).start()
assert begun.wait(600)
{end}
""")  # fmt: skip
    assert ended.returncode == (3 if end else 0), ended.stderr


def test_a_system_that_gives_no_more_threads(tmp_path: Path) -> None:
    """The threads that there are do the work. Here a thread's stack has no room in any memory."""
    ended = run_process(tmp_path, """
before = len(os.listdir("/proc/self/task"))
c, attributes = ctypes.CDLL(None), ctypes.create_string_buffer(128)
assert c.pthread_attr_init(attributes) == 0
assert c.pthread_attr_setstacksize(attributes, ctypes.c_size_t(1 << 47)) == 0
assert c.pthread_setattr_default_np(attributes) == 0
print(model(x).tobytes() == alone, len(os.listdir("/proc/self/task")) - before)
""")  # fmt: skip
    assert ended.stdout == "True 0\n", ended


def test_a_process_takes_the_count_from_its_environment(tmp_path: Path) -> None:
    code = "import wherry.runtime; print(wherry.runtime.num_threads())"
    for count in (1, len(os.sched_getaffinity(0))):
        environment = os.environ | {"OMP_NUM_THREADS": "4096", "WHERRY_NUM_THREADS": str(count)}
        shown = subprocess.run([sys.executable, "-c", code], env=environment, text=True,
                               capture_output=True, check=True)  # fmt: skip
        assert shown.stdout == f"{count}\n"
